/**
 * A walk over all keys as they are when it begins, in slices, while writes go on. Keys are passed in the order (database, slot, hash). A
 * write to a key that is not yet passed has it taken first; what it makes has a version above the walk's and is not part of it.
 *
 * Nothing large is taken whole. A long string or a large hash is announced, and then walked from slice to slice: of a string the old
 * block is kept when the string changes or goes; of a hash the fields not yet passed are taken one by one, by the same two rules.
 *
 * A slot that leaves the keyspace meanwhile is walked where it is, at the end; what arrives is not part of the walk. In a staging area, whose
 * slots go on being written elsewhere, either ends the walk: it is short there, and can be made anew.
 */
import { assert } from '../assert.ts';
import type { ChangeObserver } from './change-observer.ts';
import { END_OF_HASHES } from './dictionary.ts';
import { GENERATIONS, type Database, type KeyTable } from './key-table.ts';
import type { Handle } from './slab-pool.ts';
import type { SlotPart } from './slot-content.ts';
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
  private readonly generation: number;
  private readonly databases: readonly (Database | null)[];
  private readonly slotFrom: number;
  private readonly slotTo: number;
  private readonly unpassed: Set<Database | SlotPart>;
  /** Parts that left before they were passed, and the hash to go on from in the first. */
  private readonly left: { part: SlotPart; hash: number }[] = [];
  /** Slots of the walk's databases that arrived since it began, by `placeOf`. */
  private readonly arrived = new Set<number>();
  /** Large hashes that are open, and the long strings and fields: these first, since a hash opens them as it goes on. */
  private readonly tables = new Map<Handle, OpenValue>();
  private readonly values = new Map<Handle, OpenValue>();
  private readonly expectedKeys: number;
  private opened = 0;
  private db = 0;
  private slot: number;
  private hash = 0;
  private keptBytes = 0;
  private readonly pendingMaxBytes: number;
  /** More than allowed was kept for it: it has abandoned itself. */
  overflowed = false;

  /** Of all slots, or of one. */
  constructor(keys: KeyTable, pendingMaxBytes: number, slot = -1) {
    this.pendingMaxBytes = pendingMaxBytes;
    this.keys = keys;
    this.version = keys.highestVersion;
    this.slotFrom = slot < 0 ? 0 : slot;
    this.slotTo = slot < 0 ? SLOT_COUNT - 1 : slot;
    this.slot = this.slotFrom;
    this.databases = [...keys.databases];
    this.unpassed = new Set(this.databases.filter((database) => database !== null));
    this.expectedKeys = 0;
    for (const database of this.unpassed as Set<Database>)
      this.expectedKeys += slot < 0 ? database.keys.total : database.keys.counts[slot];
    if (keys.isStaging) keys.generation += 1;
    this.generation = keys.generation;
    keys.observe(this);
    keys.reclaimer.hold(this.unpassed);
    if (this.generation < GENERATIONS) return;
    // So long no move lasts; and the snapshot or hash that is made in vain is made anew later. What it is made into is not there yet.
    this.overflowed = true;
    this.end();
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
    for (const open of [this.values, this.tables]) for (const value of open.values()) this.endValue(value);
    if (!this.ended) this.end();
  }

  beforeKey(entry: Handle): void {
    const { entries } = this.keys;
    const db = entries.database(entry);
    const slot = entries.slot(entry);
    if (slot < this.slotFrom || slot > this.slotTo) return;
    if (this.isLater(entry) || this.keys.databases[db] !== this.databases[db]) return;
    if (this.arrived.has(placeOf(db, slot)) || this.hasPassed(db, slot, entry)) return;
    const isLater = this.keys.isStaging || this.keys.version > this.version;
    assert(isLater, 'writes after a walk has begun have a later version');
    this.take(entry);
    this.checkPending();
  }

  beforeField(table: Handle, field: Handle, hash: number): void {
    const value = this.tables.get(table);
    if (value === undefined || hash < value.place) return;
    if (this.isLaterField(field)) return;
    this.takeFieldOf(value, field);
    this.checkPending();
  }

  slotLeft(part: SlotPart): void {
    const { db, slot } = part;
    if (slot < this.slotFrom || slot > this.slotTo || this.keys.databases[db] !== this.databases[db]) return;
    if (this.keys.isStaging) {
      this.giveUp();
      return;
    }
    const isPassed = db < this.db || (db === this.db && slot < this.slot);
    if (isPassed || this.arrived.has(placeOf(db, slot))) return;
    this.left.push({ part, hash: db === this.db && slot === this.slot ? this.hash : 0 });
    this.unpassed.add(part);
  }

  slotArrives({ db, slot }: SlotPart): void {
    if (slot < this.slotFrom || slot > this.slotTo || this.ended) return;
    if (this.keys.isStaging) this.giveUp();
    else if (this.keys.databases[db] === this.databases[db]) this.arrived.add(placeOf(db, slot));
  }

  /** Written since the walk began. */
  private isLater(entry: Handle): boolean {
    const { entries, isStaging } = this.keys;
    if (isStaging) return entries.generation(entry) >= this.generation;
    return entries.version(entry) > this.version;
  }

  private isLaterField(field: Handle): boolean {
    const { tables, isStaging } = this.keys;
    const limit = isStaging ? (this.generation - 1) / GENERATIONS : this.version;
    return tables.version(field) > limit;
  }

  private giveUp(): void {
    if (this.ended) return;
    this.overflowed = true;
    this.abandon();
  }

  reads(block: Handle): boolean {
    return this.values.has(block) || this.tables.has(block);
  }

  keeps(block: Handle): boolean {
    const value = this.values.get(block) ?? this.tables.get(block);
    if (value === undefined) return false;
    if (!value.kept) this.keptBytes += value.sizeBytes;
    value.kept = true;
    return true;
  }

  /** Takes a step; returns how many items it examined. */
  protected advance(): number {
    for (const value of this.values.values()) return this.takeNextPart(value);
    for (const table of this.tables.values()) return this.takeFields(table);
    if (this.db < DATABASE_COUNT) return this.takeKeys();
    if (this.left.length > 0) return this.takeLeft(this.left[0]);
    assert(this.takenKeys === this.expectedKeys, 'a walk takes every key that was there');
    this.finish();
    this.end();
    return 1;
  }

  /** Memory has a limit, a walk can be made anew. */
  private checkPending(): void {
    if (this.pendingBytes > this.pendingMaxBytes) this.giveUp();
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
    const { slotTo } = this;
    const slot = database === null ? slotTo + 1 : database.keys.nextSlot(this.slot, slotTo);
    if (slot !== this.slot) this.hash = 0;
    this.slot = slot;
    if (database === null || slot > slotTo) {
      if (database !== null) this.unpassed.delete(database);
      this.db += 1;
      this.slot = this.slotFrom;
      this.hash = 0;
      return 1;
    }
    if (this.arrived.has(placeOf(this.db, slot))) {
      this.hash = END_OF_HASHES;
    } else {
      this.takeCollected(database.keys.collect(slot, this.hash, BATCH_ITEMS));
      this.hash = this.keys.dictionary.nextHash;
    }
    if (this.hash === END_OF_HASHES) {
      this.slot += 1;
      this.hash = 0;
    }
    return BATCH_ITEMS;
  }

  private takeLeft(one: { part: SlotPart; hash: number }): number {
    const { dictionary } = this.keys;
    this.takeCollected(dictionary.collect(one.part.keys, one.hash, BATCH_ITEMS));
    one.hash = dictionary.nextHash;
    if (one.hash === END_OF_HASHES) {
      this.left.shift();
      this.unpassed.delete(one.part);
    }
    return BATCH_ITEMS;
  }

  private takeCollected(found: number): void {
    const { collected } = this.keys.dictionary;
    for (let index = 0; index < found; index += 1) {
      const entry = collected[index];
      if (!this.isLater(entry)) this.take(entry);
    }
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
    this.openOf(kind).set(block, value);
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
    let enough = this.takenBytes + PART_BYTES;
    for (let index = 0; index < found; index += 1) {
      const field = tables.dictionary.collected[index];
      const hash = tables.hashOfField(field);
      if (this.takenBytes >= enough && hash !== table.place) {
        table.place = hash;
        return index;
      }
      if (!this.isLaterField(field)) this.takeFieldOf(table, field);
      table.place = hash;
      // It is taken whole before more are opened, but for those of the same hash: who loads them makes room for each as it is opened.
      if (this.values.size > 0) enough = 0;
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

  private openOf(kind: OpenValue['kind']): Map<Handle, OpenValue> {
    return kind === 'table' ? this.tables : this.values;
  }

  private endValue(value: OpenValue): void {
    this.openOf(value.kind).delete(value.block);
    this.close(value);
    if (!value.kept) return;
    this.keptBytes -= value.sizeBytes;
    if (value.kind === 'string') this.keys.release(value.block);
    else if (value.kind === 'field') this.keys.tables.release(value.block);
    else this.keys.releaseTable(value.block);
  }
}

function placeOf(db: number, slot: number): number {
  return db * SLOT_COUNT + slot;
}
