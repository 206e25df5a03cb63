/** The harness must see what it is there to see: writes that are lost, that ran twice, or that ran although they were refused. */
import { expect, test } from 'vitest';

import type { Reply } from '../linearizability/history.ts';
import type { TestClient } from '../e2e/clients/client.ts';
import { Recorder } from '../e2e/clients/recorder.ts';
import { surveyWritten, type Survey } from '../e2e/clients/survey.ts';
import { Worker } from '../e2e/clients/workload.ts';

const ROUND = 0;

/** A Redis of one process, as far as workers need one. */
class Memory implements TestClient {
  readonly name = 'memory-0';
  readonly values = new Map<string, string>();

  send(command: string, [key, value]: readonly string[]): Promise<Reply> {
    const before = this.values.get(key);
    switch (command) {
      case 'SET':
        this.values.set(key, value);
        return Promise.resolve('OK');
      case 'APPEND':
        this.values.set(key, (before ?? '') + value);
        return Promise.resolve(this.values.get(key)!.length);
      case 'INCR':
        this.values.set(key, String(Number(before ?? '0') + 1));
        return Promise.resolve(Number(this.values.get(key)));
      case 'DEL':
        return Promise.resolve(this.values.delete(key) ? 1 : 0);
      default:
        return Promise.resolve(before ?? null);
    }
  }

  close(): void {
    this.values.clear();
  }
}

async function surveyAfter(
  damage: (memory: Memory, worker: Worker) => void,
): Promise<Pick<Survey, 'lost' | 'repeated'>> {
  const memory = new Memory();
  const recorder = new Recorder();
  const worker = new Worker(memory, recorder, 0);
  while ((worker.trails.get(ROUND)?.length ?? 0) < 5) await new Promise((resolve) => setTimeout(resolve, 1));
  const { values } = memory;
  const stopped = worker.stop();
  // `stop` closes the client, which forgets: the survey is of what was there.
  memory.close = () => undefined;
  await stopped;
  expect(values.size).toBeGreaterThan(3);
  damage(memory, worker);
  const { lost, repeated } = await surveyWritten(recorder, memory, [worker]);
  return { lost, repeated };
}

test('nothing to find', async () => {
  expect(await surveyAfter(() => undefined)).toEqual({ lost: [], repeated: [] });
});

test('a value that is gone', async () => {
  const { lost } = await surveyAfter(({ values }, { written }) => values.delete([...written.keys()][1]));
  expect(lost).toEqual([expect.stringMatching(/^unique:memory-0:\d+ holds null, not /)]);
});

test('an increment that is gone, and one that ran twice', async () => {
  const change =
    (by: number) =>
    ({ values }: Memory, worker: Worker): void => {
      const key = worker.counterKey(ROUND);
      values.set(key, String(Number(values.get(key)) + by));
    };
  expect((await surveyAfter(change(-1))).lost).toEqual([expect.stringContaining('increments acknowledged')]);
  expect((await surveyAfter(change(1))).repeated).toEqual([
    expect.stringContaining('increments acknowledged'),
  ]);
});

test('tokens that are gone, twice there, out of order, refused, or of nobody', async () => {
  const rewrite =
    (to: (tokens: string[]) => string[]) =>
    ({ values }: Memory, worker: Worker): void => {
      const key = worker.trailKey(ROUND);
      values.set(key, to(values.get(key)!.match(/[^,]*,/g)!).join(''));
    };
  const [, second] = ['', '7,'];
  expect((await surveyAfter(rewrite((tokens) => tokens.toSpliced(1, 1)))).lost).toEqual([
    `trail:memory-0:0 lacks ${second}`,
  ]);
  expect((await surveyAfter(rewrite((tokens) => [...tokens, second]))).repeated).toEqual([
    `trail:memory-0:0 has ${second} twice`,
  ]);
  expect((await surveyAfter(rewrite((tokens) => [...tokens.slice(1), tokens[0]]))).lost).toHaveLength(1);
  expect((await surveyAfter(rewrite((tokens) => [...tokens, 'x,']))).repeated).toEqual([
    'trail:memory-0:0 has x,, which nobody sent',
  ]);
  const refuse = (_: Memory, worker: Worker): void => {
    worker.trails.get(ROUND)![1].outcome = 'not-run';
  };
  expect((await surveyAfter(refuse)).repeated).toEqual([`trail:memory-0:0 has ${second}, which was refused`]);
});
