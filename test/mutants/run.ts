import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { MUTANTS } from './mutants.ts';
import type { Mutant } from './mutant.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COPIED = ['src', 'ring', 'test', 'package.json', 'tsconfig.json', 'vitest.config.ts'];
const LIMIT_MS = 600_000;

/** `npm run mutants [-- PART…]`: breaks one rule after the other in a copy of the sources, and tells what noticed. */
function main(): void {
  const parts = process.argv.length > 2 ? process.argv.slice(2) : [''];
  const chosen = MUTANTS.filter(({ rule, file }) =>
    parts.some((part) => rule.includes(part) || file.includes(part)),
  );
  const directory = mkdtempSync(join(tmpdir(), 'torc-mutants-'));
  try {
    for (const name of COPIED) cpSync(join(ROOT, name), join(directory, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
    const alive = chosen.filter((mutant) => !isCaught(directory, mutant));
    console.log(`${chosen.length} mutants, ${alive.length} not caught`);
    process.exitCode = alive.length === 0 ? 0 : 1;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function isCaught(directory: string, mutant: Mutant): boolean {
  const path = join(directory, mutant.file);
  const source = readFileSync(path, 'utf8');
  writeFileSync(
    path,
    source.replace(mutant.find, () => mutant.put),
  );
  const noticed = [seedThatFails(directory, mutant), testThatFails(directory, mutant)];
  writeFileSync(path, source);
  const asked = [mutant.seeds, mutant.tests].filter((what) => what !== undefined).length;
  const found = noticed.filter((what) => what !== null);
  console.log(
    `${found.length === asked ? 'caught' : 'ALIVE'}: ${mutant.rule}${found.map((what) => `\n    ${what}`).join('')}`,
  );
  return found.length === asked;
}

function seedThatFails(directory: string, { seeds }: Mutant): string | null {
  if (seeds === undefined) return null;
  const output = run(directory, ['--import', 'tsx', 'test/sim/main.ts', '--first', '--seeds', String(seeds)]);
  return output === null
    ? null
    : (/^seed .*$/m.exec(output)?.[0] ?? `the simulation stopped: ${output.slice(-200)}`);
}

function testThatFails(directory: string, { tests }: Mutant): string | null {
  if (tests === undefined) return null;
  const vitest = join('node_modules', 'vitest', 'vitest.mjs');
  const output = run(directory, [
    vitest,
    'run',
    '--project',
    'unit',
    '--bail',
    '1',
    '--reporter',
    'tap-flat',
    ...tests,
  ]);
  return output === null
    ? null
    : (/^not ok \d+ - (.*?)(?: # time.*)?$/m.exec(output)?.[1] ?? `failed: ${output.slice(-200)}`);
}

/** What it printed when it failed; null when it did not. */
function run(directory: string, args: readonly string[]): string | null {
  const result = spawnSync(process.execPath, args, { cwd: directory, encoding: 'utf8', timeout: LIMIT_MS });
  return result.status === 0 ? null : `${result.stdout}${result.stderr}`;
}

main();
