import { RingError } from './errors.ts';
import type { Shard } from './shards.ts';
import { weightUnits } from './shards.ts';
import { SLOT_COUNT } from './slot.ts';

/**
 * How many slots each shard should hold: largest-remainder apportionment of all slots by weight. Where remainders tie, a shard
 * that already holds the extra slot keeps it, then the first in order takes it. `held[i]` is what `shards[i]` holds now.
 */
export function slotQuotas(shards: readonly Shard[], held: ArrayLike<number>): Int32Array {
  const weights = shards.map(weightUnits);
  const totalWeight = weights.reduce((sum, weight) => sum + weight, 0);
  if (totalWeight === 0) throw new RingError('no shard has a weight above 0: nobody can hold the slots');

  const quotas = Int32Array.from(weights, (weight) => Math.floor((SLOT_COUNT * weight) / totalWeight));
  const remainders = weights.map((weight) => (SLOT_COUNT * weight) % totalWeight);
  const assigned = quotas.reduce((sum, quota) => sum + quota, 0);

  const holdsExtra = (index: number): number => (held[index] > quotas[index] ? 1 : 0);
  const byClaim = shards
    .map((_, index) => index)
    .sort((a, b) => remainders[b] - remainders[a] || holdsExtra(b) - holdsExtra(a) || a - b);
  for (const index of byClaim.slice(0, SLOT_COUNT - assigned)) quotas[index]++;
  return quotas;
}
