/** One shard's replica of its keys: the contract of types.ts, put together from its parts. */
import { frequencyOf, idleMsOf, nextAccess } from './access-clock.ts';
import { Evictor } from './eviction.ts';
import { ExpirySampler } from './expiry.ts';
import { TableView } from './hash-view.ts';
import { Hashes } from './hashes.ts';
import { KeyScan } from './key-scan.ts';
import { KeyTable } from './key-table.ts';
import { KeyWrites } from './key-writes.ts';
import { KeyspaceHasher } from './keyspace-hash.ts';
import type { SlabPool } from './slab-pool.ts';
import type { SlotContent } from './slot-content.ts';
import { SnapshotLoader } from './snapshot-loader.ts';
import { SnapshotWriter } from './snapshot-writer.ts';
import {
  DATABASE_COUNT,
  type Encoding,
  type EvictionPolicy,
  type FieldVisitor,
  type HashView,
  type SlotKeyspace,
  type KeyspaceHash,
  type KeyspaceLimits,
  type KeyspaceLoad,
  type KeyspaceSnapshot,
  type KeyVisitor,
  NO_REF,
  type Ref,
  type SlotLoad,
  type SlotSpan,
  type ValueType,
  type Victim,
  type Window,
} from './types.ts';

/** This module's own copies: V8 takes them for constant (desk.ts). */
const NONE = NO_REF;

interface KeyspaceOptions {
  slabs: SlabPool;
  /** Read at each write that they matter to: the owner may change them between entries. */
  limits: KeyspaceLimits;
  /**
   * Seeds the hash of keys and fields: a number of the cluster's, so that sets of keys that collide are not the same everywhere. The same on
   * all nodes, or scan cursors do not outlive a change of leader; all else is the same whatever it is.
   */
  hashSeed?: number;
  isStaging?: boolean;
}

class SlabKeyspace implements SlotKeyspace {
  readonly window: Window = {
    bytes: Buffer.alloc(0),
    view: new DataView(new ArrayBuffer(0)),
    start: 0,
    end: 0,
  };
  timeMs = 0;
  expiredCount = 0;
  evictedCount = 0;

  private readonly slabs: SlabPool;
  private readonly hashSeed: number;
  private readonly keys: KeyTable;
  private readonly writes: KeyWrites;
  private readonly hashes: Hashes;
  private readonly scanner: KeyScan;
  private readonly expirySampler: ExpirySampler;
  private readonly evictor: Evictor;
  private writing = false;

  constructor(options: KeyspaceOptions) {
    this.slabs = options.slabs;
    this.hashSeed = options.hashSeed ?? 0;
    this.keys = new KeyTable(options.slabs, this.hashSeed, options.isStaging);
    this.writes = new KeyWrites(this.keys);
    this.hashes = new Hashes(this.keys, options.limits);
    this.scanner = new KeyScan(this.keys);
    this.expirySampler = new ExpirySampler(this.keys);
    this.evictor = new Evictor(this.keys);
  }

  at(timeMs: number, version: number, writing: boolean): void {
    this.timeMs = timeMs;
    this.keys.setVersion(version);
    this.writing = writing;
  }

  get usedBytes(): number {
    return this.keys.usedBytes;
  }

  get slabBytes(): number {
    return this.slabs.heldBytes;
  }

  keyCount(db: number, slots: readonly SlotSpan[] | null = null): number {
    if (slots === null) return this.keys.count(db);
    let sum = 0;
    for (const { from, to } of slots)
      for (let slot = from; slot <= to; slot += 1) sum += this.keys.countOf(db, slot);
    return sum;
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

  bytesInSlot(slot: number): number {
    return this.keys.bytesInSlot(slot);
  }

  contentsOfSlots(keys: Float64Array, bytes: Float64Array): void {
    this.keys.contentsOfSlots(keys, bytes);
  }

  find(db: number, slot: number, bytes: Buffer, start: number, end: number): Ref {
    const entry = this.keys.lookup(db, slot, this.keys.hashOf(bytes, start, end), bytes, start, end);
    if (entry === NONE || !this.keys.isExpired(entry, this.timeMs)) return entry;
    if (this.writing) {
      this.keys.remove(entry);
      this.expiredCount += 1;
    }
    return NONE;
  }

  accessClock(monotonicMs: number): void {
    this.keys.accessNowMs = monotonicMs;
  }

  touch(ref: Ref, monotonicMs: number, pick: number): void {
    this.keys.accessNowMs = monotonicMs;
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
    return this.writes.setString(
      db,
      slot,
      keyBytes,
      keyStart,
      keyEnd,
      valueBytes,
      valueStart,
      valueEnd,
      expireAtMs,
      encoding,
    );
  }

  overwriteString(
    ref: Ref,
    valueBytes: Buffer,
    valueStart: number,
    valueEnd: number,
    encoding: Encoding,
  ): boolean {
    const { entries, observer, version } = this.keys;
    return observer === null && entries.overwrite(ref, valueBytes, valueStart, valueEnd, encoding, version);
  }

  resizeString(ref: Ref, lengthBytes: number): Ref {
    return this.writes.resizeString(ref, lengthBytes);
  }

  setExpireAt(ref: Ref, expireAtMs: number): Ref {
    return this.writes.setExpireAt(ref, expireAtMs);
  }

  remove(ref: Ref): void {
    this.keys.remove(ref);
  }

  rename(ref: Ref, db: number, slot: number, keyBytes: Buffer, keyStart: number, keyEnd: number): Ref {
    return this.writes.rename(ref, db, slot, keyBytes, keyStart, keyEnd);
  }

  copy(ref: Ref, db: number, slot: number, keyBytes: Buffer, keyStart: number, keyEnd: number): Ref {
    return this.writes.copy(ref, db, slot, keyBytes, keyStart, keyEnd);
  }

  createHash(db: number, slot: number, keyBytes: Buffer, keyStart: number, keyEnd: number): Ref {
    return this.hashes.create(db, slot, keyBytes, keyStart, keyEnd, this.keys.newAccess());
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

  viewHash(ref: Ref): HashView {
    return new TableView(this.keys, ref);
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

  flush(db: number, slots: readonly SlotSpan[] | null = null): void {
    if (slots !== null) {
      for (const { from, to } of slots) for (let slot = from; slot <= to; slot += 1) this.flushSlot(db, slot);
      return;
    }
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
    this.keys.accessNowMs = monotonicMs;
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
    if (entry === NONE || this.keys.entries.version(entry) !== version) return false;
    this.keys.remove(entry);
    if (reason === 'expired') this.expiredCount += 1;
    else this.evictedCount += 1;
    return true;
  }

  beginSnapshot(pendingMaxBytes = Infinity): KeyspaceSnapshot {
    return new SnapshotWriter(this.keys, pendingMaxBytes);
  }

  beginCut(slot: number, pendingMaxBytes: number): KeyspaceSnapshot {
    return new SnapshotWriter(this.keys, pendingMaxBytes, slot);
  }

  createStaging(limits: KeyspaceLimits): SlotKeyspace {
    const { slabs, hashSeed } = this;
    return new SlabKeyspace({ slabs, limits, hashSeed, isStaging: true });
  }

  beginSlotLoad(): SlotLoad {
    return new SnapshotLoader(this.keys);
  }

  detachSlot(slot: number): SlotContent {
    return this.keys.detachSlot(slot);
  }

  attachSlot(content: SlotContent, version: number): void {
    this.keys.attachSlot(content, version);
  }

  flushSlot(db: number, slot: number): void {
    for (let each = 0; each < DATABASE_COUNT; each += 1) {
      const part = db === -1 || db === each ? this.keys.detachPart(each, slot) : null;
      if (part !== null) this.keys.reclaimer.addSlot(part);
    }
  }

  beginLoad(): KeyspaceLoad {
    this.flush(-1);
    return new SnapshotLoader(this.keys);
  }

  beginHash(keptMaxBytes = Infinity): KeyspaceHash {
    return new KeyspaceHasher(this.keys, keptMaxBytes);
  }
}

export function createKeyspace(options: KeyspaceOptions): SlotKeyspace {
  return new SlabKeyspace(options);
}
