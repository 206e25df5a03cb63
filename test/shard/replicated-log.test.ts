/**
 * A log of all kinds of writes, applied where it lies on the desk and where it is too long for that, by replicas with other clocks, and by one
 * that was restored on the way: all hold the same, and account for just what they hold.
 */
import { expect, it } from 'vitest';

import { slotOf } from '../../ring/index.ts';
import { SeededRandom } from '../../src/env/sim/random.ts';
import { type Entry, EntryKind, sealEntry, writeEntryHeader } from '../../src/raft/entry.ts';
import { FIRST_VERSION } from '../../src/topology/cluster-version.ts';
import { Batch, sessionId } from '../../src/shard/batch.ts';
import { departedItem, floorsItem, policyItem, removeItem } from '../../src/shard/prelude.ts';
import type { StateMachine } from '../../src/shard/state-machine.ts';
import { StateLoad, StateSnapshot } from '../../src/shard/state-snapshot.ts';
import { DATABASE_COUNT, type EvictionPolicy, type Keyspace, type Victim } from '../../src/store/types.ts';
import { Generator, SPREAD_KEYS } from '../differential/generator.ts';
import { argsOf, type Item, itemOf } from './encode.ts';
import { Answer, lookup, newMachine } from './fake-raft.ts';

const SESSIONS = [sessionId('a'.repeat(40), 1), sessionId('b'.repeat(40), 3)];
const ENTRIES = 250;
/** Floors that raise nothing, more than the desk holds. */
const BALLAST = floorsItem(
  SESSIONS[0],
  Array.from({ length: 110_000 }, () => 3),
  Array.from({ length: 110_000 }, () => 0),
);
const POLICIES: EvictionPolicy[] = ['noeviction', 'allkeys-lru', 'allkeys-lfu', 'volatile-ttl'];

interface Sent {
  session: number;
  item: Item;
  answer: Answer;
}

class Log {
  /** Told of replies; applied from the desk; too long for it. */
  readonly machines = [newMachine(), newMachine(), newMachine()];
  readonly random: SeededRandom;
  /** Since a snapshot was begun. */
  readonly entries: Entry[] = [];
  index = 1;
  timeMs = 1_700_000_000_000;
  private readonly generators: Generator[];
  private batch = new Batch();
  private readonly sequences = new Map<string, number>();
  private readonly sent: Sent[] = [];
  private readonly repeats: { answer: Answer; of: Answer }[] = [];

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.generators = [new Generator(seed), new Generator(seed + 1000, SPREAD_KEYS)];
  }

  entry(): void {
    const { random } = this;
    for (let count = this.index === 1 ? 40 : random.below(20); count > 0; count--) this.command();
    this.removals();
    if (random.below(20) === 0) this.policy();
    if (random.below(20) === 0) this.departed();
    this.timeMs += random.below(2000);
    const { machines } = this;
    machines[0].monotonicMs = this.index * 500;
    machines[1].monotonicMs = this.index * 70_000;
    const seed = random.uint32();
    const { entry, waiters } = this.batch.seal(FIRST_VERSION, seed, this.timeMs);
    const long = Buffer.concat([entry, BALLAST]);
    writeEntryHeader(long, { kind: EntryKind.COMMANDS, rules: FIRST_VERSION, seed, stampMs: this.timeMs });
    this.index += 1;
    const sealed = sealEntry(entry, 1, this.index);
    this.entries.push(sealed);
    machines[0].apply(sealed, waiters);
    machines[1].apply(sealed, null);
    machines[2].apply(sealEntry(long, 1, this.index), null);
    for (const { answer, of } of this.repeats.splice(0)) expect(answer.text).toBe(of.text);
  }

  private command(): void {
    const { random } = this;
    const session = this.index === 1 ? this.sent.length % 2 : random.below(2);
    if (random.below(12) === 0 && this.sent.length > 0) {
      this.again(this.sent[this.sent.length - 1 - random.below(Math.min(20, this.sent.length))]);
      return;
    }
    const words = this.words();
    const command = lookup(argsOf(...words));
    if (command === null) return;
    const db = random.below(6) === 0 ? random.below(3) : 0;
    const slot = words.length > 1 ? slotOf(Buffer.from(words[1]), 0, Buffer.byteLength(words[1])) : 0;
    if (!command.isWrite) {
      const { bytes, start } = itemOf(words, 0, 0, db);
      this.batch.waiters.addRead(new Answer(), bytes, start);
      return;
    }
    const place = `${session}/${slot}`;
    const sequence = (this.sequences.get(place) ?? 2 ** 31 - 40 + random.below(30)) + 1;
    this.sequences.set(place, sequence);
    const sent = { session, item: itemOf(words, sequence, sequence - 30, db), answer: new Answer() };
    this.sent.push(sent);
    this.send(sent, sent.answer);
  }

  private words(): string[] {
    const { random } = this;
    const number = random.below(200);
    switch (random.below(12)) {
      case 0:
        return ['set', `key${number}`, 'x'.repeat(random.below(20) * (random.below(30) === 0 ? 1000 : 20))];
      case 1:
        return ['hset', `hash${number % 7}`, `field${number}`, 'y'.repeat(random.below(70))];
      case 2:
        return ['pexpire', `key${number}`, String(1 + random.below(20_000))];
      case 3:
        return [random.below(25) === 0 ? 'flushall' : random.below(6) === 0 ? 'flushdb' : 'dbsize'];
      default:
        return this.generators[random.below(2)].next().map(String);
    }
  }

  private again({ session, item, answer }: Sent): void {
    const copy = new Answer();
    this.repeats.push({ answer: copy, of: answer });
    this.send({ session, item, answer }, copy);
  }

  private send({ session, item }: Sent, answer: Answer): void {
    this.batch.addCommand(answer, SESSIONS[session], item.bytes, item.start, item.end);
  }

  private removals(): void {
    const { keyspace } = this.machines[0];
    const expired: Victim[] = [];
    const evicted: Victim[] = [];
    keyspace.at(this.timeMs, this.index, false);
    if (this.random.below(3) === 0) keyspace.sampleExpired(this.timeMs, 10, expired);
    if (this.random.below(5) === 0)
      keyspace.sampleVictims('allkeys-lru', 500, this.index * 500, () => this.random.uint32(), evicted);
    for (const victim of expired) this.batch.addPrelude(removeItem(victim, 'expired'));
    for (const victim of evicted) this.batch.addPrelude(removeItem(victim, 'evicted'));
  }

  /** Of a node that nobody hears of any more. */
  private departed(): void {
    this.batch.addPrelude(
      departedItem(
        this.random
          .below(2 ** 31)
          .toString(16)
          .padStart(40, '0'),
      ),
    );
  }

  private policy(): void {
    const limits = {
      hashMaxListpackEntries: 4 + this.random.below(60),
      hashMaxListpackValueBytes: 8 + this.random.below(60),
    };
    const eviction = POLICIES[this.random.below(POLICIES.length)];
    this.batch.addPrelude(policyItem({ budgetBytes: 40_000, eviction, limits }));
  }
}

function digestOf(keyspace: Keyspace): string {
  const digest = keyspace.beginHash();
  for (;;) {
    const hex = digest.next(10_000);
    if (hex !== null) return hex;
  }
}

function sessionsOf({ sessions }: StateMachine): string {
  const image = sessions.image();
  const records: string[] = [];
  for (let record = image.next(); record !== null; record = image.next())
    records.push(record.toString('latin1'));
  return records.join('\n');
}

/** What all keys account for, those that have expired too. */
function recount(keyspace: Keyspace): number {
  const { timeMs } = keyspace;
  keyspace.at(0, 0, false);
  let sum = 0;
  for (let db = 0; db < DATABASE_COUNT; db++) {
    for (let cursor = 0; cursor >= 0;)
      cursor = keyspace.scan(db, cursor, 16383, 1000, (_bytes, _start, _end, ref) => {
        sum += keyspace.keyUsedBytes(ref);
      });
  }
  keyspace.at(timeMs, 0, false);
  return sum;
}

function stateOf(machine: StateMachine): object {
  const { keyspace, policy, timeMs, appliedIndex, sessions } = machine;
  expect(keyspace.usedBytes).toBe(recount(keyspace));
  const { rowCount, blobBytes } = sessions;
  const keys = Array.from({ length: DATABASE_COUNT }, (_, db) => [
    keyspace.keyCount(db),
    keyspace.volatileKeyCount(db),
  ]);
  const counts = { keys, usedBytes: keyspace.usedBytes, rowCount, blobBytes };
  return {
    ...counts,
    digest: digestOf(keyspace),
    policy,
    timeMs,
    appliedIndex,
    sessions: sessionsOf(machine),
  };
}

it('makes the same state of the same log, wherever it lies while it is applied', () => {
  for (let seed = 1; seed <= 4; seed++) {
    const log = new Log(seed);
    const { machines, random } = log;
    let snapshot: StateSnapshot | null = null;
    let slices: Buffer[] = [];
    let begun: { state: object; appliedIndex: number } | null = null;
    let restored = 0;
    for (let i = 0; i < ENTRIES; i++) {
      log.entry();
      machines[1].keyspace.reclaim(1 + random.below(50));
      if (i % 40 === 0) {
        const state = stateOf(machines[0]);
        expect(stateOf(machines[1])).toEqual(state);
        expect(stateOf(machines[2])).toEqual(state);
      }
      if (snapshot === null || begun === null) {
        begun = { state: stateOf(machines[0]), appliedIndex: machines[0].appliedIndex };
        snapshot = new StateSnapshot(machines[0]);
        slices = [];
        log.entries.length = 0;
        continue;
      }
      const slice = snapshot.next(500 + random.below(3000));
      if (slice !== null) {
        slices.push(Buffer.from(slice));
        continue;
      }
      snapshot = null;
      const machine = newMachine();
      const load = new StateLoad(machine, begun.appliedIndex, 1);
      for (const each of slices) load.feed(each);
      load.finish();
      expect(stateOf(machine)).toEqual(begun.state);
      restored += 1;
      for (const entry of log.entries) machine.apply(entry, null);
      machines[1] = machine;
    }
    expect(restored).toBeGreaterThan(2);
    const state = stateOf(machines[0]);
    expect(stateOf(machines[1])).toEqual(state);
    expect(stateOf(machines[2])).toEqual(state);
  }
}, 60_000);
