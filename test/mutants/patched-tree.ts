import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { patchesOf } from './mutants.ts';
import type { Mutant, Patch } from './mutant.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COPIED = ['src', 'ring', 'test', 'package.json', 'tsconfig.json', 'vitest.config.ts'];

interface Ended {
  hasFailed: boolean;
  /** It took longer than it may: that says nothing of a busy machine. */
  isCutShort: boolean;
  output: string;
}

/** A copy of the sources, in which one rule at a time is broken. */
export class PatchedTree {
  private readonly directory = mkdtempSync(join(tmpdir(), 'torc-mutants-'));

  constructor() {
    for (const name of COPIED) cpSync(join(ROOT, name), join(this.directory, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(this.directory, 'node_modules'));
  }

  /** The rule is broken while this runs. */
  with<T>(mutant: Mutant, run: () => T): T {
    const mends = patchesOf(mutant).map((patch) => this.patch(patch));
    try {
      return run();
    } finally {
      for (const mend of mends.toReversed()) mend();
    }
  }

  private patch({ file, find, put }: Patch): () => void {
    const path = join(this.directory, file);
    const source = readFileSync(path, 'utf8');
    writeFileSync(
      path,
      source.replace(find, () => put),
    );
    return () => writeFileSync(path, source);
  }

  /** What runs longer than the limit has failed. */
  node(args: readonly string[], limitMs: number): Ended {
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: this.directory,
      encoding: 'utf8',
      timeout: limitMs,
      killSignal: 'SIGKILL',
      maxBuffer: 2 ** 28,
    });
    return { hasFailed: status !== 0, isCutShort: signal === 'SIGKILL', output: `${stdout}${stderr}` };
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }
}
