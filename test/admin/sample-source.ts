/** A node that was counted by hand: two replicas, one of them leading, and one other node. */
import type { AdminSource } from '../../src/admin/handler.ts';
import type { HealthCheck } from '../../src/admin/health.ts';
import type { MetricsReading, ReplicaReading } from '../../src/admin/metrics-source.ts';
import { STATUS_SCHEMA, type StatusReport } from '../../src/admin/status.ts';
import {
  latencyHistogram,
  pauseHistogram,
  sizeHistogram,
  type Histogram,
} from '../../src/metrics/histogram.ts';

function recorded(histogram: Histogram, ...values: number[]): Histogram {
  for (const value of values) histogram.record(value);
  return histogram;
}

const FOLLOWER: ReplicaReading = {
  shard: 2,
  role: 'follower',
  term: 4,
  hasLeader: true,
  commitIndex: 20,
  appliedIndex: 19,
  logBytes: 300,
  electionsStarted: 0,
  leaderChanges: 1,
  proposalsPending: 0,
  proposalsFailed: 0,
  followers: [],
  slots: 5461,
  keys: 7,
  usedBytes: 700,
  budgetBytes: 1000,
  evictedKeys: 0,
  expiredKeys: 3,
  commandsPerSecond: null,
  missingReplicas: null,
  failuresTolerated: null,
};

const LEADER: ReplicaReading = {
  ...FOLLOWER,
  shard: 1,
  role: 'leader',
  proposalsPending: 2,
  commandsPerSecond: 12.5,
  missingReplicas: 1,
  failuresTolerated: 0,
  followers: [{ node: 'node-2', lagEntries: 5 }],
};

export function sampleReading(): MetricsReading {
  return {
    ready: true,
    commands: [
      { name: 'get', calls: 3, latency: recorded(latencyHistogram(), 0.04, 0.3, 99_999), failures: 1 },
      { name: 'config|get', calls: 1, latency: recorded(latencyHistogram(), 1), failures: 0 },
    ],
    clients: {
      connectedClientPort: 3,
      connectedRedirectPort: 1,
      accepted: 9,
      refused: 2,
      receivedBytes: 1000,
      sentBytes: 2000,
      keyspaceHits: 11,
      keyspaceMisses: 12,
      forwarded: 13,
      redirected: 14,
      indeterminate: 0,
      clusterDown: 15,
      parked: 16,
    },
    replicas: [LEADER, FOLLOWER],
    commitDuration: recorded(latencyHistogram(), 2, 3),
    wal: {
      syncDuration: recorded(latencyHistogram(), 1.5),
      batchSize: recorded(sizeHistogram(), 512),
      segments: 3,
      bytesOnDisk: 192,
      bytesWritten: 512,
      snapshotsGivenUp: 0,
    },
    peers: [
      {
        node: 'node-2',
        connected: true,
        roundTripMs: 0.5,
        sentBytes: 21,
        receivedBytes: 22,
        bufferedBytes: 0,
      },
    ],
    moves: {
      running: 1,
      stuck: 0,
      ends: { done: 2, aborted: 1, failed: 0 },
      moved: [{ source: 1, target: 2, slots: 12, keys: 340, bytes: 5600 }],
      left: [{ source: 1, target: 3, slots: 5, keys: 60, bytes: 700 }],
      pauses: pauseHistogram(),
      longestPauseMs: 0,
      durations: latencyHistogram(),
      bytesPerSecond: 1000,
      throttleBytesPerSecond: 2000,
      requests: { parked: 4, forwarded: 3, redirected: 1, timedOut: 0 },
    },
    gossip: {
      members: [
        { state: 'alive', count: 2 },
        { state: 'suspect', count: 1 },
        { state: 'dead', count: 0 },
        { state: 'left', count: 0 },
      ],
      suspicions: 31,
      refutations: 32,
      probes: 33,
      probesFailed: 34,
      localHealth: 1,
      probeDuration: recorded(latencyHistogram(), 0.3),
      sentMessages: 35,
      sentBytes: 36,
      receivedMessages: 37,
      receivedBytes: 38,
    },
    memory: { slabBytes: 4096, maxBytes: 8192 },
    rebalance: {
      shares: [
        { shard: 1, weight: 1, quota: 5461 },
        { shard: 2, weight: 2, quota: 10_923 },
      ],
      balanceRatio: 1.0001,
      hasPlan: true,
      paused: false,
      obstructed: true,
      slotsPlanned: 100,
      slotsLeft: 40,
      movesRunning: 3,
      ended: new Map([['done', 2]]),
    },
    shardsSucceeded: 1,
    topologyEpoch: 1,
    paxosRounds: 7,
    paxosConflicts: 2,
    loopDelay: { meanMs: 0.1, p50Ms: 0.2, p99Ms: 3, maxMs: 20 },
    process: {
      residentBytes: 50_000,
      cpuUserUs: 1_000_000,
      cpuSystemUs: 500_000,
      startedAtWallMs: 1_700_000_000_000,
    },
  };
}

export function sampleStatus(): StatusReport {
  return {
    schema: STATUS_SCHEMA,
    build: { version: '0.1.0', nodeVersion: 'v20.20.2', newestVersion: 1 },
    cluster: { id: 'c'.repeat(40), generation: 1, epoch: 1, version: 1, boundToRecovery: [] },
    node: {
      name: 'node-1',
      id: 'a'.repeat(40),
      state: 'ready',
      reason: '',
      start: 1,
      uptimeMs: 1000,
      host: '127.0.0.1',
      clientPort: 6379,
      redirectPort: 7379,
      peerPort: 16_379,
      adminPort: 8379,
      zone: '',
      machine: 'box',
    },
    peers: [
      {
        id: 'b'.repeat(40),
        host: '127.0.0.1',
        adminPort: 8380,
        clientPort: 6380,
        connected: true,
        ready: true,
      },
    ],
    replicas: [
      {
        shard: 1,
        role: 'leader',
        member: 1,
        voters: [1, 2, 3],
        votersOld: [],
        learners: [],
        leader: 'a'.repeat(40),
        home: 'a'.repeat(40),
        slots: 16_384,
        term: 4,
        commit: 20,
        applied: 20,
        rules: 1,
        lagEntries: 0,
        keys: 7,
        memoryBytes: 700,
        budgetBytes: 1000,
        followers: [{ node: 'b'.repeat(40), match: 15, lagEntries: 5 }],
        failuresTolerated: 0,
      },
    ],
    members: [
      {
        id: 'a'.repeat(40),
        name: 'node-1',
        state: 'alive',
        incarnation: 2 ** 24 + 1,
        stateForMs: 1000,
        isInTopology: true,
        isLeaving: false,
        host: '127.0.0.1',
        clientPort: 6379,
        redirectPort: 7379,
        peerPort: 16_379,
        adminPort: 8379,
        zone: '',
        machine: 'box',
        weight: 1,
        version: '0.1.0',
        load: 1024,
        epoch: { generation: 1, epoch: 1 },
        leads: [1],
      },
    ],
    shards: [{ shard: 1, nodes: ['a'.repeat(40), 'b'.repeat(40)] }],
    memory: { usedBytes: 700, slabBytes: 4096, maxBytes: 8192, residentBytes: 50_000, roomBytes: 7000 },
  };
}

export function sampleSource(checks: readonly HealthCheck[] = []): AdminSource {
  return {
    readMetrics: sampleReading,
    readStatus: sampleStatus,
    readyChecks: () => checks,
    verification: {
      digest: (shard) =>
        Promise.resolve(
          shard === 1 ? { shard, index: 20, digest: 'd'.repeat(16) } : shard === 2 ? 'busy' : null,
        ),
      expectMark: (shard, mark) =>
        shard === 1 ? { shard, mark, state: 'expected', appliedIndex: 20 } : shard === 2 ? 'busy' : null,
      readMark: (shard, mark) =>
        shard === 1 && mark === 7 ? { shard, mark, state: 'done', index: 21, hash: 'd'.repeat(16) } : null,
      logMark: (shard) => (shard === 1 ? { index: 21 } : shard === 2 ? 'not-now' : null),
    },
    topology: () => null,
    readRebalance: () => Promise.resolve(null),
    proposePlan: () => Promise.resolve(null),
    topologyHistory: () => Promise.resolve([]),
    recoverTopology: () => Promise.resolve({ kind: 'refused', reason: 'not here' }),
    mayChangeTopology: () => false,
    changeTopology: () => Promise.resolve({ kind: 'refused', reason: 'not here' }),
  };
}
