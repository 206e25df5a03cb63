import { RingError } from './errors.ts';
import type { ShardId } from './table.ts';

/** What placement has to know of a shard. */
export interface Shard {
  id: ShardId;
  /** Its share of the slots, relative to the other shards', to four decimals; 0 to give up all slots. */
  weight: number;
}

export const MAX_WEIGHT = 1_000_000;

/** Weights are reckoned in these: whole numbers, small enough for sums and products to be exact. */
const UNITS_PER_WEIGHT = 10_000;

const MAX_SHARD_ID = 0x7fff_ffff;

/** The shards by rising id, so that the order in which they were given decides nothing. */
export function sortedShards(shards: readonly Shard[]): Shard[] {
  const sorted = [...shards].sort((a, b) => a.id - b.id);
  for (const [index, { id, weight }] of sorted.entries()) {
    checkShardId(id);
    if (index > 0 && sorted[index - 1].id === id) throw new RingError(`shard ${id} is given twice`);
    if (!Number.isInteger(weight) || weight < 0 || weight > MAX_WEIGHT) {
      throw new RingError(
        `weight of shard ${id} is ${weight}: must be a whole number from 0 to ${MAX_WEIGHT}`,
      );
    }
  }
  return sorted;
}

export function weightUnits(shard: Shard): number {
  return Math.round(shard.weight * UNITS_PER_WEIGHT);
}

export function checkShardId(id: ShardId): void {
  if (!Number.isInteger(id) || id < 0 || id > MAX_SHARD_ID) {
    throw new RingError(`shard id ${id}: must be a whole number from 0 to ${MAX_SHARD_ID}`);
  }
}
