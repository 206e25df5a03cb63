/** All nodes die at one moment, in the midst of writes: what was acknowledged is there again, in whatever the disk had to hold for it. */
import { describe, expect, it } from 'vitest';

import type { Crash } from '../../../src/env/sim/disk.ts';
import { SeededRandom } from '../../../src/env/sim/random.ts';
import { SimCluster, type SimClient } from './cluster.ts';
import { wrongReplicas } from './replicas.ts';

const COUNTERS = 6;
const ROUNDS = 2;
const MOMENTS_MS = [0.3, 3, 17, 120];

interface Counter {
  key: string;
  sent: number;
  acknowledged: number;
  /** Replies of this counter's client that were taken in. */
  seen: number;
  client: SimClient;
}

function takeIn(counter: Counter): void {
  const { replies } = counter.client;
  for (; counter.seen < replies.length; counter.seen++) {
    const value = /^:(\d+)\r\n$/.exec(replies[counter.seen]);
    // What may have run is told so; nothing else is expected of a node that lives.
    expect(value, replies[counter.seen]).not.toBeNull();
    expect(Number(value?.[1])).toBeGreaterThan(counter.acknowledged);
    counter.acknowledged = Number(value?.[1]);
  }
}

async function run(seed: number, size: number, durability: string, crash: Crash): Promise<void> {
  const cluster = new SimCluster(seed, size, { durability });
  const random = new SeededRandom(seed);
  await cluster.startAll();
  const counters: Counter[] = [];
  for (let i = 0; i < COUNTERS; i++)
    counters.push({ key: `n${i}`, sent: 0, acknowledged: 0, seen: 0, client: cluster.client(i % size) });
  for (let round = 0; round < ROUNDS; round++) {
    // As few entries since the last time that the disk was told how far all is committed, or as many, as it may be.
    for (let turns = random.below(round === 1 ? 150 : 12); turns >= 0; turns--) {
      for (const counter of counters) {
        const count = 1 + random.below(3);
        counter.sent += count;
        counter.client.send(...Array.from({ length: count }, () => ['incr', counter.key]));
      }
      await cluster.pass(MOMENTS_MS[random.below(turns === 0 ? 4 : 2)]);
    }
    for (const i of cluster.nodes.keys()) cluster.crash(i, crash);
    for (const counter of counters) takeIn(counter);
    await cluster.startAll();
    for (const [i, counter] of counters.entries()) {
      counter.client = cluster.client((i + round) % size);
      const text = await counter.client.ask('get', counter.key);
      const value = text === '$-1\r\n' ? 0 : Number(/\r\n(\d+)\r\n$/.exec(text)?.[1]);
      expect(value).toBeGreaterThanOrEqual(counter.acknowledged);
      expect(value).toBeLessThanOrEqual(counter.sent);
      counter.sent = value;
      counter.acknowledged = value;
      counter.seen = counter.client.replies.length;
    }
  }
  expect(cluster.nodes.map(({ fatal }) => fatal)).toEqual(cluster.nodes.map(() => null));
  expect(await wrongReplicas(cluster, false)).toBeNull();
}

describe('a cluster of which all nodes die at once', () => {
  it.each([
    [1, 'lost'],
    [2, 'torn'],
  ] as const)('has all that was acknowledged, synced before it was (seed %i, %s)', async (seed, crash) => {
    await run(seed, 3, 'fsync', crash);
  });

  it.each([4])('has it where only the processes died, and nothing was synced (seed %i)', async (seed) => {
    await run(seed, 3, 'buffered', 'kill');
  });

  it.each([
    [7, 'fsync', 'torn'],
    [8, 'buffered', 'kill'],
  ] as const)('has it with one node alone (seed %i, %s)', async (seed, durability, crash) => {
    await run(seed, 1, durability, crash);
  });
});
