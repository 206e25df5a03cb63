/** What the nodes of a cluster say of each other when one is killed, stands still, stops, is cut off. */
import { describe, expect, it } from 'vitest';
import type { MemberStatus, StatusReport } from '../../../src/admin/status.ts';
import { SimCluster } from './cluster.ts';

const LEAST_SUSPICION_MS = 4000;

async function started(seed: number): Promise<SimCluster> {
  const cluster = new SimCluster(seed, 3);
  await cluster.startAll();
  await cluster.pass(2000);
  return cluster;
}

async function membersOf(cluster: SimCluster, i: number): Promise<readonly MemberStatus[]> {
  return ((await cluster.admin(i, '/api/status')) as StatusReport).members;
}

async function statesOf(cluster: SimCluster, i: number): Promise<string[]> {
  return (await membersOf(cluster, i)).map(({ state }) => state);
}

async function incarnationOf(cluster: SimCluster, i: number, of: number): Promise<number> {
  return (await membersOf(cluster, i))[of].incarnation;
}

describe('a cluster by its gossip', () => {
  it('holds all alive, and knows what they say of themselves', async () => {
    const cluster = await started(1);
    for (const i of [0, 1, 2]) expect(await statesOf(cluster, i)).toEqual(['alive', 'alive', 'alive']);
    const members = await membersOf(cluster, 0);
    expect(members.map(({ machine }) => machine)).toEqual(['node-0', 'node-1', 'node-2']);
    expect(members.map(({ clientPort }) => clientPort)).toEqual([0, 1, 2].map((i) => cluster.portOf(i)));
    expect(members.flatMap(({ leads }) => leads).toSorted((a, b) => a - b)).toEqual([1, 2, 3]);
    expect(cluster.events.get('node-suspected')).toBeUndefined();
  });

  it('suspects a killed node at once, holds it dead when its time is over, and alive when it is back', async () => {
    const cluster = await started(2);
    const before = await incarnationOf(cluster, 0, 2);
    cluster.crash(2);
    await cluster.pass(500);
    for (const i of [0, 1]) expect(await statesOf(cluster, i)).toEqual(['alive', 'alive', 'suspect']);
    await cluster.pass(LEAST_SUSPICION_MS);
    for (const i of [0, 1]) expect(await statesOf(cluster, i)).toEqual(['alive', 'alive', 'dead']);
    await cluster.start(2);
    await cluster.pass(3000);
    for (const i of [0, 1, 2]) expect(await statesOf(cluster, i)).toEqual(['alive', 'alive', 'alive']);
    expect(await incarnationOf(cluster, 0, 2)).toBeGreaterThan(before + 2 ** 23);
    expect(cluster.events.get('node-dead')).toBe(2);
  });

  it('finds out about one whose connections are not seen to close', async () => {
    const cluster = await started(3);
    cluster.crash(2, 'kill', true);
    await cluster.pass(12_000);
    for (const i of [0, 1]) expect(await statesOf(cluster, i)).toEqual(['alive', 'alive', 'dead']);
  });

  it('takes back what it said of one that stood still', async () => {
    const cluster = await started(4);
    cluster.pause(1);
    await cluster.pass(20_000);
    for (const i of [0, 2]) expect(await statesOf(cluster, i)).toEqual(['alive', 'dead', 'alive']);
    cluster.resume(1);
    await cluster.pass(5000);
    for (const i of [0, 1, 2]) expect(await statesOf(cluster, i)).toEqual(['alive', 'alive', 'alive']);
    // Nobody was suspected by the one that stood still.
    expect(cluster.events.get('node-dead')).toBe(2);
    expect(cluster.events.get('suspicion-refuted')).toBeGreaterThan(0);
  });

  it('is told by one that stops in good order, and suspects nobody', async () => {
    const cluster = await started(5);
    await cluster.stop(0);
    await cluster.pass(1000);
    for (const i of [1, 2]) expect(await statesOf(cluster, i)).toEqual(['left', 'alive', 'alive']);
    await cluster.start(0);
    await cluster.pass(3000);
    for (const i of [0, 1, 2]) expect(await statesOf(cluster, i)).toEqual(['alive', 'alive', 'alive']);
    expect(cluster.events.get('node-dead')).toBeUndefined();
    expect(cluster.events.get('node-left')).toBe(2);
  });

  it('holds nobody dead whom another node reaches', async () => {
    const cluster = await started(6);
    cluster.cut(0, 2);
    await cluster.pass(20_000);
    expect(await statesOf(cluster, 1)).toEqual(['alive', 'alive', 'alive']);
    expect(cluster.events.get('node-dead')).toBeUndefined();
  });
});
