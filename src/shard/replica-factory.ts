/** Makes this node's replica of a shard from what recovery found, or anew. */
import type { Clock } from '../env/contracts.ts';
import { createRaft } from '../raft/raft.ts';
import type { Instant, Membership, RaftConfig, SnapshotMeta } from '../raft/types.ts';
import { createKeyspace } from '../store/keyspace.ts';
import type { SlabPool } from '../store/slab-pool.ts';
import type { KeyspaceLimits } from '../store/types.ts';
import type { NodeId, ShardEntry } from '../topology/types.ts';
import type { WalRecovery } from '../wal/types.ts';
import { LogTime } from './log-time.ts';
import { FIRST_POLICY } from './prelude.ts';
import { Replica } from './replica.ts';
import { StateMachine, type ShardCommandLookup } from './state-machine.ts';

/** The lease is this part of the promise that followers give (design section 4). */
export const LEASE_RATIO = 0.9;

export interface ReplicaSettings {
  heartbeatIntervalMs: number;
  electionTimeoutMs: number;
  electionSpreadMs: number;
  raftArrearsMs: number;
  raftMaxEntriesPerMessage: number;
  raftMaxBytesPerMessage: number;
  raftMaxMessagesInFlight: number;
  raftMaxBytesInFlight: number;
  raftMaxUncommittedBytes: number;
  raftMaxSnapshotChunkBytes: number;
}

export interface ReplicaDeps {
  clock: Clock;
  random: () => number;
  settings: ReplicaSettings;
  slabs: SlabPool;
  recovery: WalRecovery;
  lookup: ShardCommandLookup;
  ceilingMs: () => number;
  /** Loads the newest snapshot of the group, if there is one, into the state machine. */
  restore(machine: StateMachine, group: number): Promise<void>;
}

const NO_SNAPSHOT: Omit<SnapshotMeta, 'membership'> = { index: 0, term: 0 };
const UINT32_RANGE = 2 ** 32;

export async function makeReplica(
  deps: ReplicaDeps,
  shard: ShardEntry,
  self: NodeId,
  runEnd: (slot: number) => number,
): Promise<Replica> {
  const { settings, recovery, clock, random, slabs } = deps;
  const limits: KeyspaceLimits = { ...FIRST_POLICY.limits };
  const keyspace = createKeyspace({ slabs, limits });
  const machine = new StateMachine(keyspace, deps.lookup, FIRST_POLICY, limits, runEnd);
  await deps.restore(machine, shard.group);
  const time = new LogTime(
    { leaseMs: settings.electionTimeoutMs * LEASE_RATIO, ceilingMs: deps.ceilingMs },
    recovery.timeCeilingMs,
  );
  time.observe(machine.timeMs);
  const config = raftConfig(deps, shard, self, time);
  const found = recovery.groups.get(shard.group);
  const now: Instant = { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
  const raft = createRaft(
    config,
    {
      hardState: found?.hardState ?? { term: 0, vote: 0, commit: 0 },
      snapshot: found?.snapshot ?? { ...NO_SNAPSHOT, membership: config.membership },
      entries: found?.entries ?? [],
    },
    now,
  );
  return new Replica(shard.id, raft, machine, time, deps.lookup, random);
}

function raftConfig(deps: ReplicaDeps, shard: ShardEntry, self: NodeId, time: LogTime): RaftConfig {
  const { settings, random } = deps;
  const memberOf = (node: NodeId): number => shard.replicas.find((row) => row.node === node)?.member ?? 0;
  const membership: Membership = {
    voters: shard.replicas.map((row) => row.member),
    votersOld: [],
    learners: [],
  };
  return {
    group: shard.group,
    self: memberOf(self),
    membership,
    preferredLeader: memberOf(shard.home),
    heartbeatIntervalMs: settings.heartbeatIntervalMs,
    electionTimeoutMs: settings.electionTimeoutMs,
    electionSpreadMs: settings.electionSpreadMs,
    // The setting may have been a longer one before: promises given then bind.
    startHoldMs: Math.max(settings.electionTimeoutMs, deps.recovery.promiseMs),
    leaseRatio: LEASE_RATIO,
    arrearsMs: settings.raftArrearsMs,
    maxEntriesPerMessage: settings.raftMaxEntriesPerMessage,
    maxBytesPerMessage: settings.raftMaxBytesPerMessage,
    maxMessagesInFlight: settings.raftMaxMessagesInFlight,
    maxBytesInFlight: settings.raftMaxBytesInFlight,
    maxUncommittedBytes: settings.raftMaxUncommittedBytes,
    maxSnapshotChunkBytes: settings.raftMaxSnapshotChunkBytes,
    random: () => random() / UINT32_RANGE,
    timekeeper: time,
  };
}
