/** Medians over the rounds, ratios to the peers, and the goals. */
import Table from 'cli-table3';

import { GOALS, type Goal } from './goals.ts';
import { scenarioName, type LoadResult, type Scenario } from './load.ts';

export interface Measured {
  target: string;
  scenario: Scenario;
  runs: LoadResult[];
}

const MEASURES = ['opsPerSecond', 'p50Ms', 'p99Ms', 'p999Ms', 'maxMs', 'errors', 'clientCpu'] as const;
export type Medians = Record<(typeof MEASURES)[number], number>;

/** Above this the generator, not the server, may have been the limit. */
const BUSY_CLIENT = 0.9;

export function mediansOf(runs: readonly LoadResult[]): Medians {
  const medians = Object.fromEntries(
    MEASURES.map((measure) => [measure, median(runs.map((run) => run[measure]))]),
  );
  return medians as Medians;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** A table a scenario. Ratios are rates over the rate of the target named by its number. */
export function scenarioTable(scenario: Scenario, measured: readonly Measured[]): string {
  const rows = measured.filter((one) => scenarioName(one.scenario) === scenarioName(scenario));
  const medians = rows.map((one) => mediansOf(one.runs));
  const table = new Table({
    head: [
      '',
      'target',
      'ops/s',
      'p50 ms',
      'p99',
      'p999',
      'max',
      'errors',
      'client',
      ...rows.map((_, at) => `x ${at + 1}`),
    ],
    style: { head: [], border: [] },
  });
  for (const [at, row] of rows.entries()) {
    const own = medians[at];
    const latencies = [own.p50Ms, own.p99Ms, own.p999Ms, own.maxMs].map((ms) => ms.toFixed(2));
    const client = `${Math.round(own.clientCpu * 100)}%${own.clientCpu > BUSY_CLIENT ? ' !' : ''}`;
    const ratios = medians.map((other) => (own.opsPerSecond / other.opsPerSecond).toFixed(2));
    table.push([
      String(at + 1),
      row.target,
      Math.round(own.opsPerSecond),
      ...latencies,
      own.errors,
      client,
      ...ratios,
    ]);
  }
  return `${scenarioName(scenario)}\n${table.toString()}`;
}

export interface GoalOutcome {
  goal: Goal;
  ratio: number;
  reached: boolean;
}

/** Of the goals for which both sides were measured. */
export function goalOutcomes(measured: readonly Measured[]): GoalOutcome[] {
  const find = (target: string, scenario: Scenario): Measured | undefined =>
    measured.find((one) => one.target === target && scenarioName(one.scenario) === scenarioName(scenario));
  return GOALS.flatMap((goal) => {
    const [own, peer] = [find(goal.torc, goal.scenario), find(goal.peer, goal.scenario)];
    if (own === undefined || peer === undefined) return [];
    const ratio = mediansOf(own.runs)[goal.measure] / mediansOf(peer.runs)[goal.measure];
    const reached = ratio >= (goal.atLeast ?? 0) && ratio <= (goal.atMost ?? Infinity);
    return [{ goal, ratio, reached }];
  });
}

export function goalLine({ goal, ratio, reached }: GoalOutcome): string {
  const bound = goal.atLeast === undefined ? `at most ${goal.atMost}` : `at least ${goal.atLeast}`;
  const what = goal.measure === 'p50Ms' ? 'p50' : 'rate';
  const verdict = reached ? 'reached' : 'MISSED ';
  return `${verdict}  ${goal.torc} / ${goal.peer}, ${scenarioName(goal.scenario)}: ${what} x ${ratio.toFixed(2)} (${bound})`;
}
