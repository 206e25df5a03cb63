/** Many runs, and what they have been through together. */
import { Counters } from './counters.ts';
import { runSeed } from './run.ts';
import type { Lost } from './workers.ts';
import { runInWorkers } from './workers.ts';
import type { Told } from './worker.ts';

const MIB = 2 ** 20;

/** How many nodes the speed that is asked for is about. */
const NAMED_NODES = 3;

/** Of seeds of clusters of one size. */
interface Share {
  runs: number;
  virtualMs: number;
  cpuMs: number;
  commands: number;
  faults: number;
}

interface Totals {
  runs: number;
  failed: number[];
  virtualMs: number;
  commands: number;
  answered: number;
  lines: number;
  counters: Counters;
  /** Of each process, by its id, start and compilation included. */
  cpuMs: Map<number, number>;
  /** By how many nodes there are. */
  bySize: Map<number, Share>;
  residentMostBytes: number;
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
  /** How many processes. */
  jobs: number;
}

export function replayCommand(seed: number): string {
  return `npm run sim -- --seed ${seed}`;
}

/** One run, a line for each event. True: all held. */
export async function showSeed(seed: number): Promise<boolean> {
  const result = await runSeed(seed, { told: (line) => console.log(line) });
  const totals = newTotals();
  const { faults, situations } = result.counters;
  add(totals, { ...result, nodes: result.plan.nodes, faults: [...faults], situations: [...situations] });
  console.log(tableOf(totals.counters));
  console.log(`replay: ${replayCommand(seed)}`);
  console.log(summaryOf(totals));
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
  jobs,
}: Campaign): Promise<boolean> {
  const startedMs = performance.now();
  const totals = newTotals();
  const isOver = (): boolean =>
    performance.now() - startedMs > minutes * 60_000 || (firstOnly && totals.failed.length > 0);
  await runInWorkers({ from, count: seeds, isOver }, jobs, (result, pid) => {
    if ('how' in result) return lost(totals, result);
    add(totals, result);
    addToSize(totals, result, result.cpuMs - (totals.cpuMs.get(pid) ?? 0));
    totals.cpuMs.set(pid, result.cpuMs);
    totals.residentMostBytes = Math.max(totals.residentMostBytes, result.residentBytes);
    if (result.failure !== null) tellFailure(result.seed, result.failure);
  });
  console.log(tableOf(totals.counters));
  const missing = totals.counters.missing();
  console.log(missing.length === 0 ? 'all came up' : `never came up: ${missing.join(', ')}`);
  console.log(summaryOf(totals));
  console.log(speedOf(totals, performance.now() - startedMs, jobs));
  for (const line of sizesOf(totals)) console.log(line);
  return totals.failed.length === 0 && (!allSometimes || missing.length === 0);
}

function newTotals(): Totals {
  return {
    runs: 0,
    failed: [],
    virtualMs: 0,
    commands: 0,
    answered: 0,
    lines: 0,
    counters: new Counters(),
    cpuMs: new Map(),
    bySize: new Map(),
    residentMostBytes: 0,
  };
}

function add(totals: Totals, result: Omit<Told, 'cpuMs' | 'residentBytes'>): void {
  totals.runs += 1;
  if (result.failure !== null) totals.failed.push(result.seed);
  totals.virtualMs += result.virtualMs;
  totals.commands += result.commands;
  totals.answered += result.answered;
  totals.lines += result.lines;
  totals.counters.add(result);
}

/** `cpuMs`: of its process since the seed before, or since its start. */
function addToSize({ bySize }: Totals, { nodes, virtualMs, commands, faults }: Told, cpuMs: number): void {
  let share = bySize.get(nodes);
  if (share === undefined)
    bySize.set(nodes, (share = { runs: 0, virtualMs: 0, cpuMs: 0, commands: 0, faults: 0 }));
  share.runs += 1;
  share.virtualMs += virtualMs;
  share.cpuMs += cpuMs;
  share.commands += commands;
  share.faults += faults.reduce((sum, [, count]) => sum + count, 0);
}

/** Those of three nodes first: what a run has to be as fast as is said of these. */
function sizesOf({ bySize }: Totals): string[] {
  const sizes = [...bySize].sort(
    ([a], [b]) => Number(b === NAMED_NODES) - Number(a === NAMED_NODES) || a - b,
  );
  return sizes.map(([nodes, { runs, virtualMs, cpuMs, commands, faults }]) => {
    const [speed, perSecond] = [virtualMs / cpuMs, commands / (virtualMs / 1000)];
    const cluster = `${nodes} ${nodes === 1 ? 'node' : 'nodes'} (${runs} ${runs === 1 ? 'seed' : 'seeds'})`;
    return `of ${cluster}: ${speed.toFixed(0)} simulated seconds a second of CPU, ${perSecond.toFixed(0)} commands a simulated second, ${(faults / runs).toFixed(0)} faults a seed`;
  });
}

function lost(totals: Totals, { seed, how }: Lost): void {
  totals.runs += 1;
  totals.failed.push(seed);
  tellFailure(seed, `crash: ${how}`);
}

function tellFailure(seed: number, failure: string): void {
  console.log(`seed ${seed}: ${failure}\nreplay: ${replayCommand(seed)}`);
}

function tableOf({ faults, situations }: Counters): string {
  const rows = (of: ReadonlyMap<string, number>): string[] =>
    [...of].map(([name, count]) => `  ${name.padEnd(46)} ${String(count).padStart(9)}`);
  return ['faults that struck', ...rows(faults), 'situations that came up', ...rows(situations)].join('\n');
}

function summaryOf({ runs, failed, virtualMs, commands, answered, lines, counters }: Totals): string {
  const seconds = Math.round(virtualMs / 1000);
  const verdict = failed.length === 0 ? 'none failed' : `${failed.length} failed: ${failed.join(' ')}`;
  return `${runs} ${runs === 1 ? 'seed' : 'seeds'}, ${verdict}; ${seconds} simulated seconds, ${commands} commands (${answered} answered), ${counters.faultsStruck} faults, ${lines} events`;
}

function speedOf({ virtualMs, cpuMs, residentMostBytes }: Totals, wallMs: number, jobs: number): string {
  const cpuTotalMs = [...cpuMs.values()].reduce((sum, one) => sum + one, 0);
  const [ofWall, ofCpu] = [virtualMs / wallMs, virtualMs / cpuTotalMs].map((speed) => speed.toFixed(0));
  const [wallS, cpuS] = [wallMs, cpuTotalMs].map((ms) => (ms / 1000).toFixed(1));
  return `${ofCpu} simulated seconds a second of CPU (${cpuS} s), ${ofWall} a second (${wallS} s, ${jobs} ${jobs === 1 ? 'process' : 'processes'}); ${Math.round(residentMostBytes / MIB)} MiB a process at most`;
}
