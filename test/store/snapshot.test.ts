import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSlabPool } from '../../src/store/slab-pool.ts';
import { SnapshotDamagedError } from '../../src/store/snapshot-format.ts';
import type { Keyspace, KeyspaceSnapshot } from '../../src/store/types.ts';
import { checkContent, digestOf, type ModelKey, newKeyspace, Twin } from './model.ts';
import { applyStep, stepArbitrary } from './steps.ts';

function copyOf(model: ReadonlyMap<string, ModelKey>): Map<string, ModelKey> {
  const copy = new Map<string, ModelKey>();
  for (const [name, each] of model) {
    copy.set(name, { ...each, value: typeof each.value === 'string' ? each.value : new Map(each.value) });
  }
  return copy;
}

function rest(snapshot: KeyspaceSnapshot, maxBytes: number): Buffer[] {
  const slices: Buffer[] = [];
  for (let slice = snapshot.next(maxBytes); slice !== null; slice = snapshot.next(maxBytes))
    slices.push(slice);
  return slices;
}

function load(bytes: Buffer, cut: number, timeMs: number, into: Keyspace = newKeyspace()): Keyspace {
  into.at(timeMs, 0, false);
  const loading = into.beginLoad();
  for (let at = 0; at < bytes.length; at += cut) loading.feed(bytes.subarray(at, at + cut));
  loading.finish();
  return into;
}

function filled(keys: number): Twin {
  const twin = new Twin();
  for (let number = 0; number < keys; number += 1) {
    twin.setString(number % 2, `key${number}`, `value ${number}`, number % 3 === 0 ? 5000 + number : 0);
    twin.hashSet(2, `hash${number % 7}`, `field${number}`, `${number}`);
  }
  twin.setString(0, 'long', 'x'.repeat(100_000), 0);
  return twin;
}

describe('a snapshot', () => {
  test('is the state at its begin, whatever is written while it is taken', () => {
    const steps = fc.array(stepArbitrary, { minLength: 1, maxLength: 60, size: 'max' });
    const slices = fc.array(fc.tuple(fc.integer({ min: 1, max: 3000 }), stepArbitrary), {
      maxLength: 60,
      size: 'max',
    });
    fc.assert(
      fc.property(steps, slices, fc.integer({ min: 1, max: 5000 }), (before, during, cut) => {
        const slabs = createSlabPool();
        const twin = new Twin(newKeyspace(slabs));
        for (const step of before) applyStep(twin, step);
        const expected = copyOf(twin.model);
        const digest = digestOf(twin.keyspace, 10);
        const { usedBytes } = twin.keyspace;
        const { timeMs } = twin;
        const snapshot = twin.keyspace.beginSnapshot();
        const taken: Buffer[] = [];
        for (const [maxBytes, step] of during) {
          applyStep(twin, step);
          const slice = snapshot.next(maxBytes);
          if (slice !== null) taken.push(slice);
        }
        taken.push(...rest(snapshot, 4096));
        twin.check();
        const loaded = load(Buffer.concat(taken), cut, timeMs);
        checkContent(loaded, expected);
        expect(loaded.usedBytes).toBe(usedBytes);
        expect(digestOf(loaded, 3)).toBe(digest);
        twin.flush(-1);
        while (twin.keyspace.reclaim(100));
        expect(slabs.takenBytes).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  test('holds large values as they were, though they change, move or go in the midst of it', () => {
    const name = fc.constantFrom('hash0', 'hash1', 'long0', 'long1', 'other');
    const field = fc.integer({ min: 0, max: 220 }).map((number) => `field${number}`);
    const length = fc.constantFrom(40_000, 40_002, 45_000, 100);
    const write = fc.oneof(
      fc.tuple(name, field, length).map(([key, of, size]) => (twin: Twin) => {
        if (key.startsWith('long')) twin.setString(0, key, 'n'.repeat(size), 0);
        else twin.hashSet(0, key, of, size > 44_000 ? 'm'.repeat(11_250) : `new ${size}`);
      }),
      fc.tuple(name, field).map(([key, of]) => (twin: Twin) => {
        if (key.startsWith('long')) twin.resize(0, key, 40_001);
        else twin.hashDelete(0, key, of);
      }),
      fc.tuple(name, field).map(
        ([key, of]) =>
          (twin: Twin) =>
            twin.hashSet(0, key, of, 'set'),
      ),
      fc.tuple(name, name).map(
        ([from, to]) =>
          (twin: Twin) =>
            twin.rename(0, from, 0, to),
      ),
      name.map((key) => (twin: Twin) => twin.expire(0, key, 90_000)),
      name.map((key) => (twin: Twin) => twin.remove(0, key)),
      fc.constant((twin: Twin) => twin.keyspace.reclaim(100)),
      fc.constant((twin: Twin) => twin.flush(0)),
    );
    const turns = fc.array(
      fc.tuple(fc.constantFrom(200, 600, 600, 600, 9000), fc.array(write, { maxLength: 4 })),
      {
        minLength: 4,
        maxLength: 40,
        size: 'max',
      },
    );
    fc.assert(
      fc.property(turns, (all) => {
        const slabs = createSlabPool();
        const twin = new Twin(newKeyspace(slabs));
        for (let number = 0; number < 400; number += 1) {
          const value = number % 16 < 2 ? 'v'.repeat(11_250) : `value${number}`;
          twin.hashSet(0, `hash${number % 2}`, `field${number >>> 1}`, value);
          if (number < 40) twin.setString(1, `key${number}`, 'short', 0);
        }
        for (let number = 0; number < 2; number += 1)
          twin.setString(0, `long${number}`, 'x'.repeat(40_000), 0);
        const expected = copyOf(twin.model);
        const digest = digestOf(twin.keyspace, 50);
        const snapshot = twin.keyspace.beginSnapshot();
        const taken: Buffer[] = [];
        for (const [maxBytes, writes] of all) {
          const slice = snapshot.next(maxBytes);
          if (slice !== null) taken.push(slice);
          for (const each of writes) {
            twin.tick(0);
            each(twin);
          }
        }
        taken.push(...rest(snapshot, 4096));
        twin.check();
        const loaded = load(Buffer.concat(taken), 10_000, twin.timeMs);
        checkContent(loaded, expected);
        expect(digestOf(loaded, 7)).toBe(digest);
        twin.flush(-1);
        while (twin.keyspace.reclaim(100));
        expect(slabs.takenBytes).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  test('holds a long field as it was, rewritten before, while and after it is passed', () => {
    for (const passed of [0, 1, 4, 30]) {
      const twin = new Twin();
      for (let number = 0; number < 10; number += 1)
        twin.hashSet(0, 'hash', `field${number}`, 'v'.repeat(20_000));
      const expected = copyOf(twin.model);
      const snapshot = twin.keyspace.beginSnapshot();
      const taken: Buffer[] = [];
      for (let slice = 0; slice < passed; slice += 1) taken.push(snapshot.next(9000) ?? Buffer.alloc(0));
      twin.tick(0);
      for (let number = 0; number < 10; number += 1)
        twin.hashSet(0, 'hash', `field${number}`, 'w'.repeat(20_000));
      taken.push(...rest(snapshot, 9000));
      checkContent(load(Buffer.concat(taken), 10_000, twin.timeMs), expected);
      twin.check();
    }
  });

  test('that is abandoned frees what it kept, and another may begin', () => {
    const slabs = createSlabPool();
    const twin = new Twin(newKeyspace(slabs));
    twin.setString(0, 'long', 'x'.repeat(300_000), 0);
    for (let number = 0; number < 200; number += 1) twin.hashSet(0, 'hash', `f${number}`, 'v');
    const snapshot = twin.keyspace.beginSnapshot();
    twin.tick(0);
    twin.remove(0, 'long');
    twin.remove(0, 'hash');
    expect(slabs.takenBytes).toBeGreaterThan(300_000);
    snapshot.next(2000);
    snapshot.abandon();
    expect(snapshot.next(2000)).toBeNull();
    while (twin.keyspace.reclaim(10));
    expect(slabs.takenBytes).toBe(0);
    expect(rest(twin.keyspace.beginSnapshot(), 1000)).toHaveLength(1);
  });

  test('keeps slices near the size asked for, also of large hashes and long strings that change', () => {
    const twin = new Twin();
    for (let number = 0; number < 3000; number += 1) twin.hashSet(0, 'hash', `f${number}`, 'v'.repeat(50));
    twin.setString(0, 'long', 'x'.repeat(1_000_000), 0);
    const expected = copyOf(twin.model);
    const snapshot = twin.keyspace.beginSnapshot();
    twin.tick(0);
    for (let number = 0; number < 100; number += 1) twin.hashSet(0, 'hash', `f${number}`, 'other');
    twin.setString(0, 'long', 'short', 0);
    // The old fields, and the old string, kept until the snapshot comes to it.
    expect(snapshot.pendingBytes).toBeGreaterThan(1_000_000);
    expect(snapshot.pendingBytes).toBeLessThan(1_000_000 + 100 * 80 + 200);
    const slices = rest(snapshot, 10_000);
    for (const slice of slices) expect(slice.length).toBeLessThanOrEqual(10_008);
    checkContent(load(Buffer.concat(slices), 1000, twin.timeMs), expected);
  });

  test('gives itself up when more before-images wait than allowed, and leaves nothing behind', () => {
    const slabs = createSlabPool();
    const twin = new Twin(newKeyspace(slabs));
    for (let number = 0; number < 500; number += 1) twin.setString(0, `key${number}`, 'v'.repeat(100), 0);
    twin.setString(0, 'long', 'x'.repeat(300_000), 0);
    const expected = copyOf(twin.model);
    const snapshot = twin.keyspace.beginSnapshot(20_000);
    twin.tick(0);
    let written = 0;
    for (; written < 500 && !snapshot.overflowed; written += 1) {
      expect(snapshot.pendingBytes).toBeLessThanOrEqual(20_000);
      twin.setString(0, `key${written}`, 'other', 0);
    }
    expect(written).toBeGreaterThan(100);
    expect(written).toBeLessThan(200);
    expect(snapshot.pendingBytes).toBe(0);
    const again = twin.keyspace.beginSnapshot(20_000);
    twin.tick(0);
    // An old value that is kept counts, too.
    twin.setString(0, 'long', 'short', 0);
    twin.setString(0, 'key0', 'last', 0);
    expect(again.overflowed).toBe(true);
    expect(expected.size).toBe(twin.model.size);
    checkContent(
      load(Buffer.concat(rest(twin.keyspace.beginSnapshot(20_000), 1000)), 500, twin.timeMs),
      twin.model,
    );
    twin.keyspace.flush(-1);
    while (twin.keyspace.reclaim(100));
    expect(slabs.takenBytes).toBe(0);
  });

  test('replaces what the keyspace held before', () => {
    const bytes = Buffer.concat(rest(filled(50).keyspace.beginSnapshot(), 500));
    const twin = filled(300);
    const expected = filled(50);
    load(bytes, 777, 1000, twin.keyspace);
    checkContent(twin.keyspace, expected.model);
    while (twin.keyspace.reclaim(100));
    checkContent(twin.keyspace, expected.model);
  });

  test('means the same where keys are hashed with another seed', () => {
    const twin = filled(300);
    const digest = digestOf(twin.keyspace, 100);
    const { usedBytes } = twin.keyspace;
    const bytes = Buffer.concat(rest(twin.keyspace.beginSnapshot(), 500));
    const loaded = load(bytes, 5000, twin.timeMs, newKeyspace(createSlabPool(), 12_345));
    checkContent(loaded, twin.model);
    expect(digestOf(loaded, 100)).toBe(digest);
    expect(loaded.usedBytes).toBe(usedBytes);
  });

  test('that is damaged is refused with a typed error', () => {
    const bytes = Buffer.concat(rest(filled(40).keyspace.beginSnapshot(), 3000));
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 7 }), (at, bit) => {
        const damaged = Buffer.from(bytes);
        damaged[at] ^= 1 << bit;
        expect(() => load(damaged, 4096, 1000)).toThrow(SnapshotDamagedError);
      }),
      { numRuns: 200 },
    );
  });

  test('that is cut short, goes on after its end, or is of another format is refused', () => {
    const bytes = Buffer.concat(rest(filled(40).keyspace.beginSnapshot(), 3000));
    for (const length of [0, 5, 100, bytes.length - 1]) {
      expect(() => load(bytes.subarray(0, length), 999, 1000)).toThrow(SnapshotDamagedError);
    }
    expect(() => load(Buffer.concat([bytes, bytes]), 4096, 1000)).toThrow(SnapshotDamagedError);
    expect(() => load(Buffer.concat([bytes, Buffer.from([1])]), 4096, 1000)).toThrow(SnapshotDamagedError);
  });
});

describe('the digest', () => {
  test('depends on keys, values, fields, expiry and version, and on nothing else', () => {
    const digest = digestOf(filled(30).keyspace, 5);
    expect(digest).toMatch(/^[0-9a-f]{16}$/);
    const same = filled(30);
    const ref = same.find(0, 'long');
    same.keyspace.touch(ref, 5000, 1);
    expect(digestOf(same.keyspace, 1000)).toBe(digest);
    const changes: ((twin: Twin) => void)[] = [
      (twin) => twin.setString(0, 'long', `y${'x'.repeat(99_999)}`, 0),
      (twin) => twin.hashSet(2, 'hash1', 'field1', 'other'),
      (twin) => twin.hashDelete(2, 'hash1', 'field1'),
      (twin) => twin.expire(0, 'long', 9000),
      (twin) => twin.rename(0, 'long', 1, 'long'),
      (twin) => twin.remove(0, 'key0'),
    ];
    const digests = new Set([digest]);
    for (const change of changes) {
      const twin = filled(30);
      change(twin);
      digests.add(digestOf(twin.keyspace, 50));
    }
    expect(digests.size).toBe(changes.length + 1);
    const later = filled(30);
    later.tick(0);
    later.setString(0, 'long', 'x'.repeat(100_000), 0);
    expect(digestOf(later.keyspace, 50)).not.toBe(digest);
  });
});

describe('long fields', () => {
  test('are taken one after the other: whoever loads them makes room for one at a time', () => {
    const valueBytes = 32 * 1024;
    const sliceBytes = 4 * 1024;
    const source = new Twin();
    for (let i = 0; i < 200; i += 1) source.hashSet(0, 'hash', `field${i}`, 'x'.repeat(valueBytes));
    const slabs = createSlabPool();
    const target = newKeyspace(slabs);
    target.at(source.timeMs, 0, false);
    const loading = target.beginLoad();
    for (const slice of rest(source.keyspace.beginSnapshot(), sliceBytes)) {
      const before = slabs.takenBytes;
      loading.feed(slice);
      expect(slabs.takenBytes - before).toBeLessThan(2 * valueBytes);
    }
    loading.finish();
    checkContent(target, source.model);
  });
});
