/** A node that is stopped in good order hands its leadership over: clients of the others hardly notice. */
import { expect, onTestFinished, test } from 'vitest';

import { ioredisClient, nodeRedisClient } from './clients/libraries.ts';
import { quantile, Recorder } from './clients/recorder.ts';
import { Worker } from './clients/workload.ts';
import { compareDigests } from './cluster/digests.ts';
import { TorcCluster } from './cluster/torc-cluster.ts';

const STOPS = Number(process.env['TORC_E2E_STOPS'] ?? 3);
const MAX_GAP_MS = 200;

test(
  'clients of the other nodes see a gap under 200 ms when a node is stopped',
  async () => {
    const cluster = await TorcCluster.forTest({ nodes: 3 });
    const recorder = new Recorder();
    const workers: { worker: Worker; node: number }[] = [];
    for (const [node, { ports }] of cluster.nodes.entries()) {
      const clients = [await ioredisClient(`ioredis-${node}`, ports.client)];
      clients.push(await nodeRedisClient(`node-redis-${node}`, ports.client));
      for (const client of clients) workers.push({ worker: new Worker(client, recorder, 1), node });
    }
    const stopAll = async (): Promise<void> => {
      await Promise.all(workers.map(({ worker }) => worker.stop()));
    };
    onTestFinished(stopAll);

    const gaps: number[] = [];
    for (let stop = 0; stop < STOPS; stop++) {
      await cluster.settle();
      const victim = stop % cluster.nodes.length;
      const fromMs = performance.now();
      expect(await cluster.nodes[victim].stop()).toEqual({ code: 0, signal: null });
      const toMs = performance.now() + 500;
      await new Promise((resolve) => setTimeout(resolve, 500));
      for (const { worker, node } of workers) {
        if (node !== victim) gaps.push(recorder.longestGapMs(worker.client.name, fromMs, toMs));
      }
      const names = new Set(
        workers.filter(({ node }) => node !== victim).map(({ worker }) => worker.client.name),
      );
      expect(recorder.failures.filter(({ client, atMs }) => names.has(client) && atMs > fromMs)).toEqual([]);
      cluster.nodes[victim].start();
    }
    await cluster.settle();
    await stopAll();
    const [p50, p99, max] = [0.5, 0.99, 1].map((share) => quantile(gaps, share).toFixed(0));
    console.log(`longest gap, SIGTERM: p50 ${p50} ms, p99 ${p99} ms, max ${max} ms (${gaps.length} samples)`);
    expect(Math.max(...gaps)).toBeLessThan(MAX_GAP_MS);
    await compareDigests(cluster);
  },
  60_000 + STOPS * 15_000,
);
