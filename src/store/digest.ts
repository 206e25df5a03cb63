/**
 * A digest of all replicated content, order-independent: the sums, modulo 2^32, of two hashes per key over database, slot, type, encoding,
 * version, expiry, key and value. The fields of a large hash are summed likewise, those of a small one count in their order. The access
 * clock is left out. Large strings and hashes are taken in pieces, so that no slice is long.
 */
import { mix32 } from './byte-hash.ts';
import { END_OF_HASHES } from './dictionary.ts';
import type { KeyTable } from './key-table.ts';
import type { Handle } from './slab-pool.ts';
import { SLOT_COUNT } from './slot-table.ts';
import { DATABASE_COUNT, Encoding, type KeyspaceDigest } from './types.ts';

/** A multiple of four. */
const PIECE_BYTES = 16 * 1024;
const BYTES_PER_ITEM = 256;
const LANE_SEEDS = [0x243f6a88, 0x85a308d3] as const;

/** A hash of 64 bits, in two lanes, over bytes fed to it in any cut of multiples of four bytes. */
class Lanes {
  low = 0;
  high = 0;

  reset(): void {
    this.low = LANE_SEEDS[0];
    this.high = LANE_SEEDS[1];
  }

  word(word: number): void {
    const low = this.low ^ word;
    const high = this.high ^ word;
    this.low = (Math.imul((low << 15) | (low >>> 17), 0x85ebca6b) + 0x9e3779b9) | 0;
    this.high = (Math.imul((high << 13) | (high >>> 19), 0xc2b2ae35) + 0x7f4a7c15) | 0;
  }

  number(value: number): void {
    this.word(value | 0);
    this.word(Math.floor(value / END_OF_HASHES) | 0);
  }

  bytes(view: DataView, start: number, end: number): void {
    let { low, high } = this;
    let at = start;
    for (; at + 4 <= end; at += 4) {
      const word = view.getInt32(at, true);
      low ^= word;
      high ^= word;
      low = (Math.imul((low << 15) | (low >>> 17), 0x85ebca6b) + 0x9e3779b9) | 0;
      high = (Math.imul((high << 13) | (high >>> 19), 0xc2b2ae35) + 0x7f4a7c15) | 0;
    }
    this.low = low;
    this.high = high;
    let tail = 0;
    for (let shift = 0; at < end; at += 1, shift += 8) tail |= view.getUint8(at) << shift;
    this.word(tail);
  }

  finish(): void {
    const low = this.low;
    this.low = mix32(low ^ Math.imul(this.high, 0x9e3779b1));
    this.high = mix32(this.high ^ Math.imul(low, 0x85ebca77));
  }
}

export class KeyspaceDigester implements KeyspaceDigest {
  private readonly keys: KeyTable;
  private readonly lanes = new Lanes();
  private readonly fieldLanes = new Lanes();
  private sumLow = 0;
  private sumHigh = 0;
  private db = 0;
  private slot = 0;
  private hash = 0;
  /** Keys of the slot that are yet to be taken. */
  private batch: number[] = [];
  /** Where in a large value the next piece begins: an offset, or the hash of a field. 0: at the key's facts. */
  private place = 0;
  private fieldsLow = 0;
  private fieldsHigh = 0;

  constructor(keys: KeyTable) {
    this.keys = keys;
  }

  next(maxItems: number): string | null {
    let left = maxItems;
    while (left > 0) {
      if (this.batch.length === 0 && !this.fillBatch(left)) return this.hex();
      const entry = this.batch[this.batch.length - 1];
      left -= this.takePiece(entry, left);
    }
    return null;
  }

  /** False when all slots are done. */
  private fillBatch(limit: number): boolean {
    for (; this.db < DATABASE_COUNT; this.db += 1, this.slot = 0, this.hash = 0) {
      const keys = this.keys.databases[this.db]?.keys;
      if (keys === undefined) continue;
      for (;;) {
        const slot = keys.nextSlot(this.slot, SLOT_COUNT - 1);
        if (slot === SLOT_COUNT) break;
        if (slot !== this.slot) this.hash = 0;
        this.slot = slot;
        const found = keys.collect(slot, this.hash, limit);
        this.hash = this.keys.dictionary.nextHash;
        if (this.hash === END_OF_HASHES) {
          this.slot += 1;
          this.hash = 0;
        }
        for (let index = 0; index < found; index += 1) this.batch.push(this.keys.dictionary.collected[index]);
        if (found > 0) return true;
      }
    }
    return false;
  }

  /** Takes a piece of the last key of the batch; returns how many items it was. */
  private takePiece(entry: Handle, limit: number): number {
    const { entries } = this.keys;
    if (this.place === 0) this.beginKey(entry);
    const items =
      entries.encoding(entry) === Encoding.HASHTABLE ? this.takeFields(entry, limit) : this.takeBytes(entry);
    if (this.place !== END_OF_HASHES) return items;
    this.lanes.word(this.fieldsLow);
    this.lanes.word(this.fieldsHigh);
    this.lanes.finish();
    this.sumLow = (this.sumLow + this.lanes.low) >>> 0;
    this.sumHigh = (this.sumHigh + this.lanes.high) >>> 0;
    this.place = 0;
    this.batch.pop();
    return items;
  }

  private beginKey(entry: Handle): void {
    const { entries, tables } = this.keys;
    const { lanes } = this;
    const large = entries.encoding(entry) === Encoding.HASHTABLE;
    lanes.reset();
    this.fieldsLow = 0;
    this.fieldsHigh = 0;
    lanes.word(entries.database(entry) | (entries.type(entry) << 4) | (entries.encoding(entry) << 8));
    lanes.word(entries.slot(entry));
    lanes.number(entries.version(entry));
    lanes.number(entries.expireAtMs(entry));
    lanes.number(large ? tables.count(entries.valueLength(entry)) : entries.valueLength(entry));
    lanes.number(entries.keyLength(entry));
    const start = entries.keyStart(entry);
    lanes.bytes(entries.view(entry), start, start + entries.keyLength(entry));
  }

  private takeBytes(entry: Handle): number {
    const { entries } = this.keys;
    const length = entries.valueLength(entry);
    const end = Math.min(length, this.place + PIECE_BYTES);
    const start = entries.valueStart(entry);
    this.lanes.bytes(entries.view(entry), start + this.place, start + end);
    const items = 1 + Math.floor((end - this.place) / BYTES_PER_ITEM);
    this.place = end === length ? END_OF_HASHES : end;
    return items;
  }

  private takeFields(entry: Handle, limit: number): number {
    const { entries, tables } = this.keys;
    const { dictionary } = tables;
    const found = dictionary.collect(entries.valueLength(entry), this.place, limit);
    for (let index = 0; index < found; index += 1) {
      const field = dictionary.collected[index];
      const { fieldLanes } = this;
      fieldLanes.reset();
      fieldLanes.bytes(tables.view(field), tables.fieldStart(field), tables.valueStart(field));
      fieldLanes.number(tables.valueStart(field) - tables.fieldStart(field));
      fieldLanes.bytes(tables.view(field), tables.valueStart(field), tables.valueEnd(field));
      fieldLanes.number(tables.valueEnd(field) - tables.valueStart(field));
      fieldLanes.finish();
      this.fieldsLow = (this.fieldsLow + fieldLanes.low) >>> 0;
      this.fieldsHigh = (this.fieldsHigh + fieldLanes.high) >>> 0;
    }
    this.place = dictionary.nextHash;
    return found + 1;
  }

  private hex(): string {
    return this.sumHigh.toString(16).padStart(8, '0') + this.sumLow.toString(16).padStart(8, '0');
  }
}
