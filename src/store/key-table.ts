/**
 * The keys of a keyspace: entries under their database, slot and key, those that expire in an index of their own, and exact accounting.
 * Whatever changes an entry goes through here, so that a walk under way (a snapshot, a hash) sees it first.
 */
import { firstAccess, NEVER_USED } from './access-clock.ts';
import { hashBytes } from './byte-hash.ts';
import type { ChangeObserver } from './change-observer.ts';
import { Dictionary, INDEX_SHARE_BYTES } from './dictionary.ts';
import { Entries, ENTRY_HEADER_BYTES } from './entries.ts';
import { FieldTables } from './field-tables.ts';
import { Observers } from './observers.ts';
import { Reclaimer } from './reclaimer.ts';
import { roundedSize } from './size-classes.ts';
import { type Handle, NO_BLOCK, type SlabPool } from './slab-pool.ts';
import type { SlotContent, SlotPart } from './slot-content.ts';
import { SLOT_COUNT, SlotTable } from './slot-table.ts';
import { DATABASE_COUNT, Encoding, type Victim } from './types.ts';

/** This module's own copies: V8 takes them for constant (desk.ts). */
const NONE = NO_BLOCK;
const { HASHTABLE } = Encoding;

/** Large hashes with more fields are freed bit by bit. */
const FREE_AT_ONCE_FIELDS = 64;
/** In an entry there are two bytes for one. */
export const GENERATIONS = 2 ** 16;

export class Database {
  /** A double from the start, as in KeyTable. */
  usedBytes = Number.NaN;
  readonly slotBytes = new Float64Array(SLOT_COUNT);
  readonly keys: SlotTable;
  readonly volatile: SlotTable;

  constructor(dictionary: Dictionary) {
    this.keys = new SlotTable(dictionary);
    this.volatile = new SlotTable(dictionary);
    this.usedBytes = 0;
  }
}

export class KeyTable {
  readonly entries: Entries;
  readonly tables: FieldTables;
  readonly dictionary: Dictionary;
  readonly reclaimer: Reclaimer;
  readonly databases: (Database | null)[] = Array.from({ length: DATABASE_COUNT }, () => null);
  /**
   * Of all databases. A double from the start: made one by the first sum that is no small integer, it would change the shape of the table, and all
   * code made for the old one be thrown away, when a slot moves or 2 GiB are held.
   */
  usedBytes = Number.NaN;
  /** What is written now gets this version. */
  version = 0;
  /** No entry has a higher version. */
  highestVersion = 0;
  /** The latest access clock that was told: new keys start with it. */
  accessNowMs = Number.NaN;
  /** All who observe, as one; mostly nobody does. */
  observer: ChangeObserver | null = null;
  /**
   * Slots that are on their way here (a staging area): what is written bears the versions of its source, which do not rise from one write to the
   * next. There walks tell what was written since they began by a generation, which each of them begins anew.
   */
  readonly isStaging: boolean;
  generation = 0;
  private observers: readonly ChangeObserver[] = [];
  private readonly hashSeed: number;

  constructor(slabs: SlabPool, hashSeed: number, isStaging = false) {
    this.hashSeed = hashSeed;
    this.isStaging = isStaging;
    this.usedBytes = 0;
    this.entries = new Entries(slabs);
    this.dictionary = new Dictionary(slabs, ENTRY_HEADER_BYTES);
    this.tables = new FieldTables(slabs, hashSeed);
    this.reclaimer = new Reclaimer(this);
    // Set a second time: what never changed counts as constant, and the code made with that is thrown away when the first walk observes.
    this.setObservers([]);
  }

  observe(observer: ChangeObserver): void {
    this.setObservers([...this.observers, observer]);
  }

  unobserve(observer: ChangeObserver): void {
    this.setObservers(this.observers.filter((other) => other !== observer));
  }

  private setObservers(observers: readonly ChangeObserver[]): void {
    this.observers = observers;
    const [first = null] = observers;
    this.observer = observers.length < 2 ? first : new Observers(observers);
    this.tables.observer = this.observer;
  }

  setVersion(version: number): void {
    this.version = version;
    if (version > this.highestVersion) this.highestVersion = version;
  }

  /** The entry is written now. */
  stamp(entry: Handle): void {
    this.entries.setVersion(entry, this.version);
    if (this.isStaging) this.entries.setGeneration(entry, this.generation);
  }

  /** What a field that is written now bears. That of a staging area is below all versions: once the slot is in use the field counts as old. */
  get fieldStamp(): number {
    return this.isStaging ? this.generation / GENERATIONS : this.version;
  }

  newAccess(): number {
    return Number.isNaN(this.accessNowMs) ? NEVER_USED : firstAccess(this.accessNowMs);
  }

  database(db: number): Database {
    return (this.databases[db] ??= new Database(this.dictionary));
  }

  hashOf(bytes: Uint8Array, start: number, end: number): number {
    return hashBytes(bytes, start, end, this.hashSeed);
  }

  hashOfEntry(entry: Handle): number {
    const start = this.entries.keyStart(entry);
    return this.hashOf(this.entries.bytes(entry), start, start + this.entries.keyLength(entry));
  }

  /** The entry, expired or not, or NONE. */
  lookup(db: number, slot: number, hash: number, bytes: Uint8Array, start: number, end: number): Handle {
    const database = this.databases[db];
    return database === null ? NONE : database.keys.find(slot, hash, bytes, start, end);
  }

  /** As in Redis a key lives through the millisecond of its expiry. */
  isExpired(entry: Handle, timeMs: number): boolean {
    const expireAtMs = this.entries.expireAtMs(entry);
    return expireAtMs !== 0 && timeMs > expireAtMs;
  }

  /** What the key accounts for: its blocks rounded up, and its share of the index. */
  entryBytes(entry: Handle): number {
    const own = roundedSize(this.entries.size(entry)) + INDEX_SHARE_BYTES;
    const index = this.entries.hasExpiry(entry) ? own + INDEX_SHARE_BYTES : own;
    if (this.entries.encoding(entry) !== HASHTABLE) return index;
    return index + this.tables.usedBytes(this.entries.valueLength(entry));
  }

  account(entry: Handle, delta: number): void {
    if (delta === 0) return;
    this.addUsed(this.database(this.entries.database(entry)), this.entries.slot(entry), delta);
  }

  /** Enters a new entry, written now. */
  add(entry: Handle, hash: number): void {
    const database = this.database(this.entries.database(entry));
    const slot = this.entries.slot(entry);
    database.keys.insert(slot, hash, entry);
    if (this.entries.hasExpiry(entry)) database.volatile.insert(slot, hash, entry);
    this.addUsed(database, slot, this.entryBytes(entry));
  }

  /** Puts `replacement` in the place of `old`, of the same key. The field table of `old`, if any, is not touched. */
  replace(old: Handle, replacement: Handle, hash: number): void {
    const database = this.database(this.entries.database(old));
    const slot = this.entries.slot(old);
    database.keys.replace(slot, hash, old, replacement);
    if (this.entries.hasExpiry(old)) database.volatile.remove(slot, hash, old);
    if (this.entries.hasExpiry(replacement)) database.volatile.insert(slot, hash, replacement);
    this.addUsed(database, slot, this.entryBytes(replacement) - this.entryBytes(old));
  }

  /** A new entry like this one, written now, with room for another value; not yet in the index. */
  remake(
    entry: Handle,
    valueLength: number,
    encoding = this.entries.encoding(entry),
    expireAtMs = this.entries.expireAtMs(entry),
  ): Handle {
    const { entries } = this;
    const start = entries.keyStart(entry);
    const made = entries.create(
      entries.database(entry),
      entries.slot(entry),
      entries.bytes(entry),
      start,
      start + entries.keyLength(entry),
      entries.type(entry),
      encoding,
      valueLength,
      expireAtMs,
    );
    this.stamp(made);
    entries.setAccess(made, entries.access(entry));
    return made;
  }

  /** Sets or removes (0) the expiry in the block that the entry has; the caller has seen that it fits. */
  setExpiryInPlace(entry: Handle, expireAtMs: number): void {
    const { entries } = this;
    const before = this.entryBytes(entry);
    const had = entries.hasExpiry(entry);
    if (expireAtMs === 0) entries.clearExpiry(entry);
    else entries.writeExpiry(entry, expireAtMs);
    this.stamp(entry);
    this.account(entry, this.entryBytes(entry) - before);
    if (had === (expireAtMs !== 0)) return;
    const volatile = this.database(entries.database(entry)).volatile;
    if (had) volatile.remove(entries.slot(entry), this.hashOfEntry(entry), entry);
    else volatile.insert(entries.slot(entry), this.hashOfEntry(entry), entry);
  }

  victim(entry: Handle): Victim {
    const { entries } = this;
    const start = entries.keyStart(entry);
    const key = Buffer.from(entries.bytes(entry).subarray(start, start + entries.keyLength(entry)));
    return {
      db: entries.database(entry),
      key,
      version: entries.version(entry),
      sizeBytes: this.entryBytes(entry),
    };
  }

  /** Takes the entry out of the index; its memory and table stay the caller's. */
  unlink(entry: Handle): void {
    const database = this.database(this.entries.database(entry));
    const slot = this.entries.slot(entry);
    const hash = this.hashOfEntry(entry);
    this.addUsed(database, slot, -this.entryBytes(entry));
    if (this.entries.hasExpiry(entry)) database.volatile.remove(slot, hash, entry);
    database.keys.remove(slot, hash, entry);
  }

  /** Frees an entry that is out of the index, without its table. */
  release(entry: Handle): void {
    if (this.observer !== null && this.observer.keeps(entry)) return;
    this.entries.slabs.free(entry);
  }

  /** Frees the table of an entry that has one. */
  releaseTableOf(entry: Handle): void {
    if (this.entries.encoding(entry) === HASHTABLE) this.releaseTable(this.entries.valueLength(entry));
  }

  releaseTable(table: Handle): void {
    if (this.observer !== null && this.observer.keeps(table)) return;
    if (this.tables.count(table) > FREE_AT_ONCE_FIELDS) this.reclaimer.addTable(table);
    else this.freeTable(table);
  }

  remove(entry: Handle): void {
    this.observer?.beforeKey(entry);
    this.unlink(entry);
    this.releaseTableOf(entry);
    this.release(entry);
  }

  /** Readers see an empty database at once; its memory is freed bit by bit. */
  flush(db: number): void {
    const database = this.databases[db];
    if (database === null) return;
    this.databases[db] = null;
    this.usedBytes -= database.usedBytes;
    if (database.keys.total > 0) this.reclaimer.addDatabase(database);
  }

  /** Takes the slot's keys out. Readers do not see them any more, and their memory stays until it is attached elsewhere, or freed. */
  detachSlot(slot: number): SlotContent {
    const parts: SlotPart[] = [];
    for (let db = 0; db < DATABASE_COUNT; db += 1) {
      const part = this.detachPart(db, slot);
      if (part !== null) parts.push(part);
    }
    return { slot, parts };
  }

  /** As `detachSlot`, of one database; null when it is empty. */
  detachPart(db: number, slot: number): SlotPart | null {
    const database = this.databases[db];
    if (database === null || database.keys.counts[slot] === 0) return null;
    const usedBytes = database.slotBytes[slot];
    const keys = database.keys.detach(slot);
    const part = { db, slot, keys, volatile: database.volatile.detach(slot), usedBytes };
    this.addUsed(database, slot, -usedBytes);
    this.observer?.slotLeft(part);
    return part;
  }

  /** The slot is empty here; no version of what it holds is above `version`. */
  attachSlot({ slot, parts }: SlotContent, version: number): void {
    this.highestVersion = Math.max(this.highestVersion, version);
    for (const part of parts) {
      const database = this.database(part.db);
      this.observer?.slotArrives(part);
      database.keys.attach(slot, part.keys);
      database.volatile.attach(slot, part.volatile);
      this.addUsed(database, slot, part.usedBytes);
    }
  }

  count(db: number): number {
    return this.databases[db]?.keys.total ?? 0;
  }

  countOf(db: number, slot: number): number {
    return this.databases[db]?.keys.counts[slot] ?? 0;
  }

  countInSlot(slot: number): number {
    let sum = 0;
    for (const database of this.databases) sum += database === null ? 0 : database.keys.counts[slot];
    return sum;
  }

  bytesInSlot(slot: number): number {
    let sum = 0;
    for (const database of this.databases) sum += database === null ? 0 : database.slotBytes[slot];
    return sum;
  }

  /** Mostly there is one database, whose numbers are copied without a look at each slot. */
  contentsOfSlots(keys: Float64Array, bytes: Float64Array): void {
    const databases = this.databases.filter((database) => database !== null);
    for (const [place, { keys: table, slotBytes }] of databases.entries()) {
      if (place === 0) {
        keys.set(table.counts);
        bytes.set(slotBytes);
      } else {
        addTo(keys, table.counts);
        addTo(bytes, slotBytes);
      }
    }
  }

  private addUsed(database: Database, slot: number, delta: number): void {
    database.usedBytes += delta;
    database.slotBytes[slot] += delta;
    this.usedBytes += delta;
  }

  private freeTable(table: Handle): void {
    const fields = this.tables.dictionary.collect(table, 0, this.tables.count(table));
    for (let index = 0; index < fields; index += 1) {
      this.tables.release(this.tables.dictionary.collected[index]);
    }
    this.tables.dictionary.free(table);
  }
}

function addTo(sums: Float64Array, values: Uint32Array | Float64Array): void {
  for (let slot = 0; slot < sums.length; slot++) sums[slot] += values[slot];
}
