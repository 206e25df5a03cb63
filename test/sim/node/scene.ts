/** A simulated cluster whose slots are watched: how far a move is at both sides, and that each slot has one owner. */
import { expect } from 'vitest';

import { slotOf } from '../../../ring/index.ts';
import { SlotState } from '../../../src/shard/moves/slot-state.ts';
import type { Replica } from '../../../src/shard/replica.ts';
import { slotsOf } from '../../../src/topology/slot-ranges.ts';
import { SLOT_COUNT, type MoveEntry, type ShardEntry, type Topology } from '../../../src/topology/types.ts';
import { SimCluster } from './cluster.ts';
import { changeTopology, leaderOf, newestTopology } from './topology.ts';

const FLAGS = { 'rebalance-auto': 'no' };
export const SOURCE = 3;
export const TARGET = 4;

export class Scene {
  readonly cluster: SimCluster;
  /** By node, those that were made last. */
  private readonly made: Map<number, Replica>[] = [];

  constructor(seed: number, nodes: number, flags: Record<string, string>) {
    this.cluster = new SimCluster(seed, nodes, { ...FLAGS, ...flags });
    this.cluster.onlooker = {
      onReplica: (i, replica) => (this.made[i] ??= new Map()).set(replica.raft.group, replica),
    };
  }

  replicas(group: number): Replica[] {
    return this.made.flatMap((own, i) => {
      const replica = own.get(group);
      return replica === undefined || this.cluster.nodes[i].running === null ? [] : [replica];
    });
  }

  groupOf({ shards }: Topology, shard: number): number {
    return shards.find(({ id }) => id === shard)?.group ?? 0;
  }

  /** One value is written for each shard. */
  async write(client: number): Promise<Map<number, string>> {
    const topology = await newestTopology(this.cluster);
    const keys = new Map(topology.shards.map(({ id }) => [id, keyOf(topology, id)]));
    for (const key of keys.values())
      expect(await this.cluster.client(client).ask('SET', key, 'v')).toBe('+OK\r\n');
    return keys;
  }

  /** A move of one slot is recorded and goes as far as `until` says. */
  async move(until: (source: Replica, target: Replica, slot: number) => boolean): Promise<MoveEntry> {
    const { cluster } = this;
    const before = await newestTopology(cluster);
    const slot = slotOfKey(keyOf(before, SOURCE));
    const slots = [{ from: slot, to: slot }];
    const moving = await changeTopology(cluster, {
      kind: 'begin-move',
      source: SOURCE,
      target: TARGET,
      slots,
    });
    const [source] = this.replicas(this.groupOf(before, SOURCE));
    const [target] = this.replicas(this.groupOf(before, TARGET));
    await cluster.until(() => until(source, target, slot));
    if (moving === null) throw new Error('the move was refused');
    return moving.moves[0];
  }

  /** It is given up, and has a successor. */
  async giveUp(shard: number, destroyed: number[], rewind?: boolean): Promise<ShardEntry> {
    const { nextOrdinal } = await this.sayGivenUp(shard, destroyed, rewind);
    return this.successor(shard, nextOrdinal);
  }

  async sayGivenUp(shard: number, destroyed: number[], rewind?: boolean): Promise<Topology> {
    const given = await changeTopology(this.cluster, { kind: 'give-up-shard', shard, destroyed, rewind });
    if (given === null) throw new Error('it may be given up');
    return given;
  }

  /** The first of those that were named since. */
  async successor(shard: number, nextOrdinal: number): Promise<ShardEntry> {
    for (let turn = 0; turn < 150; turn++) {
      const { shards } = await newestTopology(this.cluster);
      const heir = shards.find(({ id }) => id >= nextOrdinal);
      if (!shards.some(({ id }) => id === shard) && heir !== undefined) return heir;
      await this.cluster.pass(200);
    }
    throw new Error(`no successor: ${JSON.stringify((await newestTopology(this.cluster)).shards)}`);
  }

  /** By the logs of the nodes that run: each slot is owned by one group, that which the register names. */
  async expectOneOwnerEach(): Promise<void> {
    const { cluster } = this;
    await cluster.pass(3000);
    const topology = await newestTopology(cluster);
    expect(topology.moves).toEqual([]);
    const owners = new Uint32Array(SLOT_COUNT);
    for (const shard of topology.shards) {
      const leader = await leaderOf(cluster, shard.id);
      const replica = leader === null ? undefined : this.made[leader.at].get(shard.group);
      expect(replica, `shard ${shard.id} is led`).toBeDefined();
      for (let slot = 0; slot < SLOT_COUNT; slot++) {
        if (replica?.machine.moves.stateOf(slot) === SlotState.NONE) continue;
        expect(replica?.machine.moves.stateOf(slot)).toBe(SlotState.OWNED);
        expect(owners[slot], `slot ${slot} has one owner`).toBe(0);
        owners[slot] = shard.id;
      }
    }
    for (const { from, to, shard } of topology.slots)
      for (const slot of slotsOf([{ from, to }])) expect(owners[slot], `slot ${slot}`).toBe(shard);
  }
}

export function slotOfKey(key: string): number {
  const bytes = Buffer.from(key);
  return slotOf(bytes, 0, bytes.length);
}

export function keyOf({ slots }: Topology, shard: number): string {
  for (let i = 0; i < 1_000_000; i++) {
    const slot = slotOfKey(`k${i}`);
    if (slots.some((run) => run.shard === shard && run.from <= slot && slot <= run.to)) return `k${i}`;
  }
  throw new Error(`no key of shard ${shard}`);
}
