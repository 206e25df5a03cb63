/**
 * A snapshot in slices, while writes go on. Keys are passed in the order (database, slot, hash). A write to a key that is not yet passed
 * captures it first; what it makes has a version above the snapshot's and is not part of it.
 *
 * Nothing large is captured whole. A long string or a large hash is announced, and then walked from slice to slice: of a string the old
 * block is kept when the string changes or goes; of a hash the fields not yet passed are captured one by one, by the same two rules.
 */
import { crc32 } from 'node:zlib';
import { assert } from '../assert.ts';
import { ChunkQueue } from './chunk-queue.ts';
import type { ChangeObserver } from './change-observer.ts';
import { END_OF_HASHES } from './dictionary.ts';
import type { Database, KeyTable } from './key-table.ts';
import type { Handle } from './slab-pool.ts';
import { SLOT_COUNT } from './slot-table.ts';
import {
  EndRecord,
  FieldRecord,
  FORMAT_VERSION,
  FRAME_HEADER_BYTES,
  KeyRecord,
  LongFieldRecord,
  MAGIC,
  PartRecord,
  RecordKind,
} from './snapshot-format.ts';
import { DATABASE_COUNT, Encoding, type KeyspaceSnapshot, ValueType } from './types.ts';

/** Longer values are walked in parts of this size. */
const PART_BYTES = 8 * 1024;
const BATCH_ITEMS = 16;
/** Passing over what is not part of the snapshot counts too, or a slice could examine the whole keyspace. */
const BYTES_PER_EXAMINED = 32;

type WalkKind = 'string' | 'table' | 'field';

/** A long string (by its entry), a large hash (by its table) or a long field of which not all is written yet. */
interface Walk {
  number: number;
  kind: WalkKind;
  block: Handle;
  /** The offset or hash to go on from. */
  place: number;
  /** Out of use in the keyspace: to be freed when the walk ends. */
  kept: boolean;
  /** What it keeps then. */
  sizeBytes: number;
}

export class SnapshotWriter implements KeyspaceSnapshot, ChangeObserver {
  private readonly keys: KeyTable;
  private readonly version: number;
  private readonly databases: readonly (Database | null)[];
  private readonly unpassed: Set<Database>;
  private readonly walks = new Map<Handle, Walk>();
  private readonly out = new ChunkQueue();
  private readonly expectedKeys: number;
  private writtenKeys = 0;
  private walkNumber = 0;
  private db = 0;
  private slot = 0;
  private hash = 0;
  private ended = false;
  private keptBytes = 0;
  private readonly pendingMaxBytes: number;
  overflowed = false;

  constructor(keys: KeyTable, pendingMaxBytes: number) {
    this.pendingMaxBytes = pendingMaxBytes;
    assert(keys.observer === null, 'one snapshot at a time');
    this.keys = keys;
    this.version = keys.highestVersion;
    this.databases = [...keys.databases];
    this.unpassed = new Set(this.databases.filter((database) => database !== null));
    this.expectedKeys = this.databases.reduce((sum, database) => sum + (database?.keys.total ?? 0), 0);
    this.out.append(MAGIC, 0, MAGIC.length);
    this.out.reserve(1);
    this.out.bytes[this.out.end++] = FORMAT_VERSION;
    keys.observe(this);
    keys.reclaimer.hold(this.unpassed);
  }

  get pendingBytes(): number {
    return this.out.length + this.keptBytes;
  }

  next(maxBytes: number, room?: Buffer): Buffer | null {
    assert(!this.overflowed, 'a snapshot that has overflowed is abandoned');
    let examined = 0;
    while (!this.ended && this.out.length + examined * BYTES_PER_EXAMINED < maxBytes) {
      examined += this.advance();
    }
    if (this.ended && this.out.length === 0) return null;
    return this.takeFrame(maxBytes, room);
  }

  abandon(): void {
    for (const walk of this.walks.values()) this.endWalk(walk);
    this.out.clear();
    if (!this.ended) this.end();
  }

  beforeKey(entry: Handle): void {
    const { entries } = this.keys;
    const db = entries.database(entry);
    if (entries.version(entry) > this.version || this.keys.databases[db] !== this.databases[db]) return;
    if (this.hasPassed(db, entries.slot(entry), entry)) return;
    assert(this.keys.version > this.version, 'writes after a snapshot have a later version');
    this.writeKey(entry);
    this.checkPending();
  }

  beforeField(table: Handle, field: Handle, hash: number): void {
    const walk = this.walks.get(table);
    if (walk === undefined || hash < walk.place) return;
    if (this.keys.tables.version(field) > this.version) return;
    this.writeField(walk, field);
    this.checkPending();
  }

  reads(block: Handle): boolean {
    return this.walks.has(block);
  }

  keeps(block: Handle): boolean {
    const walk = this.walks.get(block);
    if (walk === undefined) return false;
    if (!walk.kept) this.keptBytes += walk.sizeBytes;
    walk.kept = true;
    return true;
  }

  /** Memory has a limit, a snapshot can be made anew. */
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

  /** Takes a step; returns how many items it examined. */
  private advance(): number {
    for (const walk of this.walks.values()) {
      return walk.kind === 'table' ? this.writeFields(walk) : this.writePart(walk);
    }
    if (this.db < DATABASE_COUNT) return this.writeKeys();
    assert(this.writtenKeys === this.expectedKeys, 'a snapshot holds every key that was there');
    this.out.reserve(EndRecord.BYTES);
    this.out.bytes[this.out.end] = RecordKind.END;
    this.out.bytes.writeDoubleLE(this.writtenKeys, this.out.end + EndRecord.KEY_COUNT);
    this.out.end += EndRecord.BYTES;
    this.end();
    return 1;
  }

  private end(): void {
    this.ended = true;
    this.unpassed.clear();
    this.keys.observe(null);
  }

  private writeKeys(): number {
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
      if (entries.version(entry) <= this.version) this.writeKey(entry);
    }
    this.hash = dictionary.nextHash;
    if (this.hash === END_OF_HASHES) {
      this.slot += 1;
      this.hash = 0;
    }
    return found;
  }

  private writeKey(entry: Handle): void {
    const { entries, tables } = this.keys;
    this.writtenKeys += 1;
    const length = entries.valueLength(entry);
    if (entries.encoding(entry) === Encoding.HASHTABLE) {
      this.writeKeyRecord(
        entry,
        RecordKind.TABLE,
        this.beginWalk('table', length, tables.usedBytes(length)),
        tables.count(length),
      );
      return;
    }
    if (entries.type(entry) === ValueType.STRING && length > PART_BYTES) {
      this.writeKeyRecord(entry, RecordKind.LONG_STRING, this.beginWalk('string', entry, length), length);
      return;
    }
    this.writeKeyRecord(entry, RecordKind.KEY, 0, length);
    const start = entries.valueStart(entry);
    this.out.append(entries.bytes(entry), start, start + length);
  }

  private beginWalk(kind: WalkKind, block: Handle, sizeBytes: number): number {
    this.walkNumber += 1;
    this.walks.set(block, { number: this.walkNumber, kind, block, place: 0, kept: false, sizeBytes });
    return this.walkNumber;
  }

  private writeKeyRecord(entry: Handle, kind: number, number: number, valueLength: number): void {
    const { entries } = this.keys;
    const keyStart = entries.keyStart(entry);
    const keyLength = entries.keyLength(entry);
    const version = entries.version(entry);
    this.out.reserve(KeyRecord.BYTES);
    const { bytes, end: at } = this.out;
    bytes[at] = kind;
    bytes.writeUInt32LE(number, at + KeyRecord.NUMBER);
    bytes[at + KeyRecord.DATABASE] = entries.database(entry);
    bytes[at + KeyRecord.TYPE] = entries.type(entry);
    bytes[at + KeyRecord.ENCODING] = entries.encoding(entry);
    bytes.writeUInt16LE(entries.slot(entry), at + KeyRecord.SLOT);
    bytes.writeUIntLE(version, at + KeyRecord.VERSION, 6);
    bytes.writeDoubleLE(entries.expireAtMs(entry), at + KeyRecord.EXPIRY);
    bytes.writeUInt32LE(keyLength, at + KeyRecord.KEY_LENGTH);
    bytes.writeUInt32LE(valueLength, at + KeyRecord.VALUE_LENGTH);
    this.out.end = at + KeyRecord.BYTES;
    this.out.append(entries.bytes(entry), keyStart, keyStart + keyLength);
  }

  private writePart(walk: Walk): number {
    const { entries, tables } = this.keys;
    const ofField = walk.kind === 'field';
    const first = ofField ? tables.valueStart(walk.block) : entries.valueStart(walk.block);
    const end = ofField ? tables.valueEnd(walk.block) : first + entries.valueLength(walk.block);
    const start = first + walk.place;
    const length = Math.min(PART_BYTES, end - start);
    this.out.reserve(PartRecord.BYTES);
    const { bytes, end: at } = this.out;
    bytes[at] = RecordKind.PART;
    bytes.writeUInt32LE(walk.number, at + PartRecord.NUMBER);
    bytes.writeUInt32LE(length, at + PartRecord.LENGTH);
    this.out.end = at + PartRecord.BYTES;
    this.out.append(entries.bytes(walk.block), start, start + length);
    walk.place += length;
    if (start + length === end) this.endWalk(walk);
    return 1;
  }

  private writeFields(walk: Walk): number {
    const { tables } = this.keys;
    const found = tables.dictionary.collect(walk.block, walk.place, BATCH_ITEMS);
    const enough = this.out.length + PART_BYTES;
    for (let index = 0; index < found; index += 1) {
      const field = tables.dictionary.collected[index];
      const hash = tables.hashOfField(field);
      if (this.out.length >= enough && hash !== walk.place) {
        walk.place = hash;
        return index;
      }
      if (tables.version(field) <= this.version) this.writeField(walk, field);
      walk.place = hash;
    }
    walk.place = tables.dictionary.nextHash;
    if (walk.place === END_OF_HASHES) this.endWalk(walk);
    return found + 1;
  }

  private writeField(walk: Walk, field: Handle): void {
    const { tables } = this.keys;
    const start = tables.fieldStart(field);
    const valueStart = tables.valueStart(field);
    const valueEnd = tables.valueEnd(field);
    if (valueEnd - valueStart > PART_BYTES) {
      this.writeLongField(walk, field);
      return;
    }
    this.out.reserve(FieldRecord.BYTES);
    const { bytes, end: at } = this.out;
    bytes[at] = RecordKind.FIELD;
    bytes.writeUInt32LE(walk.number, at + FieldRecord.NUMBER);
    bytes.writeUInt32LE(valueStart - start, at + FieldRecord.FIELD_LENGTH);
    bytes.writeUInt32LE(valueEnd - valueStart, at + FieldRecord.VALUE_LENGTH);
    this.out.end = at + FieldRecord.BYTES;
    this.out.append(tables.bytes(field), start, valueEnd);
  }

  private writeLongField(walk: Walk, field: Handle): void {
    const { tables } = this.keys;
    const start = tables.fieldStart(field);
    const valueStart = tables.valueStart(field);
    this.out.reserve(LongFieldRecord.BYTES);
    const { bytes, end: at } = this.out;
    bytes[at] = RecordKind.LONG_FIELD;
    bytes.writeUInt32LE(walk.number, at + LongFieldRecord.TABLE);
    bytes.writeUInt32LE(
      this.beginWalk('field', field, tables.valueEnd(field) - valueStart),
      at + LongFieldRecord.NUMBER,
    );
    bytes.writeUInt32LE(valueStart - start, at + LongFieldRecord.FIELD_LENGTH);
    bytes.writeUInt32LE(tables.valueEnd(field) - valueStart, at + LongFieldRecord.VALUE_LENGTH);
    this.out.end = at + LongFieldRecord.BYTES;
    this.out.append(tables.bytes(field), start, valueStart);
  }

  private endWalk(walk: Walk): void {
    this.walks.delete(walk.block);
    if (!walk.kept) return;
    this.keptBytes -= walk.sizeBytes;
    if (walk.kind === 'string') this.keys.release(walk.block);
    else if (walk.kind === 'field') this.keys.tables.release(walk.block);
    else this.keys.releaseTable(walk.block);
  }

  private takeFrame(maxBytes: number, room?: Buffer): Buffer {
    const length = Math.min(this.out.length, maxBytes);
    const sizeBytes = FRAME_HEADER_BYTES + length;
    const frame = room === undefined ? Buffer.allocUnsafe(sizeBytes) : room.subarray(0, sizeBytes);
    this.out.take(length, frame, FRAME_HEADER_BYTES);
    frame.writeUInt32LE(length, 0);
    frame.writeUInt32LE(crc32(frame.subarray(FRAME_HEADER_BYTES)), 4);
    return frame;
  }
}
