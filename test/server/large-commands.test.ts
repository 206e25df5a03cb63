/** Commands that travel in parts: between nodes, on a route, and in the replies. */
import { describe, expect, it } from 'vitest';

import { PeerForwarding } from '../../src/server/forwarding.ts';
import { keptReply, Request, RequestState } from '../../src/server/request.ts';
import { Route, type Target } from '../../src/server/route.ts';
import { sessionId } from '../../src/shard/batch.ts';
import { Refusal, type Waiter } from '../../src/shard/waiter.ts';
import { SectionBuffer } from '../../src/transport/section-buffer.ts';
import { SectionKind, type Parcel, type PeerLink, type SectionWriter } from '../../src/transport/types.ts';
import { itemOf } from '../shard/encode.ts';
import { newRig, type Rig } from '../shard/fake-raft.ts';

const MIB = 1024 * 1024;
const NODE = 'b'.repeat(40);
const SHARD = 1;
const SESSION = sessionId('c'.repeat(40), 1);
const OK = Buffer.from('+OK\r\n');

interface SentParcel extends Parcel {
  kind: SectionKind;
  body: Buffer;
  isCancelled: boolean;
}

/** One end of a link: what is written into its sections and sent in parcels is kept. */
class FakeLink {
  readonly node = NODE;
  readonly connected = true;
  connection = 1;
  readonly peerStart = 3;
  readonly queuedBytes = 0;
  readonly parcels: SentParcel[] = [];
  private readonly sections = new Map<SectionKind, SectionBuffer>();

  get unsentBytes(): number {
    return this.parcels.reduce((sum, { body }) => sum + body.length, 0);
  }

  section(kind: SectionKind): SectionWriter {
    let section = this.sections.get(kind);
    if (section === undefined) this.sections.set(kind, (section = new SectionBuffer()));
    return section;
  }

  sendParcel(kind: SectionKind, head: Buffer, bytes: Buffer, start: number, end: number): Parcel {
    const body = Buffer.concat([head, bytes.subarray(start, end)]);
    const parcel = { kind, body, isCancelled: false, cancel: () => (parcel.isCancelled = true) };
    this.parcels.push(parcel);
    return parcel;
  }

  take(kind: SectionKind): Buffer {
    const section = this.sections.get(kind) ?? new SectionBuffer();
    const bytes = Buffer.alloc(section.sizeBytes);
    section.moveTo(bytes, 0);
    return bytes;
  }
}

interface Pair {
  entry: PeerForwarding;
  entryLink: FakeLink;
  leader: PeerForwarding;
  leaderLink: FakeLink;
  rig: Rig;
}

function pair(): Pair {
  const rig = newRig();
  const [entryLink, leaderLink] = [new FakeLink(), new FakeLink()];
  const host = {
    replica: (shard: number) => (shard === SHARD ? rig.replica : undefined),
    disown: (of: (waiter: Waiter) => boolean) => rig.replica.disown(of),
    wake: () => undefined,
    after: () => undefined,
  };
  const forwarding = (link: FakeLink): PeerForwarding => {
    const made = new PeerForwarding(link as unknown as PeerLink, host, { sent: 0, served: 0, malformed: 0 });
    made.connected();
    return made;
  };
  return { entry: forwarding(entryLink), entryLink, leader: forwarding(leaderLink), leaderLink, rig };
}

interface Outcome {
  request: Request;
  replies: Buffer[];
  refusals: Refusal[];
}

let sequence = 0;

function requestOf(words: (string | Buffer)[], isWrite: boolean): Outcome {
  const request = new Request();
  const outcome: Outcome = { request, replies: [], refusals: [] };
  const { bytes, start, end } = itemOf(words, isWrite ? ++sequence : 0, isWrite ? 1 : 0);
  const isLarge = end - start > MIB / 2;
  Object.assign(request, { bytes, start, end, isWrite, isLarge, state: RequestState.SENT });
  request.route = {
    answered: (_: Request, reply: Buffer, from: number, to: number) =>
      outcome.replies.push(Buffer.from(reply.subarray(from, to))),
    refused: (_: Request, refusal: Refusal) => outcome.refusals.push(refusal),
  } as unknown as Route;
  return outcome;
}

function commitAll(rig: Rig): void {
  for (;;) {
    rig.replica.seal(rig.now);
    const entries = rig.raft.log.splice(0);
    if (entries.length === 0) return;
    rig.raft.commitIndex = rig.raft.lastIndex;
    rig.replica.advance(entries, [], false, rig.now);
  }
}

function giveLease(rig: Rig): void {
  rig.raft.leaseUntilMonotonicMs = rig.now.monotonicMs + 100;
  rig.raft.leaseRoundTimeMs = 1e9;
}

/** All that lies on the leader's side of the line goes to the node that asked. */
function carryBack({ entry, leaderLink, rig }: Pair): void {
  const small = leaderLink.take(SectionKind.REPLIES);
  expect(entry.onReplies(small, 0, small.length, rig.now)).toBe(true);
  for (const { body } of leaderLink.parcels.splice(0))
    expect(entry.onReplies(body, 0, body.length, rig.now)).toBe(true);
}

function carry({ entryLink, leader, rig }: Pair): void {
  const small = entryLink.take(SectionKind.FORWARD);
  expect(leader.onForward(small, 0, small.length, rig.now)).toBe(true);
  for (const { body } of entryLink.parcels.splice(0))
    expect(leader.onForward(body, 0, body.length, rig.now)).toBe(true);
}

describe('large commands between nodes', () => {
  it('travel in parcels, there and back', () => {
    const all = pair();
    const value = Buffer.alloc(2 * MIB, 'v');
    const target = all.entry.target(SHARD);
    const set = requestOf(['set', 'k', value], true);
    target.send(set.request, 1);
    expect(all.entryLink.parcels.map(({ kind }) => kind)).toEqual([SectionKind.FORWARD]);
    expect(all.entryLink.take(SectionKind.FORWARD)).toHaveLength(0);
    carry(all);
    commitAll(all.rig);
    carryBack(all);
    expect(String(set.replies[0])).toBe('+OK\r\n');

    giveLease(all.rig);
    const get = requestOf(['get', 'k'], false);
    target.send(get.request, 1);
    carry(all);
    expect(all.leaderLink.parcels.map(({ kind }) => kind)).toEqual([SectionKind.REPLIES]);
    const { body } = all.leaderLink.parcels[0];
    all.entry.onReplyPart(body, 4096, { monotonicMs: 77, wallMs: 0 });
    expect(get.request.heardMs).toBe(77);
    carryBack(all);
    expect(
      get.replies[0].equals(Buffer.concat([Buffer.from('$2097152\r\n'), value, Buffer.from('\r\n')])),
    ).toBe(true);
  });

  it('are not sent on when they go another way', () => {
    const all = pair();
    const target = all.entry.target(SHARD);
    const set = requestOf(['set', 'k', Buffer.alloc(MIB)], true);
    target.send(set.request, 1);
    target.abandon((request) => request === set.request);
    expect(all.entryLink.parcels[0].isCancelled).toBe(true);
    carry(all);
    commitAll(all.rig);
    carryBack(all);
    expect(set.replies).toEqual([]);
  });

  it('that come again over another connection are not staged twice', () => {
    const all = pair();
    let entries = 0;
    for (let connection = 1; connection <= 4; connection++) {
      for (const link of [all.entryLink, all.leaderLink]) link.connection = connection;
      for (const forwarding of [all.entry, all.leader]) forwarding.connected();
      const set = requestOf(['set', 'k', Buffer.alloc(20 * MIB, 'v')], true);
      all.entry.target(SHARD).send(set.request, connection);
      carry(all);
      all.rig.replica.seal(all.rig.now);
      entries += all.rig.raft.log.length;
      if (connection < 4) continue;
      commitAll(all.rig);
      carryBack(all);
      expect(String(set.replies[0])).toBe('+OK\r\n');
    }
    // Each connection's window of parts at most, before the last one's 80 and what runs it.
    expect(entries).toBeLessThan(4 * 9);
    expect(all.rig.raft.lastIndex).toBeLessThan(4 * 9 + 80 + 2);
  });

  it('are refused when too many are on their way, unless alone', () => {
    const all = pair();
    const target = all.entry.target(SHARD);
    const outcomes = Array.from({ length: 18 }, () => requestOf(['set', 'k', Buffer.alloc(32 * MIB)], true));
    for (const { request } of outcomes) target.send(request, 1);
    expect(outcomes.findIndex(({ refusals }) => refusals.length > 0)).toBe(15);
    expect(outcomes[15].refusals).toEqual([Refusal.LOG_FULL]);
  });

  it('reads wait while the peer holds too many replies, and nothing of their shard overtakes them', () => {
    const all = pair();
    const target = all.entry.target(SHARD);
    const value = Buffer.alloc(60 * MIB, 'v');
    const set = requestOf(['set', 'k', value], true);
    target.send(set.request, 1);
    carry(all);
    commitAll(all.rig);
    carryBack(all);
    giveLease(all.rig);
    const reads = Array.from({ length: 6 }, () => requestOf(['strlen', 'k'], false));
    const long = Array.from({ length: 3 }, () => requestOf(['get', 'k'], false));
    for (const { request } of long) target.send(request, 1);
    for (const { request } of reads) target.send(request, 1);
    const change = requestOf(['append', 'k', 'x'], true);
    target.send(change.request, 1);
    carry(all);
    commitAll(all.rig);
    expect(all.leader.hasDelayed).toBe(true);
    expect(all.leaderLink.parcels).toHaveLength(3);
    carryBack(all);
    expect(reads.flatMap(({ replies }) => replies)).toEqual([]);
    all.leader.serveDelayed(all.rig.now);
    expect(all.leader.hasDelayed).toBe(false);
    commitAll(all.rig);
    carryBack(all);
    expect(reads.map(({ replies }) => String(replies[0]))).toEqual(reads.map(() => `:${value.length}\r\n`));
    expect(String(change.replies[0])).toBe(`:${value.length + 1}\r\n`);
  });
});

describe('replies on their way to a peer', () => {
  it('that are long go on while parcels wait: those take turns with them', () => {
    const all = pair();
    for (let at = 0; at < 20_000; at += 1000) {
      const pairs = Array.from({ length: 1000 }, (_, i) => [`f${at + i}`, 'v'.repeat(40)]).flat();
      all.entry.target(SHARD).send(requestOf(['hset', 'h', ...pairs], true).request, 1);
    }
    carry(all);
    commitAll(all.rig);
    giveLease(all.rig);
    const target = all.entry.target(SHARD);
    const long = requestOf(['hgetall', 'h'], false);
    target.send(long.request, 1);
    carry(all);
    while (all.rig.replica.stepLongReads(all.rig.now.monotonicMs));
    // A parcel that the line has not let through yet.
    all.leaderLink.sendParcel(SectionKind.REPLIES, Buffer.alloc(0), Buffer.alloc(8 * MIB), 0, 8 * MIB);
    for (let turn = 0; turn < 20; turn++) all.leader.pump(all.rig.now);
    all.leaderLink.parcels.length = 0;
    carryBack(all);
    expect(String(long.replies[0])).toBe('*40000\r\n');
  });

  it('a write whose reply finds no room has run, and its client is told so', () => {
    const all = pair();
    const target = all.entry.target(SHARD);
    const value = Buffer.alloc(64 * MIB, 'v');
    target.send(requestOf(['set', 'k', value], true).request, 1);
    carry(all);
    commitAll(all.rig);
    carryBack(all);
    const changes = Array.from({ length: 10 }, () => requestOf(['set', 'k', 'new', 'get'], true));
    for (const { request } of changes) {
      target.send(request, 1);
      carry(all);
      commitAll(all.rig);
      const again = itemOf(['set', 'k', value], ++sequence, 1);
      const nobody = { reply: () => undefined, replyLong: () => undefined, refuse: () => undefined };
      all.rig.replica.submitWrite(nobody, SESSION, again.bytes, again.start, again.end, all.rig.now);
      commitAll(all.rig);
    }
    expect(all.leaderLink.parcels.length).toBeLessThanOrEqual(9);
    carryBack(all);
    const firsts = changes.map(({ replies }) => replies[0].toString('latin1', 0, 9));
    expect(firsts.slice(0, 8)).toEqual(firsts.slice(0, 8).map(() => '$67108864'));
    expect(firsts[9]).toBe('-REPLYLOS');
  });
});

/** A route with a leader that keeps what it is sent. */
class World {
  nowMs = 0;
  indeterminate = 0;
  holds = 0;
  readonly sent: Request[] = [];
  readonly done: Request[] = [];
  readonly target: Target = {
    isFull: false,
    send: (request) => void this.sent.push(request),
    abandon: (of) => void this.sent.splice(0, this.sent.length, ...this.sent.filter((one) => !of(one))),
  };
  readonly route = new Route(
    SHARD,
    {
      nowMs: () => this.nowMs,
      sequenceAnswered: () => undefined,
      stalled: () => undefined,
      displaced: () => {},
      part: () => {},
      countMoveTimeout: () => {},
      countIndeterminate: () => (this.indeterminate += 1),
    },
    { parkTimeoutMs: 2000, outcomeTimeoutMs: 5000, parkLimitBytes: 256 * MIB },
    { bytes: 0 },
  );

  dispatch(sizeBytes: number, isWrite = true): Request {
    const request = new Request();
    Object.assign(request, { isWrite, sequence: ++sequence, end: sizeBytes, isLarge: sizeBytes > MIB / 2 });
    request.owner = {
      finished: (done) => void this.done.push(done),
      hold: () => (this.holds += 1),
      release: () => (this.holds -= 1),
      rerouted: () => {},
      countPart: () => {},
      partFinished: () => {},
    };
    if (request.isLarge) request.owner.hold();
    this.route.dispatch(request);
    return request;
  }
}

function text({ replyBytes, replyStart, replyEnd }: Request): string {
  return replyBytes.toString('latin1', replyStart, replyEnd);
}

describe('large commands on a route', () => {
  it('hold their connection until they are answered', () => {
    const world = new World();
    world.route.retarget(world.target);
    const large = world.dispatch(MIB);
    expect(world.holds).toBe(1);
    large.reply(OK, 0, OK.length);
    expect(world.holds).toBe(0);
    const refused = new World();
    refused.nowMs = 3000;
    refused.dispatch(MIB);
    expect(refused.holds).toBe(0);
    expect(text(refused.done[0])).toMatch(/^-CLUSTERDOWN/);
  });

  it('that are refused say nothing of what was sent after them: that may have overtaken them', () => {
    const world = new World();
    world.route.retarget(world.target);
    const large = world.dispatch(MIB);
    const small = world.dispatch(100);
    large.refuse(Refusal.NOT_PROPOSED);
    expect([large.mayHaveRun, small.mayHaveRun]).toEqual([false, true]);
    expect([large.state, small.state]).toEqual([RequestState.UNSENT, RequestState.UNSENT]);
    world.nowMs = 60_000;
    world.route.expire();
    expect(world.done.map(text)).toEqual([
      expect.stringMatching(/^-CLUSTERDOWN/),
      expect.stringMatching(/^-INDETERMINATE/),
    ]);
    expect(world.holds).toBe(0);
  });

  it('are given time by their size, and reads as long as parts of the reply come', () => {
    const world = new World();
    world.route.retarget(world.target);
    const large = world.dispatch(64 * MIB);
    const small = world.dispatch(100);
    const read = world.dispatch(100, false);
    read.heardMs = 4000;
    world.nowMs = 6000;
    world.route.expire();
    expect(world.done).toEqual([small]);
    world.nowMs = 10_000;
    world.route.expire();
    expect(world.done).toEqual([small, read]);
    expect(text(read)).toMatch(/^-CLUSTERDOWN/);
    world.nowMs = 30_000;
    world.route.expire();
    expect(world.done).toEqual([small, read, large]);
    expect(text(large)).toMatch(/^-INDETERMINATE/);
  });
});

describe('a reply that is kept', () => {
  it('is copied when it is small, and not when it is large', () => {
    const request = new Request();
    for (const sizeBytes of [100, MIB]) {
      request.replyBytes = Buffer.alloc(sizeBytes);
      request.replyEnd = sizeBytes;
      const kept = keptReply(request);
      request.replyBytes[0] = 1;
      expect(kept[0]).toBe(sizeBytes === MIB ? 1 : 0);
    }
  });
});
