/** Plans of moves in whole clusters: made by themselves, taken a few moves at a time, told of. */
import { expect, it } from 'vitest';

import type { PlanProposal, RebalanceReport } from '../../../src/admin/rebalance.ts';
import type { TopologyChange } from '../../../src/topology/change.ts';
import type { Topology } from '../../../src/topology/types.ts';
import { MOVES_AT_ONCE } from '../../../src/topology/rebalance-step.ts';
import { SimCluster } from './cluster.ts';
import { changeTopology, newestTopology } from './topology.ts';

const KEYS = 300;

async function report(cluster: SimCluster, i = 0): Promise<RebalanceReport> {
  return (await cluster.admin(i, '/api/rebalance')) as RebalanceReport;
}

/** How many slots each shard has. */
async function heldBy(cluster: SimCluster): Promise<Map<number, number>> {
  const held = new Map<number, number>();
  for (const { from, to, shard } of (await newestTopology(cluster)).slots)
    held.set(shard, (held.get(shard) ?? 0) + to - from + 1);
  return held;
}

/** Asked again while another change comes first, as the command does. */
async function decided(cluster: SimCluster, change: TopologyChange): Promise<Topology> {
  for (let turn = 0; turn < 100; turn++) {
    const topology = await changeTopology(cluster, change);
    if (topology !== null) return topology;
    await cluster.pass(20);
  }
  throw new Error('it is not decided');
}

/** Passes until a plan has ended; how many moves were under way at most. */
async function untilEnded(cluster: SimCluster): Promise<number> {
  let most = 0;
  for (let turn = 0; turn < 600; turn++) {
    await cluster.pass(100);
    const { moves, rebalance } = await newestTopology(cluster);
    most = Math.max(most, moves.length);
    if ((rebalance?.history.length ?? 0) > 0) return most;
  }
  throw new Error('no plan has ended');
}

it('makes a plan when a weight changes, takes it to its end, and is at rest then', async () => {
  const cluster = new SimCluster(11, 3);
  await cluster.startAll();
  const founded = await newestTopology(cluster);
  expect(
    await changeTopology(cluster, { kind: 'set-weight', node: founded.nodes[2].id, weight: 2 }),
  ).not.toBeNull();
  const most = await untilEnded(cluster);
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(MOVES_AT_ONCE);
  const { history, shards, plan } = await report(cluster);
  expect(plan).toBeNull();
  expect(history).toMatchObject([
    { outcome: 'done', by: 'slots', isAutomatic: true, slots: 2731, moved: 2731 },
  ]);
  expect(shards.map(({ slots, quota }) => slots - quota)).toEqual([0, 0, 0]);
  const { epoch } = await newestTopology(cluster);
  await cluster.pass(20_000);
  expect((await newestTopology(cluster)).epoch).toBe(epoch);
  expect(cluster.events.get('rebalance-ended')).toBe(3);
});

it('begins nothing while a shard lacks its majority, by itself or paused', async () => {
  const cluster = new SimCluster(12, 3);
  await cluster.startAll();
  const founded = await newestTopology(cluster);
  await changeTopology(cluster, { kind: 'set-weight', node: founded.nodes[2].id, weight: 5 });
  cluster.crash(1);
  cluster.crash(2);
  await cluster.pass(10_000);
  expect((await newestTopology(cluster)).rebalance).toBeUndefined();
  expect((await report(cluster)).obstacle).toMatch(
    /^not safe now: no leader with a majority is reached of shards 1, 2, 3$/,
  );
  await cluster.start(1);
  await cluster.start(2);
  await cluster.pass(1500);
  const paused = await decided(cluster, { kind: 'pause-rebalance' });
  await cluster.pass(10_000);
  expect((await newestTopology(cluster)).moves).toEqual(paused.moves);
  await decided(cluster, { kind: 'resume-rebalance' });
  await untilEnded(cluster);
});

it('gives nothing to a shard while a node of it is away', async () => {
  const cluster = new SimCluster(14, 3);
  await cluster.startAll();
  const founded = await newestTopology(cluster);
  cluster.crash(2);
  await changeTopology(cluster, { kind: 'set-weight', node: founded.nodes[0].id, weight: 2 });
  await cluster.pass(10_000);
  expect((await newestTopology(cluster)).moves).toEqual([]);
  expect((await newestTopology(cluster)).rebalance).toBeUndefined();
  expect((await report(cluster)).obstacle).toBe(
    'shard 1 is to take slots, and its node 127.0.0.1:7003 is not reached: start it, or take it out: torc node remove --dead 127.0.0.1:7003',
  );
  await cluster.start(2);
  await untilEnded(cluster);
});

it('makes none by itself where that is switched off, and by bytes where that is set', async () => {
  const off = new SimCluster(13, 3, { 'rebalance-auto': 'no' });
  await off.startAll();
  const founded = await newestTopology(off);
  await changeTopology(off, { kind: 'set-weight', node: founded.nodes[0].id, weight: 9 });
  await off.pass(15_000);
  expect((await newestTopology(off)).rebalance).toBeUndefined();
  // A node that leaves is emptied all the same, and nothing else is moved.
  const held = await heldBy(off);
  await changeTopology(off, { kind: 'begin-leave', node: founded.nodes[2].id });
  await untilEnded(off);
  const left = await heldBy(off);
  expect([held.get(3), left.get(3)]).toEqual([5461, undefined]);
  expect([left.get(1), left.get(2)].every((slots, at) => (slots ?? 0) >= (held.get(at + 1) ?? 0))).toBe(true);
  expect((await report(off)).history).toMatchObject([{ outcome: 'done', slots: 5461 }]);
  const rest = (await newestTopology(off)).rebalance;
  await off.pass(10_000);
  expect((await newestTopology(off)).rebalance).toEqual(rest);

  const byBytes = new SimCluster(14, 3, { 'rebalance-by': 'bytes' });
  await byBytes.startAll();
  await fill(byBytes);
  await byBytes.pass(15_000);
  expect((await newestTopology(byBytes)).rebalance).toBeUndefined();
  const { nodes } = await newestTopology(byBytes);
  await changeTopology(byBytes, { kind: 'set-weight', node: nodes[0].id, weight: 2 });
  await untilEnded(byBytes);
  const { history, shards } = await report(byBytes);
  expect(history).toMatchObject([{ by: 'bytes', isAutomatic: true, outcome: 'done' }]);
  expect(history[0].transfers.every(({ target }) => target === 1)).toBe(true);
  const share = shards[0].bytes / shards.reduce((sum, { bytes }) => sum + bytes, 0);
  expect(share).toBeGreaterThan(0.47);
  expect(share).toBeLessThan(0.53);
  expect(shards.reduce((sum, { keys }) => sum + keys, 0)).toBe(KEYS);
});

it('tells what the slots of all shards hold, whichever node is asked', async () => {
  const cluster = new SimCluster(15, 3);
  await cluster.startAll();
  await fill(cluster);
  for (const i of [0, 1, 2]) {
    const { shards, unknown } = await report(cluster, i);
    expect(unknown).toEqual([]);
    expect(shards.reduce((sum, { keys }) => sum + keys, 0)).toBe(KEYS);
    for (const { bytes, keys, operationsPerSecond } of shards) {
      expect(bytes / keys).toBeGreaterThan(100);
      expect(operationsPerSecond).toBeGreaterThan(0);
    }
  }
  const bySlots = (await cluster.admin(1, '/api/rebalance/plan')) as PlanProposal;
  expect(bySlots).toMatchObject({ by: 'slots', slots: 0, obstacle: '' });
  cluster.crash(2);
  const { unknown } = await report(cluster, 0);
  expect(unknown).toEqual([3]);
});

it('sends no slots while paused, whoever leads, and goes on where it stood', async () => {
  const cluster = new SimCluster(16, 3, { 'rebalance-max-bytes-per-second': '16kb' });
  await cluster.startAll();
  await fill(cluster);
  const founded = await newestTopology(cluster);
  await changeTopology(cluster, { kind: 'set-weight', node: founded.nodes[2].id, weight: 2 });
  const moved = async (): Promise<number> => (await report(cluster, 1)).plan?.moved ?? 0;
  for (let turn = 0; turn < 2000 && (await moved()) === 0; turn++) await cluster.pass(10);
  await decided(cluster, { kind: 'pause-rebalance' });
  let paused = -1;
  // What is on its way goes over first.
  for (let now = await moved(); now !== paused; now = await moved()) {
    paused = now;
    await cluster.pass(5000);
  }
  expect(paused).toBeGreaterThan(0);
  expect(paused).toBeLessThan(2731);
  // The one that proposes, and leads a source.
  cluster.crash(0);
  await cluster.pass(5000);
  await cluster.start(0);
  await cluster.pass(3000);
  expect(await moved()).toBe(paused);
  expect((await newestTopology(cluster)).moves.length).toBeGreaterThan(0);
  await decided(cluster, { kind: 'resume-rebalance' });
  await untilEnded(cluster);
  const { history } = await report(cluster);
  expect(history).toMatchObject([{ outcome: 'done', slots: 2731, moved: 2731 }]);
});

/** Values of 100 bytes, by one client. */
async function fill(cluster: SimCluster): Promise<void> {
  const client = cluster.client(0);
  for (let at = 0; at < KEYS; at++)
    expect(await client.ask('SET', `key:${at}`, 'v'.repeat(100))).toBe('+OK\r\n');
}
