/**
 * Spreads what is in slots (bytes, operations) by the weights of shards. The largest slot that fits goes first, from the shard that has most over
 * its share to the one that lacks most, and none takes either past its share: each move brings both nearer, so this comes to an end, few slots
 * move, and what has been balanced is left as it is.
 */
import type { Shard, SlotTable } from '../../ring/index.ts';

interface Holding {
  readonly id: number;
  /** What it should hold. */
  readonly share: number;
  load: number;
  slotCount: number;
  /** What it has to give: the slots that it had at first, the heaviest last. */
  readonly slots: number[];
  /** None of its slots fits anywhere. */
  isStuck: boolean;
}

/** Who should own each slot. Some shard weighs something. A shard has come near enough to its share when their ratio is below `stopRatio`. */
export function balancingTransfers(
  owners: SlotTable,
  shards: readonly Shard[],
  loads: Float64Array,
  stopRatio: number,
): SlotTable {
  const after = owners.slice();
  const holdings = holdingsOf(owners, shards, loads);
  const receivers = holdings.filter(({ share }) => share > 0);
  const give = (from: Holding, at: number, to: Holding): void => {
    const [slot] = from.slots.splice(at, 1);
    from.load -= loads[slot];
    from.slotCount -= 1;
    to.load += loads[slot];
    to.slotCount += 1;
    after[slot] = to.id;
  };
  // Shards that are to hold nothing, and owners that are no shards any more.
  for (const from of holdings) {
    while (from.share === 0 && from.slots.length > 0) {
      const last = from.slots.length - 1;
      give(from, last, loads[from.slots[last]] > 0 ? neediest(receivers) : emptiest(receivers));
    }
  }
  for (;;) {
    const from = fullest(receivers);
    if (from === null) return after;
    const to = from.load > from.share * stopRatio ? neediest(receivers) : lowest(receivers);
    if (from.load <= from.share * stopRatio && to.load * stopRatio >= to.share) return after;
    const at = lastFitting(from.slots, loads, Math.min(from.load - from.share, to.share - to.load));
    if (at < 0) from.isStuck = true;
    else give(from, at, to);
  }
}

function holdingsOf(owners: SlotTable, shards: readonly Shard[], loads: Float64Array): Holding[] {
  const total = loads.reduce((sum, load) => sum + load, 0);
  const weights = shards.reduce((sum, { weight }) => sum + weight, 0);
  const byId = new Map<number, Holding>();
  const sorted = [...shards].sort((a, b) => a.id - b.id);
  for (const { id, weight } of sorted)
    byId.set(id, { id, share: (total * weight) / weights, load: 0, slotCount: 0, slots: [], isStuck: false });
  for (const [slot, id] of owners.entries()) {
    let holding = byId.get(id);
    if (holding === undefined)
      byId.set(id, (holding = { id, share: 0, load: 0, slotCount: 0, slots: [], isStuck: false }));
    holding.load += loads[slot];
    holding.slotCount += 1;
    holding.slots.push(slot);
  }
  for (const { slots } of byId.values()) slots.sort((a, b) => loads[a] - loads[b] || b - a);
  return [...byId.values()];
}

/** The most above its share, in proportion. */
function fullest(holdings: readonly Holding[]): Holding | null {
  let found: Holding | null = null;
  for (const holding of holdings) {
    if (holding.isStuck || holding.load <= holding.share) continue;
    if (found === null || holding.load * found.share > found.load * holding.share) found = holding;
  }
  return found;
}

/** The most below its share, in proportion. */
function lowest(holdings: readonly Holding[]): Holding {
  return holdings.reduce((found, one) => (one.load * found.share < found.load * one.share ? one : found));
}

/** With the most room. */
function neediest(holdings: readonly Holding[]): Holding {
  return holdings.reduce((found, one) => (one.share - one.load > found.share - found.load ? one : found));
}

/** With the fewest slots, by weight. */
function emptiest(holdings: readonly Holding[]): Holding {
  return holdings.reduce((found, one) =>
    one.slotCount * found.share < found.slotCount * one.share ? one : found,
  );
}

/** The heaviest that weighs something and no more than that; -1: none. */
function lastFitting(slots: readonly number[], loads: Float64Array, most: number): number {
  let low = 0;
  let high = slots.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (loads[slots[middle]] <= most) low = middle + 1;
    else high = middle;
  }
  const at = low - 1;
  return at >= 0 && loads[slots[at]] > 0 ? at : -1;
}
