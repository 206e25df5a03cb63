/** Load on a target: by the native generator, or by a client library in a process of its own. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { isInstalled } from './processes.ts';

const run = promisify(execFile);

export const BENCH_DIRECTORY = import.meta.dirname;
export const OUT_DIRECTORY = join(BENCH_DIRECTORY, 'out');
const GENERATOR = join(OUT_DIRECTORY, 'load');
const COMPILERS = ['cc', 'gcc', 'clang'];

/** What is left of a run's time for connecting and for slow last replies. */
const GRACE_SECONDS = 20;

export type Workload = 'get' | 'set' | 'mixed';
export type Generator = 'native' | 'ioredis' | 'node-redis';

export interface Scenario {
  workload: Workload;
  connections: number;
  pipeline: number;
  generator: Generator;
}

export interface LoadSize {
  keys: number;
  valueBytes: number;
  seconds: number;
  warmupSeconds: number;
}

/** Where and how a target is to be loaded. */
export interface Entrance {
  /** `host:port`, one or several with commas. */
  addresses: string;
  protocol: 'resp' | 'etcd';
  /** A node of a cluster: commands go to the owners of their slots. */
  slots: boolean;
  /** Each batch with a write ends with `WAIT n 0`; 0: none. */
  wait: number;
}

export interface LoadResult {
  opsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  p999Ms: number;
  maxMs: number;
  operations: number;
  errors: number;
  /** CPU of the generator, as a part of one core: near 1 it is the bottleneck. */
  clientCpu: number;
}

export function scenarioName({ workload, connections, pipeline, generator }: Scenario): string {
  const by = generator === 'native' ? '' : ` by ${generator}`;
  return `${workload}, ${connections} connections${pipeline > 1 ? `, pipeline ${pipeline}` : ''}${by}`;
}

/** Builds the generator when it is older than its source. */
export function buildGenerator(): void {
  const compiler = COMPILERS.find(isInstalled);
  if (compiler === undefined) throw new Error('no C compiler: on Debian, apt-get install gcc');
  mkdirSync(OUT_DIRECTORY, { recursive: true });
  execFileSync(compiler, ['-O2', '-o', GENERATOR, join(BENCH_DIRECTORY, 'load.c')], { stdio: 'inherit' });
}

/** Sets every key once. */
export async function fill(entrance: Entrance, size: LoadSize): Promise<void> {
  await runNative(
    { ...entrance, wait: 0 },
    ['--workload', 'fill', '--connections', '16', '--pipeline', fillPipeline(entrance)],
    size,
  );
}

function fillPipeline(entrance: Entrance): string {
  return entrance.protocol === 'etcd' ? '1' : '16';
}

export async function load(entrance: Entrance, scenario: Scenario, size: LoadSize): Promise<LoadResult> {
  const words = [
    '--workload',
    scenario.workload,
    '--connections',
    String(scenario.connections),
    '--pipeline',
    String(scenario.pipeline),
  ];
  if (scenario.generator === 'native') return runNative(entrance, words, size);
  const script = join(BENCH_DIRECTORY, 'client-load.ts');
  const node = [...process.execArgv, script, '--library', scenario.generator];
  return runLoad(process.execPath, [...node, ...entranceWords(entrance), ...words, ...sizeWords(size)], size);
}

function runNative(entrance: Entrance, words: readonly string[], size: LoadSize): Promise<LoadResult> {
  return runLoad(GENERATOR, [...entranceWords(entrance), ...words, ...sizeWords(size)], size);
}

function entranceWords(entrance: Entrance): string[] {
  const words = ['--target', entrance.addresses];
  if (entrance.protocol === 'etcd') words.push('--protocol', 'etcd');
  if (entrance.slots) words.push('--slots');
  if (entrance.wait > 0) words.push('--wait', String(entrance.wait));
  return words;
}

function sizeWords(size: LoadSize): string[] {
  return [
    '--keys',
    String(size.keys),
    '--value-bytes',
    String(size.valueBytes),
    '--seconds',
    String(size.seconds),
    '--warmup',
    String(size.warmupSeconds),
  ];
}

async function runLoad(program: string, args: readonly string[], size: LoadSize): Promise<LoadResult> {
  const timeout = (size.seconds + size.warmupSeconds + GRACE_SECONDS) * 1000;
  const { stdout } = await run(program, args, { timeout, killSignal: 'SIGKILL' });
  return JSON.parse(stdout) as LoadResult;
}
