/** What `npm run chaos` is told. */
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

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

export function readOptions(words: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...words],
    options: {
      minutes: { type: 'string', default: '3' },
      nodes: { type: 'string', default: '3' },
      seed: { type: 'string' },
      faults: { type: 'string', default: '' },
      network: { type: 'string', default: 'all' },
      durability: { type: 'string', default: 'fsync' },
      port: { type: 'string', default: String(FIRST_PORT) },
      out: { type: 'string' },
      keep: { type: 'boolean', default: false },
    },
  });
  const seed = number('seed', values.seed ?? String(Math.floor(Math.random() * 2 ** 31)), 0, 2 ** 32);
  const faults = values.faults === '' ? [] : values.faults.split(',').map((name) => name.trim());
  for (const name of faults) oneOf('faults', name, namesOfFaults());
  if (values.network !== 'all') oneOf('network', values.network, NETWORKS);
  return {
    minutes: number('minutes', values.minutes, 0.1, 10_000),
    nodes: number('nodes', values.nodes, 3, MOST_NODES),
    seed,
    faults,
    networks: NETWORKS.filter((kind) => values.network === 'all' || values.network === kind),
    durability: oneOf('durability', values.durability, ['fsync', 'buffered']),
    firstPort: number('port', values.port, 1024, 60_000),
    directory: resolve(values.out ?? join(tmpdir(), `torc-chaos-${seed}-${process.pid}`)),
    keep: values.keep,
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

function number(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (value >= least && value <= most) return value;
  throw new Error(`--${name} is a number from ${least} to ${most}, not ${text}`);
}

function oneOf(name: string, text: string, allowed: readonly string[]): string {
  if (allowed.includes(text)) return text;
  throw new Error(`--${name}: ${text} is none of ${allowed.join(', ')}`);
}
