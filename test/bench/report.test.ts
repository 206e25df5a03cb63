import { describe, expect, test } from 'vitest';

import { GOALS } from '../../bench/goals.ts';
import type { LoadResult, Scenario } from '../../bench/load.ts';
import { goalLine, goalOutcomes, mediansOf, scenarioTable, type Measured } from '../../bench/report.ts';
import { PEERS } from '../../bench/targets.ts';

function run(opsPerSecond: number, p50Ms = 1): LoadResult {
  return { opsPerSecond, p50Ms, p99Ms: 2, p999Ms: 3, maxMs: 4, operations: 10, errors: 0, clientCpu: 0.5 };
}

const SET_50: Scenario = { workload: 'set', connections: 50, pipeline: 1, generator: 'native' };
const SET_1: Scenario = { ...SET_50, connections: 1 };

test('medians of odd and even numbers of runs', () => {
  expect(mediansOf([run(30), run(10), run(20)]).opsPerSecond).toBe(20);
  expect(mediansOf([run(40), run(10), run(20), run(30)]).opsPerSecond).toBe(25);
});

test('a table has the ratio of each to each', () => {
  const measured: Measured[] = [
    { target: 'redis', scenario: SET_50, runs: [run(100)] },
    { target: 'etcd', scenario: SET_50, runs: [run(25)] },
    { target: 'etcd', scenario: SET_1, runs: [run(1)] },
  ];
  const table = scenarioTable(SET_50, measured);
  expect(table).toMatch(/^set, 50 connections\n/);
  const cells = table
    .split('\n')
    .filter((line) => /redis|etcd/.test(line))
    .map((line) => line.split('│').map((cell) => cell.trim()));
  expect(cells.map((row) => [row[2], row.at(-3), row.at(-2)])).toEqual([
    ['redis', '1.00', '4.00'],
    ['etcd', '0.25', '1.00'],
  ]);
});

describe('goals', () => {
  test('are told where both sides were measured', () => {
    const outcomes = goalOutcomes([
      { target: 'torc buffered', scenario: SET_50, runs: [run(70)] },
      { target: 'redis + WAIT 1', scenario: SET_50, runs: [run(100)] },
      { target: 'torc buffered', scenario: SET_1, runs: [run(1, 0.3)] },
      { target: 'redis + WAIT 1', scenario: SET_1, runs: [run(1, 0.2)] },
    ]);
    expect(outcomes.map(goalLine)).toEqual([
      'MISSED   torc buffered / redis + WAIT 1, set, 50 connections: rate x 0.70 (at least 0.8)',
      'reached  torc buffered / redis + WAIT 1, set, 1 connections: p50 x 1.50 (at most 2)',
    ]);
  });

  test('name targets that there are', () => {
    const torc = ['torc buffered', 'torc fsync'].flatMap((name) => [name, `${name}, one port`]);
    const known = new Set([...PEERS.map((peer) => peer.name), ...torc]);
    expect(GOALS.flatMap((goal) => [goal.torc, goal.peer]).filter((name) => !known.has(name))).toEqual([]);
  });
});
