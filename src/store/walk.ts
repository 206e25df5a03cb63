/**
 * A walk over all keys as they are when it begins, in slices, while writes go on. Keys are passed in the order (database, slot, hash). A
 * write to a key that is not yet passed has it taken first; what it makes has a version above the walk's and is not part of it.
 *
 * Nothing large is taken whole. A long string or a large hash is announced, and then walked from slice to slice: of a string the old
 * block is kept when the string changes or goes; of a hash the fields not yet passed are taken one by one, by the same two rules.
 */
import { assert } from '../assert.ts';
import type { ChangeObserver } from './change-observer.ts';
import { END_OF_HASHES } from './dictionary.ts';
import type { Database, KeyTable } from './key-table.ts';
import type { Handle } from './slab-pool.ts';
import { SLOT_COUNT } from './slot-table.ts';
import { DATABASE_COUNT, Encoding, ValueType } from './types.ts';

/** Longer values are walked in parts of this size, a multiple of four. */
export const PART_BYTES = 8 * 1024;
const BATCH_ITEMS = 16;

/** A long string (by its entry), a large hash (by its table) or a long field of which not all is taken yet. */
export interface OpenValue {
  number: number;
  kind: 'string' | 'table' | 'field';
  block: Handle;
  /** The offset or hash to go on from. */
  place: number;
  /** Out of use in the keyspace: to be freed when all is taken. */
  kept: boolean;
  /** What it keeps then. */
  sizeBytes: number;
}

export abstract class KeyspaceWalk implements ChangeObserver {
  protected readonly keys: KeyTable;
  protected takenKeys = 0;
  protected ended = false;
  private readonly version: number;
  private readonly databases: readonly (Database | null)[];
  private readonly unpassed: Set<Database>;
  private readonly open = new Map<Handle, OpenValue>();
  private readonly expectedKeys: number;
  private opened = 0;
  private db = 0;
  private slot = 0;
  private hash = 0;
  private keptBytes = 0;
  private readonly pendingMaxBytes: number;
  /** More than allowed was kept for it: it has abandoned itself. */
  overflowed = false;

  constructor(keys: KeyTable, pendingMaxBytes: number) {
    this.pendingMaxBytes = pendingMaxBytes;
    this.keys = keys;
    this.version = keys.highestVersion;
    this.databases = [...keys.databases];
    this.unpassed = new Set(this.databases.filter((database) => database !== null));
    this.expectedKeys = this.databases.reduce((sum, database) => sum + (database?.keys.total ?? 0), 0);
    keys.observe(this);
    keys.reclaimer.hold(this.unpassed);
  }

  /** A key, but for its value when that is long (`value` is then what follows in parts) or a table. `length`: in bytes, or fields. */
  protected abstract takeKey(entry: Handle, value: OpenValue | null, length: number): void;
  protected abstract takePart(value: OpenValue, bytes: Buffer, start: number, end: number): void;
  protected abstract takeField(table: OpenValue, field: Handle): void;
  /** A field but for its value, of which the parts follow. */
  protected abstract takeLongField(table: OpenValue, field: Handle, value: OpenValue): void;
  /** All of a value is taken, or will not be. */
  protected abstract close(value: OpenValue): void;
  /** Every key is taken. */
  protected abstract finish(): void;
  /** Grows with what is taken. */
  protected abstract get takenBytes(): number;

  /** Of what waits, and of old values kept until the walk comes to them. */
  get pendingBytes(): number {
    return this.keptBytes;
  }

  abandon(): void {
    for (const value of this.open.values()) this.endValue(value);
    if (!this.ended) this.end();
  }

  beforeKey(entry: Handle): void {
    const { entries } = this.keys;
    const db = entries.database(entry);
    if (entries.version(entry) > this.version || this.keys.databases[db] !== this.databases[db]) return;
    if (this.hasPassed(db, entries.slot(entry), entry)) return;
    assert(this.keys.version > this.version, 'writes after a walk has begun have a later version');
    this.take(entry);
    this.checkPending();
  }

  beforeField(table: Handle, field: Handle, hash: number): void {
    const value = this.open.get(table);
    if (value === undefined || hash < value.place) return;
    if (this.keys.tables.version(field) > this.version) return;
    this.takeFieldOf(value, field);
    this.checkPending();
  }

  reads(block: Handle): boolean {
    return this.open.has(block);
  }

  keeps(block: Handle): boolean {
    const value = this.open.get(block);
    if (value === undefined) return false;
    if (!value.kept) this.keptBytes += value.sizeBytes;
    value.kept = true;
    return true;
  }

  /** Takes a step; returns how many items it examined. */
  protected advance(): number {
    for (const value of this.open.values()) {
      return value.kind === 'table' ? this.takeFields(value) : this.takeNextPart(value);
    }
    if (this.db < DATABASE_COUNT) return this.takeKeys();
    assert(this.takenKeys === this.expectedKeys, 'a walk takes every key that was there');
    this.finish();
    this.end();
    return 1;
  }

  /** Memory has a limit, a walk can be made anew. */
  private checkPending(): void {
    if (this.pendingBytes <= this.pendingMaxBytes) return;
    this.overflowed = true;
    this.abandon();
  }

  private hasPassed(db: number, slot: number, entry: Handle): boolean {
    if (db !== this.db) return db < this.db;
    if (slot !== this.slot) return slot < this.slot;
    return this.keys.hashOfEntry(entry) < this.hash;
  }

  private end(): void {
    this.ended = true;
    this.unpassed.clear();
    this.keys.reclaimer.letGo(this.unpassed);
    this.keys.unobserve(this);
  }

  private takeKeys(): number {
    const database = this.databases[this.db];
    const slot = database === null ? SLOT_COUNT : database.keys.nextSlot(this.slot, SLOT_COUNT - 1);
    if (slot !== this.slot) this.hash = 0;
    this.slot = slot;
    if (database === null || slot === SLOT_COUNT) {
      if (database !== null) this.unpassed.delete(database);
      this.db += 1;
      this.slot = 0;
      return 1;
    }
    const { entries, dictionary } = this.keys;
    const found = database.keys.collect(slot, this.hash, BATCH_ITEMS);
    for (let index = 0; index < found; index += 1) {
      const entry = dictionary.collected[index];
      if (entries.version(entry) <= this.version) this.take(entry);
    }
    this.hash = dictionary.nextHash;
    if (this.hash === END_OF_HASHES) {
      this.slot += 1;
      this.hash = 0;
    }
    return found;
  }

  private take(entry: Handle): void {
    const { entries, tables } = this.keys;
    this.takenKeys += 1;
    const length = entries.valueLength(entry);
    if (entries.encoding(entry) === Encoding.HASHTABLE) {
      this.takeKey(entry, this.openValue('table', length, tables.usedBytes(length)), tables.count(length));
    } else if (entries.type(entry) === ValueType.STRING && length > PART_BYTES) {
      this.takeKey(entry, this.openValue('string', entry, length), length);
    } else {
      this.takeKey(entry, null, length);
    }
  }

  private openValue(kind: OpenValue['kind'], block: Handle, sizeBytes: number): OpenValue {
    this.opened += 1;
    const value: OpenValue = { number: this.opened, kind, block, place: 0, kept: false, sizeBytes };
    this.open.set(block, value);
    return value;
  }

  private takeNextPart(value: OpenValue): number {
    const { entries, tables } = this.keys;
    const ofField = value.kind === 'field';
    const first = ofField ? tables.valueStart(value.block) : entries.valueStart(value.block);
    const end = ofField ? tables.valueEnd(value.block) : first + entries.valueLength(value.block);
    const start = first + value.place;
    const length = Math.min(PART_BYTES, end - start);
    this.takePart(value, entries.bytes(value.block), start, start + length);
    value.place += length;
    if (start + length === end) this.endValue(value);
    return 1;
  }

  private takeFields(table: OpenValue): number {
    const { tables } = this.keys;
    const found = tables.dictionary.collect(table.block, table.place, BATCH_ITEMS);
    const enough = this.takenBytes + PART_BYTES;
    for (let index = 0; index < found; index += 1) {
      const field = tables.dictionary.collected[index];
      const hash = tables.hashOfField(field);
      if (this.takenBytes >= enough && hash !== table.place) {
        table.place = hash;
        return index;
      }
      if (tables.version(field) <= this.version) this.takeFieldOf(table, field);
      table.place = hash;
    }
    table.place = tables.dictionary.nextHash;
    if (table.place === END_OF_HASHES) this.endValue(table);
    return found + 1;
  }

  private takeFieldOf(table: OpenValue, field: Handle): void {
    const { tables } = this.keys;
    const length = tables.valueEnd(field) - tables.valueStart(field);
    if (length <= PART_BYTES) this.takeField(table, field);
    else this.takeLongField(table, field, this.openValue('field', field, length));
  }

  private endValue(value: OpenValue): void {
    this.open.delete(value.block);
    this.close(value);
    if (!value.kept) return;
    this.keptBytes -= value.sizeBytes;
    if (value.kind === 'string') this.keys.release(value.block);
    else if (value.kind === 'field') this.keys.tables.release(value.block);
    else this.keys.releaseTable(value.block);
  }
}
