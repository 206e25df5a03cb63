/** The map of the cluster: which nodes there are, and which replicas of which shards they hold. */
import type { GroupId, MemberId } from '../raft/types.ts';
import type { Rebalance } from './rebalance.ts';

/** 40 hex digits, drawn at random by the node itself, once in its life. */
export type NodeId = string;
/** 40 hex digits, drawn at the founding; carried in every handshake and data directory. */
export type ClusterId = string;
export type ShardId = number;

export const SLOT_COUNT = 16384;

/** Everything that a node announces: where others and clients reach it. May differ from where it listens. */
export interface NodeEntry {
  id: NodeId;
  /** A small number, given once, from 1: at the founding the place in the sorted seed list. */
  ordinal: number;
  host: string;
  clientPort: number;
  redirectPort: number;
  peerPort: number;
  adminPort: number;
  zone: string;
  /** The label of the machine that it runs on: replicas avoid sharing one. */
  machine: string;
  weight: number;
  /** It is to go: no replica is placed on it, and its home shard's slots go to the others. */
  leaving?: boolean | undefined;
}

/** What a node says of itself; its id it draws, its ordinal is given. */
export type Announcement = Omit<NodeEntry, 'id' | 'ordinal' | 'leaving'>;

/** One that the group's log may name. Its node may have left the cluster, with its disk. */
export interface ReplicaEntry {
  member: MemberId;
  node: NodeId;
  /** It is to go: the row is rid of it once the log's committed configuration is. */
  leaving?: boolean | undefined;
}

export interface ShardEntry {
  id: ShardId;
  group: GroupId;
  /** Its home: leadership goes there whenever it is ready. */
  home: NodeId;
  /** Every member that the group's log may name, a node at most once. Those that stay are to be the group's members. */
  replicas: readonly ReplicaEntry[];
  /** The first configuration: its members open with it, all others open empty. */
  first: readonly MemberId[];
  /** The next member's id: none is given twice. */
  nextMember: MemberId;
  /** The epoch that marked it closing: no move names it from then on, and its group's log may end by it (§6). */
  closing?: Epoch | undefined;
  /** An operator has given its data up (lost-shard.ts): no member votes, appends or serves there any more. */
  givenUp?: GivenUp | undefined;
  /** The generation after whose recovery its log and the register said the same (log-correction.ts). */
  confirmed?: number | undefined;
  /** It took the place of a lost shard, and its first member began with what was left of that. */
  rewound?: Rewound | undefined;
}

/** The epoch that said so first, and the members of which the operator says that they are destroyed: all others seal themselves. */
export interface GivenUp extends Epoch {
  destroyed: readonly MemberId[];
  /** There when its successor is to begin with what is left of it: the members that have sealed themselves, and keep what they hold until then. */
  kept?: readonly KeptLog[] | undefined;
}

/** Where the log of a sealed member ends; index 0: it holds nothing. */
export interface KeptLog {
  member: MemberId;
  term: number;
  index: number;
}

/** What a shard began with: all that this member of another group held. */
export interface Rewound extends KeptLog {
  group: GroupId;
}

/** Runs of consecutive slots, sorted, together all 16384. */
export interface SlotRun {
  from: number;
  to: number;
  shard: ShardId;
}

/**
 * Of the epoch that recorded the move: generation x 2^32 + number, so that ids rise over generations too and none is given twice.
 */
export type MoveId = number;

export interface SlotRange {
  from: number;
  to: number;
}

/** Slots on their way from one shard to another. A slot is in one move at a time; the groups' logs say how far it is (§8). */
export interface MoveEntry {
  id: MoveId;
  source: ShardId;
  target: ShardId;
  /** Sorted, apart from each other; all of them the source's when the move was recorded. */
  slots: readonly SlotRange[];
  /** An operator wants it aborted: the target's log decides whether it still can be. */
  aborting?: boolean | undefined;
}

/** Epochs are (generation, number); the first is (1, 1), and they only rise. */
export interface Epoch {
  generation: number;
  epoch: number;
}

export interface Topology extends Epoch {
  clusterId: ClusterId;
  /** The rules that the cluster has agreed on. */
  version: number;
  nodes: readonly NodeEntry[];
  /** Nodes that were of the cluster, the latest last: the groups end their sessions, and none of them is taken in again. */
  departed?: readonly NodeId[] | undefined;
  /** The next node's ordinal: none is given twice. A shard has the ordinal of the node that brought it. */
  nextOrdinal: number;
  /** The next group's id: none is given twice. */
  nextGroup: GroupId;
  shards: readonly ShardEntry[];
  slots: readonly SlotRun[];
  /** Who decides the next epoch, by Paxos: 1, 3, 5 or 7 of the nodes, spread over machines. */
  voters: readonly NodeId[];
  /** Moves under way. One goes only once the source's log has ended it. */
  moves: readonly MoveEntry[];
  /** How many shards were given up and have a successor. */
  succeeded?: number | undefined;
  /** Plans of moves: none until there was one. */
  rebalance?: Rebalance | undefined;
}
