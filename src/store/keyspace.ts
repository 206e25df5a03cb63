/** One shard's replica of its keys: the contract of types.ts, put together from its parts. */
import { firstAccess, frequencyOf, idleMsOf, nextAccess, NEVER_USED } from './access-clock.ts';
import { KeyspaceDigester } from './digest.ts';
import { copyBytes, entrySize } from './entries.ts';
import { Evictor } from './eviction.ts';
import { ExpirySampler } from './expiry.ts';
import { Hashes } from './hashes.ts';
import { KeyScan } from './key-scan.ts';
import { KeyTable } from './key-table.ts';
import type { SlabPool } from './slab-pool.ts';
import { SnapshotLoader } from './snapshot-loader.ts';
import { SnapshotWriter } from './snapshot-writer.ts';
import {
  DATABASE_COUNT,
  Encoding,
  type EvictionPolicy,
  type FieldVisitor,
  type Keyspace,
  type KeyspaceDigest,
  type KeyspaceLimits,
  type KeyspaceLoad,
  type KeyspaceSnapshot,
  type KeyVisitor,
  NO_REF,
  type Ref,
  ValueType,
  type Victim,
  type Window,
} from './types.ts';

export interface KeyspaceOptions {
  slabs: SlabPool;
  /** Read at each write that they matter to: the owner may change them between entries. */
  limits: KeyspaceLimits;
  /** A secret of the cluster against keys made to collide; the same on all nodes, or scan cursors do not outlive a change of leader. */
  hashSeed?: number;
}

class SlabKeyspace implements Keyspace {
  readonly window: Window = { bytes: Buffer.alloc(0), start: 0, end: 0 };
  timeMs = 0;
  expiredCount = 0;
  evictedCount = 0;

  private readonly slabs: SlabPool;
  private readonly keys: KeyTable;
  private readonly hashes: Hashes;
  private readonly scanner: KeyScan;
  private readonly expirySampler: ExpirySampler;
  private readonly evictor: Evictor;
  private writing = false;
  /** The latest access clock that was told: new keys start with it. */
  private accessNowMs = Number.NaN;

  constructor(options: KeyspaceOptions) {
    this.slabs = options.slabs;
    this.keys = new KeyTable(options.slabs, options.hashSeed ?? 0);
    this.hashes = new Hashes(this.keys, options.limits);
    this.scanner = new KeyScan(this.keys);
    this.expirySampler = new ExpirySampler(this.keys);
    this.evictor = new Evictor(this.keys);
  }

  at(timeMs: number, version: number, writing: boolean): void {
    this.timeMs = timeMs;
    this.keys.version = version;
    this.writing = writing;
  }

  get usedBytes(): number {
    return this.keys.usedBytes;
  }

  get slabBytes(): number {
    return this.slabs.heldBytes;
  }

  keyCount(db: number): number {
    return this.keys.count(db);
  }

  volatileKeyCount(db: number): number {
    return this.keys.databases[db]?.volatile.total ?? 0;
  }

  totalKeyCount(): number {
    let sum = 0;
    for (let db = 0; db < DATABASE_COUNT; db += 1) sum += this.keys.count(db);
    return sum;
  }

  keyCountInSlot(slot: number): number {
    return this.keys.countInSlot(slot);
  }

  find(db: number, slot: number, bytes: Buffer, start: number, end: number): Ref {
    const entry = this.keys.lookup(db, slot, this.keys.hashOf(bytes, start, end), bytes, start, end);
    if (entry === NO_REF || !this.keys.isExpired(entry, this.timeMs)) return entry;
    if (this.writing) {
      this.keys.remove(entry);
      this.expiredCount += 1;
    }
    return NO_REF;
  }

  touch(ref: Ref, monotonicMs: number, pick: number): void {
    this.accessNowMs = monotonicMs;
    const { entries } = this.keys;
    entries.setAccess(ref, nextAccess(entries.access(ref), monotonicMs, pick));
  }

  typeOf(ref: Ref): ValueType {
    return this.keys.entries.type(ref);
  }

  encodingOf(ref: Ref): Encoding {
    return this.keys.entries.encoding(ref);
  }

  versionOf(ref: Ref): number {
    return this.keys.entries.version(ref);
  }

  expireAtMs(ref: Ref): number {
    return this.keys.entries.expireAtMs(ref);
  }

  idleMs(ref: Ref, monotonicMs: number): number {
    return idleMsOf(this.keys.entries.access(ref), monotonicMs);
  }

  frequency(ref: Ref, monotonicMs: number): number {
    return frequencyOf(this.keys.entries.access(ref), monotonicMs);
  }

  keyUsedBytes(ref: Ref): number {
    return this.keys.entryBytes(ref);
  }

  key(ref: Ref): Window {
    return this.keys.entries.keyInto(ref, this.window);
  }

  databaseOf(ref: Ref): number {
    return this.keys.entries.database(ref);
  }

  string(ref: Ref): Window {
    return this.keys.entries.valueInto(ref, this.window);
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
    const { entries } = this.keys;
    const hash = this.keys.hashOf(keyBytes, keyStart, keyEnd);
    const old = this.keys.lookup(db, slot, hash, keyBytes, keyStart, keyEnd);
    const length = valueEnd - valueStart;
    if (old !== NO_REF) this.keys.observer?.beforeKey(old);
    let entry = old;
    if (old !== NO_REF && this.canRewrite(old, length, expireAtMs)) {
      this.rewrite(old, length, expireAtMs, encoding);
    } else {
      const type = ValueType.STRING;
      entry = entries.create(db, slot, keyBytes, keyStart, keyEnd, type, encoding, length, expireAtMs);
      entries.setAccess(entry, old === NO_REF ? this.newAccess() : entries.access(old));
    }
    entries.setVersion(entry, this.keys.version);
    copyBytes(valueBytes, valueStart, valueEnd, entries.bytes(entry), entries.valueStart(entry));
    if (old === NO_REF) this.keys.add(entry, hash);
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
      this.rewrite(ref, lengthBytes, expireAtMs, Encoding.RAW);
      entries.setVersion(ref, this.keys.version);
    } else {
      entry = this.keys.remake(ref, lengthBytes, Encoding.RAW);
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
    const valueLength = entries.encoding(ref) === Encoding.HASHTABLE ? 0 : entries.valueLength(ref);
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

  remove(ref: Ref): void {
    this.keys.remove(ref);
  }

  rename(ref: Ref, db: number, slot: number, keyBytes: Buffer, keyStart: number, keyEnd: number): Ref {
    const hash = this.keys.hashOf(keyBytes, keyStart, keyEnd);
    const replaced = this.keys.lookup(db, slot, hash, keyBytes, keyStart, keyEnd);
    if (replaced === ref) return ref;
    this.keys.observer?.beforeKey(ref);
    if (replaced !== NO_REF) this.keys.remove(replaced);
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
    if (entries.encoding(ref) === Encoding.HASHTABLE) {
      entries.setTable(entry, tables.copy(entries.valueLength(ref), this.keys.version));
    } else {
      this.copyValue(ref, entry);
    }
    this.keys.add(entry, this.keys.hashOf(keyBytes, keyStart, keyEnd));
    return entry;
  }

  createHash(db: number, slot: number, keyBytes: Buffer, keyStart: number, keyEnd: number): Ref {
    return this.hashes.create(db, slot, keyBytes, keyStart, keyEnd, this.newAccess());
  }

  hashLength(ref: Ref): number {
    return this.hashes.length(ref);
  }

  hashGet(ref: Ref, fieldBytes: Buffer, fieldStart: number, fieldEnd: number): boolean {
    return this.hashes.get(ref, fieldBytes, fieldStart, fieldEnd, this.window);
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
    return this.hashes.set(ref, fieldBytes, fieldStart, fieldEnd, valueBytes, valueStart, valueEnd);
  }

  get hashCreated(): boolean {
    return this.hashes.created;
  }

  hashDelete(ref: Ref, fieldBytes: Buffer, fieldStart: number, fieldEnd: number): boolean {
    return this.hashes.delete(ref, fieldBytes, fieldStart, fieldEnd);
  }

  hashEach(ref: Ref, visit: FieldVisitor): void {
    this.hashes.each(ref, visit);
  }

  hashScan(ref: Ref, cursor: number, count: number, visit: FieldVisitor): number {
    return this.hashes.scan(ref, cursor, count, visit);
  }

  hashRandom(ref: Ref, pick: number, visit: FieldVisitor): void {
    this.hashes.random(ref, pick, visit);
  }

  scan(db: number, cursor: number, slotTo: number, count: number, visit: KeyVisitor): number {
    return this.scanner.scan(db, cursor, slotTo, count, this.timeMs, visit);
  }

  randomKey(db: number, picks: () => number): Ref {
    return this.scanner.randomKey(db, this.timeMs, picks);
  }

  flush(db: number): void {
    for (let each = 0; each < DATABASE_COUNT; each += 1) {
      if (db === -1 || db === each) this.keys.flush(each);
    }
  }

  reclaim(maxItems: number): boolean {
    return this.keys.reclaimer.run(maxItems);
  }

  sampleExpired(timeMs: number, examine: number, out: Victim[]): void {
    this.expirySampler.sample(timeMs, examine, out);
  }

  sampleVictims(
    policy: EvictionPolicy,
    needBytes: number,
    monotonicMs: number,
    picks: () => number,
    out: Victim[],
  ): number {
    this.accessNowMs = monotonicMs;
    return this.evictor.sample(policy, needBytes, monotonicMs, picks, out);
  }

  removeVersion(
    db: number,
    slot: number,
    bytes: Buffer,
    start: number,
    end: number,
    version: number,
    reason: 'expired' | 'evicted',
  ): boolean {
    const entry = this.keys.lookup(db, slot, this.keys.hashOf(bytes, start, end), bytes, start, end);
    if (entry === NO_REF || this.keys.entries.version(entry) !== version) return false;
    this.keys.remove(entry);
    if (reason === 'expired') this.expiredCount += 1;
    else this.evictedCount += 1;
    return true;
  }

  beginSnapshot(): KeyspaceSnapshot {
    return new SnapshotWriter(this.keys);
  }

  beginLoad(): KeyspaceLoad {
    this.flush(-1);
    return new SnapshotLoader(this.keys);
  }

  beginDigest(): KeyspaceDigest {
    return new KeyspaceDigester(this.keys);
  }

  private newAccess(): number {
    return Number.isNaN(this.accessNowMs) ? NEVER_USED : firstAccess(this.accessNowMs);
  }

  /** Whether a string of this length and expiry can take the place of the entry's value in the block that it has. */
  private canRewrite(entry: Ref, length: number, expireAtMs: number): boolean {
    const { entries, observer } = this.keys;
    if (entries.type(entry) !== ValueType.STRING || entries.hasExpiry(entry) !== (expireAtMs !== 0))
      return false;
    if (!entries.fits(entry, entrySize(entries.keyLength(entry), length, expireAtMs !== 0))) return false;
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
    entries.setVersion(made, this.keys.version);
    entries.setAccess(made, entries.access(ref));
    return made;
  }

  /** The value's bytes; a field table goes over by its handle. */
  private copyValue(from: Ref, to: Ref): void {
    const { entries } = this.keys;
    if (entries.encoding(from) === Encoding.HASHTABLE) return;
    const start = entries.valueStart(from);
    const end = start + entries.valueLength(from);
    copyBytes(entries.bytes(from), start, end, entries.bytes(to), entries.valueStart(to));
  }
}

export function createKeyspace(options: KeyspaceOptions): Keyspace {
  return new SlabKeyspace(options);
}
