import * as fc from 'fast-check';
import type { Shard, SlotTable } from '../index.ts';
import { emptyTable, NO_SHARD } from '../index.ts';

/** From 1 to `maxCount` distinct shard ids. */
export function shardIds(maxCount: number): fc.Arbitrary<number[]> {
  return fc.uniqueArray(fc.integer({ min: 0, max: 5000 }), { minLength: 1, maxLength: maxCount });
}

/** Shards of weights from 0 to `maxWeight`, not all 0. */
export function weightedShards(maxCount: number, maxWeight: number): fc.Arbitrary<Shard[]> {
  return shardIds(maxCount).chain((ids) =>
    fc
      .array(fc.integer({ min: 0, max: maxWeight }), { minLength: ids.length, maxLength: ids.length })
      .filter((weights) => weights.some((weight) => weight > 0))
      .map((weights) => ids.map((id, index) => ({ id, weight: weights[index] }))),
  );
}

export function equalShards(count: number, firstId = 0): Shard[] {
  return Array.from({ length: count }, (_, index) => ({ id: firstId + index, weight: 1 }));
}

/** Any table over the given ids and nobody, in runs of random lengths: what no history of plans need have led to. */
export function anyTable(ids: readonly number[]): fc.Arbitrary<SlotTable> {
  const run = fc.tuple(fc.constantFrom(NO_SHARD, ...ids), fc.integer({ min: 1, max: 3000 }));
  return fc.array(run, { maxLength: 40 }).map((runs) => {
    const table = emptyTable();
    let from = 0;
    for (const [shard, length] of runs) {
      table.fill(shard, from, from + length);
      from += length;
    }
    return table;
  });
}

/** How many slots each shard of the table holds. */
export function countSlots(table: SlotTable): Map<number, number> {
  const counts = new Map<number, number>();
  for (const shard of table) counts.set(shard, (counts.get(shard) ?? 0) + 1);
  return counts;
}
