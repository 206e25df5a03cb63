/** A cluster of three becomes one of six and one of three again, while the clients that people use are at work: none of them is told an error. */
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

import { rangesOf, slotsOf } from '../../src/topology/slot-ranges.ts';
import type { Topology } from '../../src/topology/types.ts';
import { startWorkers } from './clients/workers.ts';
import { topologyOf } from './cluster/change-topology.ts';
import { compareDigests } from './cluster/digests.ts';
import { pause, portsAt, TorcCluster } from './cluster/torc-cluster.ts';
import { runTorc, TorcNode } from './cluster/torc-node.ts';

/** A busy machine moves slots slowly: what clients ask goes first. */
const STEP_LIMIT_MS = 120_000;
const SLOTS = 16_384;

async function until(cluster: TorcCluster, isSo: (topology: Topology) => boolean): Promise<Topology> {
  const deadlineMs = performance.now() + STEP_LIMIT_MS;
  for (;;) {
    const topology = await topologyOf(cluster);
    if (isSo(topology)) return topology;
    if (performance.now() > deadlineMs) throw new Error(`it does not become so: ${JSON.stringify(topology)}`);
    await pause(100);
  }
}

/** So many nodes have all that they should have, and no more. */
function isSpread(topology: Topology, nodes: number): boolean {
  const { shards, slots, moves, rebalance } = topology;
  if (topology.nodes.length !== nodes || shards.length !== nodes || moves.length > 0) return false;
  if (rebalance?.plan !== undefined) return false;
  const counts = shards.map(({ id }) => slotsOf(slots.filter(({ shard }) => shard === id)).length);
  const isEven = Math.max(...counts) - Math.min(...counts) <= 1;
  return isEven && shards.every(({ replicas }) => replicas.length === 3);
}

test('three nodes become six, and three again', { timeout: 300_000 }, async () => {
  const cluster = await TorcCluster.forTest({ nodes: 3 });
  await cluster.waitHome();
  const [one, two] = cluster.nodes;
  const { workers, givenUp } = await startWorkers(cluster);
  const peers = `127.0.0.1:${one.ports.peer},127.0.0.1:${two.ports.peer}`;
  const newcomers = [3, 4, 5].map((place) => {
    const name = `node-${place}`;
    return new TorcNode(name, portsAt(place), join(cluster.directory, name), [
      '--seeds',
      peers,
      '--host',
      `host-${place}`,
    ]);
  });
  onTestFinished(async () => {
    await Promise.all(newcomers.filter((node) => node.isRunning).map((node) => node.kill()));
  });
  const beganMs = performance.now();
  for (const node of newcomers) node.start();
  const six = await until(cluster, (topology) => isSpread(topology, 6));
  const grownMs = performance.now();
  expect(slotsOf(rangesOf(six.slots.flatMap((run) => slotsOf([run]))))).toHaveLength(SLOTS);
  for (const node of newcomers) expect(await node.isReady()).toBe(true);

  // Three operators at once.
  const admin = `127.0.0.1:${one.ports.admin}`;
  const left = await Promise.all(
    newcomers.map(({ name }) => runTorc('node', 'decommission', name, '--address', admin)),
  );
  for (const { code, output } of left) {
    expect(output).toContain('holds nothing any more. Its process may stop now.');
    expect(code).toBe(0);
  }
  for (const node of newcomers) expect(await node.stop()).toMatchObject({ code: 0 });
  await until(cluster, (topology) => isSpread(topology, 3));
  const shrunkMs = performance.now();
  await pause(500);
  await Promise.all(workers.map((worker) => worker.stop()));
  for (const { name, failures, done } of workers) {
    expect(failures, name).toEqual([]);
    expect(done, name).toBeGreaterThan(500);
  }
  for (const worker of workers) await worker.audit();
  // At most what its four lanes had under way when it let go of each of the three.
  expect(givenUp()).toBeLessThanOrEqual(12);
  const longest = workers.map(({ name, longestMs }) => `${name} ${longestMs.toFixed(1)}`).join(', ');
  const seconds = [grownMs - beganMs, shrunkMs - grownMs].map((ms) => (ms / 1000).toFixed(1));
  console.log(
    `grown in ${seconds[0]} s, shrunk in ${seconds[1]} s; longest command in ms: ${longest}; given up by node-redis itself: ${givenUp()}`,
  );
  await compareDigests(cluster);
});
