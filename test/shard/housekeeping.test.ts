/** What a replica does besides commands, in pieces: snapshots with a limit, eviction, expiry. */
import { describe, expect, it } from 'vitest';

import type { Timers } from '../../src/env/contracts.ts';
import type { LogFields } from '../../src/log.ts';
import { silentLog } from '../../src/log.ts';
import { slotOf } from '../../ring/index.ts';
import { sessionId } from '../../src/shard/batch.ts';
import { SlotState } from '../../src/shard/moves/slot-state.ts';
import { Snapshotter } from '../../src/shard/snapshotter.ts';
import type { SnapshotFiles, SnapshotFileWriter, Wal } from '../../src/wal/types.ts';
import { itemOf } from './encode.ts';
import { Answer, newRig, type Rig } from './fake-raft.ts';

const SESSION = sessionId('a'.repeat(40), 1);
let sequence = 0;

function write(rig: Rig, ...words: string[]): void {
  const { bytes, start, end } = itemOf(words, ++sequence, 1);
  rig.replica.submitWrite(new Answer(), SESSION, bytes, start, end, rig.now);
}

function commit(rig: Rig): void {
  rig.replica.seal(rig.now);
  rig.replica.advance(rig.raft.log.splice(0), [], false, rig.now);
}

/** As a fence does. */
function freeze(rig: Rig, key: string): void {
  const { slots, exports } = rig.machine.moves;
  const slot = slotOf(Buffer.from(key), 0, key.length);
  slots.begin(slot, 7, 2, SlotState.OWNED);
  exports.begin(slot);
  slots.freeze(slot);
}

class FakeFiles {
  bytes = 0;
  committed = 0;
  abandoned = 0;

  files(): SnapshotFiles {
    const create = (): Promise<SnapshotFileWriter> =>
      Promise.resolve({
        sizeBytes: 0,
        append: async (bytes: Uint8Array) => {
          this.bytes += bytes.length;
          await Promise.resolve();
        },
        commit: async () => {
          await Promise.resolve();
          this.committed += 1;
        },
        abandon: async () => {
          this.abandoned += 1;
          await Promise.resolve();
        },
      });
    return { create, open: () => Promise.resolve(null), remove: () => Promise.resolve() };
  }
}

describe('a snapshot', () => {
  it('is given up when too much is written meanwhile, and made anew a while later', async () => {
    const rig = newRig();
    for (let i = 0; i < 6000; i++) write(rig, 'set', `k${i}`, `${i}`.padStart(16_000, 'x'));
    commit(rig);
    const fake = new FakeFiles();
    const warned: [string, LogFields | undefined][] = [];
    const turns: (() => void)[] = [];
    // How many snapshots were durable when files of the log were let go.
    const released: number[] = [];
    const nextTurn = async (): Promise<void> => {
      for (const run of turns.splice(0)) run();
      for (let i = 0; i < 8; i++) await Promise.resolve();
    };
    const snapshotter = new Snapshotter(
      fake.files(),
      {
        oldestSegmentGroups: () => [1],
        release: () => released.push(fake.committed),
        stats: { bytesOnDisk: 1e9 },
      } as unknown as Wal,
      { endOfTurn: (run: () => void) => turns.push(run) } as unknown as Timers,
      {
        now: rig.now,
        readClock: () => rig.now,
        wake: () => {},
        fatal: (error) => {
          throw error;
        },
      },
      { snapshotAfterBytes: 1 },
      () => 1,
      { ...silentLog, warn: (event, fields) => warned.push([event, fields]) },
    );
    Object.assign(rig.raft, { logBytes: 0, firstIndex: 1, membershipAt: () => null });
    snapshotter.add(rig.replica);
    snapshotter.maintain();
    await nextTurn();
    await nextTurn();
    expect(snapshotter.isMaking).toBe(true);
    for (let i = 0; i < 6000; i++) write(rig, 'set', `k${i}`, 'short');
    commit(rig);
    for (let i = 0; i < 5; i++) await nextTurn();
    expect(warned.map(([event]) => event)).toEqual(['snapshot-given-up']);
    expect([fake.abandoned, fake.committed, snapshotter.givenUp]).toEqual([1, 0, 1]);
    snapshotter.maintain();
    expect(snapshotter.isMaking).toBe(false);
    rig.now.monotonicMs += 6000;
    snapshotter.maintain();
    expect(snapshotter.isMaking).toBe(true);
    for (let i = 0; i < 100 && fake.committed === 0; i++) await nextTurn();
    expect([fake.abandoned, fake.committed]).toEqual([1, 1]);
    await nextTurn();
    expect(released).toEqual([1]);
  });
});

describe('eviction', () => {
  it('after a limit was lowered goes on in small portions, with writes and without, down to the budget', () => {
    const rig = newRig({ budgetBytes: 100_000_000, eviction: 'allkeys-random' });
    const { machine, replica } = rig;
    for (let i = 0; i < 40_000; i++) write(rig, 'set', `k${i}`, 'x'.repeat(100));
    commit(rig);
    const budgetBytes = machine.keyspace.usedBytes / 2;
    machine.setPolicy({ ...machine.policy, budgetBytes });
    let entries = 0;
    for (; machine.keyspace.usedBytes > budgetBytes && entries < 100; entries++) {
      const before = machine.keyspace.usedBytes;
      if (entries % 2 === 0) write(rig, 'set', 'new', 'x');
      else replica.maintain(rig.now);
      commit(rig);
      expect(before - machine.keyspace.usedBytes).toBeLessThan(700 * 1024);
    }
    expect(entries).toBeGreaterThan(3);
    expect(entries).toBeLessThan(20);
  });

  it('leaves what is frozen alone: it stays, and makes no room', () => {
    const rig = newRig({ budgetBytes: 100_000_000, eviction: 'allkeys-random' });
    const { machine, replica } = rig;
    for (let i = 0; i < 1000; i++) write(rig, 'set', `{k}${i}`, 'x'.repeat(100));
    commit(rig);
    freeze(rig, '{k}');
    machine.setPolicy({ ...machine.policy, budgetBytes: machine.keyspace.usedBytes / 2 });
    replica.maintain(rig.now);
    replica.seal(rig.now);
    expect(rig.raft.log).toHaveLength(0);
  });
});

describe('expiry', () => {
  it('of many keys goes on from entry to entry, each waiting for the one before', () => {
    const rig = newRig();
    for (let i = 0; i < 3000; i++) write(rig, 'set', `k${i}`, 'v', 'PXAT', '5000');
    commit(rig);
    rig.now.monotonicMs += 50_000;
    rig.now.wallMs += 50_000;
    rig.replica.maintain(rig.now);
    let entries = 0;
    for (; rig.machine.keyspace.keyCount(0) > 0 && entries < 20; entries++) {
      rig.replica.seal(rig.now);
      expect(rig.raft.log).toHaveLength(1);
      rig.replica.seal(rig.now);
      expect(rig.raft.log).toHaveLength(1);
      const before = rig.machine.keyspace.keyCount(0);
      rig.replica.advance(rig.raft.log.splice(0), [], false, rig.now);
      expect(before - rig.machine.keyspace.keyCount(0)).toBeLessThanOrEqual(400);
    }
    expect(entries).toBe(8);
    // The last one had found enough for another round, which finds nothing.
    rig.replica.seal(rig.now);
    expect(rig.raft.log).toHaveLength(0);
    expect(rig.replica.expiresOn).toBe(false);
  });

  it('leaves what is frozen alone: it is not found again and again, however long the target of the move does not answer', () => {
    const rig = newRig();
    for (let i = 0; i < 3000; i++) write(rig, 'set', `{k}${i}`, 'v', 'PXAT', '5000');
    commit(rig);
    freeze(rig, '{k}');
    rig.now.monotonicMs += 50_000;
    rig.now.wallMs += 50_000;
    write(rig, 'set', 'other', 'v', 'PXAT', '5000');
    commit(rig);
    let entries = 0;
    rig.replica.maintain(rig.now);
    for (let turn = 0; turn < 20; turn++) {
      rig.replica.seal(rig.now);
      entries += rig.raft.log.length;
      rig.replica.advance(rig.raft.log.splice(0), [], false, rig.now);
    }
    // What is not frozen goes.
    expect(entries).toBeLessThan(2);
    rig.replica.maintain(rig.now);
    for (let look = 0; look < 8; look++) {
      rig.replica.maintain(rig.now);
      commit(rig);
    }
    expect(rig.machine.keyspace.keyCount(0)).toBe(3000);
  });
});
