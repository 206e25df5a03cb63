/** The table of docs/mutants.md. */
import type { Mutant } from './mutant.ts';
import type { Results } from './results.ts';

const HEAD = [
  '| from | rule that is taken away | simulator | caught by | seeds to catch |',
  '| --- | --- | --- | --- | --- |',
];

/** Rules are named "#3, history 7: …". */
export function tableOf(mutants: readonly Mutant[], results: Results): string {
  return [...HEAD, ...mutants.map((mutant) => rowOf(mutant, results))].join('\n');
}

function rowOf({ rule, simulated }: Mutant, results: Results): string {
  const [, from, what] = /^((?:#|§|histor|figure)[^:]*): (.*)$/.exec(rule) ?? [rule, '', rule];
  const runs = simulated === undefined ? [] : results.of(rule, simulated);
  const by = [...new Set(runs.flatMap(({ caughtBy }) => caughtBy ?? []))];
  const cells = [from, what, simulated ?? '', by.join(', '), seedsOf(runs)];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

/** The median, and of how many starts; what was not caught counts as more than all. */
function seedsOf(runs: readonly { seeds: number; caughtBy: string | null }[]): string {
  if (runs.length === 0) return 'not run';
  const counts = runs
    .map(({ seeds, caughtBy }) => (caughtBy === null ? Infinity : seeds))
    .toSorted((a, b) => a - b);
  const median = counts[Math.floor((counts.length - 1) / 2)];
  const all = counts.map((count) => (count === Infinity ? 'none' : String(count)));
  return `${median === Infinity ? '**alive**' : median} (${all.join(', ')})`;
}
