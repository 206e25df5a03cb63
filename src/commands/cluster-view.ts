/** The cluster as CLUSTER and SENTINEL tell it: who is there, and who leads what. */
import type { NodeId, ShardId } from '../topology/types.ts';

export interface ClusterNode {
  id: NodeId;
  /** What it announces. */
  host: string;
  clientPort: number;
  redirectPort: number;
  peerPort: number;
  /** Serves clients: founded, and each shard that it holds has a leader that it hears. */
  ready: boolean;
  /** Not heard for so long that it counts as dead. Never both ready and failed. */
  failed: boolean;
  /** The link to it is open; true of this node itself. */
  connected: boolean;
  /** When the link to it was opened, by the wall clock, and what waits to go over it; null: none is open, or it is this node itself. */
  link: { sinceWallMs: number; unsentBytes: number } | null;
  /** Wall clock of the last time that it was heard; 0 for this node and for one never heard. */
  heardWallMs: number;
}

/** Slots from `from` to `to`, both included. */
export interface SlotRange {
  from: number;
  to: number;
}

export interface ClusterShard {
  id: ShardId;
  /** The node that leads it as far as known here; null during an election. */
  leader: NodeId | null;
  /** That, or the one before while there is none; null: this node has known none. */
  lastLeader: NodeId | null;
  /** The term of that leader. */
  term: number;
  slots: readonly SlotRange[];
}

export interface ClusterView {
  self: NodeId;
  /** The topology's epoch. */
  epoch: number;
  /** In the topology's order, this node included. */
  nodes: readonly ClusterNode[];
  shards: readonly ClusterShard[];
}

/** The keys of one slot that this node leads. */
export interface SlotKeys {
  readonly count: number;
  /** At most `limit` keys of database 0. `bytes[start, end)` holds during the call. */
  each(limit: number, visit: (bytes: Buffer, start: number, end: number) => void): void;
}
