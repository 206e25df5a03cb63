/** /metrics, /readyz and /api/status, read from the parts of the node. */
import type { HealthCheck } from '../admin/health.ts';
import type { CommandReading, MetricsReading, PeerReading, ReplicaReading } from '../admin/metrics-source.ts';
import { STATUS_SCHEMA, type BuildInfo, type ReplicaStatus, type StatusReport } from '../admin/status.ts';
import type { Env } from '../env/contracts.ts';
import type { Settings } from '../settings/rows.ts';
import { lagOf } from './catching-up.ts';
import { readMoves } from './moves.ts';
import { gossipReading, memberStatuses } from './members.ts';
import { entryOf, type NodeParts } from './parts.ts';
import { failuresTolerated, missingReplicas } from './fault-tolerance.ts';
import { commandsPerSecond, readRebalancing } from './rebalance-reading.ts';
import type { Replica } from '../shard/replica.ts';
import type { NodeId, ShardEntry } from '../topology/types.ts';

export function readyChecks(parts: NodeParts): HealthCheck[] {
  const { router, replicas, mesh, self } = parts;
  // An election is no reason to send clients away: their requests wait for its end.
  const leaderless = router.ways.filter((way) => way.slotCount > 0 && !way.route.takesRequests);
  const behind = parts.catchingUp.of(replicas, (shard) =>
    router.ways.some((way) => way.shard === shard && way.slotCount > 0),
  );
  const unreached = [...mesh.links.values()].filter((link) => link.node !== self && !link.connected);
  const checks: HealthCheck[] = [
    { name: 'founded', ok: true, reason: '' },
    { name: 'serving', ok: !parts.isStopping(), reason: 'the node is stopping' },
    {
      name: 'leaders',
      ok: leaderless.length === 0,
      reason: `no leader is reached for shards ${leaderless.map((way) => way.shard).join(', ')}`,
    },
    {
      name: 'applied',
      ok: behind.length === 0,
      reason: `replicas of shards ${behind.map((replica) => replica.shard).join(', ')} are catching up`,
    },
    peersCheck(unreached.length),
  ];
  if (checks.every((check) => check.ok)) parts.catchingUp.served();
  return checks;
}

/** Told, but no reason to take traffic away: the others serve on. */
function peersCheck(unreached: number): HealthCheck {
  const check = { name: 'peers', ok: true, reason: '' };
  if (unreached === 0) return check;
  return { ...check, note: `${unreached} ${unreached === 1 ? 'is' : 'are'} not reached` };
}

export function isReady(parts: NodeParts): boolean {
  return readyChecks(parts).every((check) => check.ok);
}

/** Empty when it is ready. */
export function notReadyReason(parts: NodeParts): string {
  return readyChecks(parts)
    .filter((check) => !check.ok)
    .map((check) => check.reason)
    .join('; ');
}

export function readStatus(parts: NodeParts, build: BuildInfo): StatusReport {
  const { env, settings, self, topology, peers, mesh, replicas, slabs } = parts;
  const own = entryOf(topology, self);
  const reason = notReadyReason(parts);
  const state = parts.isStopping() ? 'stopping' : reason === '' ? 'ready' : 'degraded';
  return {
    schema: STATUS_SCHEMA,
    build,
    cluster: {
      id: topology.clusterId,
      generation: topology.generation,
      epoch: topology.epoch,
      version: parts.clusterVersion(),
      boundToRecovery: parts.boundToRecovery(),
    },
    node: {
      name: settings.id,
      id: self,
      state,
      reason,
      start: parts.start,
      uptimeMs: env.clock.monotonicMs() - parts.startedMonotonicMs,
      host: own.host,
      clientPort: own.clientPort,
      redirectPort: own.redirectPort,
      peerPort: own.peerPort,
      adminPort: own.adminPort,
      zone: own.zone,
      machine: own.machine,
    },
    peers: topology.nodes
      .filter((node) => node.id !== self)
      .map((node) => {
        const connected = mesh.links.get(node.id)?.connected === true;
        return {
          id: node.id,
          host: node.host,
          adminPort: node.adminPort,
          clientPort: node.clientPort,
          connected,
          ready: peers.isReady(node.id, connected),
        };
      }),
    members: memberStatuses(parts),
    replicas: replicas.map((replica) => replicaStatus(parts, replica)),
    shards: topology.shards.map((shard) => ({
      shard: shard.id,
      nodes: shard.replicas.map(({ node }) => node),
    })),
    memory: {
      usedBytes: replicas.reduce((sum, replica) => sum + replica.machine.keyspace.usedBytes, 0),
      slabBytes: slabs.heldBytes,
      maxBytes: settings.maxmemoryBytes,
      residentBytes: env.machine.residentBytes(),
      roomBytes: parts.room.bytes,
    },
  };
}

/** What is known of a node that does not serve yet. */
export interface StartingParts {
  env: Env;
  settings: Settings;
  build: BuildInfo;
  /** Null until it is drawn. */
  node: NodeId | null;
  reason: string;
  start: number;
  startedMonotonicMs: number;
}

export function readStartingStatus(parts: StartingParts): StatusReport {
  const { env, settings, build } = parts;
  return {
    schema: STATUS_SCHEMA,
    build,
    cluster: null,
    node: {
      name: settings.id,
      id: parts.node,
      state: 'starting',
      reason: parts.reason,
      start: parts.start,
      uptimeMs: env.clock.monotonicMs() - parts.startedMonotonicMs,
      host: settings.announceHost,
      clientPort: settings.announceClientPort,
      redirectPort: settings.announceRedirectPort,
      peerPort: settings.announcePeerPort,
      adminPort: settings.announceAdminPort,
      zone: settings.zone,
      machine: settings.machine,
    },
    peers: [],
    members: [],
    shards: [],
    replicas: [],
    memory: {
      usedBytes: 0,
      slabBytes: 0,
      maxBytes: settings.maxmemoryBytes,
      residentBytes: env.machine.residentBytes(),
      roomBytes: 0,
    },
  };
}

export function readMetrics(parts: NodeParts): MetricsReading {
  const { env, settings, server, router, replicas, forwarding, topology, slabs } = parts;
  const { statistics } = server;
  const onPort = (port: string): number =>
    [...server.connections.values()].filter((connection) => connection.port === port).length;
  const { userUs, systemUs } = env.machine.cpuTime();
  return {
    ready: isReady(parts),
    commands: commandReadings(parts),
    clients: {
      connectedClientPort: onPort('client'),
      connectedRedirectPort: onPort('redirect'),
      accepted: statistics.connectionsReceived,
      refused: statistics.connectionsRejected,
      receivedBytes: statistics.inputBytes,
      sentBytes: statistics.outputBytes,
      keyspaceHits: replicas.reduce((sum, replica) => sum + replica.machine.hits, 0),
      keyspaceMisses: replicas.reduce((sum, replica) => sum + replica.machine.misses, 0),
      forwarded: forwarding.sent,
      redirected: statistics.redirected,
      indeterminate: statistics.indeterminate,
      clusterDown: statistics.clusterDown,
      parked: router.parkedRequests,
    },
    replicas: replicas.map((replica) => replicaReading(parts, replica)),
    commitDuration: parts.commitDuration,
    wal: {
      syncDuration: parts.syncDuration,
      batchSize: parts.batchSize,
      segments: parts.wal.stats.segments,
      bytesOnDisk: parts.wal.stats.bytesOnDisk,
      bytesWritten: parts.wal.stats.bytesWritten,
      snapshotsGivenUp: parts.snapshotter.givenUp,
    },
    peers: peerReadings(parts),
    moves: readMoves(parts.mover, router.holds.counters),
    gossip: gossipReading(parts),
    memory: { slabBytes: slabs.heldBytes, maxBytes: settings.maxmemoryBytes },
    rebalance: readRebalancing(parts),
    topologyEpoch: topology.epoch,
    shardsSucceeded: topology.succeeded ?? 0,
    paxosRounds: parts.paxosCounts().rounds,
    paxosConflicts: parts.paxosCounts().conflicts,
    loopDelay: parts.loopDelay.read(),
    process: {
      residentBytes: env.machine.residentBytes(),
      cpuUserUs: userUs,
      cpuSystemUs: systemUs,
      startedAtWallMs: parts.startedWallMs,
    },
  };
}

function commandReadings({ server }: NodeParts): CommandReading[] {
  const { statistics } = server;
  const readings: CommandReading[] = [];
  for (const [command, row] of statistics.rows.entries()) {
    const latency = statistics.latency[command];
    if (latency !== null)
      readings.push({
        name: row.name,
        calls: statistics.calls[command],
        latency,
        failures: statistics.failed[command],
      });
  }
  return readings;
}

function replicaReading(parts: NodeParts, replica: Replica): ReplicaReading {
  const { raft, machine } = replica;
  return {
    shard: replica.shard,
    role: raft.role,
    term: raft.term,
    hasLeader: raft.leader !== 0,
    commitIndex: raft.commitIndex,
    appliedIndex: machine.appliedIndex,
    logBytes: raft.logBytes,
    electionsStarted: raft.electionsStarted,
    leaderChanges: replica.counters.leaderChanges,
    proposalsPending: replica.proposalsPending,
    proposalsFailed: replica.counters.proposalsFailed,
    followers: followersOf(parts, replica).map(({ node, lagEntries }) => ({
      node: nameOf(parts, node),
      lagEntries,
    })),
    slots: slotsOf(parts, replica),
    keys: machine.keyspace.totalKeyCount(),
    usedBytes: machine.keyspace.usedBytes,
    budgetBytes: machine.policy.budgetBytes,
    evictedKeys: machine.keyspace.evictedCount,
    expiredKeys: machine.keyspace.expiredCount,
    commandsPerSecond: commandsPerSecond(parts, replica),
    missingReplicas: missingReplicas(parts, replica),
    failuresTolerated: failuresTolerated(parts, replica),
  };
}

function replicaStatus(parts: NodeParts, replica: Replica): ReplicaStatus {
  const { raft, machine } = replica;
  const shard = shardOf(parts, replica);
  return {
    shard: replica.shard,
    role: raft.role,
    member: raft.self,
    voters: raft.membership.voters,
    votersOld: raft.membership.votersOld,
    learners: raft.membership.learners,
    leader: shard.replicas.find((row) => row.member === raft.leader)?.node ?? null,
    home: shard.home,
    slots: slotsOf(parts, replica),
    term: raft.term,
    commit: raft.commitIndex,
    applied: machine.appliedIndex,
    rules: machine.rules,
    lagEntries: lagOf(replica),
    keys: machine.keyspace.totalKeyCount(),
    memoryBytes: machine.keyspace.usedBytes,
    budgetBytes: machine.policy.budgetBytes,
    followers: followersOf(parts, replica),
    failuresTolerated: failuresTolerated(parts, replica),
  };
}

function followersOf(
  parts: NodeParts,
  replica: Replica,
): { node: NodeId; match: number; lagEntries: number }[] {
  const { replicas } = shardOf(parts, replica);
  return replica.raft.progress().map(({ member, match }) => ({
    node: replicas.find((row) => row.member === member)?.node ?? '',
    match,
    lagEntries: Math.max(0, replica.raft.lastIndex - match),
  }));
}

function peerReadings(parts: NodeParts): PeerReading[] {
  return [...parts.mesh.links.values()].map((link) => ({
    node: nameOf(parts, link.node),
    connected: link.connected,
    roundTripMs: link.roundTripMs,
    sentBytes: link.sentBytes,
    receivedBytes: link.receivedBytes,
    bufferedBytes: link.bufferedBytes,
  }));
}

/** What people call a node: known once it has been heard. */
function nameOf({ peers }: NodeParts, node: NodeId): string {
  return peers.get(node)?.name ?? node.slice(0, 8);
}

function shardOf({ topology }: NodeParts, replica: Replica): ShardEntry {
  const shard = topology.shards.find((row) => row.id === replica.shard);
  if (shard === undefined) throw new TypeError(`shard ${replica.shard} is not in the topology`);
  return shard;
}

function slotsOf({ router }: NodeParts, replica: Replica): number {
  return router.ways.find((way) => way.shard === replica.shard)?.slotCount ?? 0;
}
