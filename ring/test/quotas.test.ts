import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_WEIGHT, RingError, SLOT_COUNT, slotQuotas } from '../index.ts';
import { equalShards, weightedShards } from './arbitraries.ts';

const none = (count: number): number[] => Array.from({ length: count }, () => 0);
const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);

describe('quotas', () => {
  test('add up to all slots and lie within one slot of each share', () => {
    fc.assert(
      fc.property(weightedShards(200, MAX_WEIGHT), (shards) => {
        const quotas = slotQuotas(shards, none(shards.length));
        const totalWeight = sum(shards.map((shard) => shard.weight));
        expect(sum(quotas)).toBe(SLOT_COUNT);
        for (const [index, { weight }] of shards.entries()) {
          expect(Math.abs(quotas[index] - (SLOT_COUNT * weight) / totalWeight)).toBeLessThan(1);
        }
      }),
    );
  });

  test('take decimal weights, and reckon exactly with them', () => {
    const quotas = (...weights: number[]): number[] => [
      ...slotQuotas(
        weights.map((weight, id) => ({ id, weight })),
        none(weights.length),
      ),
    ];
    expect(quotas(0.5, 0.5, 1)).toEqual([4096, 4096, 8192]);
    // In binary 0.1 + 0.2 is more than 0.3.
    expect(quotas(0.1 + 0.2, 0.3)).toEqual(quotas(0.3, 0.1 + 0.2));
    expect(quotas(0.01, 0.01, 0.01)).toEqual(quotas(1000, 1000, 1000));
    expect(quotas(0.01, 1000)).toEqual(quotas(1, 100_000));
  });

  test('of equal shards, 1 to 1000, differ by at most one slot', () => {
    for (let count = 1; count <= 1000; count++) {
      const quotas = slotQuotas(equalShards(count), none(count));
      expect(sum(quotas)).toBe(SLOT_COUNT);
      expect(Math.max(...quotas) - Math.min(...quotas)).toBeLessThanOrEqual(1);
    }
  });

  test('give the extra slots to the largest remainders', () => {
    // Shares: 8192, 5461.33, 2730.67.
    const shards = [3, 2, 1].map((weight, id) => ({ id, weight }));
    expect([...slotQuotas(shards, none(3))]).toEqual([8192, 5461, 2731]);
  });

  test('leave an extra slot where it is when remainders tie', () => {
    const shards = equalShards(3);
    expect([...slotQuotas(shards, [0, 0, 0])]).toEqual([5462, 5461, 5461]);
    expect([...slotQuotas(shards, [5461, 5461, 5462])]).toEqual([5461, 5461, 5462]);
    expect([...slotQuotas(shards, [5461, 9000, 1923])]).toEqual([5461, 5462, 5461]);
  });

  test('give nothing to a weight of 0', () => {
    expect([
      ...slotQuotas(
        [
          { id: 1, weight: 0 },
          { id: 2, weight: 5 },
        ],
        [16384, 0],
      ),
    ]).toEqual([0, SLOT_COUNT]);
  });

  test('are refused when nobody has a weight', () => {
    expect(() => slotQuotas([], [])).toThrow(RingError);
    expect(() => slotQuotas([{ id: 1, weight: 0 }], [0])).toThrow('no shard has a weight above 0');
  });
});
