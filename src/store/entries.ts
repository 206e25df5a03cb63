/**
 * A key's entry in the slabs. Header of 24 bytes, then the key, then the value (a string, or the packed fields of a small hash); an
 * expiry lies in the last 8 bytes, aligned, only when there is one. A large hash has no value here but the handle of its field table.
 *
 * Bytes: 0 database (4 bits) and type (4), 1 encoding (4) and flags (4), 2 slot (u16), 4 key length (u32), 8 value length or table (u32),
 * 12 version (48 bits), 18 generation (u16, of staging areas alone), 20 access clock (u32).
 */
import { copyInto } from './copy-bytes.ts';
import { KEY_LENGTH_WORD } from './dictionary.ts';
import { SLAB_SHIFT, UNIT_MASK } from './page-runs.ts';
import { KeyRecord } from './snapshot-format.ts';
import { roundedSize, UNIT_BYTES } from './size-classes.ts';
import type { Handle, SlabPool } from './slab-pool.ts';
import { Encoding, ValueType, type Window } from './types.ts';

/** This module's own copies: V8 takes them for constant (desk.ts). */
const SHIFT = SLAB_SHIFT;
const MASK = UNIT_MASK;
const UNIT = UNIT_BYTES;
const KEY_WORD = KEY_LENGTH_WORD;

export const ENTRY_HEADER_BYTES = 24;
const HEADER_BYTES = ENTRY_HEADER_BYTES;
const { HASHTABLE } = Encoding;
const VALUE_WORD = 2;
const VERSION_WORD = 3;
const ACCESS_WORD = 5;
const ENCODING_BYTE = 1;
const SLOT_BYTE = 2;
const VERSION_HIGH_BYTE = 16;
const VERSION_HIGH_MASK = 0xffff;
const GENERATION_SHIFT = 16;
const HAS_EXPIRY = 0x10;
const EXPIRY_BYTES = 8;
const TWO_32 = 2 ** 32;
/** In the first word: type and "has expiry"; encoding. */
const ENCODING_SHIFT = 8;
const ENCODING_MASK = 0x0f << ENCODING_SHIFT;
const KIND_MASK = 0xf0 | (HAS_EXPIRY << ENCODING_SHIFT);
const PLAIN_STRING = ValueType.STRING << 4;

export class Entries {
  readonly slabs: SlabPool;

  constructor(slabs: SlabPool) {
    this.slabs = slabs;
  }

  /** A new entry with its key; the value's bytes are the caller's to write. `access` goes over from the entry that it replaces. */
  create(
    db: number,
    slot: number,
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    type: ValueType,
    encoding: Encoding,
    valueLength: number,
    expireAtMs: number,
  ): Handle {
    const keyLength = keyEnd - keyStart;
    const size = entrySize(keyLength, encoding === HASHTABLE ? 0 : valueLength, expireAtMs !== 0);
    const entry = this.slabs.take(size);
    const slab = entry >>> SHIFT;
    const unit = entry & MASK;
    const bytes = this.slabs.bytes[slab];
    const words = this.slabs.words[slab];
    const flags = expireAtMs === 0 ? 0 : HAS_EXPIRY;
    words[unit * 2] = db | (type << 4) | ((encoding | flags) << 8) | (slot << 16);
    words[unit * 2 + KEY_WORD] = keyLength;
    words[unit * 2 + VALUE_WORD] = valueLength;
    words[unit * 2 + VERSION_WORD] = 0;
    words[unit * 2 + VERSION_WORD + 1] = 0;
    words[unit * 2 + ACCESS_WORD] = 0;
    const keyAt = unit * UNIT + HEADER_BYTES;
    copyInto(keyBytes, keyStart, keyEnd, bytes, this.slabs.views[slab], keyAt);
    if (expireAtMs !== 0) this.slabs.doubles[slab][unit + size / UNIT - 1] = expireAtMs;
    return entry;
  }

  bytes(entry: Handle): Buffer {
    return this.slabs.bytes[entry >>> SHIFT];
  }

  /** Of the bytes. */
  view(entry: Handle): DataView {
    return this.slabs.views[entry >>> SHIFT];
  }

  database(entry: Handle): number {
    return this.bytes(entry)[(entry & MASK) * UNIT] & 0x0f;
  }

  type(entry: Handle): ValueType {
    return (this.bytes(entry)[(entry & MASK) * UNIT] >>> 4) as ValueType;
  }

  encoding(entry: Handle): Encoding {
    return (this.bytes(entry)[(entry & MASK) * UNIT + ENCODING_BYTE] & 0x0f) as Encoding;
  }

  setEncoding(entry: Handle, encoding: Encoding): void {
    const bytes = this.bytes(entry);
    const at = (entry & MASK) * UNIT + ENCODING_BYTE;
    bytes[at] = (bytes[at] & 0xf0) | encoding;
  }

  slot(entry: Handle): number {
    return this.slabs.words[entry >>> SHIFT][(entry & MASK) * 2] >>> (SLOT_BYTE * 8);
  }

  keyStart(entry: Handle): number {
    return (entry & MASK) * UNIT + HEADER_BYTES;
  }

  keyLength(entry: Handle): number {
    return this.slabs.words[entry >>> SHIFT][(entry & MASK) * 2 + KEY_WORD];
  }

  keyEnd(entry: Handle): number {
    return this.valueStart(entry);
  }

  /** The value follows the key. */
  valueStart(entry: Handle): number {
    const at = (entry & MASK) * 2;
    return at * 4 + HEADER_BYTES + this.slabs.words[entry >>> SHIFT][at + KEY_WORD];
  }

  /** The length of the value; of a large hash: the handle of its field table. */
  valueLength(entry: Handle): number {
    return this.slabs.words[entry >>> SHIFT][(entry & MASK) * 2 + VALUE_WORD];
  }

  setTable(entry: Handle, table: Handle): void {
    this.slabs.words[entry >>> SHIFT][(entry & MASK) * 2 + VALUE_WORD] = table;
  }

  /**
   * Gives the value another length in place; the caller has seen that there is room. The expiry moves with the end: so call this before a
   * growing value is written, and after a shrinking one.
   */
  setValueLength(entry: Handle, length: number): void {
    const expireAtMs = this.expireAtMs(entry);
    this.slabs.words[entry >>> SHIFT][(entry & MASK) * 2 + VALUE_WORD] = length;
    if (expireAtMs !== 0) this.writeExpiry(entry, expireAtMs);
  }

  version(entry: Handle): number {
    const at = (entry & MASK) * UNIT + VERSION_HIGH_BYTE;
    const bytes = this.bytes(entry);
    const low = this.slabs.words[entry >>> SHIFT][(entry & MASK) * 2 + VERSION_WORD];
    return (bytes[at] | (bytes[at + 1] << 8)) * TWO_32 + low;
  }

  setVersion(entry: Handle, version: number): void {
    const words = this.slabs.words[entry >>> SHIFT];
    const at = (entry & MASK) * 2 + VERSION_WORD;
    words[at] = version;
    words[at + 1] = version / TWO_32;
  }

  /** In the two bytes above the version, which each `setVersion` clears. */
  generation(entry: Handle): number {
    return this.slabs.words[entry >>> SHIFT][(entry & MASK) * 2 + VERSION_WORD + 1] >>> GENERATION_SHIFT;
  }

  setGeneration(entry: Handle, generation: number): void {
    const words = this.slabs.words[entry >>> SHIFT];
    const at = (entry & MASK) * 2 + VERSION_WORD + 1;
    words[at] = (words[at] & VERSION_HIGH_MASK) | (generation << GENERATION_SHIFT);
  }

  access(entry: Handle): number {
    return this.slabs.words[entry >>> SHIFT][(entry & MASK) * 2 + ACCESS_WORD];
  }

  setAccess(entry: Handle, access: number): void {
    this.slabs.words[entry >>> SHIFT][(entry & MASK) * 2 + ACCESS_WORD] = access;
  }

  hasExpiry(entry: Handle): boolean {
    return (this.bytes(entry)[(entry & MASK) * UNIT + ENCODING_BYTE] & HAS_EXPIRY) !== 0;
  }

  /** 0: none. */
  expireAtMs(entry: Handle): number {
    if (!this.hasExpiry(entry)) return 0;
    const last = (entry & MASK) + this.size(entry) / UNIT - 1;
    return this.slabs.doubles[entry >>> SHIFT][last];
  }

  /** Sets another expiry, not 0, where there is room for one. */
  writeExpiry(entry: Handle, expireAtMs: number): void {
    const at = (entry & MASK) * UNIT + ENCODING_BYTE;
    this.bytes(entry)[at] |= HAS_EXPIRY;
    const last = (entry & MASK) + this.size(entry) / UNIT - 1;
    this.slabs.doubles[entry >>> SHIFT][last] = expireAtMs;
  }

  clearExpiry(entry: Handle): void {
    this.bytes(entry)[(entry & MASK) * UNIT + ENCODING_BYTE] &= ~HAS_EXPIRY;
  }

  /** Writes what a record of a snapshot says of the entry, but for its kind and the length of its value: that of a table is another. */
  describe(entry: Handle, view: DataView, at: number): void {
    const words = this.slabs.words[entry >>> SHIFT];
    const word = (entry & MASK) * 2;
    const head = words[word];
    const kind = (head & 0x0f) | ((head & 0xf0) << 4) | ((head & 0x0f00) << 8);
    view.setInt32(at + KeyRecord.DATABASE, kind, true);
    view.setUint16(at + KeyRecord.SLOT, head >>> (SLOT_BYTE * 8), true);
    view.setUint32(at + KeyRecord.VERSION, words[word + VERSION_WORD], true);
    view.setUint16(at + KeyRecord.VERSION + 4, words[word + VERSION_WORD + 1], true);
    view.setFloat64(at + KeyRecord.EXPIRY, this.expireAtMs(entry), true);
    view.setUint32(at + KeyRecord.KEY_LENGTH, words[word + KEY_WORD], true);
  }

  /** Bytes of the entry's content; without those of a field table. */
  size(entry: Handle): number {
    const valueLength = this.encoding(entry) === HASHTABLE ? 0 : this.valueLength(entry);
    return entrySize(this.keyLength(entry), valueLength, this.hasExpiry(entry));
  }

  /** Whether content of this size belongs into the block that the entry has. */
  fits(entry: Handle, sizeBytes: number): boolean {
    return this.slabs.capacity(entry) === roundedSize(sizeBytes);
  }

  keyInto(entry: Handle, window: Window): Window {
    this.slabInto(entry, window);
    window.start = this.keyStart(entry);
    window.end = this.keyEnd(entry);
    return window;
  }

  /** Writes `source[start, end)` as the whole value; the entry has that length. */
  writeValue(entry: Handle, source: Uint8Array, start: number, end: number): void {
    const slab = entry >>> SHIFT;
    copyInto(source, start, end, this.slabs.bytes[slab], this.slabs.views[slab], this.valueStart(entry));
  }

  /**
   * Puts another value into a string without expiry whose length stays, as most writes do, with one look at the slab. False, and nothing is
   * done, when it is anything else.
   */
  overwrite(
    entry: Handle,
    source: Uint8Array,
    start: number,
    end: number,
    encoding: Encoding,
    version: number,
  ): boolean {
    const slab = entry >>> SHIFT;
    const words = this.slabs.words[slab];
    const at = (entry & MASK) * 2;
    const head = words[at];
    if ((head & KIND_MASK) !== PLAIN_STRING || words[at + VALUE_WORD] !== end - start) return false;
    words[at] = (head & ~ENCODING_MASK) | (encoding << ENCODING_SHIFT);
    words[at + VERSION_WORD] = version;
    words[at + VERSION_WORD + 1] = version / TWO_32;
    const to = at * 4 + HEADER_BYTES + words[at + KEY_WORD];
    copyInto(source, start, end, this.slabs.bytes[slab], this.slabs.views[slab], to);
    return true;
  }

  valueInto(entry: Handle, window: Window): Window {
    const slab = entry >>> SHIFT;
    const words = this.slabs.words[slab];
    const at = (entry & MASK) * 2;
    const start = at * 4 + HEADER_BYTES + words[at + KEY_WORD];
    this.slabInto(entry, window);
    window.start = start;
    window.end = start + words[at + VALUE_WORD];
    return window;
  }

  /** Points the window at the bytes of the entry's slab: mostly it does already, and a comparison costs less than a store. */
  slabInto(entry: Handle, window: Window): void {
    const bytes = this.slabs.bytes[entry >>> SHIFT];
    if (window.bytes === bytes) return;
    window.bytes = bytes;
    window.view = this.slabs.views[entry >>> SHIFT];
  }
}

/** Bytes of an entry: a multiple of 8. */
export function entrySize(keyLength: number, valueLength: number, expiring: boolean): number {
  const content = (HEADER_BYTES + keyLength + valueLength + UNIT - 1) & -UNIT;
  return expiring ? content + EXPIRY_BYTES : content;
}
