/** What `npm run sim` is told. */
import { availableParallelism } from 'node:os';

import { Command, Option } from 'commander';

import { PRESET_NAMES, type PresetName } from '../../src/gossip/presets.ts';
import { wholeNumber } from '../../src/cli/command-options.ts';
import { positiveNumber } from '../command-line.ts';

/** What is simulated, and how many seeds of it when nobody says. */
export const DEFAULT_SEEDS = {
  clusters: 100,
  raft: 2000,
  moves: 100,
  paxos: 2000,
  failover: 2000,
  upgrade: 10,
  conversations: 100,
  gossip: 1,
};
export type SimulatedPart = keyof typeof DEFAULT_SEEDS;

/** Each instead of whole clusters. */
const PARTS: Readonly<Record<Exclude<SimulatedPart, 'clusters'>, string>> = {
  raft: 'members of one group alone',
  moves: 'moves of slots between the logs of groups',
  paxos: 'the register of the topology',
  failover: 'how long a group is without a leader when its leader is killed',
  upgrade: 'clusters of two builds: upgraded node by node, downgraded, raised',
  conversations: 'clients of a living node, whose every reply is known',
  gossip: 'how soon the gossip tells of a dead node, how often wrongly, what it costs',
};
const SEED_MAX = 2 ** 31 - 1;
const NODES_MAX = 10_000;
const JOBS_MAX = 256;

export interface SimOptions {
  part: SimulatedPart;
  /** This one alone, told event by event. */
  seed: number | undefined;
  from: number;
  seeds: number | undefined;
  minutes: number | undefined;
  jobs: number;
  first: boolean;
  allSometimes: boolean;
  exhaustive: boolean;
  nodes: number;
  preset: PresetName;
}

type Parts = Record<keyof typeof PARTS, boolean>;

/** Ends the process with the usage when a word is not understood. */
export function readOptions(argv: readonly string[]): SimOptions {
  const seed = wholeNumber(0, SEED_MAX);
  const program = new Command('npm run sim --')
    .description(
      'Simulates whole clusters in one thread: faults, clients, invariants, then healing and progress.',
    )
    .option('--seed <seed>', 'this one, a line for each event', seed)
    .option('--seeds <count>', 'so many, and what they have been through', wholeNumber(1, SEED_MAX))
    .option('--from <seed>', 'the first of them', seed, 1)
    .option('--minutes <minutes>', 'as many seeds as fit into this time', positiveNumber)
    .option('--jobs <processes>', 'so many at once', wholeNumber(1, JOBS_MAX), availableParallelism())
    .option('--first', 'only until one fails', false)
    .option('--all-sometimes', 'exit code 1 also when a fault or a rare situation never came up', false);
  const names = Object.keys(PARTS) as (keyof typeof PARTS)[];
  for (const name of names) {
    const others = names.filter((other) => other !== name);
    program.addOption(
      new Option(`--${name}`, `instead: ${PARTS[name]}`).conflicts([...others, 'minutes', 'allSometimes']),
    );
  }
  program
    .option('--exhaustive', 'with --paxos: all that can happen to a small one', false)
    .option('--nodes <count>', 'with --gossip: of the cluster', wholeNumber(1, NODES_MAX), 50)
    .addOption(new Option('--preset <name>', 'with --gossip').choices(PRESET_NAMES).default('lan'))
    .addHelpText(
      'after',
      '\nExit code 1 when something did not hold. Each failure is told with what replays it.',
    );
  const given = program.parse(argv).opts<Omit<SimOptions, 'part'> & Parts>();
  return { ...given, part: names.find((name) => given[name]) ?? 'clusters' };
}
