import { describe, expect, it } from 'vitest';

import { ENTRY_HEADER_BYTES, EntryKind, sealEntry, writeEntryHeader } from '../../src/raft/entry.ts';
import { sessionId } from '../../src/shard/batch.ts';
import { LARGE_COMMAND_BYTES } from '../../src/shard/command-item.ts';
import { HashDesk } from '../../src/shard/hash-desk.ts';
import { hashNow } from '../../src/shard/state-hash.ts';
import type { StateMachine } from '../../src/shard/state-machine.ts';
import { StateLoad, StateSnapshot } from '../../src/shard/state-snapshot.ts';
import { Refusal } from '../../src/shard/waiter.ts';
import type { Timers } from '../../src/env/contracts.ts';
import { itemOf } from './encode.ts';
import { Answer, newMachine, newRig, type Rig } from './fake-raft.ts';

const SESSION = sessionId('a'.repeat(40), 1);
/** The target of a batch; parts are far smaller. */
const ENTRY_MAX_BYTES = 1024 * 1024 + 1024;
const TIMERS: Timers = {
  after: () => ({ cancel: () => undefined }),
  endOfTurn: (run) => void setImmediate(run),
};
let sequence = 0;

function write(rig: Rig, ...words: (string | Buffer)[]): Answer {
  const answer = new Answer();
  const { bytes, start, end } = itemOf(words, ++sequence, 1);
  rig.replica.submitWrite(answer, SESSION, bytes, start, end, rig.now);
  return answer;
}

/** Commits and applies all that is proposed, turn by turn, until nothing new comes; returns how many entries each turn proposed. */
function run(rig: Rig, ...followers: StateMachine[]): number[] {
  const turns: number[] = [];
  for (;;) {
    rig.replica.seal(rig.now);
    const entries = rig.raft.log.splice(0);
    if (entries.length === 0) return turns;
    turns.push(entries.length);
    for (const { bytes } of entries) expect(bytes.length).toBeLessThan(ENTRY_MAX_BYTES);
    rig.raft.commitIndex = rig.raft.lastIndex;
    rig.replica.advance(entries, [], false, rig.now);
    for (const entry of entries) for (const machine of followers) machine.apply(entry, null);
  }
}

function text(sizeBytes: number, from = 'a'): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (let i = 0; i < sizeBytes; i++) bytes[i] = from.charCodeAt(0) + ((i * 7 + (i >> 9)) % 20);
  return bytes;
}

function get(rig: Rig, key: string): string | null {
  const answer = new Answer();
  rig.raft.leaseUntilMonotonicMs = rig.now.monotonicMs + 100;
  rig.raft.leaseRoundTimeMs = 1e9;
  const { bytes, start } = itemOf(['get', key]);
  rig.replica.submitRead(answer, bytes, start, rig.now);
  return answer.text;
}

function isReplyOf(reply: string | null, value: Buffer): boolean {
  return reply === `$${value.length}\r\n${value.toString('latin1')}\r\n`;
}

describe('large commands', () => {
  it('go into the log in parts, and run as one', () => {
    const rig = newRig();
    const [value, more] = [text(3_000_000), text(700_000, 'f')];
    const set = write(rig, 'set', 'k', value);
    const append = write(rig, 'append', 'k', more);
    run(rig);
    expect(set.text).toBe('+OK\r\n');
    expect(append.text).toBe(':3700000\r\n');
    expect(isReplyOf(get(rig, 'k'), Buffer.concat([value, more]))).toBe(true);
  });

  it('let small ones pass between their parts', () => {
    const rig = newRig();
    const large = write(rig, 'set', 'k', text(8 * 1024 * 1024));
    rig.replica.seal(rig.now);
    const small = write(rig, 'set', 's', 'v');
    rig.replica.seal(rig.now);
    const inFlight = rig.raft.log.splice(0);
    const bytesAhead = inFlight.reduce((sum, { bytes }) => sum + bytes.length, 0);
    expect(bytesAhead, 'what the small one waits behind').toBeLessThan(2.2 * 1024 * 1024);
    rig.raft.commitIndex = rig.raft.lastIndex;
    rig.replica.advance(inFlight, [], false, rig.now);
    expect([small.text, large.text]).toEqual(['+OK\r\n', null]);
    expect(run(rig).length).toBeGreaterThanOrEqual(3);
    expect(large.text).toBe('+OK\r\n');
  });

  it('are only those over the limit', () => {
    const rig = newRig();
    write(rig, 'set', 'k', text(LARGE_COMMAND_BYTES - 200));
    expect(rig.replica.seal(rig.now)).toBe(null);
    expect(rig.raft.log).toHaveLength(1);
  });

  it('wait while the log takes none, and are refused as unproposed when leadership is lost in the middle', () => {
    const rig = newRig();
    const [first, second] = [write(rig, 'set', 'k', text(5_000_000)), write(rig, 'set', 'l', text(600_000))];
    rig.replica.seal(rig.now);
    const proposed = rig.raft.log.length;
    rig.raft.outcome = 'full';
    rig.raft.commitIndex = rig.raft.lastIndex;
    rig.replica.seal(rig.now);
    expect(rig.raft.log).toHaveLength(proposed);
    expect([first.times, second.times]).toEqual([0, 0]);
    rig.raft.role = 'follower';
    rig.replica.settle();
    expect([first.refusal, second.refusal]).toEqual([Refusal.NOT_PROPOSED, Refusal.NOT_PROPOSED]);
    expect([first.times, second.times]).toEqual([1, 1]);
  });

  it('of which the last entry was proposed are refused as lost', () => {
    const rig = newRig();
    const large = write(rig, 'set', 'k', text(600_000));
    rig.replica.seal(rig.now);
    rig.raft.role = 'follower';
    rig.replica.settle();
    expect(large.refusal).toBe(Refusal.LOST);
  });

  it('that are staged twice, by two leaders, run once, and what the first staged in vain is dropped', () => {
    const rig = newRig();
    const follower = newMachine();
    write(rig, 'append', 'k', text(3_000_000));
    const item = itemOf(['append', 'k', text(3_000_000)], sequence, 1);
    rig.replica.seal(rig.now);
    for (const entry of rig.raft.log) follower.apply(entry, null);
    rig.replica.advance(rig.raft.log.splice(0), [], false, rig.now);
    expect(rig.machine.staged?.isWhole).toBe(false);
    expect(follower.staged?.filledBytes).toBe(rig.machine.staged?.filledBytes);
    rig.raft.role = 'follower';
    rig.replica.settle();

    rig.raft.role = 'leader';
    rig.raft.term = 2;
    rig.replica.settle();
    const noop = Buffer.alloc(ENTRY_HEADER_BYTES);
    writeEntryHeader(noop, { kind: EntryKind.NOOP, rules: 1, seed: 0, stampMs: 0 });
    const skipped = sealEntry(noop, 2, ++rig.raft.lastIndex);
    rig.replica.advance([skipped], [], false, rig.now);
    follower.skip(skipped);
    expect([rig.machine.staged, follower.staged]).toEqual([null, null]);

    const answers = [0, 1].map(() => {
      const answer = new Answer();
      rig.replica.submitWrite(answer, SESSION, item.bytes, item.start, item.end, rig.now);
      return answer;
    });
    run(rig, follower);
    expect(answers.map((answer) => answer.text)).toEqual([':3000000\r\n', ':3000000\r\n']);
    expect(isReplyOf(get(rig, 'k'), text(3_000_000))).toBe(true);
    expect(follower.keyspace.usedBytes).toBe(rig.machine.keyspace.usedBytes);
  });

  it('are refused when too much waits, unless they are alone', () => {
    const rig = newRig();
    const value = text(600_000);
    const one = itemOf(['set', 'k', value], ++sequence, 1);
    const answers = Array.from({ length: 1000 }, () => {
      const answer = new Answer();
      rig.replica.submitWrite(answer, SESSION, one.bytes, one.start, one.end, rig.now);
      return answer;
    });
    const refused = answers.findIndex(({ refusal }) => refusal !== null);
    expect(answers[refused].refusal).toBe(Refusal.LOG_FULL);
    expect(refused * value.length).toBeLessThanOrEqual(512 * 1024 * 1024);
    expect(refused * value.length).toBeGreaterThan(500 * 1024 * 1024);
  });

  it('that went another way do not run, nor take room, whether parts of them are in the log or not', () => {
    const rig = newRig();
    const begun = write(rig, 'set', 'k', text(10_000_000));
    const [gone, stays] = [write(rig, 'set', 'k', text(600_000)), write(rig, 'set', 'l', text(700_000))];
    rig.replica.seal(rig.now);
    expect(rig.raft.log.length).toBeGreaterThan(5);
    rig.replica.disown((waiter) => waiter === begun || waiter === gone);
    const entries = run(rig).reduce((sum, count) => sum + count, 0);
    expect([begun.times, gone.times, stays.text]).toEqual([0, 0, '+OK\r\n']);
    expect(get(rig, 'k')).toBe('$-1\r\n');
    expect(isReplyOf(get(rig, 'l'), text(700_000))).toBe(true);
    // The window of the first, and three parts of the last with what runs it.
    expect(entries).toBeLessThan(8 + 3 + 3);
    // Sent again and again, they do not fill the queue.
    for (let i = 0; i < 12; i++) {
      const again = write(rig, 'set', 'k', Buffer.alloc(60_000_000));
      rig.replica.disown((waiter) => waiter === again);
      expect(again.times).toBe(0);
    }
    expect(rig.machine.staged).toBeNull();
  });

  it('give large replies buffers of their own', () => {
    const rig = newRig();
    const kept: { bytes: Buffer; start: number; end: number }[] = [];
    const keeper = {
      reply: (bytes: Buffer, start: number, end: number): void => void kept.push({ bytes, start, end }),
      replyLong: () => undefined,
      refuse: () => undefined,
    };
    run(rig);
    for (const from of ['a', 'f']) {
      write(rig, 'set', from, text(600_000, from));
      run(rig);
      const { bytes, start, end } = itemOf(['getset', from, 'x'], ++sequence, 1);
      rig.replica.submitWrite(keeper, SESSION, bytes, start, end, rig.now);
      run(rig);
    }
    const texts = kept.map(({ bytes, start, end }) => bytes.toString('latin1', start, end));
    expect(isReplyOf(texts[0], text(600_000, 'a'))).toBe(true);
    expect(isReplyOf(texts[1], text(600_000, 'f'))).toBe(true);
  });

  it('evict what they need bit by bit, as their parts go out', () => {
    const rig = newRig({ budgetBytes: 8 * 1024 * 1024, eviction: 'allkeys-random' });
    for (let i = 0; i < 600; i++) write(rig, 'set', `k${i}`, text(10_000));
    run(rig);
    const before = rig.machine.keyspace.totalKeyCount();
    const large = write(rig, 'set', 'large', text(4 * 1024 * 1024));
    const counts: number[] = [];
    for (;;) {
      rig.replica.seal(rig.now);
      const entries = rig.raft.log.splice(0);
      if (entries.length === 0) break;
      rig.raft.commitIndex = rig.raft.lastIndex;
      rig.replica.advance(entries, [], false, rig.now);
      counts.push(rig.machine.keyspace.totalKeyCount());
    }
    expect(large.text).toBe('+OK\r\n');
    expect(counts.length).toBeGreaterThan(2);
    expect(counts[1]).toBeLessThan(before);
    expect(rig.machine.keyspace.usedBytes).toBeLessThan(9 * 1024 * 1024);
  });
});

describe('a state that a snapshot is taking the place of', () => {
  it('has no digest until all of it is there', async () => {
    const rig = newRig();
    for (let i = 0; i < 100; i++) write(rig, 'set', `k${i}`, 'v');
    run(rig);
    const snapshot = new StateSnapshot(rig.machine);
    const { appliedIndex, appliedTerm } = rig.machine;
    const other = newMachine();
    const desk = new HashDesk(other, { monotonicMs: () => 0 }, TIMERS, () => undefined);
    const load = new StateLoad(other, appliedIndex, appliedTerm);
    for (let slice = snapshot.next(500); slice !== null; slice = snapshot.next(500)) {
      expect(await desk.now()).toBe(null);
      load.feed(Buffer.from(slice));
    }
    load.finish();
    expect(hashNow(other)).toBe(hashNow(rig.machine));
  });
});

describe('a snapshot between two parts', () => {
  it('has what is staged, and the rest of the log goes on from there', async () => {
    const rig = newRig();
    const value = text(3_000_000);
    write(rig, 'set', 'k', value);
    rig.replica.seal(rig.now);
    rig.replica.advance(rig.raft.log.splice(0), [], false, rig.now);
    const { staged } = rig.machine;
    expect(staged?.filledBytes).toBeGreaterThan(0);
    const snapshot = new StateSnapshot(rig.machine);
    const { appliedIndex, appliedTerm } = rig.machine;
    const slices: Buffer[] = [];
    for (let slice = snapshot.next(65_536); slice !== null; slice = snapshot.next(65_536)) slices.push(slice);
    const other = newMachine();
    const load = new StateLoad(other, appliedIndex, appliedTerm);
    for (const slice of slices) load.feed(slice);
    load.finish();
    expect(other.staged?.filledBytes).toBe(staged?.filledBytes);
    expect(hashNow(other)).toBe(hashNow(rig.machine));

    rig.raft.commitIndex = rig.raft.lastIndex;
    run(rig, other);
    expect(other.staged).toBe(null);
    expect(hashNow(other)).toBe(hashNow(rig.machine));
    expect(other.keyspace.totalKeyCount()).toBe(1);
  });
});
