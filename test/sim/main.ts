import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';

import { runConversations } from './node/conversations.ts';
import { runMovesSeed } from './moves/run.ts';
import { runCampaign, showSeed } from './node/run/campaign.ts';
import { PRESET_NAMES, type PresetName } from '../../src/gossip/presets.ts';
import { reportGossip } from './gossip/report.ts';
import { runUpgrade } from './node/upgrade.ts';
import { reportFailover } from './raft/failover.ts';
import { checkRegister } from './paxos/check-register.ts';
import { replayCommand, runSeed } from './raft/run.ts';

const DEFAULT_SEEDS = 100;
const DEFAULT_RAFT_SEEDS = 2000;
const DEFAULT_UPGRADES = 10;
const DAY_MINUTES = 24 * 60;
/** Faults, one after the other, that a run of conversations goes through. */
const CONVERSATION_ROUNDS = 3;

/**
 * Whole clusters in one thread. `--seed S`: one run, a line per event. `--seeds N --from S`, `--minutes M`: many, and what they have been
 * through; `--all-sometimes`: exit code 1 when something never came up; `--first`: only until one fails; `--jobs N`: in so many processes (as many as
 * there are cores). `--moves`: moves of slots between the logs of groups, with `--seed`, or `--seeds` and `--from`. `--raft`, likewise: members of one
 * group alone. `--failover`: how long such a group is without a leader. `--paxos`, likewise: the register (`--exhaustive`: all interleavings of a small
 * one). `--upgrade`: a cluster of two builds, upgraded, downgraded and raised. `--conversations`: clients of a living node, whose every reply is known.
 * `--gossip`, with `--nodes N` and `--preset P`: how soon the gossip tells of a dead node, how often wrongly, and what it costs.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      from: { type: 'string' },
      minutes: { type: 'string' },
      jobs: { type: 'string' },
      'all-sometimes': { type: 'boolean' },
      raft: { type: 'boolean' },
      moves: { type: 'boolean' },
      paxos: { type: 'boolean' },
      exhaustive: { type: 'boolean' },
      failover: { type: 'boolean' },
      conversations: { type: 'boolean' },
      upgrade: { type: 'boolean' },
      first: { type: 'boolean' },
      gossip: { type: 'boolean' },
      nodes: { type: 'string', default: '50' },
      preset: { type: 'string', default: 'lan' },
    },
  });
  const from = Number(values.seed ?? values.from ?? 1);
  const count = values.seed === undefined ? Number(values.seeds ?? 0) : 1;
  if (values.failover === true) {
    reportFailover(from, count || DEFAULT_RAFT_SEEDS);
    return;
  }
  if (values.gossip === true) {
    reportGossip(Number(values.nodes), presetOf(values.preset), from);
    return;
  }
  let allHeld: boolean;
  if (values.moves === true)
    allHeld = moveSlots(from, count || DEFAULT_SEEDS, values.seed !== undefined, values.first === true);
  else if (values.raft === true)
    allHeld =
      values.seed === undefined
        ? !runMany(from, count || DEFAULT_RAFT_SEEDS, values.first === true)
        : !runOne(from);
  else if (values.paxos === true)
    allHeld = checkRegister(
      from,
      count || DEFAULT_RAFT_SEEDS,
      values.exhaustive === true,
      values.first === true,
    );
  else if (values.conversations === true) allHeld = await converse(from, count || DEFAULT_SEEDS);
  else if (values.upgrade === true)
    allHeld = await upgrade(from, count || DEFAULT_UPGRADES, values.first === true);
  else if (values.seed !== undefined) allHeld = await showSeed(from);
  else {
    const minutes = values.minutes === undefined ? DAY_MINUTES : Number(values.minutes);
    const seeds = count || (values.minutes === undefined ? DEFAULT_SEEDS : Infinity);
    const jobs = Number(values.jobs ?? availableParallelism());
    const allSometimes = values['all-sometimes'] === true;
    const firstOnly = values.first === true;
    allHeld = await runCampaign({ from, seeds, minutes, allSometimes, firstOnly, jobs });
  }
  process.exitCode = allHeld ? 0 : 1;
}

function presetOf(name: string): PresetName {
  const preset = PRESET_NAMES.find((one) => one === name);
  if (preset === undefined) throw new Error(`a preset is one of ${PRESET_NAMES.join(', ')}`);
  return preset;
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
