/**
 * `npm run bench:bigmove [fields] [MB]`: a hash of so many fields, a hash of so many megabytes of values and a string of 64 MiB are each built by a
 * client, moved from one shard to another and removed, on three real nodes, while counters in other slots are incremented. Tells for how long each
 * node's event loop was held meanwhile, and the longest command of the counters.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { Redis } from 'ioredis';

import { slotOf } from '../ring/index.ts';
import { changeTopology, topologyOf } from '../test/e2e/cluster/change-topology.ts';
import { TorcCluster } from '../test/e2e/cluster/torc-cluster.ts';
import { HoldWatch } from './hold-watch.ts';

const FIELDS = Number(process.argv[2] ?? 3_000_000);
const VALUES_MB = Number(process.argv[3] ?? 500);
const FIELDS_PER_COMMAND = 500;
const COMMANDS_PER_PIPELINE = 10;
const VALUE_BYTES = 64 * 1024;
const STRING_MB = 64;
const HOLD_AT_MOST_MS = 10;
const MIB = 1024 * 1024;
/** What one step leaves to be freed or collected belongs to it. */
const AFTER_MS = 2000;
const MAXMEMORY = '8gb';

interface Step {
  name: string;
  run: () => Promise<void>;
}

class Bench {
  private readonly cluster: TorcCluster;
  private readonly watch: HoldWatch;
  private readonly redis: Redis;
  private readonly other: Redis;
  isGood = true;

  constructor(cluster: TorcCluster, watch: HoldWatch) {
    this.cluster = cluster;
    this.watch = watch;
    this.redis = new Redis({ port: cluster.nodes[0].ports.client });
    this.other = new Redis({ port: cluster.nodes[1].ports.client });
  }

  end(): void {
    this.redis.disconnect();
    this.other.disconnect();
  }

  /** Runs a step, and tells what it did to each node. */
  async measure({ name, run }: Step): Promise<void> {
    let isOver = false;
    const counting = this.count(() => isOver);
    const fromMs = Date.now();
    await run();
    const tookMs = Date.now() - fromMs;
    await delay(AFTER_MS);
    isOver = true;
    const longestCommandMs = await counting;
    const toMs = Date.now();
    const { nodes } = this.cluster;
    const figures = await Promise.all(
      nodes.map(({ pid }) => this.watch.figures(pid, fromMs, toMs, HOLD_AT_MOST_MS)),
    );
    const longestMs = Math.max(...figures.map(({ longestOwnMs }) => longestOwnMs));
    this.isGood &&= longestMs <= HOLD_AT_MOST_MS;
    const each = figures.map(
      ({ longestMs: byClock, longestOwnMs, longestRunMs, longestGcMs, over }) =>
        `${longestOwnMs.toFixed(1)} (clock ${byClock.toFixed(0)}, running ${longestRunMs.toFixed(1)}, collector ${longestGcMs.toFixed(1)}, ${over} over)`,
    );
    console.log(
      `${longestMs <= HOLD_AT_MOST_MS ? 'reached' : 'MISSED '}  ${name.padEnd(34)} ${(tookMs / 1000).toFixed(1).padStart(5)} s; ` +
        `held by itself, ms: ${each.join('  ')}; longest command ${longestCommandMs.toFixed(0)} ms`,
    );
  }

  private async count(isOver: () => boolean): Promise<number> {
    let longestMs = 0;
    for (let i = 0; !isOver(); i++) {
      const startMs = performance.now();
      await this.other.incr(`counter:${i % 100}`);
      longestMs = Math.max(longestMs, performance.now() - startMs);
      await delay(2);
    }
    return longestMs;
  }

  /** A hash: in pipelines, as clients do. */
  async fillHash(
    key: string,
    fields: number,
    perCommand: number,
    value: (i: number) => string | Buffer,
  ): Promise<void> {
    for (let at = 0; at < fields;) {
      const pipeline = this.redis.pipeline();
      for (let i = 0; i < COMMANDS_PER_PIPELINE && at < fields; i++) {
        const words: (string | Buffer)[] = [];
        for (const end = Math.min(fields, at + perCommand); at < end; at++)
          words.push(`field:${at}`, value(at));
        pipeline.hset(key, ...words);
      }
      for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error;
    }
  }

  async fillString(key: string, sizeBytes: number): Promise<void> {
    await this.redis.set(key, Buffer.alloc(sizeBytes, 120));
  }

  async move(key: string): Promise<void> {
    const slot = slotOf(Buffer.from(key), 0, key.length);
    const { slots, shards } = await topologyOf(this.cluster);
    const source = slots.find(({ from, to }) => slot >= from && slot <= to)?.shard ?? 0;
    const target = shards.map(({ id }) => id).find((id) => id !== source) ?? 0;
    await changeTopology(this.cluster, {
      kind: 'begin-move',
      source,
      target,
      slots: [{ from: slot, to: slot }],
    });
    while ((await topologyOf(this.cluster)).moves.length > 0) await delay(100);
  }

  async check(key: string, size: number): Promise<void> {
    const found =
      (await this.redis.type(key)) === 'hash' ? await this.redis.hlen(key) : await this.redis.strlen(key);
    if (found !== size) throw new Error(`${key} has the size ${found}, not ${size}`);
  }

  async remove(key: string): Promise<void> {
    await this.redis.del(key);
  }

  async expire(key: string): Promise<void> {
    await this.redis.pexpire(key, 1);
    while ((await this.redis.exists(key)) === 1) await delay(20);
  }
}

async function run(bench: Bench): Promise<void> {
  const value = Buffer.alloc(VALUE_BYTES, 120);
  const values = Math.floor((VALUES_MB * MIB) / VALUE_BYTES);
  const keys = [
    {
      what: `hash of ${FIELDS} fields`,
      key: 'a-hash',
      size: FIELDS,
      fill: () => bench.fillHash('a-hash', FIELDS, FIELDS_PER_COMMAND, (i) => `value:${i}`),
      end: () => bench.remove('a-hash'),
    },
    {
      what: `hash of ${VALUES_MB} MB`,
      key: 'values',
      size: values,
      fill: () => bench.fillHash('values', values, 1, () => value),
      end: () => bench.expire('values'),
    },
    {
      what: `string of ${STRING_MB} MiB`,
      key: 'a-string',
      size: STRING_MB * MIB,
      fill: () => bench.fillString('a-string', STRING_MB * MIB),
      end: () => bench.remove('a-string'),
    },
  ];
  await bench.measure({ name: 'nothing', run: () => delay(2000) });
  for (const { what, key, size, fill, end } of keys) {
    await bench.measure({ name: `${what}: written`, run: fill });
    await bench.measure({ name: `${what}: moved`, run: () => bench.move(key) });
    await bench.check(key, size);
    await bench.measure({ name: `${what}: removed`, run: end });
  }
}

const watch = new HoldWatch();
const cluster = await TorcCluster.make({
  nodes: 3,
  settings: ['--rebalance-auto', 'no', '--maxmemory', MAXMEMORY],
});
try {
  cluster.start();
  await cluster.waitReady();
  await cluster.waitHome();
  const bench = new Bench(cluster, watch);
  await run(bench);
  bench.end();
  process.exitCode = bench.isGood ? 0 : 1;
} finally {
  await cluster.end();
  watch.end();
}
