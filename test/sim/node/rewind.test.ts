/** Shards whose majority is lost for good go on with what a sealed member still holds (histories 4 and 16). */
import { expect, it } from 'vitest';

import { SlotState } from '../../../src/shard/moves/slot-state.ts';
import type { Replica } from '../../../src/shard/replica.ts';
import { hashNow } from '../../../src/shard/state-hash.ts';
import type { ShardEntry, Topology } from '../../../src/topology/types.ts';
import type { SimClient } from './cluster.ts';
import { keyOf, Scene, SOURCE, TARGET } from './scene.ts';
import { changeTopology, leaderOf, newestTopology } from './topology.ts';

const KEYS = 20;
const CLIENTS = 5;
const COUNTS = 60;
/** Clients wait for as long as an operator takes. */
const PATIENT = { 'park-timeout-ms': '200000', 'outcome-timeout-ms': '200000' };

interface Lost {
  scene: Scene;
  shard: ShardEntry;
  /** Of its members: the places of their nodes. */
  at: number[];
  /** Somebody else's node, where clients are. */
  beside: number;
}

async function begin(seed: number, nodes: number, flags: Record<string, string>): Promise<Lost> {
  const scene = new Scene(seed, nodes, flags);
  const { cluster } = scene;
  await cluster.startAll();
  const topology = await newestTopology(cluster);
  const [shard] = topology.shards;
  const at = shard.replicas.map(({ node }) => placeOf(topology, node));
  const beside = [0, 1, 2, 3].find((i) => !at.includes(i)) ?? 0;
  return { scene, shard, at, beside };
}

function placeOf({ nodes }: Topology, node: string): number {
  return nodes.findIndex(({ id }) => id === node);
}

function keysOf(topology: Topology, shard: number): string[] {
  const tag = keyOf(topology, shard);
  return Array.from({ length: KEYS }, (_, i) => `{${tag}}:${i}`);
}

async function expectAll(client: SimClient, keys: readonly string[]): Promise<void> {
  for (const key of keys) expect(await client.ask('GET', key)).toBe(`$${key.length}\r\n${key}\r\n`);
}

/** The first and the third lose their disks; the second is left. */
async function lose({ scene, shard, at }: Lost): Promise<number[]> {
  scene.cluster.crash(at[0], 'lost');
  scene.cluster.crash(at[2], 'lost');
  await scene.cluster.pass(12_000);
  return [shard.replicas[0].member, shard.replicas[2].member];
}

it('two of three disks are lost: all that the third had is there afterwards, and on three nodes again', async () => {
  const lost = await begin(1, 5, PATIENT);
  const { scene, shard, at, beside } = lost;
  const { cluster } = scene;
  const client = cluster.client(beside);
  const keys = keysOf(await newestTopology(cluster), shard.id);
  for (const key of keys) expect(await client.ask('SET', key, key)).toBe('+OK\r\n');
  expect(await client.ask('PEXPIREAT', keys[0], '1700000400000')).toBe(':1\r\n');
  // What is acknowledged has reached the second. Of what is under way when the others die nobody knows whether it ran.
  cluster.cut(at[0], at[2]);
  const counting = Array.from({ length: CLIENTS }, () => cluster.client(beside));
  const count = ['INCR', `${keys[0]}:count`];
  for (const one of counting) one.send(...Array.from({ length: COUNTS }, () => count));
  await cluster.pass(2);
  for (const one of counting) one.send(...Array.from({ length: COUNTS }, () => count));
  await cluster.pass(1);
  const heir = await scene.giveUp(shard.id, await lose(lost), true);
  expect(heir.rewound).toMatchObject({ group: shard.group, member: shard.replicas[1].member });
  expect(heir.replicas).toEqual([{ member: 1, node: shard.replicas[1].node }]);
  const all = CLIENTS * COUNTS * 2;
  await cluster.until(() => counting.every(({ replies }) => replies.length === COUNTS * 2), 60_000);
  const told = counting.flatMap(({ replies }) => replies.map((reply) => Number(reply.slice(1))));
  expect(told.toSorted((a, b) => a - b)).toEqual(Array.from({ length: all }, (_, i) => i + 1));
  await expectAll(client, keys);
  expect(await client.ask('PEXPIRETIME', keys[0])).toBe(':1700000400000\r\n');

  const isWhole = async (): Promise<boolean> =>
    (await leaderOf(cluster, heir.id))?.status.voters.length === 3 && scene.replicas(heir.group).length === 3;
  for (let turn = 0; turn < 100 && !(await isWhole()); turn += 1) await cluster.pass(300);
  await cluster.pass(2000);
  const machines = scene.replicas(heir.group).map(({ machine }) => machine);
  expect(new Set(machines.map((machine) => `${machine.appliedIndex} ${hashNow(machine)}`)).size).toBe(1);
  expect(machines.map(({ keyspace }) => keyspace.totalKeyCount())).toEqual([KEYS + 1, KEYS + 1, KEYS + 1]);
});

it('the node that is left dies on the way, again and again; lost for good, the shard can only begin empty', async () => {
  // The register is to have a majority without the three.
  const lost = await begin(2, 7, { 'place-replicas': 'no', ...PATIENT });
  const { scene, shard, at, beside } = lost;
  const { cluster } = scene;
  const keys = keysOf(await newestTopology(cluster), shard.id);
  for (const key of keys) expect(await cluster.client(beside).ask('SET', key, key)).toBe('+OK\r\n');
  await cluster.pass(1000);
  const destroyed = await lose(lost);
  const [, left] = at;
  const { nextOrdinal } = await scene.sayGivenUp(shard.id, destroyed, true);
  await cluster.until(() => cluster.events.get('replica-kept') === 1);
  cluster.crash(left, 'torn');
  await cluster.pass(5000);
  // Its log may be the longest: nobody goes on without it.
  expect((await newestTopology(cluster)).shards.map(({ id }) => id)).toContain(shard.id);
  const all = [...destroyed, shard.replicas[1].member];
  expect(
    await changeTopology(cluster, { kind: 'give-up-shard', shard: shard.id, destroyed: all, rewind: true }),
  ).toBeNull();
  await cluster.start(left);
  const heir = await scene.successor(shard.id, nextOrdinal);
  cluster.crash(left, 'lost');
  await cluster.pass(3000);
  await cluster.start(left);
  await cluster.until(() => scene.replicas(heir.group).some(({ isReadable }) => isReadable));
  await expectAll(cluster.client(beside), keys);
  cluster.crash(left, 'lost');
  await cluster.pass(12_000);
  expect(
    await changeTopology(cluster, { kind: 'give-up-shard', shard: heir.id, destroyed: [1], rewind: true }),
  ).toBeNull();
  await cluster.pass(100);
  await scene.giveUp(heir.id, [1]);
  await cluster.pass(3000);
  expect(await cluster.client(beside).ask('GET', keys[0])).toBe('$-1\r\n');
});

/** Each shard has one replica, at home. */
async function fourAlone(seed: number): Promise<Scene> {
  const scene = new Scene(seed, 4, { 'replication-factor': '1', ...PATIENT });
  await scene.cluster.startAll();
  return scene;
}

const isActivated = (source: Replica, target: Replica, slot: number): boolean =>
  target.machine.moves.stateOf(slot) === SlotState.OWNED &&
  source.machine.moves.stateOf(slot) === SlotState.FROZEN;

/** Their only nodes are away while they are given up, and come back with what they held. */
async function rewindAll(scene: Scene, ...shards: number[]): Promise<void> {
  const { cluster } = scene;
  for (const shard of shards) cluster.crash(shard - 1, 'kill');
  await cluster.pass(12_000);
  for (const shard of shards) await scene.sayGivenUp(shard, [], true);
  for (const shard of shards) await cluster.start(shard - 1);
  for (let turn = 0; turn < 100; turn += 1) {
    const topology = await newestTopology(cluster);
    if (!topology.shards.some(({ id }) => shards.includes(id))) break;
    await cluster.pass(200);
  }
  await scene.expectOneOwnerEach();
}

it.each([
  ['source', [SOURCE], TARGET],
  ['target', [TARGET], SOURCE],
])(
  'a slot has one owner, and its data, when the %s of a move is rewound (history 16)',
  async (_, shards, owner) => {
    const scene = await fourAlone(owner);
    const { cluster } = scene;
    const keys = await scene.write(0);
    const { slots } = await scene.move(isActivated);
    await rewindAll(scene, ...shards);
    const topology = await newestTopology(cluster);
    // As the log of the side that was not lost says: the target's had activated it, the source's had not seen it go.
    expect(topology.slots.find(({ from, to }) => from <= slots[0].from && slots[0].from <= to)?.shard).toBe(
      owner,
    );
    for (const key of keys.values()) expect(await cluster.client(0).ask('GET', key)).toBe('$1\r\nv\r\n');
  },
);

it('both sides of a move are rewound: the successor of the source has the slot', async () => {
  const scene = await fourAlone(9);
  const { cluster } = scene;
  const keys = await scene.write(0);
  const { slots } = await scene.move(isActivated);
  await rewindAll(scene, SOURCE, TARGET);
  const topology = await newestTopology(cluster);
  const owner = topology.slots.find(({ from, to }) => from <= slots[0].from && slots[0].from <= to)?.shard;
  const groups = topology.shards.map(({ id, rewound }) => [id, rewound?.group]);
  expect(groups).toContainEqual([owner, SOURCE]);
  for (const key of keys.values()) expect(await cluster.client(0).ask('GET', key)).toBe('$1\r\nv\r\n');
});
