import { parseArgs } from 'node:util';

import { BUSY, CALM, leaderlessTimes, percentile } from './raft/failover.ts';
import { replayCommand, runSeed } from './raft/run.ts';

const DEFAULT_SEEDS = 2000;

/**
 * `--seed S`: one run, a line per event. `--seeds N --from S`: many, a line for each that fails.
 * `--failover`, with `--seeds` and `--from`: how long a group of three or five is without a leader.
 */
function main(): void {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      from: { type: 'string' },
      failover: { type: 'boolean' },
    },
  });
  if (values.failover === true) {
    measureFailover(Number(values.from ?? 1), Number(values.seeds ?? DEFAULT_SEEDS));
    return;
  }
  const failed =
    values.seed === undefined
      ? runMany(Number(values.from ?? 1), Number(values.seeds ?? DEFAULT_SEEDS))
      : runOne(Number(values.seed));
  process.exitCode = failed ? 1 : 0;
}

function runOne(seed: number): boolean {
  const { failure, events } = runSeed(seed, (line) => console.log(line));
  console.log(failure === null ? `seed ${seed}: ok, ${events} events` : `seed ${seed}: ${failure}`);
  if (failure !== null) console.log(`replay: ${replayCommand(seed)}`);
  return failure !== null;
}

function runMany(from: number, count: number): boolean {
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
  }
  console.log([...totals].map(([name, value]) => `${name} ${value}`).join(', '));
  console.log(`${count} seeds from ${from}: ${failures} failed, ${events} events`);
  return failures > 0;
}

function measureFailover(from: number, count: number): void {
  for (const members of [3, 5]) {
    for (const [name, conditions] of Object.entries({ calm: CALM, busy: BUSY })) {
      for (const fault of ['crash', 'pause'] as const) {
        const times = leaderlessTimes(count, from, conditions, fault, members);
        const [p50, p90, p99, p999, max] = [0.5, 0.9, 0.99, 0.999, 1].map((part) =>
          percentile(times, part).toFixed(0),
        );
        console.log(
          `${members} members, ${name}, ${fault}: p50 ${p50} p90 ${p90} p99 ${p99} p999 ${p999} max ${max} ms`,
        );
      }
    }
  }
}

main();
