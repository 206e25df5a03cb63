/**
 * `npm run bench:bigmove [fields] [MB]`: a hash of so many fields and a string of so many megabytes go from one shard to another, three real nodes, while
 * counters in other slots are incremented. Tells for how long any node's event loop was held, as its own metrics tell it, and the longest command.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { Redis } from 'ioredis';

import { slotOf } from '../ring/index.ts';
import { changeTopology, topologyOf } from '../test/e2e/cluster/change-topology.ts';
import { TorcCluster } from '../test/e2e/cluster/torc-cluster.ts';

const FIELDS = Number(process.argv[2] ?? 3_000_000);
const VALUE_MB = Number(process.argv[3] ?? 500);
const FIELDS_PER_COMMAND = 1000;
const PIECE_BYTES = 1024 * 1024;
const HOLD_AT_MOST_MS = 10;
/** The gauge of the longest hold covers the last so many. */
const HOLD_WINDOW_MS = 1000;
const HASH = 'a-hash';
const STRING = 'a-string';
const MIB = 1024 * 1024;

interface Metrics {
  holdMs: number;
  residentBytes: number;
}

async function metricsOf(admin: number): Promise<Metrics> {
  const headers = { connection: 'close' };
  const text = await (await fetch(`http://127.0.0.1:${admin}/metrics`, { headers })).text();
  const read = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? Number.NaN);
  return {
    holdMs: read(/^torc_event_loop_delay_seconds\{statistic="max"\} (\S+)$/m) * 1000,
    residentBytes: read(/^process_resident_memory_bytes (\S+)$/m),
  };
}

class Watch {
  longestHoldMs = 0;
  longestCommandMs = 0;
  residentBytes = 0;
  commands = 0;
  private isOver = false;
  private readonly work: Promise<unknown>;

  constructor(cluster: TorcCluster, redis: Redis) {
    this.work = Promise.all([this.watch(cluster), this.count(redis)]);
  }

  async end(): Promise<void> {
    await delay(HOLD_WINDOW_MS);
    this.isOver = true;
    await this.work;
  }

  private async watch({ nodes }: TorcCluster): Promise<void> {
    while (!this.isOver) {
      const all = await Promise.all(nodes.map(({ ports }) => metricsOf(ports.admin)));
      this.longestHoldMs = Math.max(this.longestHoldMs, ...all.map(({ holdMs }) => holdMs));
      this.residentBytes = Math.max(this.residentBytes, ...all.map(({ residentBytes }) => residentBytes));
      await delay(HOLD_WINDOW_MS / 2);
    }
  }

  private async count(redis: Redis): Promise<void> {
    while (!this.isOver) {
      const startMs = performance.now();
      await redis.incr(`counter:${this.commands % 100}`);
      this.longestCommandMs = Math.max(this.longestCommandMs, performance.now() - startMs);
      this.commands += 1;
      await delay(2);
    }
  }
}

async function fill(redis: Redis): Promise<void> {
  for (let field = 0; field < FIELDS; field += FIELDS_PER_COMMAND) {
    const words = Array.from({ length: FIELDS_PER_COMMAND }, (_, i) => [`field:${field + i}`, `value:${i}`]);
    await redis.hset(HASH, ...words.flat());
  }
  // Its memory is there at once: to append would copy the string again and again.
  for (let offset = VALUE_MB * MIB - PIECE_BYTES; offset >= 0; offset -= PIECE_BYTES)
    await redis.setrange(STRING, offset, Buffer.alloc(PIECE_BYTES, 120));
}

async function moveKey(cluster: TorcCluster, key: string): Promise<number> {
  const slot = slotOf(Buffer.from(key), 0, key.length);
  const { slots, shards } = await topologyOf(cluster);
  const source = slots.find(({ from, to }) => slot >= from && slot <= to)?.shard ?? 0;
  const target = shards.map(({ id }) => id).find((id) => id !== source) ?? 0;
  const startMs = performance.now();
  await changeTopology(cluster, { kind: 'begin-move', source, target, slots: [{ from: slot, to: slot }] });
  while ((await topologyOf(cluster)).moves.length > 0) await delay(50);
  return performance.now() - startMs;
}

async function main(): Promise<void> {
  const cluster = await TorcCluster.make({ nodes: 3, settings: ['--rebalance-auto', 'no'] });
  try {
    cluster.start();
    await cluster.waitReady();
    await cluster.waitHome();
    const redis = new Redis({ port: cluster.nodes[0].ports.client });
    const other = new Redis({ port: cluster.nodes[1].ports.client });
    await fill(redis);
    await delay(5000);
    let isGood = true;
    for (const [what, key] of [
      [`hash of ${FIELDS} fields`, HASH],
      [`string of ${VALUE_MB} MiB`, STRING],
    ]) {
      const watch = new Watch(cluster, other);
      const tookMs = await moveKey(cluster, key);
      await watch.end();
      isGood &&= watch.longestHoldMs <= HOLD_AT_MOST_MS;
      console.log(
        `${what}: moved in ${(tookMs / 1000).toFixed(1)} s; event loops held for at most ${watch.longestHoldMs.toFixed(1)} ms; longest of ${watch.commands} ` +
          `commands ${watch.longestCommandMs.toFixed(1)} ms; most memory of a node ${Math.round(watch.residentBytes / MIB)} MiB`,
      );
    }
    const size = [await redis.hlen(HASH), await redis.strlen(STRING)];
    if (size[0] !== FIELDS || size[1] !== VALUE_MB * MIB) throw new Error(`sizes are ${size.join(', ')}`);
    redis.disconnect();
    other.disconnect();
    process.exitCode = isGood ? 0 : 1;
  } finally {
    await cluster.end();
  }
}

await main();
