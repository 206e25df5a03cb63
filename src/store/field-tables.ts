/**
 * Large hashes: a dictionary of field entries. A field entry has a header of 16 bytes (value length u32, field length u32, version of its
 * last write), then the field, then the value. The version tells a snapshot under way which fields it owes.
 */
import { hashBytes } from './byte-hash.ts';
import type { ChangeObserver } from './change-observer.ts';
import { Dictionary, INDEX_SHARE_BYTES, KEY_LENGTH_WORD, RECORD_BYTES } from './dictionary.ts';
import { copyBytes } from './copy-bytes.ts';
import { SLAB_SHIFT, UNIT_MASK } from './page-runs.ts';
import { roundedSize, UNIT_BYTES } from './size-classes.ts';
import { type Handle, NO_BLOCK, type SlabPool } from './slab-pool.ts';
import type { FieldVisitor, Window } from './types.ts';

/** This module's own copies: V8 takes them for constant (desk.ts). */
const SHIFT = SLAB_SHIFT;
const MASK = UNIT_MASK;
const UNIT = UNIT_BYTES;
const NONE = NO_BLOCK;
const KEY_WORD = KEY_LENGTH_WORD;

const FIELD_HEADER_BYTES = 16;
const VALUE_LENGTH_WORD = 0;
const VERSION_DOUBLE = 1;

export class FieldTables {
  readonly dictionary: Dictionary;
  observer: ChangeObserver | null = null;
  /** Views that read fields as they were: none is freed or changed in place meanwhile. */
  private views = 0;
  /** Out of use while there are views, and the bytes that they take. */
  private leftover: Handle[] = [];
  leftoverBytes = 0;
  private readonly slabs: SlabPool;
  private readonly hashSeed: number;

  constructor(slabs: SlabPool, hashSeed: number) {
    this.slabs = slabs;
    this.hashSeed = hashSeed;
    this.dictionary = new Dictionary(slabs, FIELD_HEADER_BYTES);
  }

  create(): Handle {
    return this.dictionary.create();
  }

  count(table: Handle): number {
    return this.dictionary.count(table);
  }

  /** What the table and its fields account for. */
  usedBytes(table: Handle): number {
    return roundedSize(RECORD_BYTES) + this.dictionary.ownerDouble(table);
  }

  find(table: Handle, bytes: Uint8Array, start: number, end: number): Handle {
    return this.dictionary.find(table, this.hashOf(bytes, start, end), bytes, start, end);
  }

  /** True when the field is new. */
  set(
    table: Handle,
    bytes: Uint8Array,
    start: number,
    end: number,
    valueBytes: Uint8Array,
    valueStart: number,
    valueEnd: number,
    version: number,
  ): boolean {
    const hash = this.hashOf(bytes, start, end);
    const old = this.dictionary.find(table, hash, bytes, start, end);
    if (old !== NONE) this.observer?.beforeField(table, old, hash);
    const size = FIELD_HEADER_BYTES + end - start + valueEnd - valueStart;
    if (old !== NONE && this.canRewrite(old, size)) {
      this.writeValue(old, valueBytes, valueStart, valueEnd, version);
      return false;
    }
    const field = this.createField(bytes, start, end, size);
    this.writeValue(field, valueBytes, valueStart, valueEnd, version);
    this.enter(table, hash, old, field);
    return old === NONE;
  }

  /** A new field whose value of this length is yet to be written; NONE when the field is there already. */
  reserve(
    table: Handle,
    bytes: Uint8Array,
    start: number,
    end: number,
    valueLength: number,
    version: number,
  ): Handle {
    const hash = this.hashOf(bytes, start, end);
    if (this.dictionary.find(table, hash, bytes, start, end) !== NONE) return NONE;
    const field = this.createField(bytes, start, end, FIELD_HEADER_BYTES + end - start + valueLength);
    this.describe(field, valueLength, version);
    this.enter(table, hash, NONE, field);
    return field;
  }

  /** True when the field was there. */
  remove(table: Handle, bytes: Uint8Array, start: number, end: number): boolean {
    const hash = this.hashOf(bytes, start, end);
    const field = this.dictionary.find(table, hash, bytes, start, end);
    if (field === NONE) return false;
    this.observer?.beforeField(table, field, hash);
    this.dictionary.remove(table, hash, field);
    this.dictionary.addToOwnerDouble(table, -this.slabs.capacity(field) - INDEX_SHARE_BYTES);
    this.release(field);
    return true;
  }

  /** A table with the same fields, as written in `version`. */
  copy(table: Handle, version: number): Handle {
    const copied = this.create();
    for (const field of this.dictionary.all(table)) {
      const bytes = this.bytes(field);
      const start = this.fieldStart(field);
      const valueStart = this.valueStart(field);
      const end = this.valueEnd(field);
      // As `set` does, but each is new.
      const made = this.createField(bytes, start, valueStart, FIELD_HEADER_BYTES + end - start);
      this.writeValue(made, bytes, valueStart, end, version);
      this.enter(copied, this.hashOf(bytes, start, valueStart), NONE, made);
    }
    return copied;
  }

  bytes(field: Handle): Buffer {
    return this.slabs.bytes[field >>> SHIFT];
  }

  /** Of the bytes. */
  view(field: Handle): DataView {
    return this.slabs.views[field >>> SHIFT];
  }

  fieldStart(field: Handle): number {
    return (field & MASK) * UNIT + FIELD_HEADER_BYTES;
  }

  hashOfField(field: Handle): number {
    return this.hashOf(this.bytes(field), this.fieldStart(field), this.valueStart(field));
  }

  valueStart(field: Handle): number {
    return this.fieldStart(field) + this.word(field, KEY_WORD);
  }

  valueEnd(field: Handle): number {
    return this.valueStart(field) + this.word(field, VALUE_LENGTH_WORD);
  }

  version(field: Handle): number {
    return this.slabs.doubles[field >>> SHIFT][(field & MASK) + VERSION_DOUBLE];
  }

  valueInto(field: Handle, window: Window): void {
    window.bytes = this.bytes(field);
    window.view = this.slabs.views[field >>> SHIFT];
    window.start = this.valueStart(field);
    window.end = this.valueEnd(field);
  }

  visit(field: Handle, visitor: FieldVisitor): void {
    const bytes = this.bytes(field);
    const valueStart = this.valueStart(field);
    visitor(bytes, this.fieldStart(field), valueStart, bytes, valueStart, this.valueEnd(field));
  }

  /** Frees a field that is out of its table. */
  release(field: Handle): void {
    if (this.observer !== null && this.observer.keeps(field)) return;
    if (this.views === 0) {
      this.slabs.free(field);
      return;
    }
    this.leftover.push(field);
    this.leftoverBytes += this.slabs.capacity(field);
  }

  get isViewed(): boolean {
    return this.views > 0;
  }

  /** All fields of the table, as they are now and stay until `endView`. */
  beginView(table: Handle): Uint32Array {
    this.views += 1;
    return this.dictionary.all(table);
  }

  /** Returns the fields that went out of use meanwhile, when no view is left: they are to be released. */
  endView(): Handle[] {
    this.views -= 1;
    if (this.views > 0) return [];
    const { leftover } = this;
    this.leftover = [];
    this.leftoverBytes = 0;
    return leftover;
  }

  private hashOf(bytes: Uint8Array, start: number, end: number): number {
    return hashBytes(bytes, start, end, this.hashSeed);
  }

  private word(field: Handle, word: number): number {
    return this.slabs.words[field >>> SHIFT][(field & MASK) * 2 + word];
  }

  private canRewrite(field: Handle, sizeBytes: number): boolean {
    if (this.slabs.capacity(field) !== roundedSize(sizeBytes)) return false;
    if (this.views > 0) return false;
    return this.observer === null || !this.observer.reads(field);
  }

  /** Puts the field into the table, in the place of `old` if there is one. */
  private enter(table: Handle, hash: number, old: Handle, field: Handle): void {
    const delta = this.slabs.capacity(field);
    if (old === NONE) {
      this.dictionary.insert(table, hash, field);
      this.dictionary.addToOwnerDouble(table, delta + INDEX_SHARE_BYTES);
      return;
    }
    this.dictionary.addToOwnerDouble(table, delta - this.slabs.capacity(old));
    this.dictionary.replace(table, hash, old, field);
    this.release(old);
  }

  private describe(field: Handle, valueLength: number, version: number): void {
    const slab = field >>> SHIFT;
    this.slabs.words[slab][(field & MASK) * 2 + VALUE_LENGTH_WORD] = valueLength;
    this.slabs.doubles[slab][(field & MASK) + VERSION_DOUBLE] = version;
  }

  private createField(bytes: Uint8Array, start: number, end: number, sizeBytes: number): Handle {
    const field = this.slabs.take(sizeBytes);
    this.slabs.words[field >>> SHIFT][(field & MASK) * 2 + KEY_WORD] = end - start;
    copyBytes(bytes, start, end, this.bytes(field), this.fieldStart(field));
    return field;
  }

  private writeValue(field: Handle, bytes: Uint8Array, start: number, end: number, version: number): void {
    this.describe(field, end - start, version);
    copyBytes(bytes, start, end, this.bytes(field), this.valueStart(field));
  }
}
