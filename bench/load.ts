/** Load on a target: by the native generator, or by a client library in a process of its own. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { isInstalled } from './processes.ts';

const run = promisify(execFile);

export const BENCH_DIRECTORY = import.meta.dirname;
export const OUT_DIRECTORY = join(BENCH_DIRECTORY, 'out');
export const GENERATOR = join(OUT_DIRECTORY, 'load');
const COMPILERS = ['cc', 'gcc', 'clang'];

/** What is left of a run's time for connecting and for slow last replies. */
const GRACE_SECONDS = 20;
const FILL_SECONDS = 180;

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

/** Compiles the generator. */
export function buildGenerator(): void {
  const compiler = COMPILERS.find(isInstalled);
  if (compiler === undefined) throw new Error('no C compiler: on Debian, apt-get install gcc');
  mkdirSync(OUT_DIRECTORY, { recursive: true });
  execFileSync(compiler, ['-O2', '-o', GENERATOR, join(BENCH_DIRECTORY, 'load.c')], { stdio: 'inherit' });
}

/** Sets every key once. A write that was refused is a key that is not there: then what follows would measure something else. */
export async function fill(entrance: Entrance, size: LoadSize): Promise<void> {
  // With slots a batch goes to the owner of its first key, and leaves those of others out.
  const pipeline = entrance.protocol === 'etcd' || entrance.slots ? '1' : '16';
  const words = ['--workload', 'fill', '--connections', '50', '--pipeline', pipeline];
  const { errors } = await runNative({ ...entrance, wait: 0 }, words, size, FILL_SECONDS);
  if (errors > 0) throw new Error(`${errors} of ${size.keys} keys were answered with an error`);
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
  const limitSeconds = size.seconds + size.warmupSeconds + GRACE_SECONDS;
  if (scenario.generator === 'native') return runNative(entrance, words, size, limitSeconds);
  const script = join(BENCH_DIRECTORY, 'client-load.ts');
  const node = [...process.execArgv, script, '--library', scenario.generator];
  const all = [...node, ...entranceWords(entrance), ...words, ...sizeWords(size)];
  return runLoad(process.execPath, all, limitSeconds);
}

function runNative(
  entrance: Entrance,
  words: readonly string[],
  size: LoadSize,
  limitSeconds: number,
): Promise<LoadResult> {
  return runLoad(GENERATOR, [...entranceWords(entrance), ...words, ...sizeWords(size)], limitSeconds);
}

export function entranceWords(entrance: Entrance): string[] {
  const words = ['--target', entrance.addresses];
  if (entrance.protocol === 'etcd') words.push('--protocol', 'etcd');
  if (entrance.slots) words.push('--slots');
  if (entrance.wait > 0) words.push('--wait', String(entrance.wait));
  return words;
}

export function sizeWords(size: LoadSize): string[] {
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

async function runLoad(program: string, args: readonly string[], limitSeconds: number): Promise<LoadResult> {
  const { stdout, stderr } = await run(program, args, {
    timeout: limitSeconds * 1000,
    killSignal: 'SIGKILL',
  });
  // The first errors that it was answered with.
  if (stderr !== '') process.stderr.write(stderr);
  return JSON.parse(stdout) as LoadResult;
}
