import { parseArgs } from 'node:util';

import { reportFailover } from './raft/failover.ts';
import { replayCommand, runSeed } from './raft/run.ts';

const DEFAULT_SEEDS = 2000;

/**
 * `--seed S`: one run, a line per event. `--seeds N --from S`: many, a line for each that fails (`--first`: none after that).
 * `--failover`, with `--seeds` and `--from`: how long a group of three or five is without a leader.
 */
function main(): void {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      from: { type: 'string' },
      failover: { type: 'boolean' },
      first: { type: 'boolean' },
    },
  });
  if (values.failover === true) {
    reportFailover(Number(values.from ?? 1), Number(values.seeds ?? DEFAULT_SEEDS));
    return;
  }
  const failed =
    values.seed === undefined
      ? runMany(Number(values.from ?? 1), Number(values.seeds ?? DEFAULT_SEEDS), values.first === true)
      : runOne(Number(values.seed));
  process.exitCode = failed ? 1 : 0;
}

function runOne(seed: number): boolean {
  const { failure, events } = runSeed(seed, (line) => console.log(line));
  console.log(failure === null ? `seed ${seed}: ok, ${events} events` : `seed ${seed}: ${failure}`);
  if (failure !== null) console.log(`replay: ${replayCommand(seed)}`);
  return failure !== null;
}

function runMany(from: number, count: number, isFirstEnough: boolean): boolean {
  const totals = new Map<string, number>();
  let failures = 0;
  let events = 0;
  for (let seed = from; seed < from + count; seed++) {
    const result = runSeed(seed);
    events += result.events;
    for (const [name, value] of Object.entries(result.coverage)) {
      if (typeof value === 'number') totals.set(name, (totals.get(name) ?? 0) + value);
    }
    if (result.failure === null) continue;
    failures++;
    console.log(`seed ${seed}: ${result.failure}\nreplay: ${replayCommand(seed)}`);
    if (isFirstEnough) break;
  }
  console.log([...totals].map(([name, value]) => `${name} ${value}`).join(', '));
  console.log(`${count} seeds from ${from}: ${failures} failed, ${events} events`);
  return failures > 0;
}

main();
