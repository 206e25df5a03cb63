/**
 * `torc shard give-up`: a shard has lost its majority for good, and an operator says what becomes of it: it goes on with what is left (`--rewind`),
 * or begins empty. What is left is never dropped unless that is asked for.
 */
import type { ReplicaStatus } from '../admin/status.ts';
import { StartupError } from '../errors.ts';
import type { MemberId } from '../raft/types.ts';
import { leftOf } from '../topology/lost-shard.ts';
import { nodeName } from '../topology/topology-diff.ts';
import type { NodeId, ShardEntry, ShardId, Topology } from '../topology/types.ts';
import { leaderOf, surveyByHttp, type Survey } from './cluster-survey.ts';
import { ExitCode } from './exit-code.ts';
import { proposeChange, type ChangeTarget } from './propose-change.ts';

const POLL_MS = 1000;
const BRING_BACK =
  'If enough of them can be brought back with their disks for a majority, bring them back instead.';
const NOTHING_LEFT =
  'no node that answers holds anything of it to go on with: bring one back that does, or say --empty';

export interface GiveUpOptions extends ChangeTarget {
  readonly shard: ShardId;
  /** Null: the operator did not say. */
  readonly begins: 'rewound' | 'empty' | null;
  /** The operator has read what may be lost, or what is. */
  readonly mayLoseWrites: boolean;
  readonly losesAll: boolean;
  readonly waits: boolean;
}

/** Resolves with the exit code. Throws StartupErrors, the first of which tells what is lost. */
export async function giveUpShard(options: GiveUpOptions): Promise<number> {
  const first = await check(options);
  const { rewind } = first;
  const topology = first.isDone
    ? first.topology
    : await proposeChange(options, async () => {
        const { destroyed } = await check(options, first);
        return { kind: 'give-up-shard', shard: options.shard, destroyed, rewind };
      });
  say(
    `Shard ${options.shard} is given up. Its slots go to another that begins ${rewind ? 'with what is left of it' : 'empty'}.`,
  );
  return options.waits ? waitForSuccessor(options, topology) : ExitCode.OK;
}

interface Checked {
  readonly topology: Topology;
  readonly destroyed: MemberId[];
  readonly rewind: boolean;
  /** It is decided already. */
  readonly isDone: boolean;
}

/** `before`: what was found when it was asked for; another operator may have come first. */
async function check(options: GiveUpOptions, before?: Checked): Promise<Checked> {
  const survey = await surveyByHttp(options);
  const { topology } = survey;
  const shard = topology.shards.find(({ id }) => id === options.shard);
  if (shard === undefined) throw refusal(options.shard, 'the cluster has no such shard');
  const { givenUp } = shard;
  const wasGivenUp = before?.topology.shards.some(
    ({ id, givenUp: its }) => id === shard.id && its !== undefined,
  );
  if (before !== undefined && givenUp !== undefined && wasGivenUp !== true)
    throw refusal(
      shard.id,
      `another operator has just given it up${givenUp.kept === undefined ? '' : ', to be rewound'}`,
    );
  const why = whyNotLost(shard, survey) ?? whyNotSo(shard, survey, options.begins);
  if (why !== null) throw refusal(shard.id, why);
  const rewind = options.begins === null ? givenUp?.kept !== undefined : options.begins === 'rewound';
  if (!options.losesAll && !(rewind && options.mayLoseWrites))
    throw refusal(shard.id, rewind ? whatMayBeLost(shard, survey) : whatIsLost(shard, survey));
  const destroyed = silentMembers(shard, survey).map(({ member }) => member);
  const isTold = givenUp !== undefined && destroyed.every((member) => givenUp.destroyed.includes(member));
  return { topology, destroyed, rewind, isDone: isTold && rewind === (givenUp.kept !== undefined) };
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

/** Why it cannot begin as the operator says, or what is to be said; null: it can. */
export function whyNotSo(shard: ShardEntry, survey: Survey, begins: GiveUpOptions['begins']): string | null {
  const { givenUp } = shard;
  if (givenUp !== undefined) {
    const isDropped = begins === 'rewound' && givenUp.kept === undefined;
    if (isDropped) return 'it is given up already, with all that was left of it';
    const hasLeft = leftOf(survey.topology, shard).some(({ node }) => survey.reports.has(node));
    return givenUp.kept !== undefined && begins !== 'empty' && !hasLeft ? NOTHING_LEFT : null;
  }
  const survivors = survivorsOf(shard, survey);
  if (begins === 'rewound') return survivors.length === 0 ? NOTHING_LEFT : null;
  if (begins === 'empty' || survivors.length === 0) return null;
  return `${survivors.join(' and ')} still ${survivors.length === 1 ? 'holds a replica' : 'hold replicas'} of it: say --rewind to go on with the one that has the longest log, or --empty to drop what is left`;
}

/** Told before a shard is rewound. */
export function whatMayBeLost(shard: ShardEntry, survey: Survey): string {
  const { topology } = survey;
  const left = leftOf(topology, shard).filter(({ node }) => survey.reports.has(node));
  const copies =
    shard.givenUp === undefined
      ? survivorsOf(shard, survey)
      : left.map(({ node }) => nodeName(topology, node));
  return [
    `its ${slotCount(topology, shard)} slots would go on with what one replica holds, the one with the longest log of ${copies.join(', ')}`,
    '; writes that were acknowledged and have not reached it would be lost for good',
    whoIsDestroyed(shard, survey),
    `. ${BRING_BACK} Else run this again with --yes-i-may-lose-writes`,
  ].join('');
}

/** Told before anything is given up. */
export function whatIsLost(shard: ShardEntry, survey: Survey): string {
  const { topology, reports } = survey;
  const left = shard.replicas
    .filter(({ node }) => reports.has(node))
    .map(({ node }) => copyOn(node, shard, survey));
  const moving = topology.moves.filter(({ source, target }) => source === shard.id || target === shard.id);
  return [
    `all keys of its ${slotCount(topology, shard)} slots would be lost for good; another shard takes the slots, and begins empty`,
    left.length === 0 ? '' : `; what is left of it is removed, from ${left.join(', ')}`,
    whoIsDestroyed(shard, survey),
    moving.length === 0 ? '' : `. Of ${moving.length} moves that it is in the other side keeps what it has`,
    `. ${BRING_BACK} Else run this again with --yes-i-lose-its-data`,
  ].join('');
}

/** Nodes that answer and hold something of the shard, with how many keys. */
function survivorsOf(shard: ShardEntry, survey: Survey): string[] {
  const holds = (node: NodeId): boolean => (replicaOn(node, shard, survey)?.applied ?? 0) > 0;
  return leftOf(survey.topology, shard)
    .filter(({ node }) => holds(node))
    .map(({ node }) => copyOn(node, shard, survey));
}

function copyOn(node: NodeId, shard: ShardEntry, survey: Survey): string {
  return `${nodeName(survey.topology, node)} (${replicaOn(node, shard, survey)?.keys ?? 'no'} keys)`;
}

function replicaOn(node: NodeId, { id }: ShardEntry, { reports }: Survey): ReplicaStatus | undefined {
  return reports.get(node)?.replicas.find((row) => row.shard === id);
}

function slotCount({ slots }: Topology, { id }: ShardEntry): number {
  return slots.filter((run) => run.shard === id).reduce((sum, { from, to }) => sum + to - from + 1, 0);
}

function whoIsDestroyed(shard: ShardEntry, survey: Survey): string {
  const silent = silentMembers(shard, survey).map(({ node }) => nodeName(survey.topology, node));
  return silent.length === 0
    ? ''
    : `. Of ${silent.join(', ')} you would say that they are destroyed: should one be cut off only, stop it first, or it may serve those slots until it meets the others`;
}

/** On nodes of the cluster that do not answer. Those of nodes that were taken out are gone already. */
function silentMembers(
  { replicas }: ShardEntry,
  { topology, reports }: Survey,
): { member: MemberId; node: NodeId }[] {
  return replicas.filter(({ node }) => topology.nodes.some(({ id }) => id === node) && !reports.has(node));
}

async function waitForSuccessor(options: GiveUpOptions, begun: Topology): Promise<number> {
  const lost = begun.shards.find(({ id }) => id === options.shard);
  for (let said = ''; ;) {
    const { topology } = await surveyByHttp(options);
    if (!topology.shards.some(({ id }) => id === options.shard)) {
      say(`Shard ${options.shard} is no more: ${whatSucceeded(begun, topology, lost)}.`);
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

/** Which shard has its slots, and what that began with. */
export function whatSucceeded(begun: Topology, now: Topology, lost: ShardEntry | undefined): string {
  const heir = now.shards.find(({ rewound }) => rewound !== undefined && rewound.group === lost?.group);
  if (heir?.rewound !== undefined) {
    const { member, index, term } = heir.rewound;
    const node = lost?.replicas.find((row) => row.member === member)?.node ?? heir.home;
    return `its slots are those of shard ${heir.id}, which goes on with what ${nodeName(now, node)} held, up to index ${index} of term ${term}. Writes that were acknowledged and are not among it are lost`;
  }
  const heirs = now.shards.filter(({ id }) => id >= begun.nextOrdinal).map(({ id }) => id);
  return `its slots are those of shard ${heirs.join(' or ')}, which has begun empty`;
}

function refusal(shard: ShardId, why: string): StartupError {
  return new StartupError('TORC_SHARD_KEPT', `shard ${shard} is not given up: ${why}.`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
