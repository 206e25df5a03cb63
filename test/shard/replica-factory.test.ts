/** What a replica makes of the start before. */
import { expect, it } from 'vitest';

import type { Clock } from '../../src/env/contracts.ts';
import { LogTime } from '../../src/shard/log-time.ts';
import { LEASE_RATIO, makeReplica, type ReplicaSettings } from '../../src/shard/replica-factory.ts';
import { createSlabPool } from '../../src/store/slab-pool.ts';
import type { ShardEntry } from '../../src/topology/types.ts';
import type { WalRecovery } from '../../src/wal/types.ts';
import { SHARD_RULES } from './fake-raft.ts';

const CLOCK = { monotonicMs: () => 0, wallMs: () => 0 } as Clock;

async function timeOf(electionTimeoutMs: number, recovery: Partial<WalRecovery>): Promise<LogTime> {
  const shard = { id: 1, group: 1, first: [1, 2, 3] } as unknown as ShardEntry;
  const replica = await makeReplica(
    {
      clock: CLOCK,
      random: () => 1,
      settings: { electionTimeoutMs } as ReplicaSettings,
      slabs: createSlabPool(),
      recovery: recovery as WalRecovery,
      rules: SHARD_RULES,
      clusterVersion: () => 1,
      ceilingMs: () => Infinity,
      restore: () => Promise.resolve(),
    },
    shard,
    1,
    undefined,
    () => 0,
    () => 16_383,
    () => [],
  );
  return replica.time;
}

it('a member that starts with a shorter election timeout tells a time above what the leader before may serve by the longer one (histories, 12)', async () => {
  const heardMs = 50_000;
  const voter = await timeOf(1000, { timeCeilingMs: heardMs, promiseMs: 2000 });
  // The wall clocks are behind.
  const next = new LogTime({ leaseMs: 1000 * LEASE_RATIO, ceilingMs: () => Infinity }, 0);
  const now = { monotonicMs: 0, wallMs: 0 };
  next.lead(voter.highestMs(), 0, now);
  expect(next.leaderTimeMs(now)).toBeGreaterThanOrEqual(heardMs + 2000 * LEASE_RATIO);
});

it('one that starts as before, or with a longer one, has seen what the disk says', async () => {
  for (const promiseMs of [0, 500, 1000])
    expect((await timeOf(1000, { timeCeilingMs: 50_000, promiseMs })).highestMs()).toBe(50_000);
});
