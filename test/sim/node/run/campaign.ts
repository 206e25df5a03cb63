/** Many runs, and what they have been through together. */
import { Counters } from './counters.ts';
import { runSeed, type RunResult } from './run.ts';

interface Totals {
  runs: number;
  failed: number[];
  virtualMs: number;
  commands: number;
  answered: number;
  lines: number;
  counters: Counters;
}

export interface Campaign {
  from: number;
  /** How many seeds at most; fewer when the time is up before. */
  seeds: number;
  minutes: number;
  /** Exit code 1 when something never came up. */
  allSometimes: boolean;
  /** Only until one fails. */
  firstOnly: boolean;
}

export function replayCommand(seed: number): string {
  return `npm run sim -- --seed ${seed}`;
}

/** One run, a line for each event. True: all held. */
export async function showSeed(seed: number): Promise<boolean> {
  const result = await runSeed(seed, { told: (line) => console.log(line) });
  const totals = newTotals();
  add(totals, result);
  console.log(tableOf(totals.counters));
  console.log(`replay: ${replayCommand(seed)}`);
  console.log(summaryOf(totals, 0));
  console.log(`events ${result.digest}`);
  return result.failure === null;
}

/** True: all held, and came up where that was wanted. */
export async function runCampaign({
  from,
  seeds,
  minutes,
  allSometimes,
  firstOnly,
}: Campaign): Promise<boolean> {
  const startedMs = performance.now();
  const totals = newTotals();
  for (let seed = from; seed < from + seeds; seed++) {
    if (performance.now() - startedMs > minutes * 60_000) break;
    const result = await runSeed(seed);
    add(totals, result);
    if (result.failure === null) continue;
    console.log(`seed ${seed}: ${result.failure}\nreplay: ${replayCommand(seed)}`);
    if (firstOnly) break;
  }
  console.log(tableOf(totals.counters));
  const missing = totals.counters.missing();
  console.log(missing.length === 0 ? 'all came up' : `never came up: ${missing.join(', ')}`);
  console.log(summaryOf(totals, performance.now() - startedMs));
  return totals.failed.length === 0 && (!allSometimes || missing.length === 0);
}

function newTotals(): Totals {
  return { runs: 0, failed: [], virtualMs: 0, commands: 0, answered: 0, lines: 0, counters: new Counters() };
}

function add(totals: Totals, result: RunResult): void {
  totals.runs += 1;
  if (result.failure !== null) totals.failed.push(result.seed);
  totals.virtualMs += result.virtualMs;
  totals.commands += result.commands;
  totals.answered += result.answered;
  totals.lines += result.lines;
  totals.counters.add(result.counters);
}

function tableOf({ faults, situations }: Counters): string {
  const rows = (of: ReadonlyMap<string, number>): string[] =>
    [...of].map(([name, count]) => `  ${name.padEnd(46)} ${String(count).padStart(9)}`);
  return ['faults that struck', ...rows(faults), 'situations that came up', ...rows(situations)].join('\n');
}

function summaryOf(
  { runs, failed, virtualMs, commands, answered, lines, counters }: Totals,
  wallMs: number,
): string {
  const seconds = Math.round(virtualMs / 1000);
  const speed = wallMs === 0 ? '' : `, ${(virtualMs / wallMs).toFixed(0)} simulated seconds a second`;
  const verdict = failed.length === 0 ? 'none failed' : `${failed.length} failed: ${failed.join(' ')}`;
  return `${runs} ${runs === 1 ? 'seed' : 'seeds'}, ${verdict}; ${seconds} simulated seconds${speed}, ${commands} commands (${answered} answered), ${counters.faultsStruck} faults, ${lines} events`;
}
