import { describe, expect, it } from 'vitest';

import { PeerForwarding, type ForwardingCounters } from '../../src/server/forwarding.ts';
import { Request, RequestState } from '../../src/server/request.ts';
import type { Route } from '../../src/server/route.ts';
import { sessionId } from '../../src/shard/batch.ts';
import { floorsItem } from '../../src/shard/prelude.ts';
import { Refusal, type Waiter } from '../../src/shard/waiter.ts';
import { SectionKind, type PeerLink } from '../../src/transport/types.ts';
import { itemOf } from '../shard/encode.ts';
import { newRig, type Rig } from '../shard/fake-raft.ts';
import { FakeLink, NODE } from './fake-link.ts';

const SHARD = 1;
const MIB = 1024 * 1024;

function counters(): ForwardingCounters {
  return { sent: 0, served: 0, malformed: 0 };
}

interface Pair {
  entry: PeerForwarding;
  entryLink: FakeLink;
  leader: PeerForwarding;
  leaderLink: FakeLink;
  rig: Rig;
}

const turns = { disown: () => {}, wake: () => {}, after: (_delayMs: number, run: () => void) => run() };

function pair(): Pair {
  const rig = newRig();
  const [entryLink, leaderLink] = [new FakeLink(), new FakeLink()];
  const entry = new PeerForwarding(
    entryLink as unknown as PeerLink,
    { replica: () => undefined, ...turns },
    counters(),
  );
  const host = {
    ...turns,
    replica: (shard: number) => (shard === SHARD ? rig.replica : undefined),
    disown: (of: (waiter: Waiter) => boolean) => rig.replica.disown(of),
  };
  const leader = new PeerForwarding(leaderLink as unknown as PeerLink, host, counters());
  entry.connected();
  leader.connected();
  return { entry, entryLink, leader, leaderLink, rig };
}

interface Outcome {
  request: Request;
  replies: string[];
  refusals: Refusal[];
}

let sequence = 0;

function requestOf(words: string[], isWrite: boolean, rides = false): Outcome {
  const request = new Request();
  const outcome: Outcome = { request, replies: [], refusals: [] };
  const { bytes, start, end } = itemOf(words, isWrite ? ++sequence : 0, isWrite ? 1 : 0);
  Object.assign(request, { bytes, start, end, isWrite, rides, state: RequestState.SENT });
  request.route = {
    answered: (_: Request, reply: Buffer, from: number, to: number) =>
      outcome.replies.push(reply.toString('latin1', from, to)),
    refused: (_: Request, refusal: Refusal) => outcome.refusals.push(refusal),
  } as unknown as Route;
  return outcome;
}

function carry({ entryLink, leader, rig }: Pair): boolean {
  const bytes = entryLink.take(SectionKind.FORWARD);
  return leader.onForward(bytes, 0, bytes.length, rig.now);
}

function carryBack({ entry, leaderLink, rig }: Pair): boolean {
  const bytes = leaderLink.take(SectionKind.REPLIES);
  return entry.onReplies(bytes, 0, bytes.length, rig.now);
}

function commitAll(rig: Rig): void {
  rig.replica.seal(rig.now);
  rig.replica.advance(rig.raft.log.splice(0), [], false, rig.now);
}

describe('forwarding', () => {
  it('takes commands to the leader and each reply back to its own request', () => {
    const all = pair();
    const outcomes = Array.from({ length: 600 }, (_, i) =>
      requestOf(['append', 'k', 'x'.repeat(i % 3)], true),
    );
    const target = all.entry.target(SHARD);
    for (const { request } of outcomes) target.send(request, 1);
    const read = requestOf(['strlen', 'k'], false, true);
    target.send(read.request, 1);
    expect(carry(all)).toBe(true);
    commitAll(all.rig);
    expect(carryBack(all)).toBe(true);
    let length = 0;
    for (const [i, { replies }] of outcomes.entries()) {
      length += i % 3;
      expect(replies).toEqual([`:${length}\r\n`]);
    }
    expect(read.replies).toEqual([`:${length}\r\n`]);
  });

  it('takes a long reply back in pieces, a few a turn, with other replies between them', () => {
    const all = pair();
    for (let at = 0; at < 20_000; at += 1000) {
      const pairs = Array.from({ length: 1000 }, (_, i) => [`f${at + i}`, 'v'.repeat(40)]).flat();
      all.entry.target(SHARD).send(requestOf(['hset', 'h', ...pairs], true).request, 1);
    }
    const target = all.entry.target(SHARD);
    const long = requestOf(['hgetall', 'h'], false, true);
    target.send(long.request, 1);
    carry(all);
    commitAll(all.rig);
    while (all.rig.replica.stepLongReads(all.rig.now.monotonicMs));
    let turns = 0;
    all.rig.now.monotonicMs = 2000;
    for (; long.replies.length === 0 && turns < 20; turns += 1) {
      all.leader.pump(all.rig.now);
      const other = requestOf(['get', 'k'], true);
      target.send(other.request, 1);
      carry(all);
      commitAll(all.rig);
      expect(carryBack(all)).toBe(true);
    }
    expect(turns).toBeGreaterThan(3);
    expect(long.request.heardMs).toBe(2000);
    expect(long.replies).toEqual(['*40000\r\n']);
    const tail = Buffer.concat(long.request.tail).toString('latin1');
    expect(tail.match(/\$40\r\n/g)).toHaveLength(20_000);
    expect(tail.length).toBe(long.request.tailBytes);
  });

  it('a leader that has refused one of a stream refuses all that follow in it, and takes the next stream', () => {
    const all = pair();
    const target = all.entry.target(SHARD);
    const outcomes = [1, 1, 2].map((stream) => {
      const outcome = requestOf(['incr', 'n'], true);
      target.send(outcome.request, stream);
      return outcome;
    });
    const bytes = all.entryLink.take(SectionKind.FORWARD);
    const third = bytes.length / 3;
    all.rig.raft.role = 'follower';
    all.leader.onForward(bytes, 0, third, all.rig.now);
    all.rig.raft.role = 'leader';
    all.leader.onForward(bytes, third, bytes.length, all.rig.now);
    commitAll(all.rig);
    carryBack(all);
    expect(outcomes.map(({ refusals }) => refusals)).toEqual([
      [Refusal.NOT_PROPOSED],
      [Refusal.NOT_PROPOSED],
      [],
    ]);
    expect(outcomes[2].replies).toEqual([':1\r\n']);
  });

  it('the line to a leader is full when more waits for it than a heartbeat may wait behind, until it has taken that', () => {
    const all = pair();
    const target = all.entry.target(SHARD);
    const value = 'x'.repeat(100_000);
    const fullAt: number[] = [];
    for (let i = 0; i < 100; i++) {
      const write = requestOf(['set', 'k', value], true);
      all.entryLink.queuedBytes += write.request.end - write.request.start;
      if (!target.isFull) target.send(write.request, 1);
      else fullAt.push(i);
    }
    expect(fullAt[0]).toBeGreaterThan(39);
    expect(fullAt).toHaveLength(100 - fullAt[0]);
    expect(fullAt[0]).toBeLessThan(45);
    all.entryLink.queuedBytes = 0;
    expect(target.isFull).toBe(false);
  });

  it('reads wait while the line back is full; what is sent after them to their shard waits with them', () => {
    const all = pair();
    all.rig.raft.leaseUntilMonotonicMs = all.rig.now.monotonicMs + 100;
    all.rig.raft.leaseRoundTimeMs = 1e9;
    const target = all.entry.target(SHARD);
    target.send(requestOf(['set', 'k', 'x'.repeat(100_000)], true).request, 1);
    carry(all);
    commitAll(all.rig);
    const reads = Array.from({ length: 100 }, () => requestOf(['get', 'k'], false));
    for (const { request } of reads) target.send(request, 1);
    all.leaderLink.queuedBytes = 5 * MIB;
    carry(all);
    const write = requestOf(['set', 'k', 'new'], true);
    target.send(write.request, 1);
    carry(all);
    commitAll(all.rig);
    expect(all.leader.hasDelayed).toBe(true);
    carryBack(all);
    const answered = reads.filter(({ replies }) => replies.length > 0).length;
    expect(answered * 100_000).toBeLessThan(5 * MIB);
    expect(write.replies).toEqual([]);
    all.leaderLink.queuedBytes = 0;
    // Each time the line has taken all.
    for (let turn = 0; turn < 3; turn++) {
      all.leader.serveDelayed(all.rig.now);
      commitAll(all.rig);
      carryBack(all);
    }
    for (const { replies } of reads) expect(replies[0]).toHaveLength(100_000 + 11);
    expect(write.replies).toEqual(['+OK\r\n']);
  });

  it('what was sent over an older connection takes nothing of a newer one', () => {
    const all = pair();
    const older = all.entry.target(SHARD);
    const lost = requestOf(['incr', 'a'], true);
    older.send(lost.request, 1);
    all.entryLink.take(SectionKind.FORWARD);
    all.entryLink.connection = all.leaderLink.connection = 2;
    all.entry.connected();
    all.leader.connected();
    const newer = all.entry.target(SHARD);
    expect(newer).not.toBe(older);
    const other = requestOf(['incr', 'b'], true);
    newer.send(other.request, 2);
    // The same correlation, in another window.
    expect(other.request.correlation).toBe(lost.request.correlation);
    older.abandon((request) => request === lost.request || request === other.request);
    older.send(requestOf(['incr', 'c'], true).request, 1);
    carry(all);
    commitAll(all.rig);
    carryBack(all);
    expect(other.replies).toEqual([':1\r\n']);
    expect(lost.replies).toEqual([]);
  });

  it('replies of a connection that is gone are not sent, abandoned ones not delivered', () => {
    const all = pair();
    const target = all.entry.target(SHARD);
    const [kept, abandoned] = [requestOf(['incr', 'n'], true), requestOf(['incr', 'n'], true)];
    target.send(kept.request, 1);
    target.send(abandoned.request, 1);
    target.abandon((request) => request === abandoned.request);
    carry(all);
    commitAll(all.rig);
    carryBack(all);
    expect([kept.replies, abandoned.replies]).toEqual([[':1\r\n'], []]);
    const late = requestOf(['incr', 'n'], true);
    target.send(late.request, 1);
    carry(all);
    all.leaderLink.connection = 2;
    commitAll(all.rig);
    expect(all.leaderLink.take(SectionKind.REPLIES)).toHaveLength(0);
  });

  it('never puts into the log what cannot be applied, and tells malformed sections', () => {
    const all = pair();
    const target = all.entry.target(SHARD);
    const outcomes = [
      requestOf(['nonsense', 'k'], true),
      requestOf(['set', 'k'], true),
      requestOf(['get', 'k'], true),
      requestOf(['set', 'k', 'v'], false),
    ];
    for (const { request } of outcomes) target.send(request, 1);
    expect(carry(all)).toBe(true);
    all.rig.replica.seal(all.rig.now);
    expect(all.rig.raft.log).toHaveLength(0);
    carryBack(all);
    for (const { replies } of outcomes) expect(replies).toEqual([expect.stringMatching(/^-ERR /)]);

    target.send(requestOf(['set', 'k', 'v'], true).request, 1);
    const bytes = all.entryLink.take(SectionKind.FORWARD);
    for (let cut = 1; cut < bytes.length; cut++)
      expect(all.leader.onForward(bytes, 0, cut, all.rig.now)).toBe(false);
    for (let at = 12; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at] ^= 0xff;
      all.leader.onForward(damaged, 0, damaged.length, all.rig.now);
    }
    commitAll(all.rig);
    for (const size of [1, 5, 11])
      expect(all.entry.onReplies(Buffer.alloc(size), 0, size, all.rig.now)).toBe(false);
    const unknown = Buffer.alloc(12);
    unknown.writeUInt32LE(99, 4);
    expect(all.entry.onReplies(unknown, 0, 12, all.rig.now)).toBe(false);
  });

  it('floors of slots that are none do not reach the log', () => {
    const all = pair();
    all.entry.sendFloors(SHARD, floorsItem(sessionId(NODE, 3), [5], [2]));
    expect(carry(all)).toBe(true);
    all.rig.replica.seal(all.rig.now);
    expect(all.rig.raft.log).toHaveLength(1);
    for (const [slot, floor] of [
      [16384, 2],
      [5, Number.NaN],
    ]) {
      all.entry.sendFloors(SHARD, floorsItem(sessionId(NODE, 3), [slot], [floor]));
      expect(carry(all)).toBe(false);
    }
  });
});
