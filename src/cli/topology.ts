/** `torc topology`: what is decided, what was, and what differs. */
import type { Address } from '../env/contracts.ts';
import { StartupError } from '../errors.ts';
import { formatAddress } from '../settings/kinds.ts';
import { textOf } from '../topology/decision.ts';
import { nodeName, topologyDiff } from '../topology/topology-diff.ts';
import { decodeTopology, jsonOf } from '../topology/topology-codec.ts';
import { moveName } from '../topology/move-change.ts';
import { slotCountOf } from '../topology/rebalance.ts';
import type { Topology } from '../topology/types.ts';
import { reasonOf } from './ask-node.ts';
import { ExitCode } from './exit-code.ts';
import { httpGet } from './http-get.ts';
import { renderTable } from './table.ts';

export interface TopologyOptions {
  /** The admin port of any node. */
  readonly address: Address;
  readonly timeoutMs: number;
}

const HTTP_OK = 200;
const NODE_HEAD = ['node', 'address', 'zone', 'machine', 'weight', 'votes'];
const SHARD_HEAD = ['shard', 'home', 'slots', 'members'];
const MOVE_HEAD = ['move', 'from', 'to', 'slots', ''];
const HISTORY_HEAD = ['epoch', 'what changed'];

/** Resolves with the exit code; so do the others. Throws StartupError when the node does not answer. */
export async function showTopology(options: TopologyOptions, asJson: boolean): Promise<number> {
  const [body, topology] = await read(options, '/api/topology', topologyIn);
  process.stdout.write(asJson ? body : `${tables(topology)}\n`);
  return ExitCode.OK;
}

export async function showHistory(options: TopologyOptions, asJson: boolean): Promise<number> {
  const [body, kept] = await read(options, '/api/topology/history', historyIn);
  if (asJson) {
    process.stdout.write(body);
    return ExitCode.OK;
  }
  const rows = kept.map((topology, at) => {
    const before = kept.at(at + 1);
    const changes =
      before === undefined ? ['as far back as this node has kept'] : topologyDiff(before, topology);
    return [textOf(topology), changes.length === 0 ? 'nothing' : changes.join('\n')];
  });
  process.stdout.write(`${renderTable(HISTORY_HEAD, rows, process.stdout.isTTY)}\n`);
  return ExitCode.OK;
}

/** `from`, `to`: epochs as 5 or 1.5. */
export async function showDiff(options: TopologyOptions, from: string, to: string): Promise<number> {
  const [, kept] = await read(options, '/api/topology/history', historyIn);
  const [before, after] = [from, to].map((epoch) => findEpoch(kept, epoch));
  const lines = topologyDiff(before, after);
  process.stdout.write(lines.length === 0 ? 'Nothing differs.\n' : `${lines.join('\n')}\n`);
  return ExitCode.OK;
}

async function read<T>(
  { address, timeoutMs }: TopologyOptions,
  path: string,
  parse: (body: string) => T | null,
): Promise<[string, T]> {
  const where = formatAddress(address);
  const answer = await httpGet(address, path, timeoutMs).catch((error: NodeJS.ErrnoException) => {
    throw new StartupError('TORC_NO_ANSWER', `no node answers at ${where}: ${reasonOf(error)}.`);
  });
  if (answer.status !== HTTP_OK)
    throw new StartupError('TORC_NO_ANSWER', `${where} tells no topology: ${answer.body.trim()}`);
  const content = parse(answer.body);
  if (content === null)
    throw new StartupError('TORC_NO_ANSWER', `${where} tells no topology that this version understands.`);
  return [answer.body, content];
}

function topologyIn(body: string): Topology | null {
  return decodeTopology(Buffer.from(body));
}

function historyIn(body: string): Topology[] | null {
  const content = jsonOf(Buffer.from(body));
  if (!Array.isArray(content)) return null;
  const kept = content.map((one: unknown) => topologyIn(JSON.stringify(one)));
  return kept.every((one) => one !== null) ? kept : null;
}

function findEpoch(kept: readonly Topology[], wanted: string): Topology {
  const found = kept.find((topology) => textOf(topology) === wanted || String(topology.epoch) === wanted);
  if (found !== undefined) return found;
  const [newest, oldest] = [kept[0], kept.at(-1)].map((one) => (one === undefined ? 'none' : textOf(one)));
  throw new StartupError(
    'TORC_NO_EPOCH',
    `this node has kept no epoch ${wanted}: its oldest is ${oldest}, its newest ${newest}. torc topology history shows them.`,
  );
}

function tables(topology: Topology): string {
  const { clusterId, version, nodes, shards, slots, voters, moves } = topology;
  const slotsOf = (shard: number): number =>
    slots.filter((run) => run.shard === shard).reduce((sum, { from, to }) => sum + to - from + 1, 0);
  const nodeRows = nodes.map((node) => [
    node.ordinal,
    nodeName(topology, node.id),
    node.zone,
    node.machine,
    node.weight,
    voters.includes(node.id) ? 'yes' : '',
  ]);
  const shardRows = shards.map(({ id, home, replicas, givenUp }) => [
    givenUp === undefined ? id : `${id} (given up${givenUp.kept === undefined ? '' : ', to be rewound'})`,
    nodeName(topology, home),
    slotsOf(id),
    replicas
      .map(({ node, leaving }) => `${nodeName(topology, node)}${leaving === true ? ' (leaving)' : ''}`)
      .join(' '),
  ]);
  const moveRows = moves.map(({ id, source, target, slots: ranges, aborting }) => [
    moveName(id),
    `shard ${source}`,
    `shard ${target}`,
    slotCountOf(ranges),
    aborting === true ? 'being aborted' : '',
  ]);
  const boxed = process.stdout.isTTY;
  return [
    `Cluster ${clusterId}, epoch ${textOf(topology)}, cluster version ${version}`,
    renderTable(NODE_HEAD, nodeRows, boxed),
    renderTable(SHARD_HEAD, shardRows, boxed),
    ...(moves.length === 0 ? [] : [renderTable(MOVE_HEAD, moveRows, boxed)]),
  ].join('\n\n');
}
