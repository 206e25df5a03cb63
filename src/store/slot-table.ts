/**
 * The dictionaries of one database, one a slot: of all its keys, or of those that expire. An empty slot costs the two numbers of its row.
 * Counts by slot and by group of slots make it cheap to find a key by its rank, hence to pick one uniformly.
 */
import type { Dictionary } from './dictionary.ts';
import { type Handle, NO_BLOCK } from './slab-pool.ts';

/** This module's own copies: V8 takes them for constant (desk.ts). */
const NONE = NO_BLOCK;

export const SLOT_COUNT = 16384;
const GROUP_SHIFT = 7;
const SLOTS_PER_GROUP = 1 << GROUP_SHIFT;

export class SlotTable {
  total = 0;
  readonly counts = new Uint32Array(SLOT_COUNT);
  private readonly records = new Uint32Array(SLOT_COUNT);
  private readonly groupCounts = new Uint32Array(SLOT_COUNT >>> GROUP_SHIFT);
  private readonly dictionary: Dictionary;

  constructor(dictionary: Dictionary) {
    this.dictionary = dictionary;
  }

  find(slot: number, hash: number, bytes: Uint8Array, start: number, end: number): Handle {
    const record = this.records[slot];
    return record === NONE ? NONE : this.dictionary.find(record, hash, bytes, start, end);
  }

  insert(slot: number, hash: number, entry: Handle): void {
    if (this.records[slot] === NONE) this.records[slot] = this.dictionary.create();
    this.dictionary.insert(this.records[slot], hash, entry);
    this.addToCounts(slot, 1);
  }

  replace(slot: number, hash: number, old: Handle, replacement: Handle): void {
    this.dictionary.replace(this.records[slot], hash, old, replacement);
  }

  remove(slot: number, hash: number, entry: Handle): void {
    const record = this.records[slot];
    if (record === NONE || !this.dictionary.remove(record, hash, entry)) return;
    this.addToCounts(slot, -1);
    if (this.counts[slot] !== 0) return;
    this.dictionary.free(record);
    this.records[slot] = NONE;
  }

  /** See Dictionary.collect. */
  collect(slot: number, fromHash: number, limit: number): number {
    return this.dictionary.collect(this.records[slot], fromHash, limit);
  }

  /** The first slot from `slot` on that holds something, at most `slotTo`; else slotTo + 1. */
  nextSlot(slot: number, slotTo: number): number {
    let at = slot;
    while (at <= slotTo && this.counts[at] === 0) {
      const groupEmpty = this.groupCounts[at >>> GROUP_SHIFT] === 0;
      at = groupEmpty ? ((at >>> GROUP_SHIFT) + 1) << GROUP_SHIFT : at + 1;
    }
    return Math.min(at, slotTo + 1);
  }

  /** The slot that holds the entry of this rank, below `total`. */
  slotOfRank(rank: number): number {
    let rest = rank;
    let group = 0;
    while (rest >= this.groupCounts[group]) rest -= this.groupCounts[group++];
    let slot = group * SLOTS_PER_GROUP;
    while (rest >= this.counts[slot]) rest -= this.counts[slot++];
    return slot;
  }

  /** An entry of the slot, uniformly. `pick`: a random uint32. */
  pick(slot: number, pick: number): Handle {
    return this.dictionary.pick(this.records[slot], pick);
  }

  /** Takes the slot's dictionary out, as it is; NONE when there is none. */
  detach(slot: number): Handle {
    const record = this.records[slot];
    this.records[slot] = NONE;
    // No -0, which is no small integer: all code made for a count that is one would be thrown away.
    this.addToCounts(slot, 0 - this.counts[slot]);
    return record;
  }

  /** Puts a dictionary in whose entries are of this slot, which is empty. */
  attach(slot: number, record: Handle): void {
    if (record === NONE) return;
    this.records[slot] = record;
    this.addToCounts(slot, this.dictionary.count(record));
  }

  /** Frees the slot's dictionary, whatever it leads to. The table is not used for it any more. */
  discard(slot: number): void {
    if (this.records[slot] !== NONE) this.dictionary.free(this.records[slot]);
    this.records[slot] = NONE;
  }

  private addToCounts(slot: number, delta: number): void {
    this.counts[slot] += delta;
    this.groupCounts[slot >>> GROUP_SHIFT] += delta;
    this.total += delta;
  }
}
