/**
 * The processes of a campaign. The program is bundled once: V8 is faster with one module, and no process compiles TypeScript. Each seed goes to
 * whoever is free; what is told of seeds comes out in their order, so that it does not hang on how many processes there are.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { buildSync } from 'esbuild';

import type { Told } from './worker.ts';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
/** Of a process: a larger one is followed by another, so that a campaign takes no more memory the longer it is. */
const RESIDENT_MOST_BYTES = 640 * 2 ** 20;
/** Packages are found from here. */
const BUILT = join(ROOT, 'dist');
/**
 * What a run's start compiles would else be thrown away, and compiled again for the next seed. Each core has its process: one thread a collection is less
 * work. What is compiled is short-lived: less is inlined into it. The old generation is marked in steps, though one go would cost half as much: in one go
 * V8 lets go of the hidden classes of all objects that do not live just then, and with them of the code compiled for them, which was a third of a campaign.
 */
const NODE_FLAGS = [
  '--no-flush-bytecode',
  '--single-threaded-gc',
  '--min-semi-space-size=16',
  '--initial-old-space-size=400',
  '--max-inlined-bytecode-size-cumulative=400',
  '--enable-source-maps',
];

export interface Seeds {
  from: number;
  count: number;
  /** Asked before each: no more are begun. */
  isOver: () => boolean;
}

/** A seed's process ended before it told anything. */
export interface Lost {
  seed: number;
  how: string;
}

/** Runs them all; `hear` is told of each, in order. */
export async function runInWorkers(
  { from, count, isOver }: Seeds,
  jobs: number,
  hear: (result: Told | Lost, pid: number) => void,
): Promise<void> {
  mkdirSync(BUILT, { recursive: true });
  const directory = mkdtempSync(join(BUILT, 'sim-'));
  const program = join(directory, 'worker.mjs');
  try {
    bundle(program);
    const inOrder = new InOrder(from, hear);
    let next = from;
    const take = (): number | null => (next < from + count && !isOver() ? next++ : null);
    await Promise.all(Array.from({ length: Math.min(jobs, count) }, () => work(program, take, inOrder)));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Packages stay what they are. */
function bundle(program: string): void {
  buildSync({
    entryPoints: [fileURLToPath(new URL('worker.ts', import.meta.url))],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    sourcemap: true,
  });
}

/** One process after the other, until no seed is left: who ends too early is followed by another. */
async function work(program: string, take: () => number | null, inOrder: InOrder): Promise<void> {
  let child: ChildProcess | null = null;
  for (let seed = take(); seed !== null; seed = take()) {
    child ??= fork(program, [], { cwd: ROOT, execArgv: NODE_FLAGS });
    const result = await ask(child, seed);
    inOrder.take(result, child.pid ?? 0);
    if ('how' in result) child = null;
    else if (result.residentBytes > RESIDENT_MOST_BYTES) {
      child.disconnect();
      child = null;
    }
  }
  child?.disconnect();
}

function ask(child: ChildProcess, seed: number): Promise<Told | Lost> {
  return new Promise((resolve) => {
    const ended = (code: number | null, signal: string | null): void => {
      child.off('message', heard);
      resolve({ seed, how: `its process ended with ${signal ?? code}` });
    };
    const heard = (result: Told): void => {
      child.off('exit', ended);
      resolve(result);
    };
    child.once('message', heard);
    child.once('exit', ended);
    child.send(seed);
  });
}

/** Keeps what comes too early. */
class InOrder {
  private next: number;
  private readonly early = new Map<number, () => void>();
  private readonly hear: (result: Told | Lost, pid: number) => void;

  constructor(from: number, hear: (result: Told | Lost, pid: number) => void) {
    this.next = from;
    this.hear = hear;
  }

  take(result: Told | Lost, pid: number): void {
    this.early.set(result.seed, () => this.hear(result, pid));
    for (let tell = this.early.get(this.next); tell !== undefined; tell = this.early.get(this.next)) {
      this.early.delete(this.next);
      this.next += 1;
      tell();
    }
  }
}
