import { expect, it } from 'vitest';

import type { Topology } from '../../../../src/topology/types.ts';
import { SimCluster } from '../cluster.ts';
import { changeTopology, newestTopology } from '../topology.ts';
import { TopologyLaw } from './topology-law.ts';

async function weigh(cluster: SimCluster, weight: number): Promise<void> {
  const [{ id }] = (await newestTopology(cluster)).nodes;
  expect(await changeTopology(cluster, { kind: 'set-weight', node: id, weight })).not.toBeNull();
}

it('each topology that a node syncs is looked at, and the one that it finds when it starts again', async () => {
  const cluster = new SimCluster(31, 3);
  const known: string[][] = [[], [], []];
  cluster.onlooker = {
    onTopology: (i, { generation, epoch }) => known[i].push(`${generation}.${epoch}`),
  };
  await cluster.startAll();
  for (const weight of [200, 50, 100]) await weigh(cluster, weight);
  const { generation, epoch } = await newestTopology(cluster);
  const all = Array.from({ length: epoch }, (_, i) => `${generation}.${i + 1}`);
  await cluster.until(() => known.every((epochs) => epochs.length >= all.length));
  expect(known).toEqual([all, all, all]);
  cluster.crash(1, 'lost');
  await cluster.start(1);
  expect(known[1]).toEqual([...all, `${generation}.${epoch}`]);
});

it('a node that has an older topology than it had is found, and two at one epoch are', async () => {
  const cluster = new SimCluster(32, 3);
  const seen: Topology[] = [];
  cluster.onlooker = { onTopology: (i, topology) => i === 0 && seen.push(topology) };
  await cluster.startAll();
  await weigh(cluster, 50);
  await cluster.until(() => seen.length >= 2);
  const broken: string[] = [];
  const law = new TopologyLaw((name, what) => {
    broken.push(name);
    throw new Error(what);
  });
  const [first, second] = seen;
  expect([law.knows(0, first), law.knows(0, second), law.knows(1, second)]).toEqual([true, true, false]);
  expect(() => law.knows(0, first)).toThrow('that of node 0 goes back');
  expect(() => law.knows(2, { ...first, epoch: second.epoch })).toThrow('two topologies at epoch');
  expect(broken).toEqual(['epochs-rise', 'one-map-per-epoch']);
});
