/**
 * `npm run bench:resize`: a fourth node is given its share of the slots of three, beside Redis Cluster on the same data, at rest and under load; and
 * what a cluster of a thousand nodes costs. Prints a table with goals and verdicts; ends with 1 when a goal is missed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { Command } from 'commander';

import { buildGenerator, fill, load, OUT_DIRECTORY, type LoadResult, type LoadSize } from './load.ts';
import { isInstalled, killAll } from './processes.ts';
import { PacedLoad } from './resize/paced-load.ts';
import { startRedisCluster } from './resize/redis-cluster.ts';
import { rowsTable } from './resize/report.ts';
import { scaleRows } from './resize/scale.ts';
import { startTorcCluster } from './resize/torc-cluster.ts';
import type { ResizableCluster, Resize, Row } from './resize/types.ts';

interface Options {
  keys: string;
  valueBytes: string;
  durability: string;
  parts: string;
  connections: string;
  quietSeconds: string;
}

const PARTS = ['idle', 'load', 'scale'];

const program = new Command('bench:resize')
  .description('Measures how a cluster of three becomes one of four, beside Redis Cluster.')
  .option('--keys <n>', 'number of keys', '1000000')
  .option('--value-bytes <n>', 'length of values', '100')
  .option('--durability <mode>', "Torc's", 'buffered')
  .option('--parts <list>', `of ${PARTS.join(', ')}`, PARTS.join(','))
  .option('--connections <n>', 'under load', '50')
  .option('--quiet-seconds <s>', 'of the load, before slots move and after', '10')
  .parse();

/** Goals (all of them on two cores, which the nodes and the load share). */
const TIMES_FASTER_THAN_REDIS = 4;
const LATENCY_FACTOR = 2;
const GOOD_LATENCY_MS = 5;
const PAUSE_P99_MS = 20;
const PAUSE_LONGEST_MS = 100;
const LOAD_SHARE = 0.5;
/** A tuned Redis, beside the one that `redis-cli` makes. */
const REDIS_PIPELINE = 100;
const SATURATION_SECONDS = 6;
const SETTLE_MS = 1500;

const directory = mkdtempSync(join(tmpdir(), 'torc-resize-'));
process.on('exit', () => {
  killAll();
  rmSync(directory, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
await main(program.opts<Options>());

async function main(options: Options): Promise<void> {
  const size = {
    keys: Number(options.keys),
    valueBytes: Number(options.valueBytes),
    seconds: 0,
    warmupSeconds: 0,
  };
  const parts = options.parts.split(',');
  const rows: Row[] = [];
  const add = (made: readonly Row[]): void => {
    for (const row of made) console.log(`${row.what}: ${row.figure}`);
    rows.push(...made);
  };
  buildGenerator();
  if (parts.includes('idle')) add(await atRest(options, size));
  if (parts.includes('load')) add(await underLoad(options, size));
  if (parts.includes('scale')) add(await scaleRows());
  console.log(`\n${rowsTable(rows)}`);
  await write(options, rows);
  if (rows.some(({ isReached }) => isReached === false)) process.exitCode = 1;
}

/** Nobody asks for anything meanwhile. */
async function atRest(options: Options, size: LoadSize): Promise<Row[]> {
  const own = await resizedAtRest(await startTorcCluster(await subdirectory(), options.durability), size);
  const least = own.movedSlots === own.leastSlots;
  const rows: Row[] = [
    { what: 'Torc, 3 to 4 nodes at rest', figure: figureOf(own), goal: '', isReached: null },
    {
      what: 'slots moved',
      figure: String(own.movedSlots),
      goal: `the least, ${own.leastSlots}`,
      isReached: least,
    },
  ];
  if (!isInstalled('redis-server') || !isInstalled('redis-cli')) {
    console.log('Redis is left out: no redis-server, redis-cli (on Debian: apt-get install redis-server)');
    return rows;
  }
  for (const pipeline of [null, REDIS_PIPELINE]) {
    const cluster = await startRedisCluster(await subdirectory(), pipeline);
    const theirs = await resizedAtRest(cluster, size);
    const times = theirs.tookMs / own.tookMs;
    const isGoal = pipeline === null;
    rows.push({
      what: `${cluster.name} (no replicas)`,
      figure: `${figureOf(theirs)}; Torc is ${times.toFixed(1)} x as fast`,
      goal: isGoal ? `at least ${TIMES_FASTER_THAN_REDIS} x` : '',
      isReached: isGoal ? times >= TIMES_FASTER_THAN_REDIS : null,
    });
  }
  return rows;
}

async function resizedAtRest(cluster: ResizableCluster, size: LoadSize): Promise<Resize> {
  try {
    await fill(cluster.entrance, size);
    await delay(SETTLE_MS);
    const resize = await (await cluster.rebalance()).result();
    if (resize.keys < size.keys) throw new Error(`${cluster.name} has ${resize.keys} of ${size.keys} keys`);
    return resize;
  } finally {
    await cluster.stop();
  }
}

/** One SET in ten, at half the rate that the cluster of three can do. */
async function underLoad(options: Options, size: LoadSize): Promise<Row[]> {
  const cluster = await startTorcCluster(await subdirectory(), options.durability);
  try {
    await fill(cluster.entrance, size);
    const connections = Number(options.connections);
    const saturated = await load(
      cluster.entrance,
      { workload: 'mixed', connections, pipeline: 1, generator: 'native' },
      { ...size, seconds: SATURATION_SECONDS, warmupSeconds: 1 },
    );
    const rate = Math.round(saturated.opsPerSecond * LOAD_SHARE);
    const paced = PacedLoad.start(cluster.entrance, { connections, rate, size });
    await delay(SETTLE_MS);
    await paced.cut();
    await delay(Number(options.quietSeconds) * 1000);
    const before = await paced.cut();
    const resized = await cluster.rebalance();
    const during = await paced.cut();
    await delay(Number(options.quietSeconds) * 1000);
    const after = await paced.stop();
    const resize = await resized.result();
    const pauses = await cluster.slotPauses();
    return loadRows(rate, { before, during, after }, resize, pauses);
  } finally {
    await cluster.stop();
  }
}

function loadRows(
  rate: number,
  { before, during, after }: Record<'before' | 'during' | 'after', LoadResult>,
  resize: Resize,
  pauses: Awaited<ReturnType<Awaited<ReturnType<typeof startTorcCluster>>['slotPauses']>>,
): Row[] {
  const limitMs = Math.max(GOOD_LATENCY_MS, LATENCY_FACTOR * before.p99Ms);
  const errors = before.errors + during.errors + after.errors;
  return [
    { what: `Torc, 3 to 4 nodes at ${rate} commands/s`, figure: figureOf(resize), goal: '', isReached: null },
    { what: 'errors', figure: String(errors), goal: '0', isReached: errors === 0 },
    { what: 'before', figure: latencies(before), goal: '', isReached: null },
    {
      what: 'while slots move',
      figure: latencies(during),
      goal: `p99 at most ${limitMs.toFixed(1)} ms`,
      isReached: during.p99Ms <= limitMs,
    },
    { what: 'after', figure: latencies(after), goal: '', isReached: null },
    {
      what: `pause of a slot (${pauses.slots})`,
      figure: `p99 ${pauses.p99Ms.toFixed(1)} ms`,
      goal: `at most ${PAUSE_P99_MS} ms`,
      isReached: pauses.p99Ms <= PAUSE_P99_MS,
    },
    {
      what: 'longest pause of a slot',
      figure: `${pauses.longestMs.toFixed(1)} ms`,
      goal: `at most ${PAUSE_LONGEST_MS} ms`,
      isReached: pauses.longestMs <= PAUSE_LONGEST_MS,
    },
  ];
}

function figureOf({ tookMs, movedSlots, keys }: Resize): string {
  return `${(tookMs / 1000).toFixed(2)} s (${movedSlots} slots, ${keys} keys in all)`;
}

function latencies({ opsPerSecond, p50Ms, p99Ms, p999Ms, maxMs }: LoadResult): string {
  const [p50, p99, p999, max] = [p50Ms, p99Ms, p999Ms, maxMs].map((ms) => ms.toFixed(1));
  return `${Math.round(opsPerSecond)}/s, p50 ${p50} ms, p99 ${p99}, p999 ${p999}, max ${max}`;
}

function subdirectory(): Promise<string> {
  return mkdtemp(join(directory, 'cluster-'));
}

async function write(options: Options, rows: readonly Row[]): Promise<void> {
  const file = join(OUT_DIRECTORY, `resize-${new Date().toISOString().replaceAll(/[:.]/g, '-')}.json`);
  const machine = { cpu: cpus()[0]?.model, cores: availableParallelism(), node: process.version };
  await writeFile(file, `${JSON.stringify({ machine, options, rows }, null, 2)}\n`);
  console.log(`\nWritten to ${file}`);
}
