import { describe, expect, it } from 'vitest';

import { SimulatedClock, SimulatedTimers } from '../../src/env/sim/clock.ts';
import { Scheduler } from '../../src/env/sim/scheduler.ts';
import {
  ENTRY_HEADER_BYTES,
  EntryKind,
  sealEntry,
  writeEntryHeader,
  type Entry,
} from '../../src/raft/entry.ts';
import { createRaft } from '../../src/raft/raft.ts';
import type { Message, Role } from '../../src/raft/types.ts';
import { Engine } from '../../src/shard/engine.ts';
import { LogTime } from '../../src/shard/log-time.ts';
import { Replica } from '../../src/shard/replica.ts';
import type { Wal } from '../../src/wal/types.ts';
import { append, heartbeat, ofKind, voteResponse } from '../raft/messages.ts';
import { lookup, newMachine } from './fake-raft.ts';

const ELECTION_MS = 400;
const CEILING_MS = 5000;

/** One follower of three, or one alone, whose log is durable at once and whose ceilings are synced when the test says. */
function newRig(voters: readonly number[] = [1, 2, 3]) {
  const scheduler = new Scheduler();
  const sent: Message[] = [];
  /** What reached the disk and the peers, in order. */
  const effects: string[] = [];
  /** What it was when each turn followed leaders and sealed. */
  const roles: Role[] = [];
  const ceilings: { timeMs: number; synced: () => void }[] = [];
  const wal = {
    stageEntries: () => undefined,
    stageHardState: () => undefined,
    stageTimeCeiling: (timeMs: number, synced: () => void) => ceilings.push({ timeMs, synced }),
    flush: (durable: () => void) => {
      effects.push('disk');
      durable();
    },
  } as unknown as Wal;
  const clock = new SimulatedClock(scheduler, { rate: 1, wallMs: 0 });
  const engine = new Engine(clock, new SimulatedTimers(scheduler), wal, CEILING_MS, {
    send: (message) => sent.push(message),
    beforeSeal: () => roles.push(raft.role),
    flushPeers: () => effects.push('peers'),
    snapshots: () => undefined,
    flush: () => effects.push('end'),
    maintain: () => undefined,
    fatal: (error) => {
      throw error;
    },
  });
  const time = new LogTime({ leaseMs: 0.9 * ELECTION_MS, ceilingMs: () => engine.ceilingMs }, 0);
  const membership = { voters, votersOld: [], learners: [] };
  const raft = createRaft(
    {
      group: 1,
      self: 1,
      membership,
      preferredLeader: 0,
      heartbeatIntervalMs: 60,
      electionTimeoutMs: ELECTION_MS,
      electionSpreadMs: 0,
      startHoldMs: ELECTION_MS,
      leaseRatio: 0.9,
      arrearsMs: 0,
      maxEntriesPerMessage: 16,
      maxBytesPerMessage: 4096,
      maxMessagesInFlight: 4,
      maxBytesInFlight: 8192,
      maxUncommittedBytes: 4096,
      maxSnapshotChunkBytes: 64,
      random: () => 0,
      timekeeper: time,
      rules: { newest: 1, least: () => 1 },
    },
    { hardState: { term: 0, vote: 0, commit: 0 }, snapshot: { index: 0, term: 0, membership }, entries: [] },
    engine.readClock(),
  );
  const replica = new Replica(1, raft, newMachine(), time, lookup, () => 0);
  engine.add(replica);
  engine.wake();
  const run = (ms: number): void => scheduler.advance(ms);
  return { engine, raft, replica, time, sent, effects, roles, ceilings, run };
}

describe('a time above the synced ceiling', () => {
  it('is not acknowledged before a higher one is synced, and then at once', () => {
    const { engine, raft, replica, time, sent, ceilings, run } = newRig();
    engine.readClock();
    engine.step(replica, heartbeat({ from: 2, timeMs: CEILING_MS + 1 }));
    run(1);
    expect([sent, raft.leader, time.highestMs()]).toEqual([[], 0, 0]);
    ceilings[0].synced();
    run(1);
    expect(ceilings[0].timeMs).toBeGreaterThan(CEILING_MS + 1);
    expect(ofKind(sent, 'heartbeat-response').length).toBe(1);
    expect([raft.leader, time.highestMs()]).toEqual([2, CEILING_MS + 1]);
  });

  it('is not told before either: what a new leader sends first goes out as soon as it may', () => {
    const { engine, raft, replica, sent, ceilings, run } = newRig();
    run(ELECTION_MS);
    engine.readClock();
    engine.step(replica, voteResponse({ from: 2, term: 1, pre: true }));
    run(1);
    engine.readClock();
    engine.step(replica, voteResponse({ from: 2, term: 1, timeSeenMs: CEILING_MS }));
    run(1);
    expect(raft.role).toBe('leader');
    expect(ofKind(sent, 'append')).toEqual([]);
    ceilings[0].synced();
    run(1);
    expect(ofKind(sent, 'append').map(({ to }) => to)).toEqual([2, 3]);
  });
});

function noop(index = 1, sizeBytes = ENTRY_HEADER_BYTES): Entry {
  const bytes = Buffer.alloc(sizeBytes);
  writeEntryHeader(bytes, { kind: EntryKind.NOOP, rules: 1, seed: 0, stampMs: 0 });
  return sealEntry(bytes, 1, index);
}

describe('what goes to other nodes', () => {
  it('does not wait for the disk where it need not: entries of a leader go first', () => {
    const { engine, raft, replica, effects, run } = newRig();
    run(ELECTION_MS);
    engine.readClock();
    engine.step(replica, voteResponse({ from: 2, term: 1, pre: true }));
    run(1);
    effects.length = 0;
    engine.readClock();
    engine.step(replica, voteResponse({ from: 2, term: 1 }));
    run(1);
    expect(raft.role).toBe('leader');
    expect(effects.slice(0, 3)).toEqual(['peers', 'disk', 'end']);
  });

  it('waits for the disk where it tells what is there', () => {
    const { engine, replica, sent, effects, run } = newRig();
    run(1);
    effects.length = 0;
    engine.readClock();
    engine.step(replica, append({ from: 2, entries: [noop()] }));
    run(1);
    expect(ofKind(sent, 'append-response').length).toBe(1);
    expect(effects).not.toContain('peers');
    expect(effects.slice(0, 2)).toEqual(['disk', 'end']);
  });

  it('goes before what is committed is applied', () => {
    const { engine, replica, sent, effects, run } = newRig();
    run(1);
    engine.readClock();
    engine.step(replica, append({ from: 2, entries: [noop()] }));
    run(1);
    effects.length = 0;
    const skip = replica.machine.skip.bind(replica.machine);
    replica.machine.skip = (entry) => {
      effects.push('apply');
      skip(entry);
    };
    engine.readClock();
    engine.step(replica, append({ from: 2, prevIndex: 1, prevTerm: 1, commit: 1, entries: [noop(2)] }));
    run(1);
    expect(ofKind(sent, 'append-response').length).toBe(2);
    expect(effects.slice(0, 4)).toEqual(['disk', 'peers', 'apply', 'end']);
  });
});

describe('what is committed', () => {
  it("is applied in slices, and no turn applies more than some of them: the rest is the next ones'", () => {
    const { engine, replica, effects, run } = newRig();
    run(1);
    const entryBytes = 20 * 1024;
    const count = 100;
    effects.length = 0;
    const skip = replica.machine.skip.bind(replica.machine);
    replica.machine.skip = (entry) => {
      effects.push('apply');
      skip(entry);
    };
    const entries = Array.from({ length: count }, (_, i) => noop(i + 1, entryBytes));
    engine.readClock();
    engine.step(replica, append({ from: 2, commit: count, entries }));
    run(1);
    expect(replica.machine.appliedIndex).toBe(count);
    const turns = effects.join(' ').split('end');
    for (const turn of turns) expect(turn.split('apply').length - 1).toBeLessThanOrEqual(16);
    expect(turns.filter((turn) => turn.includes('apply')).length).toBeGreaterThan(1);
  });
});

describe('a member alone, whose own write commits', () => {
  it('has another turn at once when it has won, so that what waits for a leader goes on', () => {
    const { raft, roles, run } = newRig([1]);
    while (raft.role !== 'leader') run(1);
    expect(roles.at(-1)).toBe('leader');
  });

  it('has another turn at once when an entry is committed, so that what waits for room in the log goes on', () => {
    const { engine, raft, effects, run } = newRig([1]);
    while (raft.role !== 'leader') run(1);
    run(1);
    effects.length = 0;
    const bytes = Buffer.alloc(ENTRY_HEADER_BYTES);
    writeEntryHeader(bytes, { kind: EntryKind.NOOP, rules: 1, seed: 0, stampMs: 0 });
    raft.propose(bytes, engine.readClock());
    engine.wake();
    run(0);
    expect(raft.commitIndex).toBe(raft.lastIndex);
    expect(effects.filter((effect) => effect === 'end').length).toBe(2);
  });
});
