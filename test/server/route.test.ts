import { describe, expect, it } from 'vitest';

import { SeededRandom } from '../../src/env/sim/random.ts';
import { Request, RequestState } from '../../src/server/request.ts';
import { Route, type RouteLimits, type Target } from '../../src/server/route.ts';
import { Refusal } from '../../src/shard/waiter.ts';

const LIMITS: RouteLimits = { parkTimeoutMs: 2000, outcomeTimeoutMs: 5000, parkLimitBytes: 10_000 };
const ITEM = Buffer.alloc(100);
const OK = Buffer.from('+OK\r\n');

class World {
  nowMs = 0;
  indeterminate = 0;
  readonly answered: number[] = [];
  readonly parking = { bytes: 0 };
  readonly route: Route;
  /** Holds on the one connection that all requests belong to. */
  holds = 0;
  readonly done: Request[] = [];

  constructor(limits = LIMITS) {
    this.route = new Route(
      1,
      {
        nowMs: () => this.nowMs,
        sequenceAnswered: (_slot, sequence) => this.answered.push(sequence),
        stalled: () => {},
        displaced: () => {},
        part: () => {},
        countMoveTimeout: () => {},
        countIndeterminate: () => (this.indeterminate += 1),
      },
      limits,
      this.parking,
    );
  }

  request(sequence: number, isWrite = true): Request {
    const request = new Request();
    request.isWrite = isWrite;
    request.sequence = sequence;
    request.bytes = ITEM;
    request.end = ITEM.length;
    request.owner = {
      finished: (done) => {
        if (done.state !== RequestState.DONE || this.done.includes(done)) throw new Error('finished twice');
        done.replyBytes = Buffer.from(done.replyBytes.subarray(done.replyStart, done.replyEnd));
        this.done.push(done);
      },
      hold: () => (this.holds += 1),
      release: () => (this.holds -= 1),
      rerouted: () => {},
      countPart: () => {},
      partFinished: () => {},
    };
    return request;
  }

  dispatch(sequence: number, isWrite = true): Request {
    const request = this.request(sequence, isWrite);
    this.route.dispatch(request);
    return request;
  }
}

/** Keeps what it is sent until the test says what becomes of it. */
class Leader implements Target {
  isFull = false;
  sent: { request: Request; stream: number }[] = [];

  send(request: Request, stream: number): void {
    this.sent.push({ request, stream });
  }

  abandon(of: (request: Request) => boolean): void {
    this.sent = this.sent.filter(({ request }) => !of(request));
  }

  answer(): void {
    this.sent.shift()?.request.reply(OK, 0, OK.length);
  }

  refuse(refusal: Refusal): void {
    this.sent.shift()?.request.refuse(refusal);
  }
}

function text(request: Request): string {
  return request.replyBytes.toString();
}

describe('a route', () => {
  it('parks what has no leader, holds its connection, and sends it first and in order', () => {
    const world = new World();
    const requests = [1, 2, 3].map((sequence) => world.dispatch(sequence));
    expect(world.holds).toBe(3);
    expect(world.parking.bytes).toBe(300);
    const leader = new Leader();
    world.route.retarget(leader);
    expect(leader.sent.map(({ request }) => request)).toEqual(requests);
    expect(world.holds).toBe(0);
    expect(world.parking.bytes).toBe(0);
    for (let i = 0; i < 3; i++) leader.answer();
    expect(world.done).toEqual(requests);
    expect(world.answered).toEqual([1, 2, 3]);
  });

  it('keeps back what comes while its leader is full, and holds its connection; it goes in order when there is room', () => {
    const world = new World();
    const leader = new Leader();
    world.route.retarget(leader);
    leader.isFull = true;
    const requests = [1, 2, 3].map((sequence) => world.dispatch(sequence));
    expect([leader.sent.length, world.holds, world.parking.bytes]).toEqual([0, 3, 300]);
    world.route.pump();
    expect(leader.sent).toEqual([]);
    leader.isFull = false;
    requests.push(world.dispatch(4));
    world.route.pump();
    expect(leader.sent.map(({ request }) => request)).toEqual(requests);
    expect([world.holds, world.parking.bytes]).toEqual([0, 0]);

    leader.isFull = true;
    const late = world.dispatch(5);
    world.nowMs += 4000;
    world.route.expire();
    expect(world.done).toEqual([]);
    world.nowMs += 30_000;
    world.route.expire();
    expect(world.done.at(-1)).toBe(late);
    expect(text(late)).toMatch(/^-CLUSTERDOWN .* too slowly; the command was not run/);
  });

  it('sends the unanswered again to another leader, in order, in another stream; writes then hold until they are answered', () => {
    const world = new World();
    const [first, second] = [new Leader(), new Leader()];
    world.route.retarget(first);
    const write = world.dispatch(1);
    const read = world.dispatch(2, false);
    const { stream } = first.sent[0];
    world.route.retarget(second);
    expect(first.sent).toEqual([]);
    expect(second.sent.map(({ request }) => request)).toEqual([write, read]);
    expect(second.sent[0].stream).toBeGreaterThan(stream);
    expect(world.holds).toBe(1);
    second.answer();
    expect(world.holds).toBe(0);
  });

  it('after LOST says INDETERMINATE when no leader is found in time, after NOT_PROPOSED that it was not run', () => {
    for (const [refusal, waitMs, expected] of [
      [Refusal.LOST, 5000, /^-INDETERMINATE /],
      [Refusal.NOT_PROPOSED, 2000, /^-CLUSTERDOWN .*not run/],
    ] as const) {
      const world = new World();
      const leader = new Leader();
      world.route.retarget(leader);
      const requests = [world.dispatch(1), world.dispatch(2)];
      leader.refuse(refusal);
      world.nowMs = waitMs - 1;
      world.route.expire();
      expect(world.done).toEqual([]);
      world.nowMs = waitMs;
      world.route.expire();
      expect(requests.map(text)).toEqual([expect.stringMatching(expected), expect.stringMatching(expected)]);
      expect(world.parking.bytes).toBe(0);
      expect(world.holds).toBe(0);
    }
  });

  it('a read that is lost says nothing of the write behind it: that may have run', () => {
    const world = new World();
    const leader = new Leader();
    world.route.retarget(leader);
    const read = world.dispatch(1, false);
    const write = world.dispatch(2);
    leader.refuse(Refusal.READ_LOST);
    world.nowMs = 3000;
    world.route.expire();
    expect(text(read)).toMatch(/^-CLUSTERDOWN /);
    expect(world.done).toEqual([read]);
    world.nowMs = 6000;
    world.route.expire();
    expect(text(write)).toMatch(/^-INDETERMINATE /);
  });

  it('a full log is a definite refusal for what is sent the first time only', () => {
    const world = new World();
    const [first, second] = [new Leader(), new Leader()];
    world.route.retarget(first);
    const sentBefore = world.dispatch(1);
    world.route.retarget(second);
    const sentOnce = world.dispatch(2);
    second.refuse(Refusal.LOG_FULL);
    second.refuse(Refusal.LOG_FULL);
    expect(text(sentBefore)).toMatch(/^-INDETERMINATE /);
    expect(text(sentOnce)).toMatch(/^-CLUSTERDOWN .*not run/);
    expect(world.indeterminate).toBe(1);
  });

  it('a full log is a definite refusal for a read, and breaks no stream', () => {
    const world = new World();
    const leader = new Leader();
    world.route.retarget(leader);
    const [write, read] = [world.dispatch(1), world.dispatch(2, false)];
    leader.sent[1].request.refuse(Refusal.LOG_FULL);
    expect(text(read)).toMatch(/^-CLUSTERDOWN .*not run/);
    leader.answer();
    expect(text(write)).toBe('+OK\r\n');
    expect(world.holds).toBe(0);
  });

  it('a copy that came too late, or of a session that has ended, says nothing of the others: unknown', () => {
    const world = new World();
    const [first, second] = [new Leader(), new Leader()];
    world.route.retarget(first);
    const [retried, after] = [world.dispatch(1), world.dispatch(2)];
    world.route.retarget(second);
    second.refuse(Refusal.OUTDATED);
    expect(text(retried)).toMatch(/^-INDETERMINATE /);
    expect(world.answered).toEqual([1]);
    expect(world.holds).toBe(1);
    second.answer();
    expect(text(after)).toBe('+OK\r\n');
    expect(world.holds).toBe(0);
  });

  it('an unproposed retry of what may have run before may still have run', () => {
    const world = new World();
    const [first, second] = [new Leader(), new Leader()];
    world.route.retarget(first);
    const write = world.dispatch(1);
    world.route.retarget(second);
    second.refuse(Refusal.NOT_PROPOSED);
    world.nowMs = 4999;
    world.route.expire();
    expect(world.done).toEqual([]);
    world.nowMs = 5000;
    world.route.expire();
    expect(text(write)).toMatch(/^-INDETERMINATE /);
  });

  it('parks no more than its limit', () => {
    const world = new World({ ...LIMITS, parkLimitBytes: 250 });
    const requests = [1, 2, 3].map((sequence) => world.dispatch(sequence));
    expect(world.done).toEqual([requests[2]]);
    expect(text(requests[2])).toMatch(/^-CLUSTERDOWN /);
  });

  it('whatever leaders do, each request is answered once, each write runs at most once, in order, and is never denied when it ran', () => {
    for (let seed = 1; seed <= 300; seed++) runRandomly(new SeededRandom(seed));
  });
});

/** A shard of one log: what is proposed runs in order unless its leader is lost; then it may run or not. */
function runRandomly(random: SeededRandom): void {
  const world = new World({ parkTimeoutMs: 300, outcomeTimeoutMs: 1000, parkLimitBytes: 1_000_000 });
  const ran: number[] = [];
  const kept = new Set<number>();
  let leader = new Leader();
  world.route.retarget(leader);
  let sequence = 0;
  const total = 60;
  const run = (request: Request): void => {
    if (!request.isWrite || kept.has(request.sequence)) return;
    ran.push(request.sequence);
    kept.add(request.sequence);
  };
  for (let step = 0; world.done.length < total && step < 5000; step++) {
    world.nowMs += random.below(30);
    switch (random.below(12)) {
      case 0:
      case 1:
      case 2:
        // A held connection sends nothing more.
        if (sequence < total && world.holds === 0) world.dispatch(++sequence, random.below(3) > 0);
        break;
      case 3: {
        // Leadership is lost: a beginning of what was proposed has run, all are told LOST, or nothing at all.
        const lost = leader.sent;
        for (const { request } of lost.slice(0, random.below(lost.length + 1))) run(request);
        if (random.below(2) === 0) {
          leader.sent = [];
          for (const { request } of lost) request.refuse(request.isWrite ? Refusal.LOST : Refusal.READ_LOST);
        }
        leader = new Leader();
        world.route.retarget(random.below(2) === 0 ? null : leader);
        break;
      }
      case 4:
        if (!world.route.hasTarget) world.route.retarget(leader);
        break;
      case 5: {
        // Refused at arrival: all of the stream that follow are refused, too.
        const at = random.below(leader.sent.length + 1);
        const refused = leader.sent.splice(at);
        if (refused.length === 0) break;
        for (const { request } of leader.sent) run(request);
        for (const { request } of refused) request.refuse(Refusal.NOT_PROPOSED);
        leader = new Leader();
        world.route.retarget(leader);
        break;
      }
      case 6:
        world.route.expire();
        break;
      case 7:
        if (leader.sent.length > 0)
          leader.refuse(leader.sent[0].request.isWrite ? Refusal.LOG_FULL : Refusal.READ_LOST);
        break;
      default:
        if (leader.sent.length > 0) run(leader.sent[0].request);
        leader.answer();
    }
  }
  expect(world.done).toHaveLength(total);
  expect(new Set(world.done).size).toBe(total);
  expect(ran).toEqual([...ran].sort((a, b) => a - b));
  for (const request of world.done) {
    if (request.isWrite && text(request).startsWith('-CLUSTERDOWN'))
      expect(kept.has(request.sequence)).toBe(false);
    if (request.isWrite && text(request) === '+OK\r\n') expect(kept.has(request.sequence)).toBe(true);
  }
  expect(world.parking.bytes).toBe(0);
  expect(world.holds).toBe(0);
}
