/** Slots move between the shards of a cluster while the clients that people use are at work: none of them sees an error. */
import { Cluster, Redis } from 'ioredis';
import { createClient, createCluster } from 'redis';
import { expect, onTestFinished, test } from 'vitest';

import { rangesOf, slotsOf } from '../../src/topology/slot-ranges.ts';
import type { SlotRange, Topology } from '../../src/topology/types.ts';
import { changeTopology, topologyOf } from './cluster/change-topology.ts';
import { compareDigests } from './cluster/digests.ts';
import { pause, TorcCluster } from './cluster/torc-cluster.ts';

/** What this file moves stays where it is then. */
const BY_HAND = ['--rebalance-auto', 'no'];
const HOST = '127.0.0.1';
const KEYS = 200;
const ROUNDS = 2;
const BLOCK_SHIFT = 4;
const MOVE_TIMEOUT_MS = 30_000;

/** What any of the libraries can do. */
interface Commands {
  set(key: string, value: string): Promise<unknown>;
  get(key: string): Promise<string | null>;
  incr(key: string): Promise<number>;
}

/** One client at work: a counter of its own, values of its own, several commands at once. */
class Worker {
  readonly name: string;
  readonly failures: string[] = [];
  done = 0;
  longestMs = 0;
  private readonly commands: Commands;
  private readonly increments = new Map<string, number>();
  private readonly written = new Map<string, string>();
  private isStopped = false;
  private readonly lanes: Promise<void>[];

  constructor(name: string, commands: Commands, lanes: number) {
    this.name = name;
    this.commands = commands;
    this.lanes = Array.from({ length: lanes }, (_, lane) => this.work(lane));
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await Promise.all(this.lanes);
  }

  /** All that was acknowledged is there, once. */
  async audit(): Promise<void> {
    for (const [key, value] of this.written) expect(await this.commands.get(key)).toBe(value);
    for (const [key, count] of this.increments) expect(await this.commands.get(key)).toBe(String(count));
  }

  private async work(lane: number): Promise<void> {
    for (let n = 0; !this.isStopped; n++) {
      const place = (n * 7 + lane) % KEYS;
      const [key, counter, value] = [
        `${this.name}:${lane}:${place}`,
        `${this.name}:${lane}:n${place}`,
        `v${n}`,
      ];
      await this.timed(`SET ${key}`, async () => {
        await this.commands.set(key, value);
        this.written.set(key, value);
      });
      await this.timed(`INCR ${counter}`, async () => {
        const count = await this.commands.incr(counter);
        const expected = (this.increments.get(counter) ?? 0) + 1;
        this.increments.set(counter, expected);
        if (count !== expected) this.failures.push(`${counter} is ${count}, not ${expected}`);
      });
      await this.timed(`GET ${key}`, async () => {
        const found = await this.commands.get(key);
        if (found !== value) this.failures.push(`${key} holds ${found}, not ${value}`);
      });
      await pause(1);
    }
  }

  private async timed(what: string, run: () => Promise<void>): Promise<void> {
    const startMs = performance.now();
    try {
      await run();
    } catch (error) {
      this.failures.push(`${what}: ${String(error)}`);
    }
    this.done += 1;
    this.longestMs = Math.max(this.longestMs, performance.now() - startMs);
  }
}

async function startWorkers(cluster: TorcCluster): Promise<Worker[]> {
  const [first, second, third] = cluster.nodes.map(({ ports }) => ports);
  const ioredis = new Redis({ port: first.client });
  const pipelining = new Redis({ port: second.client, enableAutoPipelining: true });
  const ioredisCluster = new Cluster([{ host: HOST, port: third.redirect }]);
  const nodeRedis = createClient({ socket: { host: HOST, port: third.client } });
  const nodeRedisCluster = createCluster({ rootNodes: [{ socket: { host: HOST, port: first.redirect } }] });
  for (const client of [ioredis, pipelining, ioredisCluster, nodeRedis, nodeRedisCluster])
    client.on('error', () => undefined);
  await Promise.all([nodeRedis.connect(), nodeRedisCluster.connect()]);
  onTestFinished(() => {
    for (const client of [ioredis, pipelining, ioredisCluster]) client.disconnect();
    nodeRedis.destroy();
    nodeRedisCluster.destroy();
  });
  return [
    new Worker('ioredis', ioredis, 4),
    new Worker('autopipelining', pipelining, 8),
    new Worker('ioredis-cluster', ioredisCluster, 4),
    new Worker('node-redis', nodeRedis, 4),
    new Worker('node-redis-cluster', nodeRedisCluster, 4),
  ];
}

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
  const workers = await startWorkers(cluster);
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
