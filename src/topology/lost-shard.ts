/**
 * A shard whose group has lost its majority for good (design sections 4 and 8). An operator gives its data up; from then on its members are sealed: a
 * node that has synced that epoch neither votes, appends nor serves there. Once all are, or are destroyed, and the moves that it was in have ended as
 * the log of the other side says, another shard takes its place: a new group, empty, with exactly the slots that the register gives it (histories 4
 * and 16). Pure.
 */
import { withOwner } from './move-change.ts';
import type { Epoch, MoveEntry, NodeId, ShardEntry, ShardId, Topology } from './types.ts';
import type { MemberId } from '../raft/types.ts';

export type LostShardChange =
  /** Of these members it is said that they are destroyed; asked again, of more. */
  | { kind: 'give-up-shard'; shard: ShardId; destroyed: readonly MemberId[] }
  /** The successor begins with a voter on each of these. */
  | { kind: 'succeed-shard'; shard: ShardId; home: NodeId; voters: readonly NodeId[] };

/** The topology without its new epoch, or why not. */
export function applyLostShardChange(current: Topology, change: LostShardChange): Topology | string {
  const shard = current.shards.find(({ id }) => id === change.shard);
  if (shard === undefined) return `there is no shard ${change.shard}`;
  return change.kind === 'give-up-shard'
    ? giveUp(current, shard, change.destroyed)
    : succeed(current, shard, change.home, change.voters);
}

function giveUp(current: Topology, shard: ShardEntry, said: readonly MemberId[]): Topology | string {
  const stranger = said.find((member) => !shard.replicas.some((row) => row.member === member));
  if (stranger !== undefined) return `shard ${shard.id} has no member ${stranger}`;
  const before = shard.givenUp;
  const destroyed = [...new Set([...(before?.destroyed ?? []), ...said])].toSorted((a, b) => a - b);
  if (before !== undefined && destroyed.length === before.destroyed.length)
    return `shard ${shard.id} is given up already`;
  const { generation, epoch } = before ?? { generation: current.generation, epoch: current.epoch + 1 };
  const givenUp = { generation, epoch, destroyed };
  return { ...current, shards: current.shards.map((row) => (row === shard ? { ...shard, givenUp } : row)) };
}

function succeed(
  current: Topology,
  shard: ShardEntry,
  home: NodeId,
  voters: readonly NodeId[],
): Topology | string {
  if (shard.givenUp === undefined) return `shard ${shard.id} is not given up`;
  if (movesOf(current, shard.id).length > 0) return `slots move from or to shard ${shard.id}`;
  if (voters.length % 2 !== 1 || new Set(voters).size !== voters.length)
    return 'the voters of a shard are an odd number of nodes';
  for (const node of [home, ...voters]) {
    const entry = current.nodes.find(({ id }) => id === node);
    if (entry === undefined) return `there is no node ${node}`;
    if (entry.leaving === true) return `node ${node} is leaving the cluster: it gets no replica`;
  }
  const { nextOrdinal: id, nextGroup: group } = current;
  const replicas = voters.map((node, at) => ({ member: at + 1, node }));
  const first = replicas.map(({ member }) => member);
  const successor: ShardEntry = { id, group, home, replicas, first, nextMember: replicas.length + 1 };
  const slots = current.slots.filter((run) => run.shard === shard.id);
  return {
    ...current,
    nextOrdinal: id + 1,
    nextGroup: group + 1,
    shards: current.shards.map((row) => (row === shard ? successor : row)),
    slots: withOwner(current.slots, slots, id),
    succeeded: (current.succeeded ?? 0) + 1,
  };
}

/** Nodes with a member of a shard that was given up which may act there still: neither destroyed nor known to have synced that it was. */
export function unsealedNodes(
  { nodes }: Topology,
  { replicas, givenUp }: ShardEntry,
  has: (node: NodeId, epoch: Epoch) => boolean,
): NodeId[] {
  if (givenUp === undefined) return replicas.map(({ node }) => node);
  return replicas
    .filter(({ member, node }) => {
      // A node that was taken out, or replaced, with its disk: the operator has said so then.
      const isGone = !nodes.some(({ id }) => id === node);
      return !isGone && !givenUp.destroyed.includes(member) && !has(node, givenUp);
    })
    .map(({ node }) => node);
}

export function movesOf({ moves }: Topology, shard: ShardId): MoveEntry[] {
  return moves.filter(({ source, target }) => source === shard || target === shard);
}
