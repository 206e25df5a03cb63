/** Shards whose majority is lost for good go on with what a sealed member still holds (histories 4 and 16). */
import { expect, it } from 'vitest';

import { hashNow } from '../../../src/shard/state-hash.ts';
import type { ShardEntry, Topology } from '../../../src/topology/types.ts';
import { keyOf, Scene, slotOfKey } from './scene.ts';
import { changeTopology, leaderOf, newestTopology, untilSettled } from './topology.ts';

const KEYS = 20;

interface Lost {
  scene: Scene;
  shard: ShardEntry;
  /** By member: the place of its node. */
  at: number[];
  /** Somebody else's node, where clients are. */
  beside: number;
}

async function five(seed: number, flags: Record<string, string> = {}): Promise<Lost> {
  const scene = new Scene(seed, 5, { 'place-replicas': 'no', ...flags });
  const { cluster } = scene;
  await cluster.startAll();
  const topology = await newestTopology(cluster);
  const [shard] = topology.shards;
  const at = shard.replicas.map(({ node }) => placeOf(topology, node));
  const beside = [0, 1, 2, 3, 4].find((i) => !at.includes(i)) ?? 0;
  return { scene, shard, at, beside };
}

function placeOf({ nodes }: Topology, node: string): number {
  return nodes.findIndex(({ id }) => id === node);
}

function keysOf(topology: Topology, shard: number, count: number): string[] {
  const first = keyOf(topology, shard);
  return Array.from({ length: count }, (_, i) => `{${first}}:${i}`);
}

it('two of three disks are lost: all that the third had is there afterwards', async () => {
  const { scene, shard, at, beside } = await five(1);
  const { cluster } = scene;
  const client = cluster.client(beside);
  const keys = keysOf(await newestTopology(cluster), shard.id, KEYS);
  for (const key of keys) expect(await client.ask('SET', key, `v${key}`)).toBe('+OK\r\n');
  expect(await client.ask('PEXPIREAT', keys[0], '1700000400000')).toBe(':1\r\n');
  await cluster.pass(1000);
  cluster.crash(at[0], 'lost');
  cluster.crash(at[2], 'lost');
  await cluster.pass(12_000);
  const heir = await scene.giveUp(shard.id, [shard.replicas[0].member, shard.replicas[2].member], true);
  expect(heir.rewound).toMatchObject({ group: shard.group, member: shard.replicas[1].member });
  expect(heir.replicas).toEqual([{ member: 1, node: shard.replicas[1].node }]);
  await cluster.until(() => cluster.events.get('shard-rewound') === 1);
  for (const key of keys)
    expect(await client.ask('GET', key)).toBe(`$${key.length + 1}\r\nv${key}\r\n`);
  expect(await client.ask('PEXPIRETIME', keys[0])).toBe(':1700000400000\r\n');
  expect(await client.ask('SET', keys[1], 'w')).toBe('+OK\r\n');
});
