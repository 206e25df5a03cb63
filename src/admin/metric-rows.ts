/** Every metric of a node, one row each: its name, what it means, and where its values are in a reading. */
import type { Histogram } from '../metrics/histogram.ts';
import type { MetricsReading, MovedReading, PeerReading, ReplicaReading } from './metrics-source.ts';
import { REBALANCE } from './rebalance-metrics.ts';

/** Takes one value, with the values of the row's labels in their order. */
type Sample<Value> = (value: Value, ...labels: readonly (string | number)[]) => void;

interface RowBase {
  name: string;
  help: string;
  labels: readonly string[];
}

/** One number a series. */
export interface ValueRow extends RowBase {
  type: 'counter' | 'gauge';
  read(reading: MetricsReading, sample: Sample<number>): void;
}

export interface HistogramRow extends RowBase {
  type: 'histogram';
  /** Factor from the histogram's unit to the metric's. */
  scale: number;
  read(reading: MetricsReading, sample: Sample<Histogram>): void;
}

export type MetricRow = ValueRow | HistogramRow;

const SECONDS_PER_MS = 1e-3;
const SECONDS_PER_US = 1e-6;

const COMMANDS: readonly MetricRow[] = [
  {
    name: 'torc_command_failures_total',
    type: 'counter',
    help: 'Commands that were answered with an error, by command.',
    labels: ['command'],
    read: (reading, sample) => reading.commands.forEach((command) => sample(command.failures, command.name)),
  },
  {
    name: 'torc_command_duration_seconds',
    type: 'histogram',
    help: 'Time from the last byte of a command read to its reply written, by command.',
    labels: ['command'],
    scale: SECONDS_PER_MS,
    read: (reading, sample) => reading.commands.forEach((command) => sample(command.latency, command.name)),
  },
  {
    name: 'torc_commands_total',
    type: 'counter',
    help: 'Commands answered, by command.',
    labels: ['command'],
    read: (reading, sample) => reading.commands.forEach((command) => sample(command.calls, command.name)),
  },
];

const CLIENTS: readonly MetricRow[] = [
  {
    name: 'torc_connected_clients',
    type: 'gauge',
    help: 'Client connections open now, by port (client or redirect).',
    labels: ['port'],
    read: ({ clients }, sample) => {
      sample(clients.connectedClientPort, 'client');
      sample(clients.connectedRedirectPort, 'redirect');
    },
  },
  nodeCounter('connections', 'Client connections accepted.', (reading) => reading.clients.accepted),
  nodeCounter(
    'refused_connections',
    'Client connections turned away because there were too many.',
    (reading) => reading.clients.refused,
  ),
  nodeCounter(
    'client_received_bytes',
    'Bytes read from clients.',
    (reading) => reading.clients.receivedBytes,
  ),
  nodeCounter('client_sent_bytes', 'Bytes written to clients.', (reading) => reading.clients.sentBytes),
  nodeCounter(
    'keyspace_hits',
    'Lookups of keys by reads that found one.',
    (reading) => reading.clients.keyspaceHits,
  ),
  nodeCounter(
    'keyspace_misses',
    'Lookups of keys by reads that found none.',
    (reading) => reading.clients.keyspaceMisses,
  ),
  nodeCounter(
    'forwarded_commands',
    'Commands handed to the leader on another node.',
    (reading) => reading.clients.forwarded,
  ),
  nodeCounter(
    'redirected_commands',
    'Commands answered with MOVED on the redirect port.',
    (reading) => reading.clients.redirected,
  ),
  nodeCounter(
    'indeterminate_replies',
    'Writes answered with INDETERMINATE: they may or may not have run.',
    (reading) => reading.clients.indeterminate,
  ),
  nodeCounter(
    'cluster_down_replies',
    'Commands answered with CLUSTERDOWN: no leader was found, they have not run.',
    (reading) => reading.clients.clusterDown,
  ),
  {
    name: 'torc_parked_commands',
    type: 'gauge',
    help: 'Commands that wait for the leader of their shard.',
    labels: [],
    read: ({ clients }, sample) => sample(clients.parked),
  },
];

const SHARDS: readonly MetricRow[] = [
  replicaGauge('keys', 'Keys in this replica, by shard and role.', (replica) => replica.keys, ['role']),
  replicaGauge(
    'memory_used_bytes',
    'Bytes that keys and values of this replica account for, by shard and role.',
    (replica) => replica.usedBytes,
    ['role'],
  ),
  replicaGauge(
    'memory_budget_bytes',
    'Bytes that the shard may use, as its log says; 0 for no limit.',
    (replica) => replica.budgetBytes,
  ),
  replicaCounter(
    'evicted_keys',
    'Keys evicted since the start, the same on each replica.',
    (replica) => replica.evictedKeys,
  ),
  replicaCounter(
    'expired_keys',
    'Keys expired since the start, the same on each replica.',
    (replica) => replica.expiredKeys,
  ),
  replicaGauge('shard_slots', 'Hash slots that the shard owns.', (replica) => replica.slots),
  replicaGauge('raft_term', 'Raft term of this replica.', (replica) => replica.term),
  replicaGauge('raft_is_leader', 'Whether this replica leads its shard.', (replica) =>
    flag(replica.role === 'leader'),
  ),
  replicaGauge('raft_has_leader', 'Whether this replica knows a leader of its shard.', (replica) =>
    flag(replica.hasLeader),
  ),
  replicaGauge('raft_commit_index', 'Last committed index known here.', (replica) => replica.commitIndex),
  replicaGauge('raft_applied_index', 'Last index applied here.', (replica) => replica.appliedIndex),
  replicaGauge('raft_log_bytes', 'Bytes of entries held in memory.', (replica) => replica.logBytes),
  replicaGauge(
    'raft_proposals_pending',
    'Entries proposed here and not yet committed.',
    (replica) => replica.proposalsPending,
  ),
  replicaCounter(
    'raft_proposals_failed',
    'Proposals refused here: not the leader any more, or the log full.',
    (replica) => replica.proposalsFailed,
  ),
  replicaCounter(
    'raft_elections',
    'Elections that this replica started.',
    (replica) => replica.electionsStarted,
  ),
  replicaCounter('raft_leader_changes', 'Changes of leader seen here.', (replica) => replica.leaderChanges),
  {
    name: 'torc_raft_replica_lag_entries',
    type: 'gauge',
    help: 'Entries that a follower is not known to hold, told by the leader.',
    labels: ['shard', 'node'],
    read: ({ replicas }, sample) => {
      for (const { shard, followers } of replicas)
        for (const follower of followers) sample(follower.lagEntries, shard, follower.node);
    },
  },
  {
    name: 'torc_raft_commit_duration_seconds',
    type: 'histogram',
    help: 'Time from the proposal of an entry to its commit, at the leader.',
    labels: [],
    scale: SECONDS_PER_MS,
    read: (reading, sample) => sample(reading.commitDuration),
  },
];

const WAL: readonly MetricRow[] = [
  {
    name: 'torc_wal_sync_duration_seconds',
    type: 'histogram',
    help: 'Length of a sync of the log, or of a write when durability is buffered.',
    labels: [],
    scale: SECONDS_PER_MS,
    read: ({ wal }, sample) => sample(wal.syncDuration),
  },
  {
    name: 'torc_wal_batch_bytes',
    type: 'histogram',
    help: 'Bytes of one write to the log.',
    labels: [],
    scale: 1,
    read: ({ wal }, sample) => sample(wal.batchSize),
  },
  nodeGauge('wal_segments', 'Files of the log.', (reading) => reading.wal.segments),
  nodeGauge('wal_disk_bytes', 'Bytes that the log takes on disk.', (reading) => reading.wal.bytesOnDisk),
  nodeCounter(
    'snapshots_given_up',
    'Snapshots that too much was written for while they were made; they are made anew.',
    (reading) => reading.wal.snapshotsGivenUp,
  ),
  nodeCounter('wal_written_bytes', 'Bytes written to the log.', (reading) => reading.wal.bytesWritten),
];

const PEERS: readonly MetricRow[] = [
  peerRow('gauge', 'peer_connected', 'Whether the connection to the other node is open.', (peer) =>
    flag(peer.connected),
  ),
  peerRow(
    'gauge',
    'peer_round_trip_seconds',
    'Smoothed round trip to the other node; 0 before the first.',
    (peer) => peer.roundTripMs * SECONDS_PER_MS,
  ),
  peerRow('counter', 'peer_sent_bytes_total', 'Bytes sent to the other node.', (peer) => peer.sentBytes),
  peerRow(
    'counter',
    'peer_received_bytes_total',
    'Bytes received from the other node.',
    (peer) => peer.receivedBytes,
  ),
  peerRow('gauge', 'peer_buffered_bytes', 'Bytes queued for the other node.', (peer) => peer.bufferedBytes),
];

const MOVES: readonly MetricRow[] = [
  nodeGauge(
    'moves_running',
    'Moves of slots whose source this node leads.',
    (reading) => reading.moves.running,
  ),
  nodeGauge('moves_stuck', 'Those that have not come on for ten seconds.', (reading) => reading.moves.stuck),
  {
    name: 'torc_moves_total',
    type: 'counter',
    help: 'Moves that ended, told by the leader of the source: done, aborted by an operator, or failed, with slots that stayed.',
    labels: ['end'],
    read: ({ moves }, sample) => {
      sample(moves.ends.done, 'done');
      sample(moves.ends.aborted, 'aborted');
      sample(moves.ends.failed, 'failed');
    },
  },
  movedCounter('slots', 'Slots that went from one shard to another.', (pair) => pair.slots),
  movedCounter('keys', 'Keys in them.', (pair) => pair.keys),
  movedCounter('bytes', 'Bytes that were sent for that, those in vain, too.', (pair) => pair.bytes),
  leftGauge('slots', 'Slots of the moves under way that are still to go.', (pair) => pair.slots),
  leftGauge('keys', 'Keys in them.', (pair) => pair.keys),
  leftGauge('bytes', 'What those account for.', (pair) => pair.bytes),
  {
    name: 'torc_slot_pause_seconds',
    type: 'histogram',
    help: "How long a slot that moved was frozen at its source: from the fence to the target's decision.",
    labels: [],
    scale: SECONDS_PER_MS,
    read: ({ moves }, sample) => sample(moves.pauses),
  },
  nodeGauge(
    'slot_pause_longest_seconds',
    'The longest of those since the node started.',
    (reading) => reading.moves.longestPauseMs * SECONDS_PER_MS,
  ),
  {
    name: 'torc_move_duration_seconds',
    type: 'histogram',
    help: 'From when the leader of the source knew of a move until the register had it ended.',
    labels: [],
    scale: SECONDS_PER_MS,
    read: ({ moves }, sample) => sample(moves.durations),
  },
  nodeGauge(
    'move_sent_bytes_per_second',
    'Bytes of slots sent in about the last second.',
    (reading) => reading.moves.bytesPerSecond,
  ),
  nodeGauge(
    'move_throttle_bytes_per_second',
    'What may be sent: the limit, or less while commands are slow.',
    (reading) => reading.moves.throttleBytesPerSecond,
  ),
  {
    name: 'torc_move_requests_total',
    type: 'counter',
    help: 'Requests that met a slot on the move: parked, then forwarded to its owner, redirected with MOVED, or timed out.',
    labels: ['outcome'],
    read: ({ moves }, sample) => {
      sample(moves.requests.parked, 'parked');
      sample(moves.requests.forwarded, 'forwarded');
      sample(moves.requests.redirected, 'redirected');
      sample(moves.requests.timedOut, 'timed-out');
    },
  },
];

const GOSSIP: readonly MetricRow[] = [
  {
    name: 'torc_gossip_nodes',
    type: 'gauge',
    help: 'Nodes known here, this one included, by what the gossip says of them (alive, suspect, dead or left).',
    labels: ['state'],
    read: ({ gossip }, sample) => gossip.members.forEach(({ state, count }) => sample(count, state)),
  },
  nodeCounter(
    'gossip_suspicions',
    'Times that this node came to suspect another, by itself or by what it was told.',
    ({ gossip }) => gossip.suspicions,
  ),
  nodeCounter(
    'gossip_refutations',
    'Suspicions against this node that it took back.',
    ({ gossip }) => gossip.refutations,
  ),
  nodeCounter('gossip_probes', 'Probes of other nodes.', ({ gossip }) => gossip.probes),
  nodeCounter(
    'gossip_failed_probes',
    'Probes that were not answered in time, neither directly nor through others.',
    ({ gossip }) => gossip.probesFailed,
  ),
  nodeGauge(
    'gossip_local_health',
    'How much this node doubts itself; 0 is well, each point makes its probes wait one interval longer.',
    ({ gossip }) => gossip.localHealth,
  ),
  {
    name: 'torc_gossip_probe_duration_seconds',
    type: 'histogram',
    help: 'Time from a direct probe of another node to its answer.',
    labels: [],
    scale: SECONDS_PER_MS,
    read: ({ gossip }, sample) => sample(gossip.probeDuration),
  },
  nodeCounter('gossip_sent_messages', 'Messages of the gossip sent.', ({ gossip }) => gossip.sentMessages),
  nodeCounter('gossip_sent_bytes', 'Their bytes.', ({ gossip }) => gossip.sentBytes),
  nodeCounter(
    'gossip_received_messages',
    'Messages of the gossip received.',
    ({ gossip }) => gossip.receivedMessages,
  ),
  nodeCounter('gossip_received_bytes', 'Their bytes.', ({ gossip }) => gossip.receivedBytes),
];

const NODE: readonly MetricRow[] = [
  nodeGauge('ready', 'Whether the node is ready for traffic.', (reading) => flag(reading.ready)),
  nodeGauge('topology_epoch', 'Epoch of the cluster map known here.', (reading) => reading.topologyEpoch),
  nodeCounter(
    'shards_given_up',
    'Shards that were lost for good: an operator has given them up, and others have their slots, which began with what one replica held, or empty.',
    (reading) => reading.shardsSucceeded,
  ),
  nodeCounter(
    'paxos_rounds',
    'Ballots that this node began, to have a topology decided.',
    (reading) => reading.paxosRounds,
  ),
  nodeCounter(
    'paxos_conflicts',
    'Ballots that this node gave up for a higher one of another node.',
    (reading) => reading.paxosConflicts,
  ),
  nodeGauge(
    'memory_slab_bytes',
    'Bytes held from the system for keys and values, free parts included.',
    (reading) => reading.memory.slabBytes,
  ),
  nodeGauge(
    'memory_max_bytes',
    'The setting maxmemory; 0 for no limit.',
    (reading) => reading.memory.maxBytes,
  ),
  {
    name: 'torc_event_loop_delay_seconds',
    type: 'gauge',
    help: 'How late the event loop ran what was due, since the last scrape.',
    labels: ['statistic'],
    read: ({ loopDelay }, sample) => {
      sample(loopDelay.meanMs * SECONDS_PER_MS, 'mean');
      sample(loopDelay.p50Ms * SECONDS_PER_MS, 'p50');
      sample(loopDelay.p99Ms * SECONDS_PER_MS, 'p99');
      sample(loopDelay.maxMs * SECONDS_PER_MS, 'max');
    },
  },
];

/** By the names that Prometheus's client libraries share. */
const PROCESS: readonly MetricRow[] = [
  {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    help: 'Resident memory of the process.',
    labels: [],
    read: (reading, sample) => sample(reading.process.residentBytes),
  },
  {
    name: 'process_cpu_seconds_total',
    type: 'counter',
    help: 'CPU time of the process, user and system.',
    labels: [],
    read: (reading, sample) =>
      sample((reading.process.cpuUserUs + reading.process.cpuSystemUs) * SECONDS_PER_US),
  },
  {
    name: 'process_start_time_seconds',
    type: 'gauge',
    help: 'Start of the process, in seconds since 1970.',
    labels: [],
    read: (reading, sample) => sample(reading.process.startedAtWallMs * SECONDS_PER_MS),
  },
];

export const METRIC_ROWS: readonly MetricRow[] = [
  ...COMMANDS,
  ...CLIENTS,
  ...SHARDS,
  ...WAL,
  ...PEERS,
  ...MOVES,
  ...GOSSIP,
  ...REBALANCE,
  ...NODE,
  ...PROCESS,
];

/** Its labels do not change while the process runs: the page sets them once. */
export const BUILD_INFO = {
  name: 'torc_build_info',
  type: 'gauge',
  help: 'Always 1; the labels tell what runs.',
  labels: ['version', 'node_version'],
} as const;

function flag(value: boolean): number {
  return value ? 1 : 0;
}

function nodeGauge(name: string, help: string, value: (reading: MetricsReading) => number): ValueRow {
  return {
    name: `torc_${name}`,
    type: 'gauge',
    help,
    labels: [],
    read: (reading, sample) => sample(value(reading)),
  };
}

function nodeCounter(name: string, help: string, value: (reading: MetricsReading) => number): ValueRow {
  return { ...nodeGauge(`${name}_total`, help, value), type: 'counter' };
}

function replicaGauge(
  name: string,
  help: string,
  value: (replica: ReplicaReading) => number,
  more: readonly 'role'[] = [],
): ValueRow {
  return {
    name: `torc_${name}`,
    type: 'gauge',
    help,
    labels: ['shard', ...more],
    read: ({ replicas }, sample) => {
      for (const replica of replicas)
        sample(value(replica), replica.shard, ...more.map((label) => replica[label]));
    },
  };
}

function replicaCounter(name: string, help: string, value: (replica: ReplicaReading) => number): ValueRow {
  return { ...replicaGauge(`${name}_total`, help, value), type: 'counter' };
}

function movedCounter(what: string, help: string, value: (pair: MovedReading) => number): ValueRow {
  return pairRow('counter', `moved_${what}_total`, help, (reading) => reading.moves.moved, value);
}

function leftGauge(what: string, help: string, value: (pair: MovedReading) => number): ValueRow {
  return pairRow('gauge', `move_${what}_left`, help, (reading) => reading.moves.left, value);
}

/** By source and target. */
function pairRow(
  type: ValueRow['type'],
  name: string,
  help: string,
  pairs: (reading: MetricsReading) => readonly MovedReading[],
  value: (pair: MovedReading) => number,
): ValueRow {
  return {
    name: `torc_${name}`,
    type,
    help,
    labels: ['source', 'target'],
    read: (reading, sample) =>
      pairs(reading).forEach((pair) => sample(value(pair), pair.source, pair.target)),
  };
}

function peerRow(
  type: ValueRow['type'],
  name: string,
  help: string,
  value: (peer: PeerReading) => number,
): ValueRow {
  return {
    name: `torc_${name}`,
    type,
    help,
    labels: ['node'],
    read: ({ peers }, sample) => peers.forEach((peer) => sample(value(peer), peer.node)),
  };
}
