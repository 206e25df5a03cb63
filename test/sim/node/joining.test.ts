/** Nodes that come and leave while clients write: replicas follow by themselves, and no client is told an error. */
import { describe, expect, it } from 'vitest';

import { stayingNodes } from '../../../src/topology/replica-planner.ts';
import type { Topology } from '../../../src/topology/types.ts';
import { HOST, portOf, SimCluster } from './cluster.ts';
import { Counter, load } from './counters.ts';
import { wrongReplicas } from './replicas.ts';
import { changeTopology, isSettled, newestTopology } from './topology.ts';

const KEYS = 8;

async function untilPlaced(
  cluster: SimCluster,
  counters: readonly Counter[],
  isDone: (topology: Topology) => boolean,
): Promise<Topology> {
  for (let waited = 0; waited < 600; waited++) {
    await load(cluster, counters, KEYS, 100);
    const topology = await newestTopology(cluster);
    if (isDone(topology) && (await isSettled(cluster))) return topology;
  }
  throw new Error(`it does not become so: ${JSON.stringify(await newestTopology(cluster))}`);
}

const sizes = ({ shards }: Topology): number[] => shards.map((shard) => stayingNodes(shard).length);

function held({ shards, nodes }: Topology, i: number): number {
  const node = nodes.find(({ clientPort }) => clientPort === portOf(i))?.id ?? '';
  return shards.filter((shard) => stayingNodes(shard).includes(node)).length;
}

describe('a node that joins', () => {
  it.each([1, 2])('is given its share of replicas, and leaves again (seed %i)', async (seed) => {
    const cluster = new SimCluster(seed, 4);
    cluster.founders = 3;
    await cluster.startAll();
    const counters = [0, 1, 2].map((i) => new Counter(cluster, i));
    await load(cluster, counters, KEYS, 500);
    await cluster.start(3);
    const joined = await untilPlaced(
      cluster,
      counters,
      (now) => now.nodes.length === 4 && held(now, 3) === 3,
    );
    expect(sizes(joined)).toEqual([3, 3, 3, 3]);
    expect(joined.shards.at(-1)?.home).toBe(joined.nodes.at(-1)?.id);
    await cluster.until(() => cluster.nodes[3].running?.ready === true);
    counters.push(new Counter(cluster, 3));
    await load(cluster, counters, KEYS, 500);

    const node = joined.nodes.at(-1)?.id ?? '';
    while ((await changeTopology(cluster, { kind: 'begin-leave', node })) === null) await cluster.pass(100);
    const left = await untilPlaced(cluster, counters, (now) => held(now, 3) === 0);
    expect(sizes(left)).toEqual([3, 3, 3, 3]);
    await cluster.pass(3000);
    expect(counters.map((counter) => counter.wrong(KEYS))).toEqual([null, null, null, null]);
    expect(await wrongReplicas(cluster, false)).toBeNull();
    cluster.dispose();
  });

  it('makes one replica two, and two three voters', async () => {
    const cluster = new SimCluster(3, 3);
    cluster.founders = 1;
    await cluster.startAll();
    const counters = [new Counter(cluster, 0)];
    await load(cluster, counters, KEYS, 300);
    await cluster.start(1);
    const two = await untilPlaced(cluster, counters, (now) => sizes(now).join() === '2,2');
    expect(two.nodes).toHaveLength(2);
    await cluster.start(2);
    const three = await untilPlaced(cluster, counters, (now) => sizes(now).join() === '3,3,3');
    expect(three.nodes.map(({ ordinal }) => ordinal)).toEqual([1, 2, 3]);
    await cluster.until(() => cluster.nodes.every((node) => node.running?.ready === true));
    await cluster.pass(500);
    // Now one may die: the others have what ends the change, too.
    cluster.crash(0, 'lost');
    const survivor = new Counter(cluster, 2);
    await load(cluster, [survivor], KEYS, 3000);
    await cluster.pass(3000);
    expect(survivor.wrong(KEYS)).toBeNull();
    cluster.dispose();
  });

  it('waits for those that it is to find, and founds nothing beside them', async () => {
    const cluster = new SimCluster(4, 4);
    cluster.founders = 3;
    // It thinks itself one of the founders.
    const all = cluster.nodes.map((_, i) => `${HOST}:${portOf(i) + 10_000}`).join(',');
    cluster.ownFlags[3] = { seeds: all };
    await cluster.start(3);
    await cluster.pass(5000);
    expect(cluster.nodes[3].running?.ready).toBe(false);
    await cluster.startAll();
    await cluster.until(() => cluster.nodes[3].running?.ready === true);
    const { nodes } = await newestTopology(cluster);
    expect(nodes.map(({ ordinal }) => ordinal)).toEqual([1, 2, 3, 4]);
    cluster.dispose();
  });

  it('may be killed at any moment, and is one node of the cluster in the end', async () => {
    const cluster = new SimCluster(5, 4);
    cluster.founders = 3;
    await cluster.startAll();
    for (let i = 0; i < 12; i++) {
      void cluster.launch(3).catch(() => {});
      await cluster.pass(20 + i * 60);
      cluster.crash(3, (['kill', 'lost', 'torn'] as const)[i % 3]);
      await cluster.pass(200);
    }
    await cluster.start(3);
    await cluster.until(() => cluster.nodes[3].running?.ready === true);
    expect((await newestTopology(cluster)).nodes).toHaveLength(4);
    cluster.dispose();
  });

  it('with an empty disk at the place of another takes it only when that is said, and that one is dead', async () => {
    const cluster = new SimCluster(6, 5);
    cluster.founders = 4;
    await cluster.startAll();
    const before = await newestTopology(cluster);
    const old = before.nodes.find(({ clientPort }) => clientPort === portOf(3))?.id ?? '';
    cluster.ownFlags[4] = { replace: old };
    await cluster.start(4);
    await expect(cluster.until(() => cluster.nodes[4].running?.ready === true)).rejects.toThrow(
      'answers: stop it',
    );
    cluster.crash(4);
    cluster.crash(3, 'lost');
    await cluster.pass(5000);
    await cluster.start(4);
    await cluster.until(() => cluster.nodes[4].running?.ready === true, 60_000);
    const after = await newestTopology(cluster);
    expect(after.nodes.map(({ ordinal }) => ordinal)).toEqual([1, 2, 3, 5]);
    await cluster.start(3).catch(() => {});
    await cluster.pass(3000);
    expect(cluster.nodes[3].fatal).toMatchObject({ code: 'TORC_REMOVED' });
    cluster.dispose();
  });
});
