/** The map of the cluster: which nodes there are, and which replicas of which shards they hold. */
import type { GroupId, MemberId } from '../raft/types.ts';

/** 40 hex digits, drawn at random by the node itself, once in its life. */
export type NodeId = string;
/** 40 hex digits, drawn at the founding; carried in every handshake and data directory. */
export type ClusterId = string;
export type ShardId = number;

export const SLOT_COUNT = 16384;

/** Everything that a node announces: where others and clients reach it. May differ from where it listens. */
export interface NodeEntry {
  id: NodeId;
  /** A small number, given once: the order in the founding's sorted seed list, from 1. */
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
}

/** What a node says of itself; its id it draws, its ordinal is given. */
export type Announcement = Omit<NodeEntry, 'id' | 'ordinal'>;

export interface ReplicaEntry {
  member: MemberId;
  node: NodeId;
}

export interface ShardEntry {
  id: ShardId;
  group: GroupId;
  /** Its home: leadership goes there whenever it is ready. */
  home: NodeId;
  replicas: readonly ReplicaEntry[];
}

/** Runs of consecutive slots, sorted, together all 16384. */
export interface SlotRun {
  from: number;
  to: number;
  shard: ShardId;
}

/** Epochs are (generation, number); the first is (1, 1). */
export interface Topology {
  clusterId: ClusterId;
  generation: number;
  epoch: number;
  nodes: readonly NodeEntry[];
  shards: readonly ShardEntry[];
  slots: readonly SlotRun[];
}
