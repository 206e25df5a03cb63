/** All nodes killed with -9 at once and started again: nothing that was acknowledged is gone. */
import { expect, onTestFinished, test } from 'vitest';

import { checkLinearizable, describeViolation } from '../linearizability/checker.ts';
import { registerModel } from '../linearizability/model.ts';
import { ioredisClient, nodeRedisClient } from './clients/libraries.ts';
import { Recorder } from './clients/recorder.ts';
import { surveyWritten } from './clients/survey.ts';
import { Worker } from './clients/workload.ts';
import { compareDigests } from './cluster/digests.ts';
import { pause, TorcCluster } from './cluster/torc-cluster.ts';

const ROUNDS = Number(process.env['TORC_E2E_POWER_ROUNDS'] ?? 2);

test.each(['fsync', 'buffered'])(
  'all three killed at once, %s',
  async (durability) => {
    const cluster = await TorcCluster.forTest({ nodes: 3, settings: ['--durability', durability] });
    const recorder = new Recorder();
    const workers: Worker[] = [];
    for (const [at, { ports }] of cluster.nodes.entries()) {
      workers.push(new Worker(await ioredisClient(`ioredis-${at}`, ports.client), recorder, 1));
      workers.push(new Worker(await nodeRedisClient(`node-redis-${at}`, ports.client), recorder, 1));
    }
    const stopAll = async (): Promise<void> => {
      await Promise.all(workers.map((worker) => worker.stop()));
    };
    onTestFinished(stopAll);
    for (let round = 0; round < ROUNDS; round++) {
      await cluster.settle();
      await Promise.all(workers.map((worker) => worker.beginRound(round)));
      await pause(1000);
      await Promise.all(cluster.nodes.map((node) => node.kill()));
      cluster.start();
    }
    await cluster.settle();
    await stopAll();

    const reader = await ioredisClient('reader', cluster.nodes[1].ports.client);
    onTestFinished(() => reader.close());
    const { values, lost, repeated } = await surveyWritten(recorder, reader, workers);
    expect({ lost, repeated }).toEqual({ lost: [], repeated: [] });
    expect(values).toBeGreaterThan(100);
    const verdict = checkLinearizable(recorder.operations, registerModel);
    if (verdict.verdict === 'violation') throw new Error(describeViolation(verdict));
    console.log(`${durability}: ${values} values; linearizability: ${JSON.stringify(verdict)}`);
    expect(verdict.verdict).toBe('ok');
    await compareDigests(cluster);
  },
  60_000 + ROUNDS * 20_000,
);
