/** Writes that make, change or move a whole key: strings, expiry, rename and copy. */
import { copyBytes } from './copy-bytes.ts';
import { entrySize } from './entries.ts';
import type { KeyTable } from './key-table.ts';
import { roundedSize } from './size-classes.ts';
import { Encoding, NO_REF, type Ref, ValueType } from './types.ts';

/** This module's own copies: V8 takes them for constant (desk.ts). */
const NONE = NO_REF;
const { STRING } = ValueType;
const { RAW, HASHTABLE } = Encoding;

export class KeyWrites {
  private readonly keys: KeyTable;

  constructor(keys: KeyTable) {
    this.keys = keys;
  }

  setString(
    db: number,
    slot: number,
    keyBytes: Buffer,
    keyStart: number,
    keyEnd: number,
    valueBytes: Buffer,
    valueStart: number,
    valueEnd: number,
    expireAtMs: number,
    encoding: Encoding,
  ): Ref {
    const { entries, observer } = this.keys;
    const hash = this.keys.hashOf(keyBytes, keyStart, keyEnd);
    const old = this.keys.lookup(db, slot, hash, keyBytes, keyStart, keyEnd);
    const length = valueEnd - valueStart;
    if (old !== NONE) {
      if (observer !== null) observer.beforeKey(old);
      else if (
        expireAtMs === 0 &&
        entries.overwrite(old, valueBytes, valueStart, valueEnd, encoding, this.keys.version)
      )
        return old;
    }
    let entry = old;
    if (old !== NONE && this.canRewrite(old, length, expireAtMs)) {
      this.rewrite(old, length, expireAtMs, encoding);
    } else {
      const type = STRING;
      entry = entries.create(db, slot, keyBytes, keyStart, keyEnd, type, encoding, length, expireAtMs);
      entries.setAccess(entry, old === NONE ? this.keys.newAccess() : entries.access(old));
    }
    this.keys.stamp(entry);
    entries.writeValue(entry, valueBytes, valueStart, valueEnd);
    if (old === NONE) this.keys.add(entry, hash);
    else if (entry !== old) this.supersede(old, entry, hash);
    return entry;
  }

  resizeString(ref: Ref, lengthBytes: number): Ref {
    const { entries } = this.keys;
    this.keys.observer?.beforeKey(ref);
    const before = entries.valueLength(ref);
    const expireAtMs = entries.expireAtMs(ref);
    let entry = ref;
    if (this.canRewrite(ref, lengthBytes, expireAtMs)) {
      this.rewrite(ref, lengthBytes, expireAtMs, RAW);
      this.keys.stamp(ref);
    } else {
      entry = this.keys.remake(ref, lengthBytes, RAW);
      const from = entries.valueStart(ref);
      const end = from + Math.min(before, lengthBytes);
      copyBytes(entries.bytes(ref), from, end, entries.bytes(entry), entries.valueStart(entry));
      this.supersede(ref, entry, this.keys.hashOfEntry(entry));
    }
    if (lengthBytes > before) {
      const start = entries.valueStart(entry);
      entries.bytes(entry).fill(0, start + before, start + lengthBytes);
    }
    return entry;
  }

  setExpireAt(ref: Ref, expireAtMs: number): Ref {
    const { entries } = this.keys;
    this.keys.observer?.beforeKey(ref);
    const valueLength = entries.encoding(ref) === HASHTABLE ? 0 : entries.valueLength(ref);
    if (entries.fits(ref, entrySize(entries.keyLength(ref), valueLength, expireAtMs !== 0))) {
      this.keys.setExpiryInPlace(ref, expireAtMs);
      return ref;
    }
    const entry = this.keys.remake(ref, entries.valueLength(ref), entries.encoding(ref), expireAtMs);
    this.copyValue(ref, entry);
    this.keys.replace(ref, entry, this.keys.hashOfEntry(entry));
    this.keys.release(ref);
    return entry;
  }

  rename(ref: Ref, db: number, slot: number, keyBytes: Buffer, keyStart: number, keyEnd: number): Ref {
    const hash = this.keys.hashOf(keyBytes, keyStart, keyEnd);
    const replaced = this.keys.lookup(db, slot, hash, keyBytes, keyStart, keyEnd);
    if (replaced === ref) return ref;
    this.keys.observer?.beforeKey(ref);
    if (replaced !== NONE) this.keys.remove(replaced);
    const entry = this.createLike(ref, db, slot, keyBytes, keyStart, keyEnd);
    this.copyValue(ref, entry);
    this.keys.unlink(ref);
    this.keys.release(ref);
    this.keys.add(entry, hash);
    return entry;
  }

  copy(ref: Ref, db: number, slot: number, keyBytes: Buffer, keyStart: number, keyEnd: number): Ref {
    const { entries, tables } = this.keys;
    const entry = this.createLike(ref, db, slot, keyBytes, keyStart, keyEnd);
    if (entries.encoding(ref) === HASHTABLE) {
      entries.setTable(entry, tables.copy(entries.valueLength(ref), this.keys.fieldStamp));
    } else {
      this.copyValue(ref, entry);
    }
    this.keys.add(entry, this.keys.hashOf(keyBytes, keyStart, keyEnd));
    return entry;
  }

  /** Whether a string of this length and expiry can take the place of the entry's value in the block that it has. */
  private canRewrite(entry: Ref, length: number, expireAtMs: number): boolean {
    const { entries, observer } = this.keys;
    if (entries.type(entry) !== STRING || entries.hasExpiry(entry) !== (expireAtMs !== 0)) return false;
    if (entries.valueLength(entry) !== length) {
      const size = entrySize(entries.keyLength(entry), length, expireAtMs !== 0);
      if (roundedSize(entries.size(entry)) !== roundedSize(size)) return false;
    }
    return observer === null || !observer.reads(entry);
  }

  private rewrite(entry: Ref, length: number, expireAtMs: number, encoding: Encoding): void {
    const { entries } = this.keys;
    entries.setEncoding(entry, encoding);
    entries.setValueLength(entry, length);
    if (expireAtMs !== 0) entries.writeExpiry(entry, expireAtMs);
  }

  private supersede(old: Ref, entry: Ref, hash: number): void {
    this.keys.replace(old, entry, hash);
    this.keys.releaseTableOf(old);
    this.keys.release(old);
  }

  private createLike(
    ref: Ref,
    db: number,
    slot: number,
    keyBytes: Buffer,
    keyStart: number,
    keyEnd: number,
  ): Ref {
    const { entries } = this.keys;
    const type = entries.type(ref);
    const encoding = entries.encoding(ref);
    const length = entries.valueLength(ref);
    const expireAtMs = entries.expireAtMs(ref);
    const made = entries.create(db, slot, keyBytes, keyStart, keyEnd, type, encoding, length, expireAtMs);
    this.keys.stamp(made);
    entries.setAccess(made, entries.access(ref));
    return made;
  }

  /** The value's bytes; a field table goes over by its handle. */
  private copyValue(from: Ref, to: Ref): void {
    const { entries } = this.keys;
    if (entries.encoding(from) === HASHTABLE) return;
    const start = entries.valueStart(from);
    const end = start + entries.valueLength(from);
    copyBytes(entries.bytes(from), start, end, entries.bytes(to), entries.valueStart(to));
  }
}
