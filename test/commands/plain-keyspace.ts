/**
 * The model of the keyspace: maps and buffers, as plain as can be. It is strict where the contract is: a Ref used after a write throws,
 * and bytes handed out through a window are overwritten by the next write.
 */
import {
  Encoding,
  type EvictionPolicy,
  type FieldVisitor,
  type HashView,
  type Keyspace,
  type KeyspaceHash,
  type KeyspaceLimits,
  type KeyspaceLoad,
  type KeyspaceSnapshot,
  type KeyVisitor,
  NO_REF,
  type Ref,
  ValueType,
  type Victim,
  type Window,
} from '../../src/store/types.ts';

const SLOT_STRIDE = 2 ** 32;
const ENTRY_BYTES = 48;
const SCRAMBLED = 0x21;

interface Item {
  db: number;
  slot: number;
  key: Buffer;
  /** Rises with each key made: its place in the slot. */
  place: number;
  version: number;
  expireAtMs: number;
  encoding: Encoding;
  value: Buffer | Map<string, Buffer>;
  touchedMs: number;
  touches: number;
}

export class PlainKeyspace implements Keyspace {
  timeMs = 0;
  expiredCount = 0;
  evictedCount = 0;
  hashCreated = false;
  readonly slabBytes = 0;
  readonly window: Window = {
    bytes: Buffer.alloc(0),
    view: new DataView(new ArrayBuffer(0)),
    start: 0,
    end: 0,
  };

  private readonly limits: KeyspaceLimits;
  private readonly items = new Map<string, Item>();
  private readonly refs = new Map<Ref, Item>();
  private lastRef = 0;
  private lastPlace = 0;
  private version = 0;
  private writing = false;
  private nowMs = 0;
  /** The string whose own bytes are in the window, for the command to write to. */
  private shown: Item | null = null;

  constructor(limits: KeyspaceLimits = { hashMaxListpackEntries: 512, hashMaxListpackValueBytes: 64 }) {
    this.limits = limits;
  }

  at(timeMs: number, version: number, writing: boolean): void {
    this.timeMs = timeMs;
    this.version = version;
    this.writing = writing;
  }

  get usedBytes(): number {
    return [...this.items.values()].reduce((sum, item) => sum + usedBytesOf(item), 0);
  }

  keyCount(db: number): number {
    return this.list((item) => item.db === db).length;
  }

  volatileKeyCount(db: number): number {
    return this.list((item) => item.db === db && item.expireAtMs !== 0).length;
  }

  totalKeyCount(): number {
    return this.items.size;
  }

  keyCountInSlot(slot: number): number {
    return this.list((item) => item.slot === slot).length;
  }

  bytesInSlot(slot: number): number {
    return this.list((item) => item.slot === slot).reduce((sum, item) => sum + usedBytesOf(item), 0);
  }

  find(db: number, _slot: number, bytes: Buffer, start: number, end: number): Ref {
    const item = this.items.get(nameOf(db, bytes, start, end));
    if (item === undefined) return NO_REF;
    if (!this.isExpired(item)) return this.refTo(item);
    if (this.writing) {
      this.drop(item);
      this.expiredCount += 1;
    }
    return NO_REF;
  }

  accessClock(monotonicMs: number): void {
    this.nowMs = monotonicMs;
  }

  touch(ref: Ref, monotonicMs: number): void {
    const item = this.item(ref);
    item.touchedMs = monotonicMs;
    item.touches = Math.min(255, item.touches + 1);
  }

  typeOf(ref: Ref): ValueType {
    return this.item(ref).value instanceof Map ? ValueType.HASH : ValueType.STRING;
  }

  encodingOf(ref: Ref): Encoding {
    return this.item(ref).encoding;
  }

  versionOf(ref: Ref): number {
    return this.item(ref).version;
  }

  expireAtMs(ref: Ref): number {
    return this.item(ref).expireAtMs;
  }

  idleMs(ref: Ref, monotonicMs: number): number {
    const { touchedMs } = this.item(ref);
    return touchedMs === 0 ? 0 : monotonicMs - touchedMs;
  }

  frequency(ref: Ref): number {
    return this.item(ref).touches;
  }

  keyUsedBytes(ref: Ref): number {
    return usedBytesOf(this.item(ref));
  }

  key(ref: Ref): Window {
    return this.show(Buffer.from(this.item(ref).key));
  }

  databaseOf(ref: Ref): number {
    return this.item(ref).db;
  }

  string(ref: Ref): Window {
    const window = this.show(this.stringOf(ref));
    this.shown = this.item(ref);
    return window;
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
    this.refuseOwn(valueBytes);
    const value = Buffer.from(valueBytes.subarray(valueStart, valueEnd));
    return this.put(db, slot, keyBytes, keyStart, keyEnd, value, expireAtMs, encoding);
  }

  /** Nothing lies in a place here. */
  overwriteString(): boolean {
    return false;
  }

  resizeString(ref: Ref, lengthBytes: number): Ref {
    const item = this.item(ref);
    const longer = Buffer.alloc(lengthBytes);
    this.stringOf(ref).copy(longer, 0, 0, lengthBytes);
    this.wrote();
    item.value = longer;
    item.encoding = Encoding.RAW;
    item.version = this.version;
    return this.refTo(item);
  }

  setExpireAt(ref: Ref, expireAtMs: number): Ref {
    const item = this.item(ref);
    this.wrote();
    item.expireAtMs = expireAtMs;
    item.version = this.version;
    return this.refTo(item);
  }

  remove(ref: Ref): void {
    this.drop(this.item(ref));
  }

  rename(ref: Ref, db: number, slot: number, keyBytes: Buffer, keyStart: number, keyEnd: number): Ref {
    const item = this.item(ref);
    this.drop(item);
    return this.put(db, slot, keyBytes, keyStart, keyEnd, item.value, item.expireAtMs, item.encoding);
  }

  copy(ref: Ref, db: number, slot: number, keyBytes: Buffer, keyStart: number, keyEnd: number): Ref {
    if (this.items.has(nameOf(db, keyBytes, keyStart, keyEnd)))
      throw new Error('copy over a key that is there');
    const { value, expireAtMs, encoding } = this.item(ref);
    return this.put(db, slot, keyBytes, keyStart, keyEnd, duplicate(value), expireAtMs, encoding);
  }

  createHash(db: number, slot: number, keyBytes: Buffer, keyStart: number, keyEnd: number): Ref {
    if (this.items.has(nameOf(db, keyBytes, keyStart, keyEnd)))
      throw new Error('a hash over a key that is there');
    return this.put(db, slot, keyBytes, keyStart, keyEnd, new Map<string, Buffer>(), 0, Encoding.LISTPACK);
  }

  hashLength(ref: Ref): number {
    return this.hashOf(ref).size;
  }

  hashGet(ref: Ref, fieldBytes: Buffer, fieldStart: number, fieldEnd: number): boolean {
    const value = this.hashOf(ref).get(fieldBytes.toString('latin1', fieldStart, fieldEnd));
    if (value === undefined) return false;
    this.show(Buffer.from(value));
    return true;
  }

  hashSet(
    ref: Ref,
    fieldBytes: Buffer,
    fieldStart: number,
    fieldEnd: number,
    valueBytes: Buffer,
    valueStart: number,
    valueEnd: number,
  ): Ref {
    const item = this.item(ref);
    const hash = this.hashOf(ref);
    const field = fieldBytes.toString('latin1', fieldStart, fieldEnd);
    this.refuseOwn(valueBytes);
    const value = Buffer.from(valueBytes.subarray(valueStart, valueEnd));
    this.wrote();
    this.hashCreated = !hash.has(field);
    hash.set(field, value);
    const { hashMaxListpackEntries, hashMaxListpackValueBytes } = this.limits;
    const longest = Math.max(field.length, value.length);
    if (hash.size > hashMaxListpackEntries || longest > hashMaxListpackValueBytes) {
      item.encoding = Encoding.HASHTABLE;
    }
    item.version = this.version;
    return this.refTo(item);
  }

  hashDelete(ref: Ref, fieldBytes: Buffer, fieldStart: number, fieldEnd: number): boolean {
    const item = this.item(ref);
    const deleted = this.hashOf(ref).delete(fieldBytes.toString('latin1', fieldStart, fieldEnd));
    if (deleted) item.version = this.version;
    return deleted;
  }

  hashEach(ref: Ref, visit: FieldVisitor): void {
    for (const [field, value] of this.hashOf(ref)) visitField(visit, field, value);
  }

  hashScan(ref: Ref, cursor: number, count: number, visit: FieldVisitor): number {
    const fields = [...this.hashOf(ref)];
    const end = Math.min(fields.length, cursor + count);
    for (const [field, value] of fields.slice(cursor, end)) visitField(visit, field, value);
    return end < fields.length ? end : 0;
  }

  viewHash(): HashView {
    throw new Error('the model reads all at once');
  }

  hashRandom(ref: Ref, pick: number, visit: FieldVisitor): void {
    const fields = [...this.hashOf(ref)];
    const [field, value] = fields[pick % fields.length];
    visitField(visit, field, value);
  }

  scan(db: number, cursor: number, slotTo: number, count: number, visit: KeyVisitor): number {
    const limit = (slotTo + 1) * SLOT_STRIDE;
    const rest = this.list((item) => item.db === db && placeOf(item) >= cursor && placeOf(item) < limit);
    rest.sort((a, b) => placeOf(a) - placeOf(b));
    for (const item of rest.slice(0, count)) {
      if (!this.isExpired(item)) visit(Buffer.from(item.key), 0, item.key.length, this.refTo(item));
    }
    return rest.length > count ? placeOf(rest[count]) : -1;
  }

  randomKey(db: number, picks: () => number): Ref {
    const live = this.list((item) => item.db === db && !this.isExpired(item));
    return live.length === 0 ? NO_REF : this.refTo(live[picks() % live.length]);
  }

  flush(db: number): void {
    for (const item of this.list((item) => db < 0 || item.db === db)) this.drop(item);
  }

  reclaim(): boolean {
    return false;
  }

  sampleExpired(timeMs: number, examine: number, out: Victim[]): void {
    const expired = this.list((item) => item.expireAtMs !== 0 && item.expireAtMs <= timeMs);
    for (const item of expired.slice(0, examine)) out.push(victimOf(item));
  }

  sampleVictims(
    policy: EvictionPolicy,
    needBytes: number,
    _monotonicMs: number,
    _picks: () => number,
    out: Victim[],
  ): number {
    if (policy === 'noeviction') return 0;
    const candidates = this.list((item) => policy.startsWith('allkeys') || item.expireAtMs !== 0);
    candidates.sort((a, b) => a.touchedMs - b.touchedMs);
    let freed = 0;
    for (const item of candidates) {
      if (freed >= needBytes) break;
      out.push(victimOf(item));
      freed += usedBytesOf(item);
    }
    return freed;
  }

  removeVersion(
    db: number,
    _slot: number,
    bytes: Buffer,
    start: number,
    end: number,
    version: number,
    reason: 'expired' | 'evicted',
  ): boolean {
    const item = this.items.get(nameOf(db, bytes, start, end));
    if (item === undefined || item.version !== version) return false;
    this.drop(item);
    if (reason === 'expired') this.expiredCount += 1;
    else this.evictedCount += 1;
    return true;
  }

  beginSnapshot(): KeyspaceSnapshot {
    throw new Error('the model makes no snapshots');
  }

  beginLoad(): KeyspaceLoad {
    throw new Error('the model makes no snapshots');
  }

  beginHash(): KeyspaceHash {
    throw new Error('the model makes no hashes');
  }

  private put(
    db: number,
    slot: number,
    keyBytes: Buffer,
    keyStart: number,
    keyEnd: number,
    value: Buffer | Map<string, Buffer>,
    expireAtMs: number,
    encoding: Encoding,
  ): Ref {
    const name = nameOf(db, keyBytes, keyStart, keyEnd);
    this.wrote();
    const item: Item = {
      db,
      slot,
      key: Buffer.from(keyBytes.subarray(keyStart, keyEnd)),
      place: this.items.get(name)?.place ?? ++this.lastPlace,
      version: this.version,
      expireAtMs,
      encoding,
      value,
      touchedMs: this.nowMs,
      touches: 5,
    };
    this.items.set(name, item);
    return this.refTo(item);
  }

  private drop(item: Item): void {
    this.wrote();
    this.items.delete(nameOf(item.db, item.key, 0, item.key.length));
  }

  /** Takes back all that was handed out. */
  private wrote(): void {
    this.refs.clear();
    if (this.shown !== null) this.shown.value = Buffer.from(this.window.bytes);
    this.shown = null;
    this.window.bytes.fill(SCRAMBLED);
    this.window.bytes = Buffer.alloc(0);
  }

  private refuseOwn(valueBytes: Buffer): void {
    if (valueBytes === this.window.bytes) throw new Error('the value lies in the store');
  }

  private refTo(item: Item): Ref {
    this.lastRef += 1;
    this.refs.set(this.lastRef, item);
    return this.lastRef;
  }

  private item(ref: Ref): Item {
    const item = this.refs.get(ref);
    if (item === undefined) throw new Error(`ref ${ref} is out of date`);
    return item;
  }

  private stringOf(ref: Ref): Buffer {
    const { value } = this.item(ref);
    if (value instanceof Map) throw new Error('a hash is taken for a string');
    return value;
  }

  private hashOf(ref: Ref): Map<string, Buffer> {
    const { value } = this.item(ref);
    if (!(value instanceof Map)) throw new Error('a string is taken for a hash');
    return value;
  }

  private show(bytes: Buffer): Window {
    this.shown = null;
    this.window.bytes = bytes;
    this.window.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.window.start = 0;
    this.window.end = bytes.length;
    return this.window;
  }

  private isExpired(item: Item): boolean {
    return item.expireAtMs !== 0 && item.expireAtMs <= this.timeMs;
  }

  private list(wanted: (item: Item) => boolean): Item[] {
    return [...this.items.values()].filter(wanted);
  }
}

function nameOf(db: number, bytes: Buffer, start: number, end: number): string {
  return `${db}:${bytes.toString('latin1', start, end)}`;
}

function placeOf(item: Item): number {
  return item.slot * SLOT_STRIDE + item.place;
}

function victimOf(item: Item): Victim {
  const { db, key, version } = item;
  return { db, key, version, sizeBytes: usedBytesOf(item) };
}

function duplicate(value: Buffer | Map<string, Buffer>): Buffer | Map<string, Buffer> {
  if (!(value instanceof Map)) return Buffer.from(value);
  return new Map([...value].map(([field, bytes]) => [field, Buffer.from(bytes)]));
}

function visitField(visit: FieldVisitor, field: string, value: Buffer): void {
  const bytes = Buffer.from(field, 'latin1');
  visit(bytes, 0, bytes.length, value, 0, value.length);
}

function usedBytesOf({ key, value }: Item): number {
  if (!(value instanceof Map)) return ENTRY_BYTES + key.length + value.length;
  let sizeBytes = ENTRY_BYTES + key.length;
  for (const [field, bytes] of value) sizeBytes += field.length + bytes.length;
  return sizeBytes;
}
