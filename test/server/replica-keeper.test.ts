/** What the keeper of replicas proposes: who is replaced when, and where nothing may go. */
import { describe, expect, it } from 'vitest';

import { loadTokenHash } from '../../ring/index.ts';
import type { LogEvent, LogFields } from '../../src/log.ts';
import { ReplicaKeeper, type KeeperHost } from '../../src/server/replica-keeper.ts';
import type { Replica } from '../../src/shard/replica.ts';
import { applyChange, type ProposedChange } from '../../src/topology/change.ts';
import { stayingNodes } from '../../src/topology/replica-planner.ts';
import type { NodeId, ShardEntry, ShardId, Topology } from '../../src/topology/types.ts';
import { after, announcedAs, manyNodes, nodeId } from '../topology/many-nodes.ts';

const hash = await loadTokenHash();
const REPLACE_AFTER_MS = 600_000;

/** A cluster whose leaders all run here: each proposal is decided, and the groups have followed the next time that somebody looks. */
class Rig {
  topology: Topology;
  readonly silentMs = new Map<NodeId, number>();
  readonly roomBytes = new Map<NodeId, number>();
  readonly leaderless = new Set<ShardId>();
  readonly told: { event: LogEvent; fields: LogFields }[] = [];
  /** Of what was told, the warnings. */
  readonly warned: LogEvent[] = [];
  readonly changes: ProposedChange['change'][] = [];
  usedBytes = 1000;
  departed: readonly NodeId[] = [];
  /** Groups do what their rows say. */
  follows = true;
  private readonly keeper: ReplicaKeeper;
  private nowMs = 0;

  constructor(topology: Topology, at = 1, announced = announcedAs(at)) {
    this.topology = topology;
    const tell = (event: LogEvent, fields: LogFields = {}): void => void this.told.push({ event, fields });
    const led = (): readonly Replica[] =>
      this.topology.shards.filter(({ id }) => !this.leaderless.has(id)).map((shard) => this.replicaOf(shard));
    const host: KeeperHost = {
      self: nodeId(at),
      announced,
      replicationFactor: 3,
      placesReplicas: true,
      hash,
      get replicas() {
        return led();
      },
      topology: () => this.topology,
      isFailed: (node) => (this.silentMs.get(node) ?? 0) > 0,
      silentMs: (node) => this.silentMs.get(node) ?? 0,
      isLed: (shard) => !this.leaderless.has(shard),
      roomBytes: (node) => this.roomBytes.get(node) ?? Number.MAX_SAFE_INTEGER,
      replaceAfterMs: REPLACE_AFTER_MS,
      log: {
        debug: tell,
        info: tell,
        warn: (event, fields) => (this.warned.push(event), tell(event, fields)),
        error: tell,
      },
    };
    this.keeper = new ReplicaKeeper(host, {
      isKept: () => true,
      propose: ({ change }) => {
        const changed = applyChange(this.topology, change);
        if (typeof changed === 'string') throw new Error(changed);
        this.changes.push(change);
        this.topology = { ...changed, epoch: this.topology.epoch + 1 };
      },
    });
  }

  look(times = 1): void {
    for (let look = 0; look < times; look++) {
      if (this.follows) this.follow();
      this.nowMs += 1000;
      this.keeper.look({ monotonicMs: this.nowMs, wallMs: this.nowMs });
    }
  }

  nodesOf(shard: ShardId): NodeId[] {
    return stayingNodes(this.topology.shards.find(({ id }) => id === shard) as ShardEntry);
  }

  holders(): NodeId[] {
    return [...new Set(this.topology.shards.flatMap((shard) => stayingNodes(shard)))];
  }

  private follow(): void {
    for (const { id, replicas } of this.topology.shards) {
      const members = replicas.filter(({ leaving }) => leaving === true).map(({ member }) => member);
      if (members.length > 0)
        this.topology = after(this.topology, { kind: 'drop-members', shard: id, members });
    }
  }

  private replicaOf({ id, replicas }: ShardEntry): Replica {
    const members = replicas.map(({ member }) => member);
    const voters = members.length % 2 === 1 ? members : members.slice(1);
    const membership = { voters, votersOld: [], learners: members.filter((one) => !voters.includes(one)) };
    return {
      shard: id,
      isReadable: true,
      endSessionsOf: (nodes: readonly NodeId[]) => void (this.departed = nodes),
      raft: { membership, committedMembership: { index: 1, membership } },
      machine: { keyspace: { usedBytes: this.usedBytes }, moves: { slots: { closedBy: 0 } } },
    } as unknown as Replica;
  }
}

function settled(count: number): Topology {
  const rig = new Rig(manyNodes(count));
  rig.look(100);
  return rig.topology;
}

describe('a node that is silent for long', () => {
  const seven = settled(7);
  const pairs = [1, 2, 3, 4, 5, 6].flatMap((first) =>
    Array.from({ length: 7 - first }, (_, i): [number, number] => [first, first + i + 1]),
  );

  it.each(pairs)('is replaced, and another only after it: %i, then %i', (first, second) => {
    const rig = new Rig(seven);
    for (const at of [first, second]) rig.silentMs.set(nodeId(at), REPLACE_AFTER_MS);
    rig.follows = false;
    rig.look(2);
    const going = rig.topology.shards.flatMap(({ replicas }) => replicas.filter(({ leaving }) => leaving));
    expect(new Set(going.map(({ node }) => node))).toEqual(new Set([nodeId(first)]));
    rig.follows = true;
    rig.look(100);
    // It waited neither for the other dead one to take anything, nor for ever.
    expect(rig.holders()).not.toContain(nodeId(first));
    expect(rig.holders()).not.toContain(nodeId(second));
    for (const { id } of rig.topology.shards) expect(rig.nodesOf(id)).toHaveLength(3);
    const lost = rig.told.filter(({ event }) => event === 'node-lost').map(({ fields }) => fields['peer']);
    expect(lost).toEqual([nodeId(first), nodeId(second)]);
  });

  it('is not replaced before its time, nor while more than a third is away', () => {
    const rig = new Rig(settled(5));
    rig.silentMs.set(nodeId(2), REPLACE_AFTER_MS - 1);
    rig.look(3);
    expect(rig.changes).toEqual([]);
    rig.silentMs.set(nodeId(2), REPLACE_AFTER_MS);
    rig.silentMs.set(nodeId(3), 4000);
    rig.look(3);
    expect(rig.changes).toEqual([]);
    rig.silentMs.delete(nodeId(3));
    rig.look(1);
    expect(rig.changes).toMatchObject([{ kind: 'place-shard' }]);
  });

  it('is not replaced where there is no room, and that is said once', () => {
    const rig = new Rig(settled(4));
    rig.silentMs.set(nodeId(2), REPLACE_AFTER_MS);
    for (const at of [1, 3, 4]) rig.roomBytes.set(nodeId(at), 999);
    rig.look(5);
    expect(rig.changes).toEqual([]);
    expect(rig.told.filter(({ event }) => event === 'replacement-waits').length).toBeGreaterThan(0);
    expect(rig.told.find(({ event }) => event === 'replacement-waits')?.fields).toMatchObject({
      neededBytes: 1000,
      roomBytes: 999,
    });
    for (const at of [1, 3, 4]) rig.roomBytes.set(nodeId(at), 1000);
    rig.look(50);
    expect(rig.holders()).not.toContain(nodeId(2));
  });

  it('is replaced by a node that is given one replica at a time: what it said of its room is of before', () => {
    const rig = new Rig(settled(4));
    rig.silentMs.set(nodeId(2), REPLACE_AFTER_MS);
    rig.follows = false;
    rig.look(20);
    const given = rig.topology.shards.filter(({ replicas }) =>
      replicas.some(({ leaving }) => leaving === true),
    );
    const takers = given.map(({ replicas }) => replicas.at(-1)?.node);
    expect(new Set(takers).size).toBe(takers.length);
    rig.leaderless.add(given[0].id);
    rig.look(20);
    const now = rig.topology.shards.filter(({ replicas }) =>
      replicas.some(({ leaving }) => leaving === true),
    );
    // One that nobody leads may never be done: nothing waits for it.
    expect(now.length).toBeGreaterThan(given.length);
  });
});

describe('a node that has taken the address of a dead one', () => {
  it('takes that one out before it is known by its address', () => {
    const rig = new Rig(after(settled(4), { kind: 'begin-leave', node: nodeId(2) }), 1, announcedAs(2));
    rig.topology = { ...rig.topology, slots: [{ from: 0, to: 16_383, shard: 1 }] };
    rig.silentMs.set(nodeId(2), 5000);
    // Its home shard's group ends by its leader, elsewhere.
    rig.leaderless.add(2);
    rig.look(100);
    expect(rig.topology.shards.find(({ id }) => id === 2)?.closing).toBeDefined();
    rig.topology = after(rig.topology, { kind: 'remove-shard', shard: 2 });
    rig.look(100);
    expect(rig.topology.nodes.map(({ id }) => id)).not.toContain(nodeId(2));
    expect(rig.topology.nodes.find(({ id }) => id === nodeId(1))?.peerPort).toBe(announcedAs(2).peerPort);
  });
});

describe('shards that one machine’s loss would stop', () => {
  it('are told of once each, when they come to be so, and when they are so no more', () => {
    const rig = new Rig(manyNodes(2));
    const told = (): unknown[] =>
      rig.told.splice(0).map(({ event, fields }) => [event, (fields['shards'] as ShardId[]).join()]);
    rig.look(10);
    expect(told()).toEqual([['quorum-endangered', '1,2']]);
    expect(rig.warned).toEqual(['quorum-endangered']);
    rig.topology = after(rig.topology, { kind: 'set-weight', node: nodeId(2), weight: 2 });
    rig.look(10);
    expect(told()).toEqual([]);
    rig.topology = after(rig.topology, {
      kind: 'add-node',
      id: nodeId(3),
      announced: announcedAs(3, 'm2'),
      beside: [],
    });
    rig.look(20);
    expect(told()).toEqual([['quorum-endangered', '3']]);
    rig.topology = after(rig.topology, {
      kind: 'add-node',
      id: nodeId(4),
      announced: announcedAs(4),
      beside: [],
    });
    rig.look(50);
    expect(told()).toEqual([['quorum-safe', '1,2,3']]);
  });

  it('are no warning where all nodes run on one machine', () => {
    const rig = new Rig(manyNodes(1));
    rig.topology = after(rig.topology, {
      kind: 'add-node',
      id: nodeId(2),
      announced: announcedAs(2, 'm1'),
      beside: [],
    });
    rig.look(10);
    expect(rig.told.map(({ event }) => event)).toContain('quorum-endangered');
    expect(rig.warned).toEqual([]);
  });

  it('are told of by the first of the nodes that are there alone', () => {
    const rig = new Rig(manyNodes(2), 2);
    rig.look(10);
    expect(rig.told).toEqual([]);
  });
});
