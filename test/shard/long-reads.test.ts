import { describe, expect, it } from 'vitest';

import { sessionId } from '../../src/shard/batch.ts';
import type { LongRead } from '../../src/commands/long-read.ts';
import { skipReply } from '../../src/resp/reply-scan.ts';
import { LongReads } from '../../src/shard/long-reads.ts';
import { StateLoad, StateSnapshot } from '../../src/shard/state-snapshot.ts';
import { NOBODY, Refusal } from '../../src/shard/waiter.ts';
import { itemOf } from './encode.ts';
import { Answer, newRig, type Rig } from './fake-raft.ts';

const SESSION = sessionId('a'.repeat(40), 1);
const FIELDS = 20_000;
let sequence = 0;

function write(rig: Rig, ...words: string[]): Answer {
  const answer = new Answer();
  const { bytes, start, end } = itemOf(words, ++sequence, 1);
  rig.replica.submitWrite(answer, SESSION, bytes, start, end, rig.now);
  return answer;
}

function read(rig: Rig, rides: boolean, ...words: string[]): Answer {
  const answer = new Answer();
  const { bytes, start } = itemOf(words);
  if (rides) rig.replica.submitRidingRead(answer, bytes, start, rig.now);
  else rig.replica.submitRead(answer, bytes, start, rig.now);
  return answer;
}

function commit(rig: Rig): void {
  rig.replica.seal(rig.now);
  rig.replica.advance(rig.raft.log.splice(0), [], false, rig.now);
}

/** A leader under its lease with a large hash `h`: field i holds i. */
function rigWithHash(): Rig {
  const rig = newRig();
  rig.raft.leaseUntilMonotonicMs = rig.now.monotonicMs + 100;
  rig.raft.leaseRoundTimeMs = 1e9;
  for (let at = 0; at < FIELDS; at += 1000) {
    const pairs = Array.from({ length: 1000 }, (_, i) => [`f${at + i}`, `${at + i}`]).flat();
    write(rig, 'hset', 'h', ...pairs);
  }
  commit(rig);
  return rig;
}

function finish(rig: Rig): number {
  let steps = 1;
  while (rig.replica.stepLongReads(rig.now.monotonicMs)) steps += 1;
  return steps;
}

function elements(answer: Answer): string[] {
  const reply = Buffer.from(answer.text ?? '', 'latin1');
  const found: string[] = [];
  for (let at = reply.indexOf('\n') + 1; at < reply.length;) {
    const end = skipReply(reply, at);
    found.push(reply.toString('latin1', reply.indexOf('\n', at) + 1, end - 2));
    at = end;
  }
  expect(answer.text).toMatch(new RegExp(`^\\*${found.length}\r\n`));
  return found;
}

function asHash(answer: Answer): Map<string, string> {
  const all = elements(answer);
  return new Map(Array.from({ length: all.length / 2 }, (_, i) => [all[2 * i], all[2 * i + 1]]));
}

describe('a read of a large hash', () => {
  it('takes many steps, and tells the state at its beginning whatever is written meanwhile', () => {
    const rig = rigWithHash();
    const answer = read(rig, false, 'hgetall', 'h');
    expect(answer.times).toBe(0);
    rig.replica.stepLongReads(rig.now.monotonicMs);
    write(rig, 'hset', 'h', 'f1', 'other', 'new', 'field', 'f19999', 'x'.repeat(100));
    write(rig, 'hdel', 'h', 'f2', 'f19998');
    commit(rig);
    rig.replica.stepLongReads(rig.now.monotonicMs);
    write(rig, 'del', 'h');
    commit(rig);
    expect(rig.machine.keyspace.reclaim(1e6)).toBe(false);
    expect(finish(rig)).toBeGreaterThan(5);
    const told = asHash(answer);
    expect(told.size).toBe(FIELDS);
    for (let i = 0; i < FIELDS; i++) expect(told.get(`f${i}`)).toBe(`${i}`);
  });

  it('stands where it was sent among the writes of its entry', () => {
    const rig = rigWithHash();
    write(rig, 'hset', 'h', 'f1', 'before');
    const answer = read(rig, true, 'hvals', 'h');
    const names = read(rig, true, 'hkeys', 'h');
    write(rig, 'hset', 'h', 'f1', 'after', 'f20000', 'after');
    commit(rig);
    finish(rig);
    const values = elements(answer);
    expect(values).toHaveLength(FIELDS);
    expect(values).toContain('before');
    expect(values).not.toContain('after');
    expect(new Set(elements(names)).size).toBe(FIELDS);
  });

  it('leaves the memory, the accounting and the digest as a state has them that nobody read', () => {
    const [read1, unread] = [rigWithHash(), rigWithHash()];
    const answers = [read(read1, false, 'hgetall', 'h'), read(read1, false, 'hkeys', 'h')];
    for (const rig of [read1, unread]) {
      for (let i = 0; i < 500; i++) write(rig, 'hset', 'h', `f${i}`, 'y'.repeat(i));
      write(rig, 'hdel', 'h', 'f900', 'f901');
      commit(rig);
    }
    expect(read1.machine.keyspace.usedBytes).toBe(unread.machine.keyspace.usedBytes);
    finish(read1);
    for (const answer of answers) expect(answer.times).toBe(1);
    for (const rig of [read1, unread]) {
      write(rig, 'del', 'h');
      commit(rig);
      while (rig.machine.keyspace.reclaim(1000));
      expect(rig.machine.keyspace.usedBytes).toBe(0);
    }
    expect(read1.machine.keyspace.slabBytes).toBe(unread.machine.keyspace.slabBytes);
  });

  it('picks at random: distinct fields, or with repetition', () => {
    const rig = rigWithHash();
    const distinct = read(rig, false, 'hrandfield', 'h', '15000');
    const repeated = read(rig, false, 'hrandfield', 'h', '-30000', 'withvalues');
    finish(rig);
    expect(new Set(elements(distinct)).size).toBe(15_000);
    const pairs = elements(repeated);
    expect(pairs).toHaveLength(60_000);
    for (let i = 0; i < pairs.length; i += 2) expect(pairs[i]).toBe(`f${pairs[i + 1]}`);
    expect(new Set(pairs).size).toBeGreaterThan(FIELDS);
  });

  it('lets go of the hash when nobody wants the answer any more', () => {
    const rig = rigWithHash();
    const answer = read(rig, false, 'hgetall', 'h');
    write(rig, 'del', 'h');
    commit(rig);
    rig.replica.disown((waiter) => waiter === answer || waiter === NOBODY);
    finish(rig);
    expect(answer.times).toBe(0);
    while (rig.machine.keyspace.reclaim(1000));
    expect(rig.machine.keyspace.usedBytes).toBe(0);
  });
});

/** What a snapshot of the state holds, slice by slice. */
function slicesOf(rig: Rig): Buffer[] {
  const snapshot = new StateSnapshot(rig.machine);
  const slices: Buffer[] = [];
  for (let slice = snapshot.next(65_536); slice !== null; slice = snapshot.next(65_536))
    slices.push(Buffer.from(slice));
  return slices;
}

describe('while a snapshot takes the place of the state', () => {
  it('KEYS is lost, to be asked again: half of the keys are not there yet', () => {
    const rig = rigWithHash();
    for (let i = 0; i < 10_000; i++) write(rig, 'set', `k${i}`, 'v');
    commit(rig);
    const answer = read(rig, false, 'keys', '*');
    rig.replica.stepLongReads(rig.now.monotonicMs);
    const slices = slicesOf(rig);
    const load = new StateLoad(rig.machine, 100, 2);
    for (const slice of slices) {
      load.feed(slice);
      rig.replica.stepLongReads(rig.now.monotonicMs);
    }
    load.finish();
    finish(rig);
    expect(answer.text).toBe(null);
    expect([answer.times, answer.refusal]).toEqual([1, Refusal.READ_LOST]);
  });

  it('a view of a hash goes on with what was there', () => {
    const rig = rigWithHash();
    const slices = slicesOf(rig);
    const answer = read(rig, false, 'hgetall', 'h');
    rig.replica.stepLongReads(rig.now.monotonicMs);
    const load = new StateLoad(rig.machine, 100, 2);
    for (const slice of slices) {
      load.feed(slice);
      rig.machine.keyspace.reclaim(2000);
      rig.replica.stepLongReads(rig.now.monotonicMs);
    }
    load.finish();
    finish(rig);
    const told = asHash(answer);
    expect(told.size).toBe(FIELDS);
    for (let i = 0; i < FIELDS; i++) expect(told.get(`f${i}`)).toBe(`${i}`);
  });
});

describe('KEYS of a large database', () => {
  it('takes many steps; keys that are there throughout are told once each', () => {
    const rig = newRig();
    rig.raft.leaseUntilMonotonicMs = rig.now.monotonicMs + 100;
    rig.raft.leaseRoundTimeMs = 1e9;
    for (let i = 0; i < 30_000; i++) write(rig, 'set', `k${i}`, 'v');
    commit(rig);
    const answer = read(rig, false, 'keys', 'k*[02468]');
    expect(answer.times).toBe(0);
    for (let i = 0; i < 1000; i++) {
      write(rig, 'del', `k${i}`);
      write(rig, 'set', `k${30_000 + i}`, 'v');
    }
    rig.replica.stepLongReads(rig.now.monotonicMs);
    commit(rig);
    expect(finish(rig)).toBeGreaterThan(5);
    const told = elements(answer);
    const names = new Set(told);
    expect(names.size).toBe(told.length);
    for (let i = 1000; i < 30_000; i++) expect(names.has(`k${i}`)).toBe(i % 2 === 0);
  });
});

describe('many long reads', () => {
  const MIB = 1024 * 1024;
  const ELEMENT = Buffer.alloc(4 * MIB, 'x');

  /** 64 MiB in 16 steps; `made` is told of each. */
  function largeRead(made: (sizeBytes: number) => void): LongRead & { ended: number } {
    let left = 16;
    return {
      isUrgent: false,
      isPinned: true,
      ended: 0,
      step(reply) {
        reply.raw(ELEMENT, 0, ELEMENT.length);
        made(ELEMENT.length);
        left -= 1;
        return left === 0;
      },
      head: (reply) => reply.arrayHeader(1),
      end() {
        this.ended += 1;
      },
    };
  }

  it('do not keep all their replies at once', () => {
    const reads = new LongReads(() => undefined);
    let keptBytes = 0;
    let mostBytes = 0;
    const order: number[] = [];
    for (let i = 0; i < 6; i++) {
      const read1 = largeRead((sizeBytes) => (keptBytes += sizeBytes));
      const waiter = {
        ...NOBODY,
        isGone: false,
        replyLong: () => void (order.push(i), (keptBytes -= 64 * MIB)),
      };
      reads.begin(waiter, read1, 2, 0);
    }
    for (let hasMore = true; hasMore;) {
      hasMore = reads.step(0);
      mostBytes = Math.max(mostBytes, keptBytes);
    }
    expect(order).toHaveLength(6);
    expect(mostBytes).toBeLessThanOrEqual(64 * MIB + 64 * MIB);
  });

  it('end when those who asked are gone', () => {
    const reads = new LongReads(() => undefined);
    let madeBytes = 0;
    const read1 = largeRead((sizeBytes) => (madeBytes += sizeBytes));
    let replies = 0;
    const waiter = { ...NOBODY, isGone: false, replyLong: () => void (replies += 1) };
    reads.begin(waiter, read1, 2, 0);
    reads.step(0);
    waiter.isGone = true;
    expect(reads.step(0)).toBe(false);
    expect(madeBytes).toBe(ELEMENT.length);
    // A request must come back to its pool.
    expect([replies, read1.ended]).toEqual([1, 1]);
  });

  it('tell those who wait, now and then, that they go on', () => {
    const reads = new LongReads(() => undefined);
    const told: number[] = [];
    for (let i = 0; i < 2; i++) {
      const waiter = { ...NOBODY, isGone: false, progress: () => void told.push(i) };
      reads.begin(
        waiter,
        largeRead(() => undefined),
        2,
        0,
      );
    }
    for (let at = 0; at <= 1000; at += 100) reads.step(10_000 + at);
    expect(told.filter((one) => one === 0)).toHaveLength(3);
    expect(told.filter((one) => one === 1)).toHaveLength(3);
  });
});
