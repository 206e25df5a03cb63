import { describe, expect, it } from 'vitest';
import type { Timers } from '../../src/env/contracts.ts';
import { sessionId } from '../../src/shard/batch.ts';
import { HashDesk, type MarkAnswer } from '../../src/shard/hash-desk.ts';
import { hashNow } from '../../src/shard/state-hash.ts';
import type { StateMachine } from '../../src/shard/state-machine.ts';
import { itemOf } from './encode.ts';
import { Answer, newMachine, newRig, type Rig } from './fake-raft.ts';

const SESSION = sessionId('a'.repeat(40), 1);

/** Turns of the event loop, one at a time. */
class Turns implements Timers {
  private waiting: (() => void)[] = [];

  after(): { cancel(): void } {
    return { cancel: () => undefined };
  }

  endOfTurn(run: () => void): void {
    this.waiting.push(run);
  }

  async pass(): Promise<void> {
    const { waiting } = this;
    this.waiting = [];
    for (const run of waiting) run();
    // What awaits the turn goes on.
    for (let i = 0; i < 5; i++) await Promise.resolve();
  }
}

class Place {
  readonly turns = new Turns();
  readonly clock = { nowMs: 0, monotonicMs: (): number => this.clock.nowMs };
  readonly failures: unknown[] = [];
  readonly desk: HashDesk;

  constructor(machine: StateMachine, keptMaxBytes?: number) {
    const fatal = (error: unknown): void => void this.failures.push(error);
    this.desk = new HashDesk(machine, this.clock, this.turns, fatal, keptMaxBytes);
  }

  async done(mark: number): Promise<MarkAnswer | null> {
    for (let i = 0; i < 1000 && this.desk.answer(mark)?.state === 'hashing'; i++) await this.turns.pass();
    return this.desk.answer(mark);
  }
}

let sequence = 0;

function write(rig: Rig, ...words: string[]): void {
  const { bytes, start, end } = itemOf(words, ++sequence, 1);
  rig.replica.submitWrite(new Answer(), SESSION, bytes, start, end, rig.now);
  rig.replica.seal(rig.now);
}

/** Applies what was proposed, at the leader and at the followers. */
function apply(rig: Rig, ...followers: StateMachine[]): void {
  const entries = rig.raft.log.splice(0);
  rig.raft.commitIndex = rig.raft.lastIndex;
  for (const follower of followers) for (const entry of entries) follower.apply(entry, null);
  rig.replica.advance(entries, [], false, rig.now);
}

function follower(): StateMachine {
  const machine = newMachine();
  machine.appliedIndex = 1;
  machine.appliedTerm = 1;
  return machine;
}

describe('a mark', () => {
  it('gives the hash at its index on every replica, whatever is written after it and when they apply', async () => {
    const rig = newRig();
    const other = follower();
    const places = [new Place(rig.machine), new Place(other)];
    for (let i = 0; i < 3000; i++) write(rig, 'set', `k${i}`, 'v');
    apply(rig, other);
    for (const { desk } of places) expect(desk.expect(7)).toBe(true);
    // Asked for once more it is the same mark.
    for (const { desk } of places) expect(desk.expect(7)).toBe(true);
    write(rig, 'set', 'before', 'v');
    const index = rig.replica.proposeMark(7, rig.now);
    expect(index).toBe(rig.raft.lastIndex);
    for (let i = 0; i < 50; i++) write(rig, 'set', `k${i}`, 'later');
    expect(places[0].desk.answer(7)).toEqual({ state: 'expected', appliedIndex: index - 2 });
    // The leader is far ahead of the follower.
    const entries = [...rig.raft.log];
    apply(rig);
    expect(places[0].desk.answer(7)).toEqual({ state: 'hashing', index });
    const leaders = await places[0].done(7);
    for (const entry of entries) {
      other.apply(entry, null);
      if (other.appliedIndex === index) {
        expect(leaders).toEqual({ state: 'done', index, hash: hashNow(other) });
        await places[1].turns.pass();
      }
    }
    expect(await places[1].done(7)).toEqual(leaders);
    expect(hashNow(other)).toBe(hashNow(rig.machine));
  });

  it('changes nothing, answers nobody, and costs nothing where it is not expected', () => {
    const rig = newRig();
    const other = follower();
    write(rig, 'set', 'k', 'v');
    apply(rig, other);
    const keys = rig.machine.keyspace.beginHash().next(100);
    rig.replica.proposeMark(7, rig.now);
    apply(rig, other);
    expect(rig.machine.keyspace.beginHash().next(100)).toBe(keys);
    expect(rig.machine.onMark).toBe(null);
    expect(rig.replica.proposalsPending).toBe(0);
    expect(hashNow(other)).toBe(hashNow(rig.machine));
  });

  it('is proposed by a leader that may serve, alone', () => {
    const rig = newRig();
    rig.raft.outcome = 'full';
    expect(rig.replica.proposeMark(7, rig.now)).toBe(0);
    rig.raft.outcome = 'proposed';
    rig.raft.readable = false;
    expect(rig.replica.proposeMark(7, rig.now)).toBe(0);
    rig.raft.readable = true;
    rig.raft.role = 'follower';
    expect(rig.replica.proposeMark(7, rig.now)).toBe(0);
    rig.raft.role = 'leader';
    expect(rig.replica.proposeMark(7, rig.now)).toBeGreaterThan(0);
  });
});

describe('the desk', () => {
  it('has a mark put into the log once, and only one that it expects', () => {
    const rig = newRig();
    const { desk } = new Place(rig.machine);
    const propose = (): number => rig.replica.proposeMark(7, rig.now);
    expect(desk.log(7, propose)).toBe(0);
    desk.expect(7);
    rig.raft.outcome = 'full';
    expect(desk.log(7, propose)).toBe(0);
    rig.raft.outcome = 'proposed';
    expect(desk.log(7, propose)).toBe(rig.raft.lastIndex);
    expect(desk.log(7, propose)).toBe(0);
    expect(rig.raft.log).toHaveLength(1);
  });

  it('keeps an answer for a minute, and expects a mark no longer', async () => {
    const rig = newRig();
    const place = new Place(rig.machine);
    place.desk.expect(7);
    place.desk.expect(8);
    rig.replica.proposeMark(7, rig.now);
    apply(rig);
    expect(await place.done(7)).toMatchObject({ state: 'done' });
    place.clock.nowMs = 60_000;
    expect(place.desk.answer(7)).toMatchObject({ state: 'done' });
    expect(place.desk.answer(8)).toMatchObject({ state: 'expected' });
    place.clock.nowMs = 60_001;
    expect(place.desk.answer(7)).toBe(null);
    expect(place.desk.answer(8)).toBe(null);
    expect(rig.machine.onMark).toBe(null);
  });

  it('expects so many marks, and lets the oldest answer go for another', async () => {
    const rig = newRig();
    const place = new Place(rig.machine);
    for (let mark = 1; mark <= 8; mark++) expect(place.desk.expect(mark)).toBe(true);
    expect(place.desk.expect(9)).toBe(false);
    rig.replica.proposeMark(3, rig.now);
    apply(rig);
    await place.done(3);
    expect(place.desk.expect(9)).toBe(true);
    expect(place.desk.answer(3)).toBe(null);
    expect(place.desk.answer(1)).toMatchObject({ state: 'expected' });
  });

  it('computes so many hashes at once', async () => {
    const rig = newRig();
    const place = new Place(rig.machine);
    for (let mark = 1; mark <= 5; mark++) place.desk.expect(mark);
    for (let mark = 1; mark <= 5; mark++) rig.replica.proposeMark(mark, rig.now);
    apply(rig);
    expect(rig.machine.hashesUnderWay).toBe(4);
    expect(place.desk.answer(4)).toMatchObject({ state: 'hashing' });
    expect(place.desk.answer(5)).toMatchObject({ state: 'failed' });
    expect(await place.desk.now()).toBe(null);
    expect(await place.done(4)).toMatchObject({ state: 'done' });
    const now = place.desk.now();
    for (let i = 0; i < 10; i++) await place.turns.pass();
    expect(rig.machine.hashesUnderWay).toBe(0);
    expect(await now).toEqual({ index: rig.machine.appliedIndex, hash: hashNow(rig.machine) });
  });

  it('says so when it would have to keep too much', async () => {
    const rig = newRig();
    const place = new Place(rig.machine, 30_000);
    const large = 'x'.repeat(20_000);
    for (let i = 0; i < 4; i++) write(rig, 'set', `k${i}`, large);
    apply(rig);
    place.desk.expect(7);
    rig.replica.proposeMark(7, rig.now);
    for (let i = 0; i < 4; i++) write(rig, 'set', `k${i}`, `${large}.`);
    apply(rig);
    expect(await place.done(7)).toMatchObject({ state: 'failed' });
    expect(place.failures).toEqual([]);
  });
});
