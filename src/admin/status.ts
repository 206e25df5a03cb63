/** What /api/status tells: one node's view. `torc status` asks all nodes and puts their answers side by side. */
import type { MemberState } from '../gossip/types.ts';
import type { MemberId, Role } from '../raft/types.ts';
import type { MarkAnswer } from '../shard/hash-desk.ts';
import type { ClusterId, Epoch, NodeId, ShardId } from '../topology/types.ts';

/** Raised when a field changes its meaning or goes; new fields may come without. */
export const STATUS_SCHEMA = 1;

export interface BuildInfo {
  version: string;
  /** The version of Node.js. */
  nodeVersion: string;
  /** The newest cluster version that this build runs. */
  newestVersion: number;
}

/**
 * - `starting`: not serving yet: the cluster is being founded, or the log replayed.
 * - `ready`: every shard has a leader that this node reaches.
 * - `degraded`: serving, but a shard has no leader that this node knows of.
 * - `stopping`: handing over.
 */
type NodeState = 'starting' | 'ready' | 'degraded' | 'stopping';

interface NodeStatus {
  /** What people call it (`--id`). */
  name: string;
  /** Null until the node has drawn it. */
  id: NodeId | null;
  state: NodeState;
  /** Why it is not ready, for people; empty when it is. */
  reason: string;
  /** Counts the starts of its data directory. */
  start: number;
  uptimeMs: number;
  host: string;
  clientPort: number;
  redirectPort: number;
  peerPort: number;
  adminPort: number;
  zone: string;
  machine: string;
}

/** Another node, as this one sees it. */
interface PeerStatus {
  id: NodeId;
  host: string;
  adminPort: number;
  clientPort: number;
  connected: boolean;
  ready: boolean;
}

/** A node as the gossip has it: advice, and as this node sees it. */
export interface MemberStatus {
  id: NodeId;
  /** What people call it, once it was heard; else the beginning of its id. */
  name: string;
  state: MemberState;
  /** 0: never heard. */
  incarnation: number;
  /** How long it has been in its state. */
  stateForMs: number;
  isInTopology: boolean;
  /** What it holds is to go to the others. */
  isLeaving: boolean;
  host: string;
  clientPort: number;
  redirectPort: number;
  peerPort: number;
  adminPort: number;
  zone: string;
  machine: string;
  weight: number;
  /** The build that it runs; empty before it was heard. */
  version: string;
  /** Commands a second, to a power of two, as told last. */
  load: number;
  /** The topology's, as told last; null before it was heard. */
  epoch: Epoch | null;
  /** Shards that it leads, as told last. */
  leads: readonly ShardId[];
}

interface FollowerStatus {
  node: NodeId;
  /** The last index that it is known to hold. */
  match: number;
  lagEntries: number;
}

/** This node's replica of a shard. */
export interface ReplicaStatus {
  shard: ShardId;
  role: Role;
  /** Its id in the group, and those of all, as its log has them; `votersOld`: while they change. */
  member: MemberId;
  voters: readonly MemberId[];
  votersOld: readonly MemberId[];
  learners: readonly MemberId[];
  /** The node that leads as far as known. */
  leader: NodeId | null;
  home: NodeId;
  slots: number;
  term: number;
  commit: number;
  applied: number;
  /** The cluster version that its last entry was applied by. */
  rules: number;
  /** Entries that this replica still has to apply, as far as it knows. */
  lagEntries: number;
  keys: number;
  memoryBytes: number;
  budgetBytes: number;
  /** Empty unless this replica leads. */
  followers: readonly FollowerStatus[];
  /** Voters more that may be lost before the shard has no majority; null unless this replica leads. */
  failuresTolerated: number | null;
}

/** What /api/digest tells of a replica's state. */
export interface DigestReport {
  shard: ShardId;
  /** The last entry applied. */
  index: number;
  /** Of all replicated state: 16 hex digits, equal on every replica at this index. */
  digest: string;
}

/** What /api/verify tells of a replica's state at a mark of the log. */
export type MarkReport = { readonly shard: ShardId; readonly mark: number } & MarkAnswer;

/** A shard and the nodes that are to have replicas of it. */
interface ShardStatus {
  shard: ShardId;
  nodes: readonly NodeId[];
}

export interface StatusReport {
  schema: typeof STATUS_SCHEMA;
  build: BuildInfo;
  /** Null until founded. */
  cluster: {
    id: ClusterId;
    generation: number;
    epoch: number;
    version: number;
    /** Nodes that a recovery of the topology which did not end keeps from voting, as far as this one has heard. */
    boundToRecovery: readonly NodeId[];
  } | null;
  node: NodeStatus;
  peers: readonly PeerStatus[];
  /** This node and all others that it knows of; none until it serves. */
  members: readonly MemberStatus[];
  replicas: readonly ReplicaStatus[];
  /** All shards of the cluster; none until it is founded. */
  shards: readonly ShardStatus[];
  memory: {
    usedBytes: number;
    slabBytes: number;
    maxBytes: number;
    residentBytes: number;
    /** Keys and values that it may be given more, so that neither its memory nor its disk is more than 85 % full. */
    roomBytes: number;
  };
}
