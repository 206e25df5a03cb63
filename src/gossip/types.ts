/**
 * The words of gossip: SWIM with Lifeguard. What it says of a member is advice, never truth: it starts elections and repairs sooner, and decides
 * nothing. The core is pure: time comes in with each call, randomness as a function of the configuration, messages and events go out.
 */

/** A member's name is its node's id: 40 hex digits. */
export type MemberName = string;
export const NAME_DIGITS = 40;

/**
 * - `alive`: it answers, or has said so itself.
 * - `suspect`: it did not answer, or its connection was closed; it may still refute that.
 * - `dead`: it did not refute in time.
 * - `left`: it said that it stops.
 */
export const MEMBER_STATES = ['alive', 'suspect', 'dead', 'left'] as const;
export type MemberState = (typeof MEMBER_STATES)[number];

/** Members that are known at most; what is said of more is dropped. */
export const MEMBERS_MOST = 4096;

export interface TopologyEpoch {
  generation: number;
  epoch: number;
}

/** A shard that the member leads, and in which term. */
export interface LeaderHint {
  shard: number;
  term: number;
}

/** What a member says of itself. */
export interface Metadata {
  /** What people call it. */
  label: string;
  host: string;
  clientPort: number;
  redirectPort: number;
  peerPort: number;
  adminPort: number;
  zone: string;
  /** The label of the machine that it runs on. */
  machine: string;
  weight: number;
  /** The build that it runs. */
  version: string;
  /** Commands a second, rounded to a power of two: fine enough to compare nodes, and seldom changed. */
  load: number;
  epoch: TopologyEpoch;
  leads: readonly LeaderHint[];
}

/** The member lives, and says this of itself. */
export interface AliveRumour {
  kind: 'alive';
  name: MemberName;
  incarnation: number;
  metadata: Metadata;
}

/** `from` says that the member is not well, or, of itself, that it leaves. */
export interface Accusation {
  kind: 'suspect' | 'dead' | 'left';
  name: MemberName;
  incarnation: number;
  from: MemberName;
}

/** What is passed on about one member. Only a greater incarnation, which the member alone gives itself, takes back what is said against it. */
export type Rumour = AliveRumour | Accusation;

/** What goes with every message. */
interface Piggyback {
  /** The highest epoch of the topology that its sender has heard of. */
  epoch: TopologyEpoch;
  rumours: readonly Rumour[];
}

/** Asks for an acknowledgement (`ping`, `ping-request` of a third member), or gives one; `nack`: the third one has not answered yet. */
export interface ProbeMessage extends Piggyback {
  kind: 'ping' | 'ack' | 'nack';
  sequence: number;
}

export interface PingRequest extends Piggyback {
  kind: 'ping-request';
  sequence: number;
  target: MemberName;
}

/** Nothing but what it carries. */
export interface GossipMessage extends Piggyback {
  kind: 'gossip';
}

/** Push-pull: a hash of each bucket of the sender's members. */
export interface SyncMessage extends Piggyback {
  kind: 'sync';
  hashes: Uint32Array;
}

/**
 * The answer: as rumours, all that its sender knows of the members in buckets that differ, or a part of it, with its own hashes. `wantsRows`: the
 * receiver is to tell what it knows of those that differ still.
 */
export interface SyncRows extends Piggyback {
  kind: 'sync-rows';
  hashes: Uint32Array;
  wantsRows: boolean;
}

export type Message = ProbeMessage | PingRequest | GossipMessage | SyncMessage | SyncRows;

/** A message without what it carries for others. */
export type ProbeBody =
  Pick<ProbeMessage, 'kind' | 'sequence'> | Pick<PingRequest, 'kind' | 'sequence' | 'target'>;

export type SyncBody =
  Pick<SyncMessage, 'kind' | 'hashes'> | Pick<SyncRows, 'kind' | 'hashes' | 'wantsRows' | 'rumours'>;

export interface Outgoing {
  to: MemberName;
  message: Message;
}

export type GossipEvent =
  /** `was` is null when it was never heard of before. */
  | { kind: 'state-changed'; name: MemberName; state: MemberState; was: MemberState | null; from: MemberName }
  | { kind: 'refuted'; incarnation: number }
  | { kind: 'round-trip'; name: MemberName; durationMs: number };

/** By memberlist's names; presets.ts has the values. */
export interface GossipSettings {
  /** One member is probed each interval. */
  probeIntervalMs: number;
  /** After this long without an acknowledgement others are asked to probe it, too. */
  probeTimeoutMs: number;
  indirectProbes: number;
  /** The least time in which a suspect may refute is this many intervals, more in large clusters. */
  suspicionMult: number;
  /** Nobody confirming it, a suspicion takes this many times the least. */
  suspicionMaxMult: number;
  /** A rumour is sent this often, times the decimal places of the number of members. */
  retransmitMult: number;
  /** To how many members, and how often, what is new is sent, beside what rides on probes. */
  gossipNodes: number;
  gossipIntervalMs: number;
  /** For so long a dead member is told that it is: it may be alive. */
  gossipToTheDeadMs: number;
  pushPullIntervalMs: number;
  /** Local health is below this: timeouts grow by it at most. */
  awarenessMax: number;
  /** Bytes of rumours in one message. */
  messageBytes: number;
  /** What changes all the time of a member's metadata is told not more often than this. */
  metadataIntervalMs: number;
}

export interface GossipConfig {
  self: MemberName;
  /** The start number of the node: greater at each start, so that its incarnations are. */
  start: number;
  metadata: Metadata;
  settings: GossipSettings;
  /** False: plain SWIM, to measure what Lifeguard brings. */
  lifeguard: boolean;
  /** A uniform integer from 0 to 2^32 - 1. */
  random: () => number;
}

export interface GossipCounters {
  /** Members that this one came to suspect, by itself or by what it heard. */
  suspicions: number;
  /** Accusations against this member that it took back. */
  refutations: number;
  probes: number;
  probesFailed: number;
  /** Members that were not taken in, since there were too many. */
  refusedMembers: number;
}
