import { unreachable } from '../../src/assert.ts';
import { runConversations } from './node/conversations.ts';
import { runMovesSeed } from './moves/run.ts';
import { runCampaign, showSeed } from './node/run/campaign.ts';
import { reportGossip } from './gossip/report.ts';
import { runUpgrade } from './node/upgrade.ts';
import { DEFAULT_SEEDS, readOptions, type SimOptions } from './options.ts';
import { reportFailover } from './raft/failover.ts';
import { checkRegister } from './paxos/check-register.ts';
import { replayCommand, runSeed } from './raft/run.ts';

/** Faults, one after the other, that a run of conversations goes through. */
const CONVERSATION_ROUNDS = 3;

/** `npm run sim -- --help` tells what there is. */
async function main(): Promise<void> {
  const options = readOptions(process.argv);
  process.exitCode = (await simulate(options)) ? 0 : 1;
}

/** True: all held. */
async function simulate(options: SimOptions): Promise<boolean> {
  const { part, seed, first } = options;
  const from = seed ?? options.from;
  const count = seed === undefined ? (options.seeds ?? DEFAULT_SEEDS[part]) : 1;
  const isTold = seed !== undefined;
  switch (part) {
    case 'failover':
      reportFailover(from, count);
      return true;
    case 'gossip':
      reportGossip(options.nodes, options.preset, from);
      return true;
    case 'moves':
      return moveSlots(from, count, isTold, first);
    case 'raft':
      return isTold ? !runOne(from) : !runMany(from, count, first);
    case 'paxos':
      return checkRegister(from, count, options.exhaustive, first);
    case 'conversations':
      return converse(from, count);
    case 'upgrade':
      return upgrade(from, count, first);
    case 'clusters':
      return isTold ? showSeed(from) : manyClusters(options);
    default:
      return unreachable(part, 'what is simulated');
  }
}

/** As many seeds as are wanted, or as fit into the time. */
function manyClusters({ from, seeds, minutes, allSometimes, first, jobs }: SimOptions): Promise<boolean> {
  return runCampaign({
    from,
    seeds: seeds ?? (minutes === undefined ? DEFAULT_SEEDS.clusters : Infinity),
    minutes: minutes ?? Infinity,
    allSometimes,
    firstOnly: first,
    jobs,
  });
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

function moveSlots(from: number, count: number, isTold: boolean, isFirstEnough: boolean): boolean {
  const totals = new Map<string, number>();
  let failures = 0;
  for (let seed = from; seed < from + count; seed++) {
    const { failure, coverage } = runMovesSeed(seed, isTold ? (line) => console.log(line) : null);
    for (const [name, value] of Object.entries(coverage)) totals.set(name, (totals.get(name) ?? 0) + value);
    if (failure === null) continue;
    failures++;
    console.log(`seed ${seed}: ${failure}\nreplay: npm run sim -- --moves --seed ${seed}`);
    if (isFirstEnough) break;
  }
  console.log([...totals].map(([name, value]) => `${name} ${value}`).join(', '));
  console.log(`${count} seeds of moves from ${from}: ${failures} failed`);
  return failures === 0;
}

async function converse(from: number, count: number): Promise<boolean> {
  let failures = 0;
  for (let seed = from; seed < from + count; seed++) {
    const failure = await runConversations(seed, CONVERSATION_ROUNDS).catch((error: unknown) =>
      error instanceof Error ? (error.stack ?? error.message) : String(error),
    );
    if (failure === null) continue;
    failures++;
    console.log(`seed ${seed}: ${failure}\nreplay: npm run sim -- --conversations --seed ${seed}`);
  }
  console.log(`${count} seeds of conversations from ${from}: ${failures} failures`);
  return failures === 0;
}

async function upgrade(from: number, count: number, isFirstEnough: boolean): Promise<boolean> {
  let failures = 0;
  for (let seed = from; seed < from + count; seed++) {
    const failure = await runUpgrade(seed);
    if (failure === null) continue;
    failures++;
    console.log(`seed ${seed}: two-versions: ${failure}\nreplay: npm run sim -- --upgrade --seed ${seed}`);
    if (isFirstEnough) break;
  }
  console.log(`${count} upgrades from seed ${from}: ${failures} failures`);
  return failures === 0;
}

process.on('unhandledRejection', (error) => {
  console.error(error);
  process.exit(1);
});
await main();
