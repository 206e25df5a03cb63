/** Shards whose majority is lost for good: given up, they get a successor, and no slot has two owners (histories 4 and 16). */
import { expect, it } from 'vitest';

import { slotOf } from '../../../ring/index.ts';
import { SlotState } from '../../../src/shard/moves/slot-state.ts';
import type { Replica } from '../../../src/shard/replica.ts';
import { slotsOf } from '../../../src/topology/slot-ranges.ts';
import { SLOT_COUNT, type MoveEntry, type ShardEntry, type Topology } from '../../../src/topology/types.ts';
import { SimCluster } from './cluster.ts';
import { changeTopology, leaderOf, newestTopology, untilSettled } from './topology.ts';

const FLAGS = { 'rebalance-auto': 'no' };
const SOURCE = 3;
const TARGET = 4;

class Scene {
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
  async giveUp(shard: number, destroyed: number[]): Promise<ShardEntry> {
    const given = await changeTopology(this.cluster, { kind: 'give-up-shard', shard, destroyed });
    expect(given, 'it may be given up').not.toBeNull();
    for (let turn = 0; turn < 150; turn++) {
      const { shards } = await newestTopology(this.cluster);
      const heir = shards.find(({ id }) => id > this.cluster.nodes.length);
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

function slotOfKey(key: string): number {
  const bytes = Buffer.from(key);
  return slotOf(bytes, 0, bytes.length);
}

function keyOf({ slots }: Topology, shard: number): string {
  for (let i = 0; i < 1_000_000; i++) {
    const slot = slotOfKey(`k${i}`);
    if (slots.some((run) => run.shard === shard && run.from <= slot && slot <= run.to)) return `k${i}`;
  }
  throw new Error(`no key of shard ${shard}`);
}

/** Each shard has one replica, at home. */
async function fourAlone(seed: number, flags: Record<string, string> = {}): Promise<Scene> {
  const scene = new Scene(seed, 4, { 'replication-factor': '1', ...flags });
  await scene.cluster.startAll();
  return scene;
}

const isActivated = (source: Replica, target: Replica, slot: number): boolean =>
  target.machine.moves.stateOf(slot) === SlotState.OWNED &&
  source.machine.moves.stateOf(slot) === SlotState.FROZEN;

it('the target is lost after it activated: the source has the slot again, its successor has not (history 16)', async () => {
  const scene = await fourAlone(1);
  const { cluster } = scene;
  const keys = await scene.write(0);
  await scene.move(isActivated);
  cluster.crash(3, 'lost');
  await cluster.pass(5000);
  await scene.giveUp(TARGET, [1]);
  await scene.expectOneOwnerEach();
  expect(await cluster.client(0).ask('GET', keys.get(SOURCE) ?? '')).toBe('$1\r\nv\r\n');
  expect(await cluster.client(0).ask('GET', keys.get(TARGET) ?? '')).toBe('$-1\r\n');
  expect(await cluster.client(0).ask('SET', keys.get(TARGET) ?? '', 'w')).toBe('+OK\r\n');
});

it('the source is lost after the target activated: the target keeps the slot, the successor opens without it (history 16)', async () => {
  const scene = await fourAlone(2);
  const { cluster } = scene;
  const keys = await scene.write(0);
  const { slots } = await scene.move(isActivated);
  cluster.crash(2, 'lost');
  await cluster.pass(5000);
  const heir = await scene.giveUp(SOURCE, [1]);
  await scene.expectOneOwnerEach();
  expect(await cluster.client(0).ask('GET', keys.get(SOURCE) ?? '')).toBe('$1\r\nv\r\n');
  const [{ from }] = slots;
  const owner = (await newestTopology(cluster)).slots.find(
    (run) => run.from <= from && from <= run.to,
  )?.shard;
  expect([owner, heir.id === owner]).toEqual([TARGET, false]);
});

it("the source is lost while it sends: the target calls it back, and the slot is the successor's", async () => {
  const scene = await fourAlone(3, { 'rebalance-max-bytes-per-second': '1kb' });
  const { cluster } = scene;
  const topology = await newestTopology(cluster);
  const key = keyOf(topology, SOURCE);
  expect(await cluster.client(0).ask('SET', key, 'v'.repeat(100_000))).toBe('+OK\r\n');
  await scene.move((_, target, slot) => target.machine.moves.stateOf(slot) === SlotState.STAGING);
  cluster.crash(2, 'lost');
  await cluster.pass(5000);
  await scene.giveUp(SOURCE, [1]);
  await scene.expectOneOwnerEach();
  expect(await cluster.client(1).ask('GET', key)).toBe('$-1\r\n');
});

it('both sides are lost: the successor of the source has the slots', async () => {
  const scene = await fourAlone(4);
  const { cluster } = scene;
  await scene.write(0);
  const move = await scene.move(isActivated);
  cluster.crash(2, 'lost');
  cluster.crash(3, 'lost');
  await cluster.pass(12_000);
  expect(
    await changeTopology(cluster, { kind: 'give-up-shard', shard: TARGET, destroyed: [1] }),
  ).not.toBeNull();
  await cluster.pass(5000);
  // The source may still have its own word on the move.
  expect((await newestTopology(cluster)).moves).toEqual([move]);
  await scene.giveUp(SOURCE, [1]);
  await cluster.pass(3000);
  await scene.expectOneOwnerEach();
});

it('is refused while the shard has a leader, whatever the row says (history 4)', async () => {
  const scene = new Scene(5, 5, {});
  const { cluster } = scene;
  await cluster.startAll();
  await untilSettled(cluster);
  const topology = await newestTopology(cluster);
  const [shard] = topology.shards;
  const at = topology.nodes.findIndex(({ id }) => id === shard.replicas[2].node);
  cluster.crash(at, 'lost');
  await cluster.pass(3000);
  expect(
    await changeTopology(cluster, { kind: 'give-up-shard', shard: shard.id, destroyed: [1, 2, 3] }),
  ).toBeNull();
});

it('a member that was said to be destroyed and comes back neither votes nor serves (history 4)', async () => {
  const scene = new Scene(6, 5, { 'place-replicas': 'no' });
  const { cluster } = scene;
  await cluster.startAll();
  const topology = await newestTopology(cluster);
  const [shard] = topology.shards;
  const places = shard.replicas.map(({ node }) => topology.nodes.findIndex(({ id }) => id === node));
  const survivor = [0, 1, 2, 3, 4].find((i) => !places.includes(i)) ?? 0;
  await scene.write(survivor);
  // One disk is lost, one node only dead: no majority is there.
  cluster.crash(places[1], 'lost');
  cluster.crash(places[2], 'kill');
  await cluster.pass(12_000);
  const own = (at: number): number => shard.replicas[at].member;
  expect(
    await changeTopology(cluster, { kind: 'give-up-shard', shard: shard.id, destroyed: [own(1)] }),
  ).not.toBeNull();
  await cluster.pass(5000);
  // The dead one has not said that it never votes there again.
  expect((await newestTopology(cluster)).shards.map(({ id }) => id)).toContain(shard.id);
  const heir = await scene.giveUp(shard.id, [own(2)]);
  expect(heir.group).toBeGreaterThan(5);
  expect(scene.replicas(shard.group).map(({ isLeader }) => isLeader)).not.toContain(true);
  await cluster.start(places[2]);
  await cluster.pass(5000);
  const status = (await cluster.admin(places[2], '/api/status')) as { replicas: { shard: number }[] };
  expect(status.replicas.map((row) => row.shard)).not.toContain(shard.id);
  const key = keyOf(await newestTopology(cluster), heir.id);
  for (const i of [places[2], survivor]) expect(await cluster.client(i).ask('GET', key)).toBe('$-1\r\n');
});
