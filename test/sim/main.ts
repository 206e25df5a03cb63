import { parseArgs } from 'node:util';

import { runConversations } from './node/conversations.ts';
import { runHistories } from './node/histories.ts';
import { CACHE, LARGE, REGISTERS } from './node/workloads.ts';
import { reportFailover } from './raft/failover.ts';
import { replayCommand, runSeed } from './raft/run.ts';

const DEFAULT_SEEDS = 2000;
/** Faults, one after the other, that a run of whole nodes goes through beside its histories. */
const CONVERSATION_ROUNDS = 3;

/**
 * `--seed S`: one run, a line per event. `--seeds N --from S`: many, a line for each that fails (`--first`: none after that). `--nodes`: of whole nodes
 * and their clients, instead of the members of one group.
 * `--failover`, with `--seeds` and `--from`: how long a group of three or five is without a leader.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      from: { type: 'string' },
      nodes: { type: 'boolean' },
      failover: { type: 'boolean' },
      first: { type: 'boolean' },
    },
  });
  const from = Number(values.seed ?? values.from ?? 1);
  const count = values.seed === undefined ? Number(values.seeds ?? DEFAULT_SEEDS) : 1;
  if (values.failover === true) {
    reportFailover(from, count);
    return;
  }
  const failed =
    values.nodes === true
      ? await runNodes(from, count)
      : values.seed === undefined
        ? runMany(from, count, values.first === true)
        : runOne(from);
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

async function runNodes(from: number, count: number): Promise<boolean> {
  let failures = 0;
  for (let seed = from; seed < from + count; seed++) {
    for (const failure of [
      ...(await historyFailures(seed)),
      await failureOf(runConversations(seed, CONVERSATION_ROUNDS)),
    ]) {
      if (failure === null) continue;
      failures++;
      console.log(`seed ${seed}: ${failure}\nreplay: npm run sim -- --nodes --seed ${seed}`);
    }
  }
  console.log(`${count} seeds of whole nodes from ${from}: ${failures} failures`);
  return failures > 0;
}

async function historyFailures(seed: number): Promise<(string | null)[]> {
  const failures: (string | null)[] = [];
  for (const workload of [REGISTERS, LARGE, CACHE]) {
    const run = async (): Promise<string | null> => {
      const { failure, faults } = await runHistories(seed, workload);
      return failure === null ? null : `${workload.name}, after ${faults.join(', ')}\n${failure}`;
    };
    failures.push(await failureOf(run()));
  }
  return failures;
}

async function failureOf(run: Promise<string | null>): Promise<string | null> {
  try {
    return await run;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

await main();
