import { RingError } from './errors.ts';
import { SLOT_COUNT } from './slot.ts';

/** A whole number from 0 to 2^31 - 1, given once. */
export type ShardId = number;

/** Stands in a table where a slot has no shard. */
export const NO_SHARD = -1;

/** For each of the 16384 slots the id of a shard, or NO_SHARD. */
export type SlotTable = Int32Array;

/** Consecutive slots of one shard, both ends included. */
export interface SlotRun {
  from: number;
  to: number;
  shard: ShardId;
}

export function emptyTable(): SlotTable {
  return new Int32Array(SLOT_COUNT).fill(NO_SHARD);
}

/** The table as maximal runs, in the order of slots; slots without a shard are left out. */
export function runsOf(table: SlotTable): SlotRun[] {
  const runs: SlotRun[] = [];
  for (let from = 0, to = 0; from < table.length; from = to + 1) {
    to = from;
    while (to + 1 < table.length && table[to + 1] === table[from]) to++;
    if (table[from] !== NO_SHARD) runs.push({ from, to, shard: table[from] });
  }
  return runs;
}

/** The inverse of `runsOf`. */
export function tableOf(runs: readonly SlotRun[]): SlotTable {
  const table = emptyTable();
  for (const { from, to, shard } of runs) {
    if (!(from >= 0 && from <= to && to < SLOT_COUNT)) throw new RingError(`no such slots: ${from} to ${to}`);
    for (let slot = from; slot <= to; slot++) {
      if (table[slot] !== NO_SHARD) throw new RingError(`slot ${slot} lies in two runs`);
      table[slot] = shard;
    }
  }
  return table;
}
