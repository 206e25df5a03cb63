/** What `npm run chaos` is told. */
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { Command, InvalidArgumentError, Option } from 'commander';

import { wholeNumber } from '../../src/cli/command-options.ts';
import { positiveNumber } from '../command-line.ts';
import { FAULT_KINDS } from './faults.ts';
import type { NetworkKind } from './network.ts';

/** Below the ports that systems give to outgoing connections: a dead node's port must not be taken before it is back. */
const FIRST_PORT = 23_000;
const NETWORKS: readonly NetworkKind[] = ['namespaces', 'proxy'];
const MOST_NODES = 9;

export interface Options {
  minutes: number;
  nodes: number;
  seed: number;
  /** Which fault kinds; all when empty. */
  faults: readonly string[];
  networks: readonly NetworkKind[];
  durability: string;
  firstPort: number;
  /** Where histories and logs go. */
  directory: string;
  /** Keeps the data of the nodes also when all is well. */
  keep: boolean;
}

interface Given extends Omit<Options, 'seed' | 'networks' | 'firstPort' | 'directory'> {
  seed?: number;
  network: NetworkKind | 'all';
  port: number;
  out?: string;
}

/** Ends the process with the usage when a word is not understood. */
export function readOptions(words: readonly string[]): Options {
  const program = new Command('npm run chaos --')
    .description(
      'Real processes under faults: what was acknowledged is looked for, what clients saw is checked.',
    )
    .option('--minutes <minutes>', 'of all episodes together', positiveNumber, 3)
    .option('--nodes <count>', 'of each cluster', wholeNumber(3, MOST_NODES), 3)
    .option('--seed <seed>', 'of faults and commands; drawn when none is given', wholeNumber(0, 2 ** 32))
    .option(
      '--faults <names>',
      `only these, with commas between: ${namesOfFaults().join(', ')}`,
      faultsOf,
      [],
    )
    .addOption(new Option('--network <kind>').choices([...NETWORKS, 'all']).default('all'))
    .addOption(new Option('--durability <mode>').choices(['fsync', 'buffered']).default('fsync'))
    .option('--port <port>', 'the first of those taken', wholeNumber(1024, 60_000), FIRST_PORT)
    .option('--out <directory>', 'where histories and logs go')
    .option('--keep', 'keeps the data of the nodes also when all is well', false)
    .parse(words, { from: 'user' });
  const { network, port, out, ...given } = program.opts<Given>();
  const seed = given.seed ?? Math.floor(Math.random() * 2 ** 31);
  return {
    ...given,
    seed,
    networks: NETWORKS.filter((kind) => network === 'all' || network === kind),
    firstPort: port,
    directory: resolve(out ?? join(tmpdir(), `torc-chaos-${seed}-${process.pid}`)),
  };
}

/** What makes the same choices again. */
export function commandAgain({ minutes, nodes, seed, faults, networks, durability }: Options): string {
  const words = ['npm run chaos --', `--minutes ${minutes}`, `--nodes ${nodes}`, `--seed ${seed}`];
  if (faults.length > 0) words.push(`--faults '${faults.join(',')}'`);
  if (networks.length === 1) words.push(`--network ${networks[0]}`);
  if (durability !== 'fsync') words.push(`--durability ${durability}`);
  return words.join(' ');
}

function namesOfFaults(): string[] {
  return FAULT_KINDS.map(({ name }) => name);
}

function faultsOf(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !namesOfFaults().includes(name));
  if (unknown !== undefined) throw new InvalidArgumentError(`There is no fault ${unknown}.`);
  return names;
}
