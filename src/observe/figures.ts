/** INFO's numbers, read from the parts of the node. */
import type { PortKind } from '../commands/local-context.ts';
import type {
  ClientFigures,
  CommandFigures,
  DatabaseFigures,
  MemoryFigures,
  NodeFigures,
  StatisticsFigures,
} from '../commands/node-figures.ts';
import type { Histogram } from '../metrics/histogram.ts';
import { keyCounts } from '../server/news.ts';
import type { Replica } from '../shard/replica.ts';
import type { LastingCounts, NodeParts } from './parts.ts';

const US_PER_MS = 1000;
const BYTES_PER_KILOBYTE = 1024;

export function readFigures(parts: NodeParts, port: PortKind): NodeFigures {
  const { env, settings, replicas, server } = parts;
  return {
    startedWallMs: parts.startedWallMs,
    processId: env.machine.processId,
    clientPort: settings.clientPort,
    redirectPort: settings.redirectPort,
    clients: clientFigures(parts),
    memory: memoryFigures(parts),
    persistence: {
      durability: settings.durability,
      lastSnapshotUnixSeconds: Math.floor(
        (parts.snapshotter.lastFinishedWallMs || parts.startedWallMs) / 1000,
      ),
      snapshotUnderWay: parts.snapshotter.isMaking,
      logBytesOnDisk: parts.wal.stats.bytesOnDisk,
      walSyncs: parts.wal.stats.syncs,
    },
    statistics: statisticsFigures(parts),
    replication: {
      shardsLed: replicas.filter((replica) => replica.isLeader).length,
      replicasHeld: replicas.length,
      offset: replicas.reduce((sum, replica) => sum + replica.machine.appliedIndex, 0),
    },
    cpu: env.machine.cpuTime(),
    commands: commandFigures(parts),
    errors: [...server.statistics.errorCodes].map(([code, count]) => ({ code, count })),
    databases: databaseFigures(parts, port),
  };
}

function clientFigures({ server, settings }: NodeParts): ClientFigures {
  const figures: ClientFigures = {
    connected: server.connections.size,
    clusterConnections: 0,
    maxClients: settings.maxclients,
    blocked: 0,
    pubsub: 0,
    largestQueryBytes: 0,
    largestReplyBytes: 0,
    bufferBytes: 0,
  };
  for (const connection of server.connections.values()) {
    const buffers = connection.buffers();
    if (connection.port === 'redirect') figures.clusterConnections += 1;
    if (connection.blocked) figures.blocked += 1;
    if (connection.channels.size + connection.patterns.size > 0) figures.pubsub += 1;
    figures.largestQueryBytes = Math.max(figures.largestQueryBytes, buffers.queryBytes);
    figures.largestReplyBytes = Math.max(figures.largestReplyBytes, buffers.queuedBytes);
    figures.bufferBytes += buffers.totalBytes;
  }
  return figures;
}

function memoryFigures({ env, settings, replicas, slabs, rates }: NodeParts): MemoryFigures {
  const heap = env.machine.heap();
  const usedBytes = replicas.reduce((sum, replica) => sum + replica.machine.keyspace.usedBytes, 0);
  rates.peakUsedBytes = Math.max(rates.peakUsedBytes, usedBytes);
  return {
    usedBytes,
    peakBytes: rates.peakUsedBytes,
    slabBytes: slabs.heldBytes,
    heapUsedBytes: heap.usedBytes,
    heapTotalBytes: heap.totalBytes,
    residentBytes: env.machine.residentBytes(),
    logBytes: replicas.reduce((sum, replica) => sum + replica.raft.logBytes, 0),
    systemBytes: env.machine.memoryBytes,
    maxmemoryBytes: settings.maxmemoryBytes,
    maxmemoryPolicy: settings.maxmemoryPolicy,
  };
}

/** INFO counts anew. */
export function resetFigures(parts: NodeParts): void {
  parts.server.statistics.reset();
  parts.rates.atReset = lastingCounts(parts);
}

function lastingCounts({ replicas, forwarding }: NodeParts): LastingCounts {
  const sum = (of: (replica: (typeof replicas)[number]) => number): number =>
    replicas.reduce((total, replica) => total + of(replica), 0);
  return {
    expiredKeys: sum((replica) => replica.machine.keyspace.expiredCount),
    evictedKeys: sum((replica) => replica.machine.keyspace.evictedCount),
    keyspaceHits: sum((replica) => replica.machine.hits),
    keyspaceMisses: sum((replica) => replica.machine.misses),
    forwarded: forwarding.sent,
  };
}

function statisticsFigures(parts: NodeParts): StatisticsFigures {
  const { rates } = parts;
  const { statistics } = parts.server;
  const lasting = lastingCounts(parts);
  // A replica that has left took its counts along.
  const since = (count: keyof LastingCounts): number => Math.max(0, lasting[count] - rates.atReset[count]);
  return {
    connectionsReceived: statistics.connectionsReceived,
    connectionsRejected: statistics.connectionsRejected,
    commandsProcessed: statistics.commandsProcessed,
    commandsPerSecond: rates.commandsPerSecond,
    inputBytes: statistics.inputBytes,
    outputBytes: statistics.outputBytes,
    inputKilobytesPerSecond: rates.inputBytesPerSecond / BYTES_PER_KILOBYTE,
    outputKilobytesPerSecond: rates.outputBytesPerSecond / BYTES_PER_KILOBYTE,
    expiredKeys: since('expiredKeys'),
    evictedKeys: since('evictedKeys'),
    keyspaceHits: since('keyspaceHits'),
    keyspaceMisses: since('keyspaceMisses'),
    errorReplies: statistics.errorReplies,
    readsProcessed: statistics.reads,
    writesProcessed: statistics.writes,
    forwarded: since('forwarded'),
    redirected: statistics.redirected,
  };
}

function commandFigures({ server }: NodeParts): CommandFigures[] {
  const { statistics } = server;
  const figures: CommandFigures[] = [];
  for (const [command, row] of statistics.rows.entries()) {
    const histogram = statistics.latency[command];
    // Failed ones count among the calls, or among the rejected.
    if (statistics.calls[command] === 0 && statistics.rejected[command] === 0) continue;
    figures.push({
      name: row.name,
      calls: statistics.calls[command],
      totalUs: (histogram?.sum ?? 0) * US_PER_MS,
      rejected: statistics.rejected[command],
      failed: statistics.failed[command],
      p50Us: histogram === null ? 0 : percentileMs(histogram, 0.5) * US_PER_MS,
      p99Us: histogram === null ? 0 : percentileMs(histogram, 0.99) * US_PER_MS,
      p999Us: histogram === null ? 0 : percentileMs(histogram, 0.999) * US_PER_MS,
    });
  }
  return figures;
}

/** The upper bound of the bucket that the percentile lies in. */
function percentileMs(histogram: Histogram, ratio: number): number {
  let left = histogram.count * ratio;
  for (const [bucket, bound] of histogram.bounds.entries()) {
    left -= histogram.countIn(bucket);
    if (left <= 0) return bound;
  }
  return histogram.bounds.at(-1) ?? 0;
}

/** On the client port all keys of the cluster: a replica that votes is asked here, and of other shards it is what their leaders told last. */
function databaseFigures({ replicas, topology, peers }: NodeParts, port: PortKind): DatabaseFigures[] {
  const counts =
    port === 'redirect'
      ? replicas.filter(({ isLeader }) => isLeader).flatMap(keyCounts)
      : topology.shards.flatMap(({ id }) => {
          const own = replicas.find((replica) => replica.shard === id && isVoter(replica));
          return own === undefined ? peers.keysOf(id) : keyCounts(own);
        });
  const figures = new Map<number, DatabaseFigures>();
  for (const [, db, keys, expires] of counts) {
    const sum = figures.get(db) ?? { db, keys: 0, expires: 0 };
    figures.set(db, { db, keys: sum.keys + keys, expires: sum.expires + expires });
  }
  return [...figures.values()].toSorted((a, b) => a.db - b.db);
}

/** Else it may still be empty. */
function isVoter({ raft }: Replica): boolean {
  return raft.committedMembership.membership.voters.includes(raft.self);
}
