/** The table of docs/mutants.md. */
import type { Mutant } from './mutant.ts';
import type { Results, SimResult } from './results.ts';

const HEAD = [
  '| from | rule that is taken away | simulator | caught by | seeds to catch |',
  '| --- | --- | --- | --- | --- |',
];

/** Rules are named "#3, history 7: …". */
export function tableOf(mutants: readonly Mutant[], results: Results): string {
  return [...HEAD, ...mutants.map((mutant) => rowOf(mutant, results))].join('\n');
}

function rowOf({ rule, simulated, tests }: Mutant, results: Results): string {
  const [, from, what] = /^((?:#|§|histor|figure)[^:]*): (.*)$/.exec(rule) ?? [rule, 'versions', rule];
  const runs = simulated === undefined ? [] : results.of(rule, simulated);
  const by = [...new Set(runs.flatMap(({ caughtBy }) => (caughtBy === null ? [] : [nameOf(caughtBy)])))];
  // Until a seed is found a test holds it.
  if (by.length === 0 && tests !== undefined) by.push(...tests.map((test) => `\`${test}\``));
  const cells = [from, what, simulated ?? '', by.join(', '), seedsOf(runs, tests !== undefined)];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

/** Without who it was, and when. */
function nameOf(caughtBy: string): string {
  return caughtBy.replace(/node-\d+ ended itself: InvariantError: /, '').replace(/ \(at [\d.]+ ms\)$/, '');
}

/** The median, and of each start; what was not caught counts as more than all. Alive is what no test holds, either. */
function seedsOf(runs: readonly SimResult[], hasTest: boolean): string {
  if (runs.length === 0) return 'not run';
  const sorted = runs.toSorted((a, b) => countOf(a) - countOf(b));
  const all = sorted.map(({ seeds, caughtBy }) => (caughtBy === null ? `not in ${seeds}` : String(seeds)));
  const { seeds, caughtBy } = sorted[Math.floor((sorted.length - 1) / 2)];
  if (caughtBy !== null) return `${seeds} (${all.join(', ')})`;
  return hasTest ? all.join(', ') : `**alive** (${all.join(', ')})`;
}

function countOf({ seeds, caughtBy }: SimResult): number {
  return caughtBy === null ? Infinity : seeds;
}
