/** Slots move between the shards of a cluster while the clients that people use are at work: none of them sees an error. */
import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';

import { rangesOf, slotsOf } from '../../src/topology/slot-ranges.ts';
import type { SlotRange, Topology } from '../../src/topology/types.ts';
import { startWorkers } from './clients/workers.ts';
import { changeTopology, topologyOf } from './cluster/change-topology.ts';
import { compareDigests } from './cluster/digests.ts';
import { pause, TorcCluster } from './cluster/torc-cluster.ts';

/** What this file moves stays where it is then. */
const BY_HAND = ['--rebalance-auto', 'no'];
const HOST = '127.0.0.1';
const ROUNDS = 2;
const BLOCK_SHIFT = 4;
const MOVE_TIMEOUT_MS = 30_000;

/** Of its slots, in blocks, one block of so many. */
function slotsOfShard({ slots }: Topology, shard: number, every: number): SlotRange[] {
  const owned = slotsOf(slots.filter((run) => run.shard === shard));
  return rangesOf(owned.filter((_, at) => (at >> BLOCK_SHIFT) % every === 0));
}

async function untilEnded(cluster: TorcCluster): Promise<Topology> {
  const deadlineMs = performance.now() + MOVE_TIMEOUT_MS;
  for (;;) {
    const topology = await topologyOf(cluster);
    if (topology.moves.length === 0) return topology;
    if (performance.now() > deadlineMs)
      throw new Error(`moves have not ended: ${JSON.stringify(topology.moves)}`);
    await pause(20);
  }
}

async function metricsOf(admin: number): Promise<string> {
  const headers = { connection: 'close' };
  return (await fetch(`http://${HOST}:${admin}/metrics`, { headers })).text();
}

/** Upper bounds of the buckets in which the quantile lies, over all nodes; in ms. */
async function pauseQuantiles(cluster: TorcCluster): Promise<{ slots: number; p50: number; p99: number }> {
  const counts = new Map<number, number>();
  for (const { ports } of cluster.nodes) {
    const text = await metricsOf(ports.admin);
    for (const [, bound, count] of text.matchAll(
      /^torc_slot_pause_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm,
    )) {
      const ms = bound === '+Inf' ? Infinity : Number(bound) * 1000;
      counts.set(ms, (counts.get(ms) ?? 0) + Number(count));
    }
  }
  const slots = counts.get(Infinity) ?? 0;
  const quantile = (share: number): number =>
    [...counts].toSorted(([a], [b]) => a - b).find(([, count]) => count >= slots * share)?.[0] ?? Infinity;
  return { slots, p50: quantile(0.5), p99: quantile(0.99) };
}

test('no client sees slots move, there and back', { timeout: 240_000 }, async () => {
  const cluster = await TorcCluster.forTest({ nodes: 3, settings: BY_HAND });
  await cluster.waitHome();
  const { workers, givenUp } = await startWorkers(cluster);
  await pause(1000);
  let moved = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (const [source, target] of [
      [1, 2],
      [2, 3],
      [3, 1],
    ]) {
      const topology = await topologyOf(cluster);
      const slots = slotsOfShard(topology, source, round === 0 ? 3 : 2);
      await changeTopology(cluster, { kind: 'begin-move', source, target, slots });
      const ended = await untilEnded(cluster);
      expect(slotsOf(slotsOfShard(ended, target, 1))).toEqual(expect.arrayContaining(slotsOf(slots)));
      moved += slotsOf(slots).length;
    }
  }
  await pause(500);
  await Promise.all(workers.map((worker) => worker.stop()));
  for (const { name, failures, done } of workers) {
    expect(failures, name).toEqual([]);
    expect(done, name).toBeGreaterThan(500);
  }
  expect(givenUp()).toBe(0);
  for (const worker of workers) await worker.audit();
  const { slots, p50, p99 } = await pauseQuantiles(cluster);
  expect(slots).toBeGreaterThanOrEqual(moved);
  const longest = workers.map(({ name, longestMs }) => `${name} ${longestMs.toFixed(1)}`).join(', ');
  console.log(
    `${moved} slots moved; a slot's pause: p50 <= ${p50} ms, p99 <= ${p99} ms; longest command in ms: ${longest}`,
  );
  await compareDigests(cluster);
});

test(
  'moves that are called back leave the slots where they were, or where they went',
  { timeout: 120_000 },
  async () => {
    const cluster = await TorcCluster.forTest({
      nodes: 3,
      settings: [...BY_HAND, '--rebalance-max-bytes-per-second', '32kb'],
    });
    const redis = new Redis({ port: cluster.nodes[0].ports.client });
    onTestFinished(() => redis.disconnect());
    const value = 'x'.repeat(1000);
    await Promise.all(Array.from({ length: 3000 }, (_, n) => redis.set(`key:${n}`, value)));
    const slots = slotsOfShard(await topologyOf(cluster), 1, 2);
    const { moves } = await changeTopology(cluster, { kind: 'begin-move', source: 1, target: 2, slots });
    await pause(1500);
    await changeTopology(cluster, { kind: 'abort-move', move: moves[0].id });
    await untilEnded(cluster);
    for (let n = 0; n < 3000; n += 7) expect(await redis.get(`key:${n}`)).toBe(value);
    expect(await redis.dbsize()).toBe(3000);
    // Told by whoever leads the source, once it has seen the register.
    const pages = async (): Promise<string> =>
      (await Promise.all(cluster.nodes.map(({ ports }) => metricsOf(ports.admin)))).join('\n');
    await expect.poll(pages).toMatch(/^torc_moves_total\{end="aborted"\} 1$/m);
    await compareDigests(cluster);
  },
);

test(
  'commands on all keys see each key once, and flush all of them, while slots move',
  { timeout: 120_000 },
  async () => {
    const cluster = await TorcCluster.forTest({ nodes: 3, settings: BY_HAND });
    await cluster.waitHome();
    const clients = cluster.nodes.map(({ ports }) => new Redis({ port: ports.client }));
    onTestFinished(() => {
      for (const client of clients) client.disconnect();
    });
    const [first, second, third] = clients;
    const fill = async (keys: number): Promise<void> => {
      await Promise.all(Array.from({ length: keys }, (_, n) => first.set(`key:${n}`, 'value')));
    };
    const whileMoving = async (
      source: number,
      target: number,
      work: () => Promise<void>,
    ): Promise<number> => {
      const slots = slotsOfShard(await topologyOf(cluster), source, 3);
      await changeTopology(cluster, { kind: 'begin-move', source, target, slots });
      let rounds = 0;
      for (; (await topologyOf(cluster)).moves.length > 0; rounds++) await work();
      return rounds;
    };
    await fill(3000);
    const counted = await whileMoving(1, 2, async () => {
      expect(await first.dbsize()).toBe(3000);
      const keys = await second.keys('key:*');
      expect([keys.length, new Set(keys).size]).toEqual([3000, 3000]);
      const scanned = new Set<string>();
      for await (const page of third.scanStream({ count: 500 }))
        for (const key of page as string[]) scanned.add(key);
      expect(scanned.size).toBe(3000);
    });
    const flushed = await whileMoving(2, 3, async () => {
      await fill(300);
      await second.flushall();
      expect(await third.dbsize()).toBe(0);
    });
    expect(Math.min(counted, flushed)).toBeGreaterThan(0);
  },
);
