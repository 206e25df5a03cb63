import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSlabPool } from '../../src/store/slab-pool.ts';
import { Encoding, NO_REF } from '../../src/store/types.ts';
import { newKeyspace, Twin } from './model.ts';
import { applyStep, stepArbitrary } from './steps.ts';

describe('the keyspace', () => {
  test('does what a plain model does, and accounts for just its content', () => {
    fc.assert(
      fc.property(fc.array(stepArbitrary, { minLength: 1, maxLength: 120, size: 'max' }), (steps) => {
        const slabs = createSlabPool();
        const twin = new Twin(newKeyspace(slabs));
        for (const step of steps) applyStep(twin, step);
        twin.check();
        twin.tick(0);
        twin.flush(-1);
        expect(twin.keyspace.usedBytes).toBe(0);
        while (twin.keyspace.reclaim(7));
        expect(slabs.takenBytes).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test('keeps the expiry of a small hash whose fields grow, shrink and go', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: -1, max: 16 })), {
          maxLength: 60,
        }),
        (changes) => {
          const twin = new Twin();
          twin.hashSet(0, 'hash', 'stays', 'value');
          twin.expire(0, 'hash', 5000);
          for (const [field, length] of changes) {
            twin.tick(0);
            if (length < 0) twin.hashDelete(0, 'hash', `field${field}`);
            else twin.hashSet(0, 'hash', `field${field}`, 'x'.repeat(length));
            twin.check();
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('lets a slot grow to many keys, and counts and finds them', () => {
    const twin = new Twin();
    const { keyspace } = twin;
    const key = Buffer.alloc(4);
    const keys = 50_000;
    for (let number = 0; number < keys; number += 1) {
      key.writeUInt32LE(number);
      keyspace.setString(0, 77, key, 0, 4, key, 0, 4, 0, Encoding.RAW);
    }
    expect(keyspace.keyCountInSlot(77)).toBe(keys);
    let wrong = 0;
    for (let number = 0; number < keys; number += 1) {
      key.writeUInt32LE(number);
      const ref = keyspace.find(0, 77, key, 0, 4);
      if (ref === NO_REF || keyspace.string(ref).bytes.readUInt32LE(keyspace.window.start) !== number)
        wrong += 1;
      else if (number % 2 === 0) keyspace.remove(ref);
    }
    expect(wrong).toBe(0);
    expect(keyspace.keyCountInSlot(77)).toBe(keys / 2);
    expect(keyspace.totalKeyCount()).toBe(keys / 2);
  });

  test('costs little while it is empty', () => {
    const slabs = createSlabPool();
    const keyspace = newKeyspace(slabs);
    expect(keyspace.slabBytes).toBe(0);
    expect(keyspace.usedBytes).toBe(0);
  });

  test('new bytes of a longer string are zero, and may be written in place', () => {
    const twin = new Twin();
    twin.setString(0, 'k', 'abc', 5000);
    const { keyspace } = twin;
    let ref = twin.find(0, 'k');
    for (const length of [5, 3000, 100_000]) {
      ref = keyspace.resizeString(ref, length);
      const { bytes, start, end } = keyspace.string(ref);
      expect(end - start).toBe(length);
      expect(bytes.toString('latin1', start, start + 3)).toBe('abc');
      expect(bytes.subarray(start + 3, end).every((byte) => byte === 0)).toBe(true);
      expect(keyspace.encodingOf(ref)).toBe(Encoding.RAW);
      expect(keyspace.expireAtMs(ref)).toBe(5000);
    }
    const { bytes, start } = keyspace.string(ref);
    bytes.write('tail', start + 99_996, 'latin1');
    ref = keyspace.resizeString(ref, 100_000);
    const after = keyspace.string(ref);
    expect(after.bytes.toString('latin1', after.end - 4, after.end)).toBe('tail');
  });
});
