import { SLOT_COUNT, type SlotRange } from './types.ts';

/** The same slots in as few ranges as can be; null when they are none, out of order, overlapping, or outside the slots that there are. */
export function slotRanges(ranges: readonly SlotRange[]): SlotRange[] | null {
  const joined: SlotRange[] = [];
  let next = 0;
  for (const { from, to } of ranges) {
    if (from < next || to < from || to >= SLOT_COUNT) return null;
    const last = joined.at(-1);
    if (last !== undefined && last.to + 1 === from) last.to = to;
    else joined.push({ from, to });
    next = to + 1;
  }
  return joined.length === 0 ? null : joined;
}

/** Each slot of the ranges. */
export function slotsOf(ranges: readonly SlotRange[]): number[] {
  const slots: number[] = [];
  for (const { from, to } of ranges) for (let slot = from; slot <= to; slot++) slots.push(slot);
  return slots;
}

/** Slots in ascending order, in as few ranges as can be. */
export function rangesOf(slots: readonly number[]): SlotRange[] {
  const ranges: SlotRange[] = [];
  for (const slot of slots) {
    const last = ranges.at(-1);
    if (last !== undefined && last.to + 1 === slot) last.to = slot;
    else ranges.push({ from: slot, to: slot });
  }
  return ranges;
}
