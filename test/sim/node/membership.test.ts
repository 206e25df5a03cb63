/** Members that come and go while clients write: no client of a living node is told an error, and replicas end up equal. */
import { describe, expect, it } from 'vitest';

import { SimCluster } from './cluster.ts';
import { Counter, load } from './counters.ts';
import { changeTopology, leaderOf, newestTopology, untilSettled } from './topology.ts';
import { wrongReplicas } from './replicas.ts';

const NODES = 4;
const KEYS = 12;

describe('members', () => {
  it.each([1, 2])('are replaced, the leader too, while clients write (seed %i)', async (seed) => {
    const cluster = new SimCluster(seed, NODES, { 'place-replicas': 'no' });
    await cluster.startAll();
    const counters = [0, 1, 2, 3].map((i) => new Counter(cluster, i));
    const before = await newestTopology(cluster);
    // Each shard leaves its home, and goes to the node that had none of it.
    for (const { id, home, replicas } of before.shards) {
      const nodes = before.nodes.filter((node) => node.id !== home).map((node) => node.id);
      expect(replicas).toHaveLength(3);
      let isDecided = false;
      while (!isDecided) {
        isDecided = (await changeTopology(cluster, { kind: 'place-shard', shard: id, nodes })) !== null;
        await load(cluster, counters, KEYS, 100);
      }
    }
    await load(cluster, counters, KEYS, 3000);
    await untilSettled(cluster);
    for (const { id, home } of before.shards) {
      const leader = await leaderOf(cluster, id);
      expect(leader?.status.leader).not.toBe(home);
    }
    await cluster.pass(3000);
    expect(counters.map((counter) => counter.wrong(KEYS))).toEqual([null, null, null, null]);
    expect(cluster.events.get('replica-removed')).toBe(NODES);
    expect(await wrongReplicas(cluster, false)).toBeNull();
  });
});
