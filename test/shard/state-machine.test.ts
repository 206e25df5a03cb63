import { describe, expect, it } from 'vitest';

import { SeededRandom } from '../../src/env/sim/random.ts';
import { sealEntry } from '../../src/raft/entry.ts';
import { FIRST_VERSION } from '../../src/topology/cluster-version.ts';
import { Batch, sessionId } from '../../src/shard/batch.ts';
import { departedItem, floorsItem, noRoomItem, policyItem, removeItem } from '../../src/shard/prelude.ts';
import type { Sessions } from '../../src/shard/sessions.ts';
import type { StateMachine } from '../../src/shard/state-machine.ts';
import { SnapshotDamagedError, StateLoad, StateSnapshot } from '../../src/shard/state-snapshot.ts';
import { Refusal } from '../../src/shard/waiter.ts';
import { slotOf } from '../../ring/index.ts';
import { itemOf } from './encode.ts';
import { Answer, newMachine } from './fake-raft.ts';

const SESSIONS = [sessionId('a'.repeat(40), 1), sessionId('b'.repeat(40), 1)];
const LIMITS = { hashMaxListpackEntries: 128, hashMaxListpackValueBytes: 64 };

/** Makes the log of a shard, and applies it to its replicas. */
class Shard {
  readonly machines: StateMachine[];
  readonly batch = new Batch();
  index = 1;
  timeMs = 1_700_000_000_000;

  constructor(...machines: StateMachine[]) {
    this.machines = machines;
  }

  add(session: number, sequence: number, floor: number, ...words: (string | Buffer)[]): Answer {
    const answer = new Answer();
    const { bytes, start, end } = itemOf(words, sequence, floor);
    this.batch.addCommand(answer, SESSIONS[session], bytes, start, end);
    return answer;
  }

  /** The first replica is the leader: those who wait are told by it. */
  seal(seed = 7): void {
    const { entry, waiters } = this.batch.seal(FIRST_VERSION, seed, this.timeMs);
    const sealed = sealEntry(entry, 1, ++this.index);
    for (const [i, machine] of this.machines.entries()) machine.apply(sealed, i === 0 ? waiters : null);
  }
}

function bytesOf(machine: StateMachine, slice = 4096): Buffer {
  const snapshot = new StateSnapshot(machine);
  const slices: Buffer[] = [];
  for (let next = snapshot.next(slice); next !== null; next = snapshot.next(slice))
    slices.push(Buffer.from(next));
  return Buffer.concat(slices);
}

function restored(
  bytes: Buffer,
  from: { appliedIndex: number; appliedTerm: number },
  random?: SeededRandom,
): StateMachine {
  const machine = newMachine();
  const load = new StateLoad(machine, from.appliedIndex, from.appliedTerm);
  for (let at = 0; at < bytes.length;) {
    const to = Math.min(bytes.length, at + (random === undefined ? 65_536 : 1 + random.below(3000)));
    load.feed(bytes.subarray(at, to));
    at = to;
  }
  load.finish();
  return machine;
}

function sessionBytes(sessions: Sessions): string {
  const image = sessions.image();
  const records: string[] = [];
  for (let record = image.next(); record !== null; record = image.next())
    records.push(record.toString('hex'));
  return records.join('\n');
}

function digestOf({ keyspace }: StateMachine): string {
  const digest = keyspace.beginHash();
  for (;;) {
    const hex = digest.next(10_000);
    if (hex !== null) return hex;
  }
}

/** All that is replicated, in a form that can be compared. */
function stateOf(machine: StateMachine): object {
  const { keyspace, policy, timeMs, appliedIndex, sessions } = machine;
  return {
    digest: digestOf(machine),
    keys: keyspace.totalKeyCount(),
    usedBytes: keyspace.usedBytes,
    policy,
    timeMs,
    appliedIndex,
    sessions: sessionBytes(sessions),
  };
}

function randomCommand(random: SeededRandom): (string | Buffer)[] {
  const key = `k${random.below(40)}`;
  const field = `f${random.below(300)}`;
  const value = 'v'.repeat(random.below(random.below(30) === 0 ? 100_000 : 80));
  switch (random.below(10)) {
    case 0:
    case 1:
      return ['set', key, value];
    case 2:
      return ['set', key, value, 'PX', String(1 + random.below(3000))];
    case 3:
      return ['incr', `n${random.below(10)}`];
    case 4:
      return ['del', key];
    case 5:
    case 6:
      return ['hset', `h${random.below(6)}`, field, value.slice(0, 200)];
    case 7:
      return ['hdel', `h${random.below(6)}`, field];
    case 8:
      return ['append', key, 'x'];
    default:
      return ['persist', key];
  }
}

/** One entry of up to ten commands. */
function randomEntry(shard: Shard, random: SeededRandom, sequences: Map<string, number>): void {
  for (let i = random.below(10); i >= 0; i--) {
    const words = randomCommand(random);
    const session = random.below(2);
    const place = `${session}/${slotOf(Buffer.from(words[1]), 0, words[1].length)}`;
    const sequence = (sequences.get(place) ?? 0) + 1;
    sequences.set(place, sequence);
    shard.add(session, sequence, Math.max(1, sequence - random.below(4)), ...words);
  }
  shard.timeMs += random.below(500);
  shard.seal(random.uint32());
}

describe('the state machine', () => {
  it('is a function of the log: replicas agree, also one that was restored while writes went on', () => {
    for (let seed = 1; seed <= 6; seed++) {
      const random = new SeededRandom(seed);
      const shard = new Shard(newMachine(), newMachine());
      const sequences = new Map<string, number>();
      for (let i = 0; i < 150; i++) randomEntry(shard, random, sequences);
      const [leader, follower] = shard.machines;
      expect(stateOf(follower)).toEqual(stateOf(leader));
      const at = { appliedIndex: leader.appliedIndex, appliedTerm: leader.appliedTerm };
      const before = stateOf(leader);
      const snapshot = new StateSnapshot(leader);
      const slices: Buffer[] = [];
      for (let next = snapshot.next(2048); next !== null; next = snapshot.next(2048)) {
        slices.push(Buffer.from(next));
        if (slices.length % 3 === 0) randomEntry(shard, random, sequences);
      }
      const third = restored(Buffer.concat(slices), at, random);
      expect(stateOf(third)).toEqual(before);
      shard.machines.pop();
      shard.machines.push(restored(bytesOf(leader), leader));
      for (let i = 0; i < 100; i++) randomEntry(shard, random, sequences);
      expect(stateOf(shard.machines[1])).toEqual(stateOf(leader));
    }
  });

  it('runs a write once: its copies get the same reply, those below the floor are refused', () => {
    const shard = new Shard(newMachine(), newMachine());
    const answers = [
      shard.add(0, 1, 1, 'incr', 'n'),
      shard.add(0, 1, 1, 'incr', 'n'),
      shard.add(1, 1, 1, 'incr', 'n'),
    ];
    shard.seal();
    const again = shard.add(0, 1, 1, 'incr', 'n');
    const next = shard.add(0, 2, 2, 'incr', 'n');
    const outdated = shard.add(0, 1, 1, 'incr', 'n');
    shard.seal();
    expect([...answers, again, next].map(({ text }) => text)).toEqual([
      ':1\r\n',
      ':1\r\n',
      ':2\r\n',
      ':1\r\n',
      ':3\r\n',
    ]);
    expect([outdated.text, outdated.refusal]).toEqual([null, Refusal.OUTDATED]);
    expect(stateOf(shard.machines[1])).toEqual(stateOf(shard.machines[0]));
  });

  it('tells a retry that its reply was too large to keep, and does not run it again', () => {
    const shard = new Shard(newMachine());
    shard.add(0, 1, 1, 'set', 'k', Buffer.alloc(100_000, 'x'));
    shard.seal();
    const first = shard.add(0, 2, 2, 'getdel', 'k');
    const second = shard.add(0, 2, 2, 'getdel', 'k');
    shard.seal();
    expect(first.text).toHaveLength(100_011);
    expect(second.text).toMatch(/^-REPLYLOST /);
  });

  it('ends the sessions of a node that has left, of all its starts, and frees what was kept of them', () => {
    const shard = new Shard(newMachine(), newMachine());
    const ran = shard.add(0, 1, 1, 'set', 'k', 'v'.repeat(500));
    const others = shard.add(1, 1, 1, 'set', 'k1', 'v');
    shard.seal();
    expect([ran.text, others.text]).toEqual(['+OK\r\n', '+OK\r\n']);
    const [{ sessions }] = shard.machines;
    const node = SESSIONS[0].toString('hex', 0, 20);
    expect([sessions.hasDeparted(node), sessions.rowCount]).toEqual([false, 2]);
    shard.batch.addPrelude(departedItem(node));
    const retried = shard.add(0, 1, 1, 'set', 'k', 'v'.repeat(500));
    const later = Buffer.from(SESSIONS[0]);
    later.writeUInt32LE(4_000_000_000, 20);
    const ofLaterStart = new Answer();
    const item = itemOf(['set', 'k', 'later'], 1, 1);
    shard.batch.addCommand(ofLaterStart, later, item.bytes, item.start, item.end);
    const other = shard.add(1, 2, 1, 'append', 'k1', 'w');
    shard.seal();
    // They are not run, and whoever sent them before may not think so.
    expect([retried.refusal, ofLaterStart.refusal]).toEqual([Refusal.OUTDATED, Refusal.OUTDATED]);
    expect(other.text).toBe(':2\r\n');
    expect(shard.machines[0].sessions.blobBytes).toBe(0);
    for (const machine of shard.machines) {
      expect(machine.sessions.hasDeparted(node)).toBe(true);
      expect(stateOf(machine)).toEqual(stateOf(shard.machines[0]));
    }
    expect(stateOf(restored(bytesOf(shard.machines[0]), shard.machines[0]))).toEqual(
      stateOf(shard.machines[0]),
    );
  });

  it('refuses what needs room by the log alone: under noeviction, or when its leader found nothing to evict', () => {
    const shard = new Shard(newMachine(), newMachine());
    shard.batch.addPrelude(policyItem({ budgetBytes: 1000, eviction: 'noeviction', limits: LIMITS }));
    const fits = shard.add(0, 1, 1, 'set', 'k', Buffer.alloc(2000));
    shard.seal();
    const full = shard.add(0, 2, 2, 'set', 'k2', 'x');
    const frees = shard.add(0, 3, 3, 'del', 'k');
    shard.seal();
    expect(fits.text).toBe('+OK\r\n');
    expect(full.text).toMatch(/^-OOM /);
    expect(frees.text).toBe(':1\r\n');
    shard.batch.addPrelude(policyItem({ budgetBytes: 1, eviction: 'volatile-lru', limits: LIMITS }));
    const evicted = shard.add(0, 4, 4, 'set', 'k3', 'x');
    shard.seal();
    shard.batch.addPrelude(noRoomItem());
    const noRoom = shard.add(0, 5, 5, 'set', 'k4', 'x');
    shard.seal();
    expect(evicted.text).toBe('+OK\r\n');
    expect(noRoom.text).toMatch(/^-OOM /);
    expect(stateOf(shard.machines[1])).toEqual(stateOf(shard.machines[0]));
  });

  it('counts a new key as used when it is made, although nothing was read since long ago', () => {
    const machine = newMachine();
    const shard = new Shard(machine);
    const idleMs = (key: string, nowMs: number): number => {
      const bytes = Buffer.from(key);
      const ref = machine.keyspace.find(0, slotOf(bytes, 0, bytes.length), bytes, 0, bytes.length);
      return machine.keyspace.idleMs(ref, nowMs);
    };
    for (const [sequence, key] of ['first', 'second'].entries()) {
      machine.monotonicMs = 5000 + sequence * 100_000;
      shard.add(0, sequence + 1, sequence, 'set', key, 'value');
      shard.seal();
    }
    expect([idleMs('first', 106_000), idleMs('second', 106_000)]).toEqual([101_000, 1000]);
  });

  it('removes a key only at the version that its leader saw', () => {
    const shard = new Shard(newMachine());
    shard.add(0, 1, 1, 'set', 'k', 'old');
    shard.seal();
    const version = shard.index;
    shard.add(0, 2, 2, 'set', 'k', 'new');
    shard.seal();
    const victim = { db: 0, key: Buffer.from('k'), version };
    shard.batch.addPrelude(removeItem(victim, 'expired'));
    const kept = shard.add(0, 3, 3, 'append', 'k', '!');
    shard.seal();
    expect(kept.text).toBe(':4\r\n');
    shard.batch.addPrelude(removeItem({ ...victim, version: shard.index }, 'evicted'));
    const gone = shard.add(0, 4, 4, 'append', 'k', '!');
    shard.seal();
    // The prelude goes first: the key was removed before the command ran.
    expect(gone.text).toBe(':1\r\n');
  });

  it('lets rows go by floors of quiet slots', () => {
    const shard = new Shard(newMachine());
    shard.add(0, 1, 1, 'set', 'k', 'v');
    shard.seal();
    expect(shard.machines[0].sessions.rowCount).toBe(1);
    shard.batch.addPrelude(floorsItem(SESSIONS[0], [slotOf(Buffer.from('k'), 0, 1)], [2]));
    shard.seal();
    expect(shard.machines[0].sessions.rowCount).toBe(0);
  });

  it('snapshots long values and long hashes in records that can be read back', () => {
    const shard = new Shard(newMachine());
    shard.add(0, 1, 1, 'set', 'long', Buffer.alloc(20 * 1024 * 1024, 'x'));
    shard.add(0, 2, 1, 'hset', 'hash', 'f', Buffer.alloc(2 * 1024 * 1024, 'y'));
    shard.seal();
    const [machine] = shard.machines;
    expect(stateOf(restored(bytesOf(machine, 64 * 1024), machine))).toEqual(stateOf(machine));
  });

  it('a snapshot that is cut or damaged is refused', () => {
    const shard = new Shard(newMachine());
    shard.add(0, 1, 1, 'set', 'k', 'v');
    shard.seal();
    const bytes = bytesOf(shard.machines[0]);
    for (let cut = 0; cut < bytes.length; cut += 7)
      expect(() => restored(bytes.subarray(0, cut), shard.machines[0])).toThrow(SnapshotDamagedError);
  });
});
