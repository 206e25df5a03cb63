/** `torc shard give-up`: a shard has lost its majority for good, and an operator says that what was in it is given up. */
import type { ReplicaStatus } from '../admin/status.ts';
import { StartupError } from '../errors.ts';
import type { MemberId } from '../raft/types.ts';
import { nodeName } from '../topology/topology-diff.ts';
import type { NodeId, ShardEntry, ShardId, Topology } from '../topology/types.ts';
import { leaderOf, surveyByHttp, type Survey } from './cluster-survey.ts';
import { ExitCode } from './exit-code.ts';
import { proposeChange, type ChangeTarget } from './propose-change.ts';

const POLL_MS = 1000;

export interface GiveUpOptions extends ChangeTarget {
  readonly shard: ShardId;
  /** The operator has read what is lost. */
  readonly isSure: boolean;
  readonly waits: boolean;
}

/** Resolves with the exit code. Throws StartupErrors, the first of which tells what is lost. */
export async function giveUpShard(options: GiveUpOptions): Promise<number> {
  const check = async (): Promise<{ topology: Topology; destroyed: MemberId[]; isDone: boolean }> => {
    const survey = await surveyByHttp(options);
    const shard = survey.topology.shards.find(({ id }) => id === options.shard);
    if (shard === undefined) throw refusal(options.shard, 'the cluster has no such shard');
    const why = whyNotLost(shard, survey);
    if (why !== null) throw refusal(options.shard, why);
    if (!options.isSure) throw refusal(options.shard, whatIsLost(shard, survey));
    const destroyed = silentMembers(shard, survey).map(({ member }) => member);
    const said = shard.givenUp?.destroyed;
    const isDone = said !== undefined && destroyed.every((member) => said.includes(member));
    return { topology: survey.topology, destroyed, isDone };
  };
  const first = await check();
  const topology = first.isDone
    ? first.topology
    : await proposeChange(options, async () => {
        const { destroyed } = await check();
        return { kind: 'give-up-shard', shard: options.shard, destroyed };
      });
  say(`Shard ${options.shard} is given up. Its slots go to another that begins empty.`);
  return options.waits ? waitForSuccessor(options, topology) : ExitCode.OK;
}

/** Why nothing is to be given up now, and what to do; null: its majority is away. */
export function whyNotLost(shard: ShardEntry, { reports, topology }: Survey): string | null {
  if (shard.givenUp !== undefined) return null;
  if (leaderOf(shard, reports) !== null) return 'it has a leader, so nothing of it is lost';
  const told = [...reports.values()]
    .flatMap(({ replicas }) => replicas)
    .filter((row) => row.shard === shard.id);
  const newest = told.reduce<ReplicaStatus | null>(
    (best, row) => (best === null || row.applied > best.applied ? row : best),
    null,
  );
  const staying = shard.replicas.filter(({ leaving }) => leaving !== true).map(({ member }) => member);
  const voters = newest === null || newest.voters.length === 0 ? staying : newest.voters;
  const answers = (member: MemberId): boolean => told.some((row) => row.member === member);
  if (voters.filter(answers).length * 2 > voters.length)
    return 'most of its members answer: wait until torc status shows a leader';
  const silent = silentMembers(shard, { reports, topology });
  const isGone = shard.replicas.some(({ node }) => !topology.nodes.some(({ id }) => id === node));
  return silent.length === 0 && !isGone
    ? 'all its members answer: wait until torc status shows a leader'
    : null;
}

/** Told before anything is given up. */
export function whatIsLost(shard: ShardEntry, survey: Survey): string {
  const { topology, reports } = survey;
  const nameOf = (node: NodeId): string => nodeName(topology, node);
  const slots = topology.slots
    .filter((run) => run.shard === shard.id)
    .reduce((sum, { from, to }) => sum + to - from + 1, 0);
  const left = shard.replicas.filter(({ node }) => reports.has(node));
  const copies = left.map(({ node }) => {
    const keys = reports.get(node)?.replicas.find((row) => row.shard === shard.id)?.keys;
    return `${nameOf(node)} (${keys ?? 'no'} keys)`;
  });
  const silent = silentMembers(shard, survey).map(({ node }) => nameOf(node));
  const moving = topology.moves.filter(({ source, target }) => source === shard.id || target === shard.id);
  return [
    `all keys of its ${slots} slots would be lost for good; another shard takes the slots, and begins empty`,
    left.length === 0 ? '' : `; what is left of it is removed, from ${copies.join(', ')}`,
    silent.length === 0
      ? ''
      : `. Of ${silent.join(', ')} you would say that they are destroyed: should one be cut off only, stop it first, or it may serve those slots until it meets the others`,
    moving.length === 0 ? '' : `. Of ${moving.length} moves that it is in the other side keeps what it has`,
    '. If enough of them can be brought back with their disks for a majority, bring them back instead. Else run this again with --yes-i-lose-its-data',
  ].join('');
}

/** On nodes of the cluster that do not answer. Those of nodes that were taken out are gone already. */
function silentMembers(
  { replicas }: ShardEntry,
  { topology, reports }: Survey,
): { member: MemberId; node: NodeId }[] {
  return replicas.filter(({ node }) => topology.nodes.some(({ id }) => id === node) && !reports.has(node));
}

async function waitForSuccessor(options: GiveUpOptions, begun: Topology): Promise<number> {
  for (let said = ''; ;) {
    const { topology } = await surveyByHttp(options);
    if (!topology.shards.some(({ id }) => id === options.shard)) {
      const heirs = topology.shards.filter(({ id }) => id >= begun.nextOrdinal).map(({ id }) => id);
      say(`Shard ${options.shard} is no more: its slots are those of shard ${heirs.join(' or ')}.`);
      return ExitCode.OK;
    }
    const moves = topology.moves.filter(
      ({ source, target }) => source === options.shard || target === options.shard,
    );
    const line = `it waits until all its members that are left have sealed themselves${moves.length === 0 ? '' : `, and for ${moves.length} moves to end`}`;
    if (line !== said) say(`Shard ${options.shard}: ${line}`);
    said = line;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function refusal(shard: ShardId, why: string): StartupError {
  return new StartupError('TORC_SHARD_KEPT', `shard ${shard} is not given up: ${why}.`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
