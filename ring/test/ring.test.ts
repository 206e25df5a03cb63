import * as fc from 'fast-check';
import { xxhash64 } from 'hash-wasm';
import { describe, expect, test } from 'vitest';
import { DEFAULT_VNODES, loadTokenHash, NO_SHARD, RingError, SLOT_COUNT, slotPreferences } from '../index.ts';
import { shardIds } from './arbitraries.ts';

const hash = await loadTokenHash();

describe('a token', () => {
  test('is the 53 highest bits of the xxHash64 of its label', async () => {
    for (const label of ['0#0', '3#7', '1000#42', '']) {
      const digest = BigInt(`0x${await xxhash64(label)}`);
      expect(hash(label)).toBe(Number(digest >> 11n));
    }
  });
});

describe('the preference of a slot', () => {
  test('is the shard of the next token clockwise', () => {
    fc.assert(
      fc.property(shardIds(12), fc.integer({ min: 1, max: 20 }), (shards, vnodes) => {
        const preferences = slotPreferences(shards, hash, vnodes);
        for (let slot = 0; slot < SLOT_COUNT; slot += 97) {
          expect(preferences[slot]).toBe(nextShard((slot * 2 ** 53) / SLOT_COUNT, shards, vnodes));
        }
      }),
      { numRuns: 20 },
    );
  });

  test('is given by eight virtual nodes a shard unless told otherwise', () => {
    expect(DEFAULT_VNODES).toBe(8);
    expect(slotPreferences([1, 2, 3], hash)).toEqual(slotPreferences([1, 2, 3], hash, 8));
  });

  test('does not depend on the order of the shards', () => {
    expect(slotPreferences([5, 1, 9], hash)).toEqual(slotPreferences([9, 5, 1], hash));
  });

  test('changes only towards a shard that comes, and only from a shard that goes', () => {
    fc.assert(
      fc.property(shardIds(30), (shards) => {
        const [newcomer, ...others] = shards;
        const without = slotPreferences(others, hash);
        const withIt = slotPreferences(shards, hash);
        const changed = [...withIt.keys()].filter((slot) => withIt[slot] !== without[slot]);
        expect(new Set(changed.map((slot) => withIt[slot]))).toEqual(
          new Set(changed.length > 0 ? [newcomer] : []),
        );
      }),
      { numRuns: 30 },
    );
  });

  test('is nobody when there is no shard', () => {
    expect(new Set(slotPreferences([], hash))).toEqual(new Set([NO_SHARD]));
  });

  test('refuses what is no shard id and no number of virtual nodes', () => {
    expect(() => slotPreferences([-1], hash)).toThrow(RingError);
    expect(() => slotPreferences([1.5], hash)).toThrow(RingError);
    expect(() => slotPreferences([1], hash, 0)).toThrow(RingError);
  });
});

/** By looking at every token: the nearest at or after the point, else the first of all. */
function nextShard(point: number, shards: readonly number[], vnodes: number): number {
  let nearest = { distance: Infinity, shard: NO_SHARD };
  for (const shard of shards) {
    for (let i = 0; i < vnodes; i++) {
      const distance = (hash(`${shard}#${i}`) - point + 2 ** 53) % 2 ** 53;
      if (distance < nearest.distance) nearest = { distance, shard };
    }
  }
  return nearest.shard;
}
