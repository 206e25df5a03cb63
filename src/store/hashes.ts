/** Hashes: packed fields while small (LISTPACK), a table of field entries from then on (HASHTABLE). As in Redis there is no way back. */
import {
  NO_REF,
  Encoding,
  type FieldVisitor,
  type KeyspaceLimits,
  type Ref,
  ValueType,
  type Window,
} from './types.ts';
import { copyInto } from './copy-bytes.ts';
import { entrySize } from './entries.ts';
import type { KeyTable } from './key-table.ts';
import {
  PACKED_HEADER_BYTES,
  PackedCursor,
  packedCount,
  packedSize,
  writePacked,
  writePackedCount,
} from './packed-fields.ts';
import { END_OF_HASHES } from './dictionary.ts';

/** This module's own copies: V8 takes them for constant (desk.ts). */
const NONE = NO_REF;
const { LISTPACK, HASHTABLE } = Encoding;

/** All fields of a large hash are visited in pieces of so many, to keep the scratch space small. */
const EACH_FIELDS = 1024;

export class Hashes {
  created = false;
  private readonly keys: KeyTable;
  private readonly limits: KeyspaceLimits;
  private readonly cursor = new PackedCursor();
  private readonly ignored: Window = {
    bytes: Buffer.alloc(0),
    view: new DataView(new ArrayBuffer(0)),
    start: 0,
    end: 0,
  };

  constructor(keys: KeyTable, limits: KeyspaceLimits) {
    this.keys = keys;
    this.limits = limits;
  }

  create(db: number, slot: number, keyBytes: Buffer, keyStart: number, keyEnd: number, access: number): Ref {
    const { entries } = this.keys;
    const type = ValueType.HASH;
    const length = PACKED_HEADER_BYTES;
    const entry = entries.create(db, slot, keyBytes, keyStart, keyEnd, type, LISTPACK, length, 0);
    writePackedCount(entries.bytes(entry), entries.valueStart(entry), 0);
    this.keys.stamp(entry);
    entries.setAccess(entry, access);
    this.keys.add(entry, this.keys.hashOf(keyBytes, keyStart, keyEnd));
    return entry;
  }

  length(entry: Ref): number {
    const { entries, tables } = this.keys;
    if (this.isTable(entry)) return tables.count(entries.valueLength(entry));
    return packedCount(entries.bytes(entry), entries.valueStart(entry));
  }

  get(entry: Ref, field: Buffer, start: number, end: number, window: Window): boolean {
    const { entries, tables } = this.keys;
    if (this.isTable(entry)) {
      const found = tables.find(entries.valueLength(entry), field, start, end);
      if (found !== NONE) tables.valueInto(found, window);
      return found !== NONE;
    }
    this.open(entry);
    if (!this.cursor.seek(field, start, end)) return false;
    entries.slabInto(entry, window);
    window.start = this.cursor.valueStart;
    window.end = this.cursor.valueEnd;
    return true;
  }

  set(
    entry: Ref,
    field: Buffer,
    fieldStart: number,
    fieldEnd: number,
    value: Buffer,
    valueStart: number,
    valueEnd: number,
  ): Ref {
    this.keys.observer?.beforeKey(entry);
    const longest = Math.max(fieldEnd - fieldStart, valueEnd - valueStart);
    let hash = entry;
    let isTable = this.isTable(hash);
    if (!isTable && longest > this.limits.hashMaxListpackValueBytes) {
      hash = this.convert(hash);
      isTable = true;
    }
    if (isTable) {
      this.setInTable(hash, field, fieldStart, fieldEnd, value, valueStart, valueEnd);
      return hash;
    }
    this.open(hash);
    this.created = !this.cursor.seek(field, fieldStart, fieldEnd);
    if (this.created || !this.rewritePacked(hash, value, valueStart, valueEnd))
      hash = this.setPacked(hash, field, fieldStart, fieldEnd, value, valueStart, valueEnd);
    return this.length(hash) > this.limits.hashMaxListpackEntries ? this.convert(hash) : hash;
  }

  delete(entry: Ref, field: Buffer, start: number, end: number): boolean {
    if (this.keys.observer !== null) {
      // Whoever is told of a change counts on it: a key that stays as it is must not be announced.
      if (!this.get(entry, field, start, end, this.ignored)) return false;
      this.keys.observer.beforeKey(entry);
    }
    const before = this.keys.entryBytes(entry);
    const removed = this.isTable(entry)
      ? this.keys.tables.remove(this.keys.entries.valueLength(entry), field, start, end)
      : this.deletePacked(entry, field, start, end);
    if (!removed) return false;
    this.keys.stamp(entry);
    this.keys.account(entry, this.keys.entryBytes(entry) - before);
    return true;
  }

  each(entry: Ref, visitor: FieldVisitor): void {
    if (this.isTable(entry)) {
      let cursor = 0;
      do cursor = this.visitTable(entry, cursor, EACH_FIELDS, visitor);
      while (cursor !== 0);
      return;
    }
    this.open(entry);
    while (this.cursor.next()) this.cursor.visit(visitor);
  }

  /** The cursor is the hash from where to go on. A small hash is visited whole. */
  scan(entry: Ref, cursor: number, count: number, visitor: FieldVisitor): number {
    if (this.isTable(entry)) return this.visitTable(entry, cursor, count, visitor);
    this.each(entry, visitor);
    return 0;
  }

  random(entry: Ref, pick: number, visitor: FieldVisitor): void {
    const { entries, tables } = this.keys;
    if (this.isTable(entry)) {
      tables.visit(tables.dictionary.pick(entries.valueLength(entry), pick), visitor);
      return;
    }
    let rank = Math.floor((pick * this.length(entry)) / END_OF_HASHES);
    this.open(entry);
    while (this.cursor.next()) {
      if (rank-- === 0) this.cursor.visit(visitor);
    }
  }

  private isTable(entry: Ref): boolean {
    return this.keys.entries.encoding(entry) === HASHTABLE;
  }

  private open(entry: Ref): void {
    const { entries } = this.keys;
    const start = entries.valueStart(entry);
    this.cursor.open(entries.bytes(entry), start, start + entries.valueLength(entry));
  }

  private visitTable(entry: Ref, from: number, count: number, visitor: FieldVisitor): number {
    const { entries, tables } = this.keys;
    const { dictionary } = tables;
    const found = dictionary.collect(entries.valueLength(entry), from, count);
    const next = dictionary.nextHash;
    for (let index = 0; index < found; index += 1) tables.visit(dictionary.collected[index], visitor);
    return next === END_OF_HASHES ? 0 : next;
  }

  private setInTable(
    entry: Ref,
    field: Buffer,
    fieldStart: number,
    fieldEnd: number,
    value: Buffer,
    valueStart: number,
    valueEnd: number,
  ): void {
    const { entries, tables, fieldStamp } = this.keys;
    const table = entries.valueLength(entry);
    const before = tables.usedBytes(table);
    this.created = tables.set(table, field, fieldStart, fieldEnd, value, valueStart, valueEnd, fieldStamp);
    this.keys.account(entry, tables.usedBytes(table) - before);
    this.keys.stamp(entry);
  }

  /** Puts another value of the same length in the place of that which the cursor is at; false when its length is another. */
  private rewritePacked(entry: Ref, value: Buffer, start: number, end: number): boolean {
    const { cursor, keys } = this;
    if (cursor.valueEnd - cursor.valueStart !== end - start) return false;
    copyInto(value, start, end, cursor.bytes, keys.entries.view(entry), cursor.valueStart);
    keys.stamp(entry);
    return true;
  }

  /** The cursor is at the field's pair, or at the end when it is new. */
  private setPacked(
    entry: Ref,
    field: Buffer,
    fieldStart: number,
    fieldEnd: number,
    value: Buffer,
    valueStart: number,
    valueEnd: number,
  ): Ref {
    const { entries } = this.keys;
    const pair = packedSize(fieldEnd - fieldStart) + packedSize(valueEnd - valueStart);
    // Where the new pair comes, and where what follows it begins now.
    const at = (this.created ? this.cursor.end : this.cursor.pairStart) - entries.valueStart(entry);
    const following = (this.created ? this.cursor.end : this.cursor.valueEnd) - entries.valueStart(entry);
    const resized = this.moveTail(entry, at + pair, following);
    const start = entries.valueStart(resized);
    const bytes = entries.bytes(resized);
    const middle = writePacked(bytes, start + at, field, fieldStart, fieldEnd);
    writePacked(bytes, middle, value, valueStart, valueEnd);
    if (this.created) writePackedCount(bytes, start, packedCount(bytes, start) + 1);
    this.keys.stamp(resized);
    return resized;
  }

  /** Moves the value's bytes from `from` on to `to`, and what is before them stays; the entry moves when it needs another block. */
  private moveTail(entry: Ref, to: number, from: number): Ref {
    const { entries } = this.keys;
    const length = entries.valueLength(entry);
    const resizedLength = length + to - from;
    const size = entrySize(entries.keyLength(entry), resizedLength, entries.hasExpiry(entry));
    if (entries.fits(entry, size)) {
      const before = this.keys.entryBytes(entry);
      if (to > from) entries.setValueLength(entry, resizedLength);
      const start = entries.valueStart(entry);
      if (to !== from) entries.bytes(entry).copyWithin(start + to, start + from, start + length);
      if (to < from) entries.setValueLength(entry, resizedLength);
      this.keys.account(entry, this.keys.entryBytes(entry) - before);
      return entry;
    }
    const moved = this.keys.remake(entry, resizedLength);
    const source = entries.bytes(entry);
    const start = entries.valueStart(entry);
    const target = entries.bytes(moved);
    source.copy(target, entries.valueStart(moved), start, start + Math.min(from, to));
    source.copy(target, entries.valueStart(moved) + to, start + from, start + length);
    this.keys.replace(entry, moved, this.keys.hashOfEntry(moved));
    this.keys.release(entry);
    return moved;
  }

  /** In place always: the caller's Ref stays good. What the block has too much is made good by the next write that moves the entry. */
  private deletePacked(entry: Ref, field: Buffer, fieldStart: number, fieldEnd: number): boolean {
    const { entries } = this.keys;
    this.open(entry);
    if (!this.cursor.seek(field, fieldStart, fieldEnd)) return false;
    const { bytes, pairStart, valueEnd, end } = this.cursor;
    const start = entries.valueStart(entry);
    bytes.copyWithin(pairStart, valueEnd, end);
    writePackedCount(bytes, start, packedCount(bytes, start) - 1);
    entries.setValueLength(entry, end - start - (valueEnd - pairStart));
    return true;
  }

  private convert(entry: Ref): Ref {
    const { tables, fieldStamp } = this.keys;
    const table = tables.create();
    this.open(entry);
    const { cursor } = this;
    while (cursor.next()) {
      const { bytes, fieldStart, fieldEnd, valueStart, valueEnd } = cursor;
      tables.set(table, bytes, fieldStart, fieldEnd, bytes, valueStart, valueEnd, fieldStamp);
    }
    const moved = this.keys.remake(entry, table, HASHTABLE);
    this.keys.replace(entry, moved, this.keys.hashOfEntry(moved));
    this.keys.release(entry);
    return moved;
  }
}
