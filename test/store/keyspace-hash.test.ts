import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSlabPool } from '../../src/store/slab-pool.ts';
import type { KeyspaceHash, KeyspaceSnapshot } from '../../src/store/types.ts';
import { digestOf, newKeyspace, Twin } from './model.ts';
import { applyStep, stepArbitrary } from './steps.ts';

function rest(hash: KeyspaceHash, maxItems: number): string {
  for (;;) {
    const hex = hash.next(maxItems);
    if (hex !== null) return hex;
  }
}

function snapshotBytes(snapshot: KeyspaceSnapshot): Buffer {
  const slices: Buffer[] = [];
  for (let slice = snapshot.next(4096); slice !== null; slice = snapshot.next(4096)) slices.push(slice);
  return Buffer.concat(slices);
}

describe('a hash of the keyspace', () => {
  test('is that of the state at its begin, whatever is written, and whoever else walks, while it is taken', () => {
    const steps = fc.array(stepArbitrary, { minLength: 1, maxLength: 60, size: 'max' });
    const during = fc.array(fc.tuple(fc.integer({ min: 1, max: 200 }), stepArbitrary), {
      minLength: 4,
      maxLength: 60,
      size: 'max',
    });
    fc.assert(
      fc.property(steps, during, (before, turns) => {
        const slabs = createSlabPool();
        const twin = new Twin(newKeyspace(slabs));
        for (const step of before) applyStep(twin, step);
        const walks: { hash: KeyspaceHash; expected: string; done: string | null }[] = [];
        const begin = (): void => {
          const expected = digestOf(twin.keyspace, 7);
          walks.push({ hash: twin.keyspace.beginHash(), expected, done: null });
        };
        begin();
        const snapshot = twin.keyspace.beginSnapshot();
        const slices: Buffer[] = [];
        for (const [at, [maxItems, step]] of turns.entries()) {
          applyStep(twin, step);
          const slice = snapshot.next(maxItems * 20);
          if (slice !== null) slices.push(slice);
          for (const walk of walks) walk.done ??= walk.hash.next(maxItems);
          if (at === 2) begin();
        }
        for (const walk of walks) expect(walk.done ?? rest(walk.hash, 50)).toBe(walk.expected);
        const loaded = newKeyspace();
        loaded.at(twin.timeMs, 0, false);
        const loading = loaded.beginLoad();
        loading.feed(Buffer.concat([...slices, snapshotBytes(snapshot)]));
        loading.finish();
        expect(digestOf(loaded, 50)).toBe(walks[0].expected);
        twin.check();
        twin.flush(-1);
        while (twin.keyspace.reclaim(100));
        expect(slabs.takenBytes).toBe(0);
      }),
      { numRuns: 120 },
    );
  });

  test('takes large values as they were', () => {
    const twin = new Twin();
    twin.setString(0, 'long', 'x'.repeat(100_000), 0);
    for (let number = 0; number < 400; number += 1)
      twin.hashSet(0, 'large', `field${number}`, number % 40 === 0 ? 'v'.repeat(20_000) : `value${number}`);
    const expected = digestOf(twin.keyspace, 10);
    const hash = twin.keyspace.beginHash();
    let done: string | null = null;
    for (let number = 0; done === null; number += 1) {
      twin.tick(0);
      if (number % 3 === 0) twin.hashSet(0, 'large', `field${(number * 7) % 400}`, 'w'.repeat(number % 9000));
      else if (number === 4) twin.setString(0, 'long', 'y'.repeat(100_000), 0);
      else twin.hashDelete(0, 'large', `field${(number * 11) % 400}`);
      done = hash.next(3);
    }
    expect(done).toBe(expected);
    expect(digestOf(twin.keyspace, 10)).not.toBe(expected);
  });

  test('gives itself up when what it keeps is more than allowed, and frees it', () => {
    const slabs = createSlabPool();
    const twin = new Twin(newKeyspace(slabs));
    for (let number = 0; number < 4; number += 1) twin.setString(0, `long${number}`, 'x'.repeat(20_000), 0);
    const hash = twin.keyspace.beginHash(30_000);
    expect(hash.next(1)).toBe(null);
    for (let number = 0; number < 4; number += 1) {
      twin.tick(0);
      twin.setString(0, `long${number}`, 'y'.repeat(20_000), 0);
    }
    expect(hash.overflowed).toBe(true);
    expect(hash.next(1000)).toBe(null);
    twin.flush(-1);
    while (twin.keyspace.reclaim(100));
    expect(slabs.takenBytes).toBe(0);
  });

  test('goes on with the old state when another is loaded', () => {
    const slabs = createSlabPool();
    const twin = new Twin(newKeyspace(slabs));
    for (let number = 0; number < 300; number += 1) twin.setString(0, `key${number}`, 'old', 0);
    const expected = digestOf(twin.keyspace, 100);
    const other = new Twin();
    other.setString(0, 'key1', 'new', 0);
    const bytes = snapshotBytes(other.keyspace.beginSnapshot());
    const hash = twin.keyspace.beginHash();
    expect(hash.next(20)).toBe(null);
    const loading = twin.keyspace.beginLoad();
    loading.feed(bytes);
    loading.finish();
    while (twin.keyspace.reclaim(50));
    expect(rest(hash, 20)).toBe(expected);
    expect(digestOf(twin.keyspace, 20)).toBe(digestOf(other.keyspace, 20));
    twin.keyspace.flush(-1);
    while (twin.keyspace.reclaim(100));
    expect(slabs.takenBytes).toBe(0);
  });
});
