/**
 * A shard whose group has lost its majority for good (design sections 4 and 8). An operator gives it up; from then on its members are sealed: a
 * node that has synced that epoch neither votes, appends nor serves there. Once all are, or are destroyed, and the moves that it was in have ended as
 * the log of the other side says, another shard takes its place: a new group with exactly the slots that the register gives it (histories 4
 * and 16). It begins empty, or rewound: with what the sealed member with the longest log holds. Pure.
 */
import { unreachable } from '../assert.ts';
import { unconfirmed } from './log-correction.ts';
import { moversOf, withOwner } from './move-change.ts';
import { slotsOf } from './slot-ranges.ts';
import type {
  Epoch,
  KeptLog,
  MoveEntry,
  NodeId,
  ReplicaEntry,
  Rewound,
  ShardEntry,
  ShardId,
  Topology,
} from './types.ts';
import type { MemberId } from '../raft/types.ts';

export type LostShardChange =
  /** Of these members it is said that they are destroyed; asked again, of more. `rewind`: the successor begins with what is left, else empty. */
  | { kind: 'give-up-shard'; shard: ShardId; destroyed: readonly MemberId[]; rewind?: boolean | undefined }
  /** The member has sealed itself, and its node keeps what it holds. */
  | ({ kind: 'keep-log'; shard: ShardId } & KeptLog)
  /** The successor begins with a voter on each of these; rewound, on the one node that holds what it begins with. */
  | { kind: 'succeed-shard'; shard: ShardId; home: NodeId; voters: readonly NodeId[] };

/** The topology without its new epoch, or why not. */
export function applyLostShardChange(current: Topology, change: LostShardChange): Topology | string {
  const shard = current.shards.find(({ id }) => id === change.shard);
  if (shard === undefined) return `there is no shard ${change.shard}`;
  switch (change.kind) {
    case 'give-up-shard':
      return giveUp(current, shard, change.destroyed, change.rewind === true);
    case 'keep-log':
      return keepLog(current, shard, change);
    case 'succeed-shard':
      return succeed(current, shard, change.home, change.voters);
    default:
      return unreachable(change, 'change');
  }
}

/** Asked again, more may be destroyed, and what was to be kept may be dropped; what was to be dropped is gone. */
function giveUp(
  current: Topology,
  shard: ShardEntry,
  said: readonly MemberId[],
  rewinds: boolean,
): Topology | string {
  const stranger = said.find((member) => !shard.replicas.some((row) => row.member === member));
  if (stranger !== undefined) return `shard ${shard.id} has no member ${stranger}`;
  const before = shard.givenUp;
  if (rewinds && before !== undefined && before.kept === undefined)
    return `shard ${shard.id} is given up already, with all that was left of it`;
  const destroyed = [...new Set([...(before?.destroyed ?? []), ...said])].toSorted((a, b) => a - b);
  const isTold = before !== undefined && destroyed.length === before.destroyed.length;
  if (isTold && rewinds === (before.kept !== undefined)) return `shard ${shard.id} is given up already`;
  const { generation, epoch } = before ?? { generation: current.generation, epoch: current.epoch + 1 };
  const kept = before?.kept?.filter(({ member }) => !destroyed.includes(member)) ?? [];
  const givenUp = rewinds ? { generation, epoch, destroyed, kept } : { generation, epoch, destroyed };
  const lost = { ...shard, givenUp };
  if (rewinds && leftOf(current, lost).length === 0) return nothingLeft(shard);
  return { ...current, shards: current.shards.map((row) => (row === shard ? lost : row)) };
}

function keepLog(current: Topology, shard: ShardEntry, { member, term, index }: KeptLog): Topology | string {
  const { givenUp } = shard;
  if (givenUp?.kept === undefined) return `of shard ${shard.id} nothing is kept`;
  if (!leftOf(current, shard).some((row) => row.member === member))
    return `of shard ${shard.id} no member ${member} is left`;
  if (givenUp.kept.some((log) => log.member === member))
    return `of member ${member} of shard ${shard.id} it is known already`;
  const kept = [...givenUp.kept, { member, term, index }];
  const lost = { ...shard, givenUp: { ...givenUp, kept } };
  return { ...current, shards: current.shards.map((row) => (row === shard ? lost : row)) };
}

function succeed(
  current: Topology,
  shard: ShardEntry,
  home: NodeId,
  voters: readonly NodeId[],
): Topology | string {
  if (shard.givenUp === undefined) return `shard ${shard.id} is not given up`;
  if (movesOf(current, shard.id).length > 0) return `slots move from or to shard ${shard.id}`;
  const unsure = unconfirmed(current);
  if (unsure.length > 0)
    return `shards ${unsure.join(', ')} have not confirmed their slots since the recovery`;
  const movers = moversOf(current.moves);
  const runs = current.slots.filter((run) => run.shard === shard.id);
  if (slotsOf(runs).some((slot) => movers.has(slot))) return `slots of shard ${shard.id} are being moved`;
  if (voters.length % 2 !== 1 || new Set(voters).size !== voters.length)
    return 'the voters of a shard are an odd number of nodes';
  const origin = originOf(current, shard, voters);
  if (typeof origin === 'string') return origin;
  for (const node of [home, ...voters]) {
    const entry = current.nodes.find(({ id }) => id === node);
    if (entry === undefined) return `there is no node ${node}`;
    // Who holds what is left may be leaving: its replica goes like all others.
    const holdsIt = origin !== null && node !== home;
    if (entry.leaving === true && !holdsIt) return `node ${node} is leaving the cluster: it gets no replica`;
  }
  const { nextOrdinal: id, nextGroup: group } = current;
  const replicas = voters.map((node, at) => ({ member: at + 1, node }));
  const first = replicas.map(({ member }) => member);
  const empty: ShardEntry = { id, group, home, replicas, first, nextMember: replicas.length + 1 };
  const successor = origin === null ? empty : { ...empty, rewound: origin };
  return {
    ...current,
    nextOrdinal: id + 1,
    nextGroup: group + 1,
    shards: current.shards.map((row) => (row === shard ? successor : row)),
    slots: withOwner(current.slots, runs, id),
    succeeded: (current.succeeded ?? 0) + 1,
  };
}

/** With what a successor on these nodes begins, null: with nothing; or why it cannot. */
function originOf(current: Topology, shard: ShardEntry, voters: readonly NodeId[]): Rewound | string | null {
  const kept = shard.givenUp?.kept;
  if (kept === undefined) return null;
  const left = leftOf(current, shard);
  if (left.length === 0) return nothingLeft(shard);
  const open = left.find(({ member }) => !kept.some((log) => log.member === member));
  if (open !== undefined) return `member ${open.member} of shard ${shard.id} has not sealed itself`;
  const longest = longestLogs(current, shard);
  if (longest.length === 0) return null;
  const chosen = longest.find(({ node }) => voters.length === 1 && node === voters[0]);
  if (chosen === undefined) return `shard ${shard.id} goes on where its longest log is, and nowhere else`;
  const { member, term, index } = chosen;
  return { group: shard.group, member, term, index };
}

/**
 * The sealed members with the longest log: the later last term wins, with equal ones the higher index (§5.4.1). It holds all that is committed in
 * any log that is left, since each is a prefix of what the leader of its last term had. None: nothing is kept, or nothing was ever logged.
 */
export function longestLogs(topology: Topology, shard: ShardEntry): (KeptLog & { node: NodeId })[] {
  const logs = leftOf(topology, shard).flatMap(({ member, node }) =>
    (shard.givenUp?.kept ?? []).filter((log) => log.member === member).map((log) => ({ ...log, node })),
  );
  const longest = logs.toSorted((a, b) => b.term - a.term || b.index - a.index || a.member - b.member).at(0);
  if (longest === undefined || longest.index === 0) return [];
  return logs.filter(({ term, index }) => term === longest.term && index === longest.index);
}

/** Members that are not destroyed. Of one on a node that was taken out, or replaced, with its disk, the operator has said so then. */
export function leftOf({ nodes }: Topology, { replicas, givenUp }: ShardEntry): ReplicaEntry[] {
  return replicas.filter(
    ({ member, node }) => nodes.some(({ id }) => id === node) && givenUp?.destroyed.includes(member) !== true,
  );
}

/** Whether what the node holds of the shard is to be kept, for a successor to begin with. */
export function isKept({ givenUp }: ShardEntry, member: MemberId): boolean {
  return givenUp?.kept !== undefined && !givenUp.destroyed.includes(member);
}

/** Nodes with a member of a shard that was given up which may act there still: neither destroyed nor known to have synced that it was. */
export function unsealedNodes(
  topology: Topology,
  shard: ShardEntry,
  has: (node: NodeId, epoch: Epoch) => boolean,
): NodeId[] {
  const { givenUp, replicas } = shard;
  if (givenUp === undefined) return replicas.map(({ node }) => node);
  const isSealed = ({ member, node }: ReplicaEntry): boolean =>
    givenUp.kept === undefined ? has(node, givenUp) : givenUp.kept.some((log) => log.member === member);
  return leftOf(topology, shard)
    .filter((row) => !isSealed(row))
    .map(({ node }) => node);
}

function nothingLeft({ id }: ShardEntry): string {
  return `no member of shard ${id} is left to go on with`;
}

export function movesOf({ moves }: Topology, shard: ShardId): MoveEntry[] {
  return moves.filter(({ source, target }) => source === shard || target === shard);
}
