/** What became of all that the workers wrote: read once they have stopped, and compared with what they were told. */
import type { TestClient } from './client.ts';
import type { Recorder } from './recorder.ts';
import type { Step, Worker } from './workload.ts';

const READS_AT_ONCE = 32;
const ATTEMPTS = 5;

export interface Survey {
  /** Acknowledged and looked for: unique values, increments, and tokens of trails. */
  values: number;
  increments: number;
  tokens: number;
  /** A line for each write that was acknowledged and is not there. */
  lost: string[];
  /** A line for each write that ran more than once, or ran although its client was told that it had not. */
  repeated: string[];
}

export async function surveyWritten(
  recorder: Recorder,
  reader: TestClient,
  workers: readonly Worker[],
): Promise<Survey> {
  const survey: Survey = { values: 0, increments: 0, tokens: 0, lost: [], repeated: [] };
  const checks = workers.flatMap((worker) => checksOf(worker, survey));
  const next = checks.values();
  const read = async (): Promise<void> => {
    for (const { key, judge } of next) judge(await valueOf(recorder, reader, key));
  };
  await Promise.all(Array.from({ length: READS_AT_ONCE }, read));
  return survey;
}

interface Check {
  key: string;
  judge: (value: string | null) => void;
}

function checksOf(worker: Worker, survey: Survey): Check[] {
  const checks: Check[] = [];
  for (const [key, value] of worker.written) {
    survey.values += 1;
    checks.push({
      key,
      judge: (found) => {
        if (found !== value) survey.lost.push(`${key} holds ${found}, not ${value}`);
      },
    });
  }
  for (const [round, { acknowledged, unknown }] of worker.counters) {
    survey.increments += acknowledged;
    const key = worker.counterKey(round);
    const told = `${acknowledged} increments acknowledged, ${unknown} unknown`;
    const judge = (found: string | null): void => {
      const count = Number(found ?? '0');
      if (!(count >= acknowledged)) survey.lost.push(`${key} is ${found}: ${told}`);
      if (count > acknowledged + unknown) survey.repeated.push(`${key} is ${found}: ${told}`);
    };
    checks.push({ key, judge });
  }
  for (const [round, steps] of worker.trails) {
    survey.tokens += steps.filter(({ outcome }) => outcome === 'answered').length;
    const key = worker.trailKey(round);
    checks.push({ key, judge: (found) => judgeTrail(key, steps, found ?? '', survey) });
  }
  return checks;
}

/** Each acknowledged token is there once and in the order sent, each unknown one once at most, and none that was refused. */
function judgeTrail(key: string, steps: readonly Step[], found: string, survey: Survey): void {
  const places = new Map<string, number>();
  for (const [place, token] of (found.match(/[^,]*,/g) ?? []).entries()) {
    if (places.has(token)) survey.repeated.push(`${key} has ${token} twice`);
    places.set(token, place);
  }
  let lastPlace = -1;
  for (const { token, outcome } of steps) {
    const place = places.get(token);
    places.delete(token);
    if (place === undefined) {
      if (outcome === 'answered') survey.lost.push(`${key} lacks ${token}`);
      continue;
    }
    if (outcome === 'not-run') survey.repeated.push(`${key} has ${token}, which was refused`);
    if (outcome !== 'answered') continue;
    if (place < lastPlace) survey.lost.push(`${key} has ${token} before what was acknowledged earlier`);
    lastPlace = place;
  }
  for (const token of places.keys()) survey.repeated.push(`${key} has ${token}, which nobody sent`);
}

async function valueOf(recorder: Recorder, reader: TestClient, key: string): Promise<string | null> {
  let told = '';
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const outcome = await recorder.perform(reader, 'GET', key);
    if (outcome.kind !== 'answered') told = outcome.text;
    else if (outcome.reply === null || typeof outcome.reply === 'string') return outcome.reply;
    else told = JSON.stringify(outcome.reply);
  }
  throw new Error(`${key} cannot be read: ${told}`);
}
