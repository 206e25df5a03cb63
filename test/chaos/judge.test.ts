/** What the harness takes for a broken promise, and what not. */
import { expect, test } from 'vitest';

import type { Reply } from '../linearizability/history.ts';
import type { Placed } from '../e2e/clients/placed.ts';
import { Recorder } from '../e2e/clients/recorder.ts';
import { Worker } from '../e2e/clients/workload.ts';
import { judgeBetween, judgeRound, STARVED, UNANSWERED, type Round } from './judge.ts';
import { Tally } from './tally.ts';

const ROUND: Round = {
  number: 0,
  fault: 'kill -9',
  network: 'proxy',
  what: 'node-1',
  spared: [0],
  fromMs: 0,
  struckMs: 10,
  stalledMs: 0,
  diskStalledMs: 0,
  loadPerCore: 1,
  toMs: Infinity,
};

/** One client of node 0, one of node 1, one that goes where it likes; each is told so once. */
async function told(answer: Reply | Error, recorder = new Recorder()): Promise<[Recorder, Placed[]]> {
  const placed: Placed[] = [];
  for (const [name, node] of [
    ['ioredis-0', 0],
    ['ioredis-1', 1],
    ['ioredis-sentinel-0', null],
  ] as const) {
    const send = (): Promise<Reply> =>
      answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    const client = { name, send, close: () => undefined };
    await recorder.perform(client, 'SET', 'key', 'value');
    const worker = new Worker(client, new Recorder(), 0);
    await worker.stop();
    placed.push({ worker, node });
  }
  return [recorder, placed];
}

function until(toMs: number, more: Partial<Round> = {}): Round {
  return { ...ROUND, fromMs: performance.now() - 100, toMs, ...more };
}

test('all are answered', async () => {
  const { problems, errors, gaps } = judgeRound(...(await told('OK')), until(performance.now()));
  expect([problems, errors.size]).toEqual([[], 0]);
  expect(gaps.map(({ client }) => client)).toEqual([
    'ioredis, spared',
    'ioredis, struck',
    'ioredis-sentinel',
  ]);
});

test('a refusal is a problem for the clients of spared nodes alone', async () => {
  const refused = await told(new Error('CLUSTERDOWN no leader'));
  const { problems, errors } = judgeRound(...refused, until(performance.now()));
  expect(problems).toEqual(['ioredis-0, which was to see no error: SET key: CLUSTERDOWN no leader']);
  expect([...errors]).toEqual([['CLUSTERDOWN', 3]]);
  const starved = judgeRound(...refused, until(performance.now(), { stalledMs: 1500 }));
  expect(starved.problems).toEqual([]);
  expect(judgeRound(...refused, until(performance.now(), { diskStalledMs: 1500 })).problems).toHaveLength(1);
  expect(judgeRound(...refused, until(performance.now(), { loadPerCore: 9 })).problems).toEqual([]);
});

test('an error that says that the command is wrong is a problem for all', async () => {
  const { problems } = judgeRound(...(await told(new Error('ERR no'))), until(performance.now()));
  expect(problems).toHaveLength(3);
});

test('a pause is a problem for the clients of spared nodes when it is too long', async () => {
  const [recorder, placed] = await told('OK');
  const nowMs = performance.now();
  expect(judgeRound(recorder, placed, until(nowMs + 1900)).problems).toEqual([]);
  const [problem, ...others] = judgeRound(recorder, placed, until(nowMs + 2500)).problems;
  expect(problem).toMatch(/^ioredis-0, client of a spared node, waited 2\d\d\d ms$/);
  expect(others).toEqual([]);
});

test('between rounds an error is a problem for the clients of any node', async () => {
  const [recorder, placed] = await told(new Error('INDETERMINATE no answer'));
  expect(judgeBetween(recorder, placed, [until(performance.now())])).toEqual([]);
  const long = judgeBetween(recorder, placed, [until(0, { fromMs: 0 })]);
  expect(long.map((line) => line.split(',')[0])).toEqual(['ioredis-0', 'ioredis-1']);
});

test('a round without answers, or without time for them, judges nobody', async () => {
  const [recorder, placed] = await told('OK');
  const why = (round: Round): string | null => judgeRound(recorder, placed, round).unjudged;
  expect(why(until(performance.now()))).toBeNull();
  expect(why(until(performance.now(), { stalledMs: 1500 }))).toBe(STARVED);
  const nowMs = performance.now();
  expect(why(until(nowMs + 10, { fromMs: nowMs + 1 }))).toBe(UNANSWERED);
  const refused = await told(new Error('CLUSTERDOWN no leader'));
  expect(judgeRound(...refused, until(performance.now())).unjudged).toBe(UNANSWERED);
});

test('a run of which most rounds judged nobody has no verdict', () => {
  const tally = new Tally();
  expect(tally.problem()).toBe('only 0 of 0 rounds were judged: too few for a verdict');
  for (const reason of [null, STARVED, null, UNANSWERED]) tally.note(reason);
  expect(tally.problem()).toBeNull();
  tally.note(STARVED);
  expect(tally.problem()).toBe('only 2 of 5 rounds were judged: too few for a verdict');
  expect(tally.line()).toBe(`rounds: 5, judged 2, 2 not: ${STARVED}, 1 not: ${UNANSWERED}`);
});
