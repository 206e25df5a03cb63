/**
 * What /metrics needs to know. Others count, in plain numbers and typed arrays; at each scrape the node makes one reading of it all.
 * Counters go back by CONFIG RESETSTAT only, which Prometheus takes for a restart. Times are milliseconds here and seconds in the page.
 */
import type { LoopDelayReading } from '../env/loop-delay.ts';
import type { Histogram } from '../metrics/histogram.ts';
import type { MemberState } from '../gossip/types.ts';
import type { Role } from '../raft/types.ts';
import type { PlanOutcome } from '../topology/rebalance.ts';
import type { ShardId } from '../topology/types.ts';

export interface CommandReading {
  /** In lower case; a subcommand is `container|subcommand`. Only names of the command table: never what a client sent. */
  name: string;
  calls: number;
  /** In milliseconds, from the command's last byte read to its reply written. */
  latency: Histogram;
  /** Calls that were answered with an error. */
  failures: number;
}

interface ClientsReading {
  connectedClientPort: number;
  connectedRedirectPort: number;
  accepted: number;
  /** Turned away: too many connections. */
  refused: number;
  receivedBytes: number;
  sentBytes: number;
  keyspaceHits: number;
  keyspaceMisses: number;
  /** Commands handed to another node's leader. */
  forwarded: number;
  /** MOVED replies. */
  redirected: number;
  /** INDETERMINATE replies. */
  indeterminate: number;
  /** CLUSTERDOWN replies. */
  clusterDown: number;
  /** Commands that wait for a leader now. */
  parked: number;
}

/** What the leader of a shard knows of one of its followers. */
interface FollowerReading {
  /** Its node, by what people call it. */
  node: string;
  /** Entries that it is not known to hold. */
  lagEntries: number;
}

/** This node's replica of a shard. */
export interface ReplicaReading {
  shard: ShardId;
  role: Role;
  term: number;
  hasLeader: boolean;
  commitIndex: number;
  appliedIndex: number;
  /** Entries held in memory. */
  logBytes: number;
  electionsStarted: number;
  leaderChanges: number;
  /** Entries proposed here and not yet committed. */
  proposalsPending: number;
  /** Proposals refused: not the leader any more, or the uncommitted log full. */
  proposalsFailed: number;
  /** Empty unless this replica leads. */
  followers: readonly FollowerReading[];
  slots: number;
  keys: number;
  usedBytes: number;
  budgetBytes: number;
  evictedKeys: number;
  expiredKeys: number;
  /** Of its slots, lately; null unless this replica leads. */
  commandsPerSecond: number | null;
  /** Replicas that the shard should have, and that do not keep up with it; null unless this replica leads. */
  missingReplicas: number | null;
  /** Voters more that may be lost before it has no majority; null unless this replica leads. */
  failuresTolerated: number | null;
}

/** A shard as the register has it. */
interface ShareReading {
  shard: ShardId;
  weight: number;
  /** Slots that it should have, by weight. */
  quota: number;
}

export interface RebalanceReading {
  shares: readonly ShareReading[];
  /** The greatest ratio of a shard's slots to its fair share by weight; 1 is perfect. */
  balanceRatio: number;
  hasPlan: boolean;
  paused: boolean;
  /** A plan may not go on, or not be begun, as things are. */
  obstructed: boolean;
  /** Of the plan under way; 0 without one. */
  slotsPlanned: number;
  slotsLeft: number;
  movesRunning: number;
  /** Plans that this node saw end since its start. */
  ended: ReadonlyMap<PlanOutcome, number>;
}

interface WalReading {
  /** In milliseconds: a finished sync, or a write in `buffered`. */
  syncDuration: Histogram;
  /** In bytes: what one write took. */
  batchSize: Histogram;
  segments: number;
  bytesOnDisk: number;
  bytesWritten: number;
  snapshotsGivenUp: number;
}

export interface PeerReading {
  /** The other node, by what people call it. */
  node: string;
  connected: boolean;
  /** Smoothed; 0 before the first. */
  roundTripMs: number;
  sentBytes: number;
  receivedBytes: number;
  bufferedBytes: number;
}

/** Slots from one shard to another, and what is in them. */
export interface MovedReading {
  source: ShardId;
  target: ShardId;
  slots: number;
  keys: number;
  bytes: number;
}

export interface MovesReading {
  /** Driven by this node, which leads their sources. */
  running: number;
  /** Those among them that do not come on. */
  stuck: number;
  /** Failed: some of its slots stayed, and nobody had asked for that. */
  ends: Readonly<Record<'done' | 'aborted' | 'failed', number>>;
  moved: readonly Readonly<MovedReading>[];
  /** Of the moves under way. */
  left: readonly Readonly<MovedReading>[];
  /** In milliseconds, one value a slot. */
  pauses: Histogram;
  longestPauseMs: number;
  /** In milliseconds. */
  durations: Histogram;
  bytesPerSecond: number;
  throttleBytesPerSecond: number;
  /** Requests that met a slot on the move, and what came of that. */
  requests: Readonly<Record<'parked' | 'forwarded' | 'redirected' | 'timedOut', number>>;
}

export interface GossipReading {
  /** This node included, every state. */
  members: readonly { state: MemberState; count: number }[];
  suspicions: number;
  refutations: number;
  probes: number;
  probesFailed: number;
  /** 0 is well. */
  localHealth: number;
  /** In milliseconds: round trips of direct probes. */
  probeDuration: Histogram;
  sentMessages: number;
  sentBytes: number;
  receivedMessages: number;
  receivedBytes: number;
}

export interface MetricsReading {
  ready: boolean;
  commands: readonly CommandReading[];
  clients: ClientsReading;
  replicas: readonly ReplicaReading[];
  /** In milliseconds, from the proposal of an entry to its commit, all shards that this node leads. */
  commitDuration: Histogram;
  wal: WalReading;
  peers: readonly PeerReading[];
  moves: MovesReading;
  gossip: GossipReading;
  memory: { slabBytes: number; maxBytes: number };
  rebalance: RebalanceReading;
  topologyEpoch: number;
  /** Shards that were lost for good, and have a successor. */
  shardsSucceeded: number;
  /** Of the register's Paxos: ballots begun here, and those given up for another's. */
  paxosRounds: number;
  paxosConflicts: number;
  loopDelay: LoopDelayReading;
  process: { residentBytes: number; cpuUserUs: number; cpuSystemUs: number; startedAtWallMs: number };
}

export interface MetricsSource {
  readMetrics(): MetricsReading;
}
