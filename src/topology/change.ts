/** What a topology can become: each change is a pure function of the one before. Who decides it is another's business (agreement.ts). */
import { unreachable } from '../assert.ts';
import type { MemberId } from '../raft/types.ts';
import { applyLogCorrection, type LogCorrection } from './log-correction.ts';
import { keepMember } from './lost-newcomer.ts';
import { applyLostShardChange, type LostShardChange } from './lost-shard.ts';
import type { MoveChange } from './move-change.ts';
import { applyNodeChange, replaceNode, withReplicas, type NodeChange } from './node-change.ts';
import { applyMoveChangeInPlan, applyRebalanceChange, type RebalanceChange } from './rebalance-change.ts';
import { setWeight } from './set-weight.ts';
import { votersProblem } from './voters.ts';
import type { Announcement, Epoch, NodeId, ShardEntry, ShardId, Topology } from './types.ts';

export type TopologyChange =
  /** A node that has lost its disk, or will not be itself any more, is another one from now on: each of its members is replaced by a new one. */
  | { kind: 'replace-node'; node: NodeId; by: { id: NodeId; announced: Announcement } }
  /** These nodes, and no others, are to have a replica of the shard. */
  | { kind: 'place-shard'; shard: ShardId; nodes: readonly NodeId[] }
  /** The committed configuration of the shard's group has dropped these leaving members. */
  | { kind: 'drop-members'; shard: ShardId; members: readonly MemberId[] }
  /** This leaving member stays after all, in the place of one that does not come (lost-newcomer.ts). */
  | { kind: 'keep-member'; shard: ShardId; member: MemberId; instead: MemberId }
  | { kind: 'raise-version'; version: number }
  | { kind: 'set-weight'; node: NodeId; weight: number }
  /** These decide from the next epoch on: one is replaced, or two come or go (voters.ts). */
  | { kind: 'set-voters'; voters: readonly NodeId[] }
  | MoveChange
  | LogCorrection
  | LostShardChange
  | NodeChange
  | RebalanceChange;

/** A change, and the topology that whoever asks for it knows: one that it does not know would be changed blindly. */
export interface ProposedChange {
  clusterId: string;
  on: Epoch;
  change: TopologyChange;
  /** When the topology has moved on meanwhile, the change is to be made of the newer one, if it can be. */
  retry?: boolean | undefined;
}

/** Who asks over an admin port, and whom: taken once, by that node, in that start. What is overheard does nothing. */
export interface RequestId {
  id: string;
  node: NodeId;
  start: number;
}

export interface ChangeRequest extends ProposedChange {
  request: RequestId;
}

/** A majority of the voters is lost for good: these are all that is left (recovery.ts). */
export interface RecoveryRequest {
  clusterId: string;
  on: Epoch;
  survivors: readonly NodeId[];
  /** Of these, who cannot vote, since an earlier recovery did not end. */
  bound: readonly NodeId[];
  request: RequestId;
}

/** The topology without its new epoch, or why not. */
export function applyChange(current: Topology, change: TopologyChange): Topology | string {
  switch (change.kind) {
    case 'replace-node':
      return replaceNode(current, change.node, change.by.id, change.by.announced);
    case 'place-shard':
      return inShard(current, change.shard, (shard) => placeShard(current, shard, change.nodes));
    case 'drop-members':
      return inShard(current, change.shard, (shard) => dropMembers(shard, change.members));
    case 'keep-member':
      return inShard(current, change.shard, (shard) =>
        keepMember(current, shard, change.member, change.instead),
      );
    case 'raise-version':
      return change.version > current.version
        ? { ...current, version: change.version }
        : `the cluster version is ${current.version} already`;
    case 'set-voters':
      return votersProblem(current, change.voters) ?? { ...current, voters: change.voters };
    case 'begin-move':
    case 'abort-move':
    case 'end-move':
      return applyMoveChangeInPlan(current, change);
    case 'add-node':
    case 'announce':
    case 'begin-leave':
    case 'cancel-leave':
    case 'close-shard':
    case 'remove-shard':
    case 'remove-node':
      return applyNodeChange(current, change);
    case 'claim-slots':
    case 'confirm-slots':
    case 'resume-move':
      return applyLogCorrection(current, change);
    case 'give-up-shard':
    case 'keep-log':
    case 'succeed-shard':
      return applyLostShardChange(current, change);
    case 'set-weight':
      return setWeight(current, change.node, change.weight);
    case 'begin-plan':
    case 'begin-planned-move':
    case 'end-plan':
    case 'pause-rebalance':
    case 'resume-rebalance':
    case 'abort-plan':
      return applyRebalanceChange(current, change);
    default:
      return unreachable(change, 'change');
  }
}

function placeShard(current: Topology, shard: ShardEntry, nodes: readonly NodeId[]): ShardEntry | string {
  if (shard.givenUp !== undefined) return `shard ${shard.id} is given up`;
  if (nodes.length === 0) return 'a shard has a replica at least';
  if (new Set(nodes).size !== nodes.length) return 'a node has one replica of a shard at most';
  for (const node of nodes) {
    const entry = current.nodes.find(({ id }) => id === node);
    if (entry === undefined) return `there is no node ${node}`;
    const isNew = !shard.replicas.some((row) => row.node === node);
    if (isNew && entry.leaving === true) return `node ${node} is leaving the cluster: it gets no replica`;
    const isLeaving = shard.replicas.some((row) => row.node === node && row.leaving === true);
    if (isLeaving) return `node ${node} is still to be rid of a member of shard ${shard.id}`;
  }
  return withReplicas(shard, nodes);
}

function dropMembers(shard: ShardEntry, members: readonly MemberId[]): ShardEntry | string {
  for (const member of members) {
    const row = shard.replicas.find((replica) => replica.member === member);
    if (row?.leaving !== true) return `member ${member} of shard ${shard.id} is not leaving`;
  }
  return { ...shard, replicas: shard.replicas.filter(({ member }) => !members.includes(member)) };
}

function inShard(
  current: Topology,
  id: ShardId,
  change: (shard: ShardEntry) => ShardEntry | string,
): Topology | string {
  const shard = current.shards.find((row) => row.id === id);
  if (shard === undefined) return `there is no shard ${id}`;
  const changed = change(shard);
  if (typeof changed === 'string') return changed;
  return { ...current, shards: current.shards.map((row) => (row === shard ? changed : row)) };
}
