/** Members that come and go while clients write: no client of a living node is told an error, and replicas end up equal. */
import { describe, expect, it } from 'vitest';

import type { StatusReport } from '../../../src/admin/status.ts';
import { portOf, SimCluster } from './cluster.ts';
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

  it('that leave are opened again with their node, until the log has dropped them (history 3)', async () => {
    const cluster = new SimCluster(3, NODES, { 'place-replicas': 'no' });
    await cluster.startAll();
    const { nodes, shards } = await newestTopology(cluster);
    const [{ id: shard, home, replicas }] = shards;
    const indexOf = (node: string): number =>
      cluster.nodes.findIndex((_, i) => nodes.find(({ id }) => id === node)?.clientPort === portOf(i));
    const leaving = replicas.find(({ node }) => node !== home)!;
    const entering = nodes.find(({ id }) => !replicas.some(({ node }) => node === id))!;
    const [leaver, enterer] = [indexOf(leaving.node), indexOf(entering.id)];
    const hasReplica = async (): Promise<boolean> => {
      const report = (await cluster.admin(leaver, '/api/status')) as StatusReport;
      return report.replicas.some((replica) => replica.shard === shard);
    };
    // Who takes its place does not come.
    cluster.crash(enterer);
    const staying = replicas.filter((row) => row !== leaving).map(({ node }) => node);
    const change = { kind: 'place-shard', shard, nodes: [...staying, entering.id] } as const;
    while ((await changeTopology(cluster, change)) === null) await cluster.pass(100);
    await cluster.pass(1000);
    cluster.crash(leaver);
    await cluster.start(leaver);
    await cluster.pass(2000);
    expect(await hasReplica()).toBe(true);
    expect((await leaderOf(cluster, shard))?.status.voters).toContain(leaving.member);
    await cluster.start(enterer);
    await untilSettled(cluster);
    await cluster.pass(1000);
    expect(await hasReplica()).toBe(false);
  });
});
