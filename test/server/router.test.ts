import { describe, expect, it } from 'vitest';

import { slotOf } from '../../ring/index.ts';
import { COMMANDS } from '../../src/commands/table.ts';
import { compiledLookup, type CompiledCommand } from '../../src/server/compiled-command.ts';
import type { PeerForwarding } from '../../src/server/forwarding.ts';
import { Request, type RequestOwner } from '../../src/server/request.ts';
import type { Target } from '../../src/server/route.ts';
import { CROSS_SLOT, Router, runEndOf, type RouterHost, type ShardWay } from '../../src/server/router.ts';
import type { Replica } from '../../src/shard/replica.ts';
import type { SlotRun, Topology } from '../../src/topology/types.ts';
import { argsOf } from '../shard/encode.ts';

const LIMITS = { parkTimeoutMs: 2000, outcomeTimeoutMs: 5000, parkLimitBytes: 1_000_000 };
const NODES = ['a', 'b', 'c'];
/** Shard 3 has no replica on this node. */
const SLOTS: readonly SlotRun[] = [
  { from: 0, to: 99, shard: 1 },
  { from: 100, to: 8191, shard: 2 },
  { from: 8192, to: 16000, shard: 3 },
  { from: 16001, to: 16383, shard: 1 },
];

const lookup = compiledLookup(COMMANDS);
const OWNER: RequestOwner = {
  finished: () => {},
  hold: () => {},
  release: () => {},
  rerouted: () => {},
  countPart: () => {},
  partFinished: () => {},
};

function commandOf(...words: string[]): CompiledCommand {
  const command = lookup(argsOf(...words));
  if (command === null) throw new Error(`no such command: ${words[0]}`);
  return command;
}

/** One node, `a`, whose replicas and links do as they are told. */
class World {
  nowMs = 1000;
  wakes = 0;
  readonly wakeDelays: number[] = [];
  /** Where each request went: `node/shard`, in order. */
  readonly sent: string[] = [];
  readonly floors: string[] = [];
  readonly replicas = new Map([1, 2].map((shard) => [shard, { term: 0, leader: 0, isLeader: false, shard }]));
  readonly links = new Map(NODES.slice(1).map((node) => [node, { connected: true }]));
  readonly router: Router;

  constructor() {
    const topology = {
      shards: [1, 2, 3].map((id) => ({
        id,
        replicas: NODES.map((node, at) => ({ member: at + 1, node })),
      })),
      slots: SLOTS,
      moves: [],
    } as unknown as Topology;
    this.router = new Router(this.host(), topology, LIMITS);
  }

  way(shard: number): ShardWay {
    return this.router.ways[shard - 1];
  }

  elect(shard: number, member: number, term: number): void {
    Object.assign(this.replicas.get(shard) ?? {}, { leader: member, term, isLeader: member === 1 });
  }

  submit(slot: number, ...words: string[]): Request {
    const request = new Request();
    const command = commandOf(...words);
    this.router.submit(
      request,
      OWNER,
      this.router.wayOfSlot(slot),
      command,
      argsOf(...words),
      0,
      false,
      slot,
      false,
    );
    return request;
  }

  private host(): RouterHost {
    const { replicas, links, sent } = this;
    const replicaOf = (shard: number): Replica | undefined => {
      const state = replicas.get(shard);
      if (state === undefined) return undefined;
      const send = (): number => sent.push(`a/${shard}`);
      return {
        get raft() {
          return { term: state.term, leader: state.leader };
        },
        get isLeader() {
          return state.isLeader;
        },
        submitWrite: send,
        submitRead: send,
        submitRidingRead: send,
        submitFloors: (_: unknown, slots: number[]) => this.floors.push(`a/${shard}: ${slots.join(' ')}`),
        disown: () => {},
      } as unknown as Replica;
    };
    const forwardings = new Map(
      [...links].map(([node, link]) => {
        const targets = new Map<number, Target>();
        const target = (shard: number): Target => {
          const made = targets.get(shard) ?? {
            isFull: false,
            send: () => sent.push(`${node}/${shard}`),
            abandon: () => {},
          };
          targets.set(shard, made);
          return made;
        };
        const sendFloors = (shard: number): number => this.floors.push(`${node}/${shard}`);
        return [node, { link, target, sendFloors } as unknown as PeerForwarding];
      }),
    );
    // The host's clock is this world's.
    const now = (): number => this.nowMs;
    return {
      self: 'a',
      session: Buffer.alloc(24),
      get now() {
        return { monotonicMs: now(), wallMs: now() };
      },
      replica: replicaOf,
      forwarding: (node) => forwardings.get(node),
      wake: () => (this.wakes += 1),
      wakeAfter: (delayMs) => this.wakeDelays.push(delayMs),
      countIndeterminate: () => {},
      redirectAddress: (node) => `${node}:1`,
    };
  }
}

describe('the router finds the shard', () => {
  it('of every slot, by the runs of the topology', () => {
    const { router } = new World();
    for (const { from, to, shard } of SLOTS) {
      for (const slot of [from, Math.floor((from + to) / 2), to])
        expect(router.wayOfSlot(slot).shard).toBe(shard);
    }
    expect(router.ways.map((way) => way.slotCount)).toEqual([100 + 383, 8092, 7809]);
  });

  it('of the keys of a command, wherever they stand, if they share a slot', () => {
    const { router } = new World();
    const slot = slotOf(Buffer.from('t'), 0, 1);
    const found = (...words: string[]): number => router.slotOfKeys(commandOf(...words), argsOf(...words));
    expect(found('get', '{t}a')).toBe(slot);
    expect(found('mset', '{t}a', 'x', '{t}b', 'y')).toBe(slot);
    expect(found('object', 'encoding', '{t}a')).toBe(slot);
    // What is no key counts for nothing.
    expect(found('copy', '{t}a', '{t}b', 'replace')).toBe(slot);
    expect(found('mset', '{t}a', 'x', '{u}b', 'y')).toBe(CROSS_SLOT);
    expect(found('rename', 't', 'u')).toBe(CROSS_SLOT);
  });

  it('and where a run of its slots ends', () => {
    const { router } = new World();
    expect(runEndOf(router.wayOfSlot(50).runs, 50)).toBe(99);
    expect(runEndOf(router.wayOfSlot(16100).runs, 16100)).toBe(16383);
    expect(runEndOf([], 50)).toBe(50);
  });
});

describe('the router follows the leader', () => {
  it('that its own replica knows: here, or on another node', () => {
    const world = new World();
    world.elect(1, 1, 5);
    world.elect(2, 3, 5);
    world.router.follow();
    world.submit(0, 'set', 'k', 'v');
    world.submit(100, 'set', 'k', 'v');
    world.submit(100, 'get', 'k');
    expect(world.sent).toEqual(['a/1', 'c/2', 'c/2']);
    expect(world.way(2).leader).toBe('c');
  });

  it('that it was told of, where it has no replica or an older term; not of an older hint', () => {
    const world = new World();
    world.router.hint(3, 'b', 7);
    world.router.hint(3, 'c', 6);
    world.elect(1, 1, 5);
    world.router.hint(1, 'c', 6);
    world.elect(2, 2, 5);
    world.router.hint(2, 'c', 4);
    world.router.hint(99, 'c', 4);
    world.router.follow();
    expect([1, 2, 3].map((shard) => world.way(shard).leader)).toEqual(['c', 'b', 'b']);
    world.submit(9000, 'get', 'k');
    expect(world.sent).toEqual(['b/3']);
  });

  it('and needs no turn for a hint that tells what it was told before', () => {
    const world = new World();
    world.router.hint(3, 'b', 7);
    const { wakes } = world;
    world.router.hint(3, 'b', 7);
    expect(world.wakes).toBe(wakes);
    world.router.hint(3, 'b', 8);
    expect(world.wakes).toBe(wakes + 1);
  });

  it('whose term is known, but not who: a hint of that term names it', () => {
    const world = new World();
    world.elect(1, 0, 6);
    world.router.follow();
    expect(world.way(1).leader).toBeNull();
    world.router.hint(1, 'b', 6);
    world.router.follow();
    expect(world.way(1).leader).toBe('b');
  });

  it('and keeps requests until there is one that can be reached, then sends them in order', () => {
    const world = new World();
    world.elect(1, 1, 1);
    world.router.follow();
    world.elect(1, 0, 2);
    world.router.follow();
    world.submit(0, 'set', 'k', '1');
    world.submit(1, 'set', 'k', '2');
    expect(world.sent).toEqual([]);
    expect(world.router.parkedRequests).toBe(1);
    world.links.get('b')!.connected = false;
    world.elect(1, 2, 2);
    world.router.follow();
    expect(world.sent).toEqual([]);
    world.links.get('b')!.connected = true;
    world.nowMs += 10;
    world.router.follow();
    expect(world.sent).toEqual(['b/1', 'b/1']);
    expect(world.router.parkedRequests).toBe(0);
  });

  it('and asks a node that has refused again only after a while, or with news', () => {
    const world = new World();
    world.elect(1, 2, 1);
    world.router.follow();
    // Not known to itself as the leader any more: no target, until it is tried again.
    world.elect(1, 1, 1);
    Object.assign(world.replicas.get(1) ?? {}, { isLeader: false });
    world.router.follow();
    world.submit(0, 'set', 'k', 'v');
    expect(world.wakeDelays).toEqual([10]);
    Object.assign(world.replicas.get(1) ?? {}, { isLeader: true });
    world.router.follow();
    expect(world.sent).toEqual([]);
    world.nowMs += 10;
    world.router.follow();
    expect(world.sent).toEqual(['a/1']);
  });
});

describe('the floors of quiet slots', () => {
  it('go to their leader once, and again to the next one', () => {
    const world = new World();
    world.elect(1, 1, 1);
    world.elect(2, 2, 1);
    world.router.follow();
    const done = Buffer.from('+OK\r\n');
    world.submit(7, 'set', 'k', 'v').reply(done, 0, done.length);
    world.submit(200, 'set', 'k', 'v').reply(done, 0, done.length);
    world.router.tellFloors();
    world.router.tellFloors();
    expect(world.floors).toEqual(['a/1: 7', 'b/2']);
    world.elect(2, 3, 2);
    world.router.follow();
    world.router.tellFloors();
    expect(world.floors).toEqual(['a/1: 7', 'b/2', 'c/2']);
  });

  it('wait while something of the slot is unanswered', () => {
    const world = new World();
    world.elect(1, 1, 1);
    world.router.follow();
    const done = Buffer.from('+OK\r\n');
    world.submit(7, 'set', 'k', 'v').reply(done, 0, done.length);
    const last = world.submit(8, 'set', 'k', 'v');
    world.router.tellFloors();
    expect(world.floors).toEqual(['a/1: 7']);
    last.reply(done, 0, done.length);
    world.router.tellFloors();
    expect(world.floors).toEqual(['a/1: 7', 'a/1: 8']);
  });
});
