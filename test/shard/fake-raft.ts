import type { Entry } from '../../src/raft/entry.ts';
import { entryRules, sealEntry } from '../../src/raft/entry.ts';
import type { Instant, ProposeOutcome, RaftCore, ReadReady } from '../../src/raft/types.ts';
import { FIRST_VERSION } from '../../src/topology/cluster-version.ts';
import { COMMANDS, RULES } from '../../src/commands/table.ts';
import { LogTime } from '../../src/shard/log-time.ts';
import type { MemoryPolicy } from '../../src/shard/prelude.ts';
import { Replica } from '../../src/shard/replica.ts';
import { StateMachine, type ShardCommandLookup, type ShardRules } from '../../src/shard/state-machine.ts';
import type { Refusal, Waiter } from '../../src/shard/waiter.ts';
import { createKeyspace } from '../../src/store/keyspace.ts';
import { createSlabPool } from '../../src/store/slab-pool.ts';
import { compiledLookup, compiledRules } from '../../src/server/compiled-command.ts';

/** Of this build. */
export const SHARD_RULES: ShardRules = compiledRules(RULES);
export const lookup: ShardCommandLookup = compiledLookup(COMMANDS);

export function newMachine(
  policy: Partial<MemoryPolicy> = {},
  rules = SHARD_RULES,
  effectsKeptMaxBytes?: number,
): StateMachine {
  const limits = { hashMaxListpackEntries: 128, hashMaxListpackValueBytes: 64 };
  const whole: MemoryPolicy = { budgetBytes: 0, eviction: 'noeviction', limits: { ...limits }, ...policy };
  return new StateMachine(
    createKeyspace({ slabs: createSlabPool(), limits }),
    rules,
    whole,
    limits,
    () => 16383,
    effectsKeptMaxBytes,
  );
}

/** A member of Raft that does what the test says. */
export class FakeRaft {
  role: 'leader' | 'follower' = 'leader';
  group = 1;
  term = 1;
  leader = 1;
  readable = true;
  lastIndex = 1;
  commitIndex = 1;
  rules = FIRST_VERSION;
  nextRules = FIRST_VERSION;
  outcome: ProposeOutcome = 'proposed';
  leaseUntilMonotonicMs = 0;
  leaseUntilWallMs = Infinity;
  leaseFromMonotonicMs = 0;
  leaseFromWallMs = 0;
  leaseRoundTimeMs = 0;
  leaseMs = 900;
  readonly log: Entry[] = [];
  private readId = 0;

  propose(bytes: Buffer): ProposeOutcome {
    if (this.outcome !== 'proposed') return this.outcome;
    this.lastIndex += 1;
    const entry = sealEntry(bytes, this.term, this.lastIndex);
    this.rules = entryRules(entry);
    this.log.push(entry);
    return 'proposed';
  }

  requestRead(): number {
    return this.role === 'leader' ? ++this.readId : 0;
  }

  /** The read that was asked last, as confirmed at the commit index of when it was asked. */
  confirmed(index: number, roundTimeMs = 0): ReadReady {
    return { id: this.readId, index, roundTimeMs };
  }
}

export class Answer implements Waiter {
  text: string | null = null;
  refusal: Refusal | null = null;
  times = 0;

  reply(bytes: Buffer, start: number, end: number): void {
    this.times += 1;
    this.text = bytes.toString('latin1', start, end);
  }

  replyLong(pieces: readonly Buffer[]): void {
    this.times += 1;
    this.text = Buffer.concat(pieces).toString('latin1');
  }

  refuse(refusal: Refusal): void {
    this.times += 1;
    this.refusal = refusal;
  }
}

export interface Rig {
  raft: FakeRaft;
  machine: StateMachine;
  replica: Replica;
  now: Instant;
  ceilingMs: number;
}

/** A leader that has applied the first entry of its term. */
export function newRig(policy: Partial<MemoryPolicy> = {}, rules = SHARD_RULES): Rig {
  const raft = new FakeRaft();
  const machine = newMachine(policy, rules);
  machine.appliedIndex = 1;
  machine.appliedTerm = 1;
  const now = { monotonicMs: 1000, wallMs: 1000 };
  const time = new LogTime({ leaseMs: 900, ceilingMs: () => rig.ceilingMs }, 0);
  let seed = 1;
  const random = (): number => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0);
  const replica = new Replica(1, raft as unknown as RaftCore, machine, time, lookup, random);
  const rig: Rig = { raft, machine, replica, now, ceilingMs: 1e12 };
  time.lead(0, 1000, now);
  replica.settle();
  return rig;
}
