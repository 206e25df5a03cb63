/** Makes this node's replica of a shard from what recovery found, or anew. */
import type { Clock } from '../env/contracts.ts';
import { createRaft } from '../raft/raft.ts';
import type { Instant, MemberId, Membership, RaftConfig, SnapshotMeta } from '../raft/types.ts';
import { createKeyspace } from '../store/keyspace.ts';
import type { SlabPool } from '../store/slab-pool.ts';
import type { KeyspaceLimits } from '../store/types.ts';
import type { ShardEntry, SlotRange } from '../topology/types.ts';
import type { RecoveredGroup, WalRecovery } from '../wal/types.ts';
import { LogTime } from './log-time.ts';
import { FIRST_POLICY } from './prelude.ts';
import { Replica } from './replica.ts';
import { StateMachine, type ShardRules } from './state-machine.ts';

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
  rules: ShardRules;
  /** What the register says. */
  clusterVersion: () => number;
  ceilingMs: () => number;
  /** Loads the newest snapshot of the group, if there is one, into the state machine. */
  restore(machine: StateMachine, group: number): Promise<void>;
}

const NO_SNAPSHOT: Omit<SnapshotMeta, 'membership'> = { index: 0, term: 0 };
const UINT32_RANGE = 2 ** 32;

/** `found`: what recovery found of this very member. */
export async function makeReplica(
  deps: ReplicaDeps,
  shard: ShardEntry,
  self: MemberId,
  found: RecoveredGroup | undefined,
  preferredLeader: () => MemberId,
  runEnd: (slot: number) => number,
  firstSlots: () => readonly SlotRange[],
): Promise<Replica> {
  const { settings, recovery, clock, random, slabs } = deps;
  const limits: KeyspaceLimits = { ...FIRST_POLICY.limits };
  const keyspace = createKeyspace({ slabs, limits });
  const machine = new StateMachine(keyspace, deps.rules, FIRST_POLICY, limits, runEnd);
  await deps.restore(machine, shard.group);
  const time = new LogTime(
    { leaseMs: settings.electionTimeoutMs * LEASE_RATIO, ceilingMs: deps.ceilingMs },
    seenAtStartMs(recovery, settings),
  );
  time.observe(machine.timeMs);
  const config = raftConfig(deps, shard, self, preferredLeader, time, machine);
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
  return new Replica(shard.id, raft, machine, time, deps.rules.at(deps.rules.newest), random, firstSlots);
}

/**
 * The leader that it followed before may have held a longer lease, by a setting that is shorter now, and have served times up to that: one that is
 * elected by this member adds the lease of the new setting alone.
 */
function seenAtStartMs({ timeCeilingMs, promiseMs }: WalRecovery, settings: ReplicaSettings): number {
  return timeCeilingMs + Math.max(0, promiseMs - settings.electionTimeoutMs) * LEASE_RATIO;
}

/** What a member takes for its group's configuration while its log says nothing of it. */
export function firstMembership({ first }: ShardEntry, self: MemberId): Membership {
  // Any other opens empty, and learns from the group's log who its members are.
  return { voters: first.includes(self) ? first : [], votersOld: [], learners: [] };
}

function raftConfig(
  deps: ReplicaDeps,
  shard: ShardEntry,
  self: MemberId,
  preferredLeader: () => MemberId,
  time: LogTime,
  machine: StateMachine,
): RaftConfig {
  const { settings, random } = deps;
  return {
    group: shard.group,
    self,
    membership: firstMembership(shard, self),
    // Homes change with the topology.
    get preferredLeader() {
      return preferredLeader();
    },
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
    rules: {
      newest: deps.rules.newest,
      least: () => Math.max(machine.rules, deps.clusterVersion()),
    },
  };
}
