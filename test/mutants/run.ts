import { join } from 'node:path';

import { chosenBy, MUTANTS } from './mutants.ts';
import type { Mutant } from './mutant.ts';
import { PatchedTree } from './patched-tree.ts';

const LIMIT_MS = 600_000;

/** `npm run mutants [-- PART…]`: breaks one rule after the other in a copy of the sources, and tells what noticed. */
function main(): void {
  const chosen = chosenBy(MUTANTS, process.argv.slice(2)).filter(
    ({ seeds, tests }) => seeds !== undefined || tests !== undefined,
  );
  const tree = new PatchedTree();
  try {
    const alive = chosen.filter((mutant) => !tree.with(mutant, () => isCaught(tree, mutant)));
    console.log(`${chosen.length} mutants, ${alive.length} not caught`);
    process.exitCode = alive.length === 0 ? 0 : 1;
  } finally {
    tree.remove();
  }
}

function isCaught(tree: PatchedTree, mutant: Mutant): boolean {
  const noticed = [seedThatFails(tree, mutant), testThatFails(tree, mutant)];
  const asked = [mutant.seeds, mutant.tests].filter((what) => what !== undefined).length;
  const found = noticed.filter((what) => what !== null);
  console.log(
    `${found.length === asked ? 'caught' : 'ALIVE'}: ${mutant.rule}${found.map((what) => `\n    ${what}`).join('')}`,
  );
  return found.length === asked;
}

function seedThatFails(tree: PatchedTree, { seeds }: Mutant): string | null {
  if (seeds === undefined) return null;
  const { hasFailed, output } = tree.node(
    ['--import', 'tsx', 'test/sim/main.ts', '--raft', '--first', '--seeds', String(seeds)],
    LIMIT_MS,
  );
  if (!hasFailed) return null;
  return /^seed .*$/m.exec(output)?.[0] ?? `the simulation stopped: ${output.slice(-200)}`;
}

function testThatFails(tree: PatchedTree, { tests }: Mutant): string | null {
  if (tests === undefined) return null;
  const vitest = join('node_modules', 'vitest', 'vitest.mjs');
  const options = ['--project', 'unit', '--project', 'nodes', '--bail', '1', '--reporter', 'tap-flat'];
  const { hasFailed, output } = tree.node([vitest, 'run', ...options, ...tests], LIMIT_MS);
  if (!hasFailed) return null;
  return /^not ok \d+ - (.*?)(?: # time.*)?$/m.exec(output)?.[1] ?? `failed: ${output.slice(-200)}`;
}

main();
