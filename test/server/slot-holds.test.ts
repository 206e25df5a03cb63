import { describe, expect, it } from 'vitest';

import { COMMANDS } from '../../src/commands/table.ts';
import { compiledLookup } from '../../src/server/compiled-command.ts';
import type { PeerForwarding } from '../../src/server/forwarding.ts';
import { Request, type RequestOwner } from '../../src/server/request.ts';
import { MOVE_PARK_MS, type Target } from '../../src/server/route.ts';
import { Router } from '../../src/server/router.ts';
import type { Replica } from '../../src/shard/replica.ts';
import { Refusal, type Elsewhere } from '../../src/shard/waiter.ts';
import type { MoveEntry, Topology } from '../../src/topology/types.ts';
import { argsOf } from '../shard/encode.ts';

const lookup = compiledLookup(COMMANDS);
const OK = Buffer.from('+OK\r\n');
const MOVE = 7;
const SLOT = 5;

function topologyOf(
  epoch: number,
  slots: Topology['slots'],
  moves: readonly MoveEntry[] = [],
  source = 's',
): Topology {
  const shards = [1, 2].map((id) => ({ id, replicas: [{ member: 1, node: id === 1 ? source : 'd' }] }));
  return { generation: 0, epoch, shards, slots, moves } as unknown as Topology;
}

const BEFORE = [
  { from: 0, to: 8191, shard: 1 },
  { from: 8192, to: 16383, shard: 2 },
];
const AFTER = [
  { from: 0, to: SLOT - 1, shard: 1 },
  { from: SLOT, to: SLOT, shard: 2 },
  { from: SLOT + 1, to: 8191, shard: 1 },
  { from: 8192, to: 16383, shard: 2 },
];
const UNDER_WAY: MoveEntry = { id: MOVE, source: 1, target: 2, slots: [{ from: SLOT, to: SLOT }] };
const GONE: Elsewhere = { slot: SLOT, shard: 2, move: MOVE };

/** The leader of a shard on another node: keeps what it is sent until the test says what becomes of it. */
class Leader {
  sent: Request[] = [];
  connected = true;
  readonly target: Target = {
    isFull: false,
    send: (request) => this.sent.push(request),
    abandon: (of) => {
      this.sent = this.sent.filter((request) => !of(request));
    },
  };

  refuseAll(refusal: Refusal, elsewhere?: Elsewhere): void {
    for (const request of this.sent.splice(0)) request.refuse(refusal, undefined, elsewhere);
  }

  answerAll(): void {
    for (const request of this.sent.splice(0)) request.reply(OK, 0, OK.length);
  }

  get sequences(): number[] {
    return this.sent.map(({ sequence }) => sequence);
  }
}

/** A node that leads nothing, and one connection of it. */
class World implements RequestOwner {
  nowMs = 1000;
  holds = 0;
  redirects = false;
  readonly replies: string[] = [];
  readonly rerouting: string[] = [];
  readonly source = new Leader();
  readonly target = new Leader();
  readonly router: Router;

  /** `leads`: this node leads the source. */
  constructor(leads = false) {
    const forwardingOf = (leader: Leader): PeerForwarding =>
      ({
        link: {
          get connected() {
            return leader.connected;
          },
        },
        target: () => leader.target,
        sendFloors: () => {},
      }) as unknown as PeerForwarding;
    const forwardings = new Map([
      ['s', forwardingOf(this.source)],
      ['d', forwardingOf(this.target)],
    ]);
    const nowMs = (): number => this.nowMs;
    this.router = new Router(
      {
        self: 'a',
        session: Buffer.alloc(24),
        now: {
          get monotonicMs() {
            return nowMs();
          },
          wallMs: 0,
        },
        replica: (shard) => (leads && shard === 1 ? this.leadingReplica() : undefined),
        forwarding: (node) => forwardings.get(node),
        wake: () => {},
        wakeAfter: () => {},
        countIndeterminate: () => {},
        redirectAddress: (node) => `${node}:1`,
      },
      topologyOf(MOVE, BEFORE, [UNDER_WAY], leads ? 'a' : 's'),
      { parkTimeoutMs: 2000, outcomeTimeoutMs: 5000, parkLimitBytes: 100_000 },
    );
    if (!leads) this.router.hint(1, 's', 1);
    this.router.hint(2, 'd', 1);
    this.router.follow();
  }

  private leadingReplica(): Replica {
    return {
      raft: { term: 1, leader: 1 },
      isLeader: true,
      submitWrite: (request: Request) => this.source.sent.push(request),
      disown: () => {},
      submitFloors: () => {},
      machine: { moves: { isOwned: () => true } },
    } as unknown as Replica;
  }

  hold(): void {
    this.holds += 1;
  }

  release(): void {
    this.holds -= 1;
  }

  finished({ sequence, replyBytes, replyStart, replyEnd }: Request): void {
    this.replies.push(`${sequence} ${replyBytes.toString('latin1', replyStart, replyEnd - 2)}`);
  }

  countPart(): void {}

  partFinished(): void {}

  rerouted({ sequence }: Request, way: number): void {
    this.rerouting.push(`${sequence} to ${way}`);
  }

  send(slot: number, ...words: string[]): Request {
    const request = new Request();
    const command = lookup(argsOf(...words));
    if (command === null) throw new Error('no such command');
    const way = this.router.wayOfSlot(slot);
    request.way = way.index;
    this.router.submit(request, this, way, command, argsOf(...words), 0, false, slot, false);
    return request;
  }

  set(slot = SLOT): Request {
    return this.send(slot, 'set', 'k', 'v');
  }

  turn(afterMs = 0): void {
    this.nowMs += afterMs;
    this.router.follow();
    this.router.expire();
  }

  runsOf(shard: number): string {
    return this.router.ways[shard - 1].runs.map(({ from, to }) => `${from}-${to}`).join(' ');
  }
}

describe('requests for a slot on the move', () => {
  it('are parked when it is frozen, and go to its owner at the first sign, in order, with their sequences', () => {
    const world = new World();
    world.set();
    world.set();
    world.source.refuseAll(Refusal.FROZEN);
    expect(world.holds).toBe(2);
    world.turn(1);
    world.set();
    expect([world.source.sequences, world.target.sequences, world.router.parkedRequests]).toEqual([
      [],
      [],
      1,
    ]);
    world.router.learnOwner([{ from: SLOT, to: SLOT }], 2, MOVE);
    world.turn(1);
    expect(world.target.sequences).toEqual([1, 2, 3]);
    expect(world.rerouting).toEqual(['1 to 1', '2 to 1', '3 to 1']);
    expect(world.holds).toBe(0);
    world.target.answerAll();
    expect(world.replies).toEqual(['1 +OK', '2 +OK', '3 +OK']);
    expect(world.router.holds.counters).toEqual({ parked: 3, forwarded: 3, redirected: 0, timedOut: 0 });
    expect(world.router.parking.bytes).toBe(0);
  });

  it('of other slots go on meanwhile', () => {
    const world = new World();
    world.set();
    world.source.refuseAll(Refusal.FROZEN);
    world.turn(1);
    world.set(SLOT + 1);
    expect(world.source.sent.length).toBe(1);
  });

  it('follow where the shard that had it says that it went', () => {
    const world = new World();
    world.set();
    world.source.refuseAll(Refusal.MOVED, GONE);
    world.turn();
    expect(world.target.sequences).toEqual([1]);
    world.set();
    expect(world.target.sequences).toEqual([1, 2]);
    expect([world.runsOf(1), world.runsOf(2)]).toEqual(['0-4 6-8191', '5-5 8192-16383']);
  });

  it('do not overtake what is under way at the shard that had it, though another owner is known', () => {
    const world = new World();
    const first = world.set();
    world.router.learnOwner([{ from: SLOT, to: SLOT }], 2, MOVE);
    world.turn();
    world.send(SLOT, 'get', 'k');
    world.turn();
    expect(world.target.sent).toEqual([]);
    world.source.sent = [];
    first.refuse(Refusal.MOVED, undefined, GONE);
    world.turn();
    expect(world.target.sent.map(({ isWrite }) => isWrite)).toEqual([true, false]);
  });

  it('that was answered while others were refused leave the order as it was', () => {
    const world = new World();
    const [first, second, third] = [world.set(), world.set(), world.set()];
    world.source.sent = [];
    // A refusal may come before the answer of what was sent earlier.
    second.refuse(Refusal.FROZEN);
    world.router.learnOwner([{ from: SLOT, to: SLOT }], 2, MOVE);
    world.turn();
    expect(world.target.sent).toEqual([]);
    third.refuse(Refusal.FROZEN);
    first.refuse(Refusal.FROZEN);
    world.turn();
    expect(world.target.sequences).toEqual([1, 2, 3]);
  });

  it('are asked for again at the shard that refused them, when nothing is heard of another owner', () => {
    const world = new World();
    world.set();
    world.source.refuseAll(Refusal.FROZEN);
    world.turn(19);
    expect(world.source.sent).toEqual([]);
    world.turn(1);
    expect(world.source.sequences).toEqual([1]);
    world.source.answerAll();
    expect(world.replies).toEqual(['1 +OK']);
    expect(world.router.holds.isEmpty).toBe(true);
  });

  it('by the redirect port get TRYAGAIN after a second, those refused and those that came since', () => {
    const world = new World(true);
    world.redirects = true;
    world.set();
    const startMs = world.nowMs;
    while (world.nowMs - startMs < MOVE_PARK_MS) {
      world.source.refuseAll(Refusal.FROZEN);
      if (world.nowMs === startMs + 500) world.set();
      expect(world.replies).toEqual([]);
      world.turn(1);
    }
    // It may be at the shard just then.
    world.source.refuseAll(Refusal.FROZEN);
    world.turn(1);
    expect(world.replies).toEqual([
      '1 -TRYAGAIN The slot is being moved for too long; the command was not run',
    ]);
    for (let i = 0; i < 500; i++) {
      world.source.refuseAll(Refusal.FROZEN);
      world.turn(1);
    }
    expect(world.replies.length).toBe(2);
    expect(world.router.holds.counters.timedOut).toBe(2);
    expect([world.holds, world.router.parking.bytes]).toEqual([0, 0]);
  });

  it('by the client port wait as long as for a leader, and are never told to try again', () => {
    const world = new World();
    world.set();
    const startMs = world.nowMs;
    while (world.nowMs - startMs < 2000) {
      world.source.refuseAll(Refusal.FROZEN);
      expect(world.replies).toEqual([]);
      world.turn(1);
    }
    world.source.refuseAll(Refusal.FROZEN);
    world.turn(1);
    expect(world.replies).toEqual([
      '1 -CLUSTERDOWN The slot is between two shards for too long; the command was not run',
    ]);
    expect(world.router.holds.counters.timedOut).toBe(1);
    expect([world.holds, world.router.parking.bytes]).toEqual([0, 0]);
  });

  it('that may have run before are never told to try again: their outcome is unknown', () => {
    const world = new World();
    world.set();
    world.source.refuseAll(Refusal.LOST);
    world.turn(10);
    expect(world.source.sequences).toEqual([1]);
    for (let i = 0; i < 5000; i++) {
      world.source.refuseAll(Refusal.FROZEN);
      world.turn(1);
    }
    expect(world.replies).toEqual([
      '1 -INDETERMINATE The write may or may not have been applied; its shard did not say in time',
    ]);
  });

  it('go on from where their shard has no leader, when the owner is known', () => {
    const world = new World();
    world.set();
    world.source.connected = false;
    world.turn();
    world.router.learnOwner([{ from: SLOT, to: SLOT }], 2, MOVE);
    world.turn();
    expect(world.target.sequences).toEqual([1]);
    // A retry holds its connection until it is answered.
    expect(world.holds).toBe(1);
    world.target.answerAll();
    expect(world.holds).toBe(0);
  });

  it('hop no faster than they get news: a stale hint costs a try every 20 ms', () => {
    const world = new World();
    world.set();
    world.source.refuseAll(Refusal.MOVED, GONE);
    let tries = 0;
    for (let i = 0; i < 100; i++) {
      world.turn(1);
      tries += world.target.sent.length + world.source.sent.length;
      world.target.refuseAll(Refusal.MOVED);
      world.source.refuseAll(Refusal.MOVED, GONE);
    }
    expect(tries).toBeLessThanOrEqual(6);
    world.router.learnOwner([{ from: SLOT, to: SLOT }], 1, MOVE + 1);
    world.turn(1);
    expect(world.source.sequences).toEqual([1]);
  });
});

describe('a client of the redirect port', () => {
  it('is told MOVED once the owner is known, and its connection goes on', () => {
    const world = new World();
    world.redirects = true;
    world.set();
    world.source.refuseAll(Refusal.FROZEN);
    world.turn(1);
    expect(world.replies).toEqual([]);
    world.router.learnOwner([{ from: SLOT, to: SLOT }], 2, MOVE);
    world.turn(1);
    expect(world.replies).toEqual([`1 -MOVED ${SLOT} d:1`]);
    expect([world.holds, world.target.sent.length, world.router.parking.bytes]).toEqual([0, 0, 0]);
    expect(world.router.holds.counters.redirected).toBe(1);
  });

  it('has a write that may have run sent on: elsewhere it would be another one', () => {
    const world = new World();
    world.redirects = true;
    world.set();
    world.source.refuseAll(Refusal.LOST);
    world.turn(10);
    world.source.refuseAll(Refusal.MOVED, GONE);
    world.turn(1);
    expect([world.replies, world.target.sequences]).toEqual([[], [1]]);
  });
});

describe('owners that were learnt', () => {
  it('count until the register has ended the move', () => {
    const world = new World();
    world.router.learnOwner([{ from: SLOT, to: SLOT }], 2, MOVE);
    world.router.setTopology(topologyOf(MOVE + 1, BEFORE, [UNDER_WAY]));
    expect(world.router.wayOfSlot(SLOT).shard).toBe(2);
    world.router.setTopology(topologyOf(MOVE + 2, AFTER));
    expect(world.router.wayOfSlot(SLOT).shard).toBe(2);
    // A late word of it is nothing new.
    world.router.setTopology(topologyOf(MOVE + 3, BEFORE));
    world.router.learnOwner([{ from: SLOT, to: SLOT }], 2, MOVE);
    expect(world.router.wayOfSlot(SLOT).shard).toBe(1);
  });

  it('of a move that the topology here does not know yet, too', () => {
    const world = new World();
    world.router.setTopology(topologyOf(MOVE + 1, BEFORE));
    world.router.learnOwner([{ from: SLOT, to: SLOT }], 2, MOVE + 5);
    expect(world.router.wayOfSlot(SLOT).shard).toBe(2);
    world.router.learnOwner([{ from: SLOT, to: SLOT }], 1, MOVE + 4);
    world.router.learnOwner([{ from: SLOT, to: SLOT }], 9, MOVE + 6);
    world.router.learnOwner([{ from: 16384, to: 16384 }], 1, MOVE + 6);
    expect(world.router.wayOfSlot(SLOT).shard).toBe(2);
  });

  it('give each slot to one shard, in as few runs as can be', () => {
    const world = new World();
    world.router.learnOwner([{ from: 0, to: 99 }], 2, MOVE);
    world.router.learnOwner([{ from: 100, to: 199 }], 2, MOVE);
    world.turn();
    expect([world.runsOf(1), world.runsOf(2)]).toEqual(['200-8191', '0-199 8192-16383']);
    expect(world.router.ways.map(({ slotCount }) => slotCount)).toEqual([7992, 8392]);
  });
});
