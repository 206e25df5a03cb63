/** Reads a snapshot's bytes, in any cut, into an empty keyspace. */
import { crc32 } from 'node:zlib';
import { ByteQueue } from './byte-queue.ts';
import { readF64 } from '../little-endian.ts';
import { copyBytes } from './copy-bytes.ts';
import { wordAt } from './desk.ts';
import type { KeyTable } from './key-table.ts';
import { type Handle, NO_BLOCK } from './slab-pool.ts';
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
  PREAMBLE_BYTES,
  RecordKind,
  SnapshotDamagedError,
} from './snapshot-format.ts';
import { DATABASE_COUNT, Encoding, type KeyspaceLoad, ValueType } from './types.ts';

const MAX_FRAME_BYTES = 2 ** 30;

/** A long string, large hash or long field of which not all has come. */
interface Part {
  /** The key's entry. */
  entry: Handle;
  /** The field, of a long field. */
  field: Handle;
  /** Bytes or fields still to come. */
  missing: number;
}

export class SnapshotLoader implements KeyspaceLoad {
  private readonly keys: KeyTable;
  private readonly frames = new ByteQueue();
  private readonly records = new ByteQueue();
  private readonly parts = new Map<number, Part>();
  private keyCount = 0;
  private begun = false;
  private ended = false;

  constructor(keys: KeyTable) {
    this.keys = keys;
  }

  feed(bytes: Buffer): void {
    const { frames, records } = this;
    frames.lend(bytes);
    while (this.takeFrame()) {
      this.readRecords();
      records.keep();
    }
    frames.keep();
  }

  get isEnded(): boolean {
    return this.ended && this.parts.size === 0;
  }

  /** How far it has come, but for the keyspace itself: for another loader that goes on with a keyspace of the same content. */
  state(): Buffer {
    const { frames, records, keys } = this;
    const parts: Buffer[] = [];
    for (const [number, part] of this.parts) parts.push(partState(keys, number, part));
    const head = Buffer.alloc(LoaderState.BYTES);
    head[0] = (this.begun ? 1 : 0) | (this.ended ? 2 : 0);
    head.writeDoubleLE(this.keyCount, LoaderState.KEY_COUNT);
    head.writeUInt32LE(frames.length, LoaderState.FRAMES);
    head.writeUInt32LE(records.length, LoaderState.RECORDS);
    head.writeUInt32LE(parts.length, LoaderState.PARTS);
    return Buffer.concat([
      head,
      frames.bytes.subarray(frames.start, frames.end),
      records.bytes.subarray(records.start, records.end),
      ...parts,
    ]);
  }

  /** Goes on from a `state`; the keyspace holds what it held then. */
  restore(state: Buffer): void {
    this.begun = (state[0] & 1) !== 0;
    this.ended = (state[0] & 2) !== 0;
    this.keyCount = state.readDoubleLE(LoaderState.KEY_COUNT);
    let at: number = LoaderState.BYTES;
    for (const [queue, field] of [
      [this.frames, LoaderState.FRAMES],
      [this.records, LoaderState.RECORDS],
    ] as const) {
      const length = state.readUInt32LE(field);
      queue.append(state, at, at + length);
      at += length;
    }
    for (let left = state.readUInt32LE(LoaderState.PARTS); left > 0; left -= 1)
      at = this.restorePart(state, at);
  }

  private restorePart(state: Buffer, at: number): number {
    const { keys } = this;
    const keyStart = at + PartState.BYTES;
    const keyEnd = keyStart + state.readUInt32LE(at + PartState.KEY_LENGTH);
    const fieldLength = state.readUInt32LE(at + PartState.FIELD_LENGTH);
    const db = state[at + PartState.DATABASE];
    const slot = state.readUInt16LE(at + PartState.SLOT);
    const entry = keys.lookup(db, slot, keys.hashOf(state, keyStart, keyEnd), state, keyStart, keyEnd);
    if (entry === NO_BLOCK) throw new SnapshotDamagedError('a part belongs to nothing');
    let field: Handle = NO_BLOCK;
    if (state[at + PartState.HAS_FIELD] === 1)
      field = keys.tables.find(keys.entries.valueLength(entry), state, keyEnd, keyEnd + fieldLength);
    const missing = state.readDoubleLE(at + PartState.MISSING);
    this.parts.set(state.readUInt32LE(at + PartState.NUMBER), { entry, field, missing });
    return keyEnd + fieldLength;
  }

  finish(): void {
    const rest = this.frames.length + this.records.length + this.parts.size;
    if (!this.ended || rest > 0) throw new SnapshotDamagedError('it ends too early');
  }

  /** Moves the payload of a whole frame to the records; false when none is there yet. */
  private takeFrame(): boolean {
    const { bytes, start, length } = this.frames;
    if (length < FRAME_HEADER_BYTES) return false;
    const payload = bytes.readUInt32LE(start);
    if (payload > MAX_FRAME_BYTES) throw new SnapshotDamagedError('a frame has an impossible length');
    if (length < FRAME_HEADER_BYTES + payload) return false;
    const from = start + FRAME_HEADER_BYTES;
    const content = bytes.subarray(from, from + payload);
    if (crc32(content) !== bytes.readUInt32LE(start + 4)) {
      throw new SnapshotDamagedError('a checksum does not match');
    }
    this.records.lendOnDesk(content);
    this.frames.consume(FRAME_HEADER_BYTES + payload);
    return true;
  }

  private readRecords(): void {
    if (!this.begun && !this.readPreamble()) return;
    while (this.records.length > 0) {
      if (this.ended) throw new SnapshotDamagedError('something follows its end');
      const length = this.recordLength();
      if (length < 0 || length > this.records.length) return;
      this.readRecord();
      this.records.consume(length);
    }
  }

  private readPreamble(): boolean {
    const { bytes, start, length } = this.records;
    if (length < PREAMBLE_BYTES) return false;
    if (MAGIC.compare(bytes, start, start + MAGIC.length) !== 0)
      throw new SnapshotDamagedError('it is something else');
    const version = bytes[start + MAGIC.length];
    if (version !== FORMAT_VERSION) throw new SnapshotDamagedError(`format ${version} is not known here`);
    this.records.consume(PREAMBLE_BYTES);
    this.begun = true;
    return true;
  }

  /** Of the record at the front; -1 when too little of it is there to say. */
  private recordLength(): number {
    const { bytes, start, length } = this.records;
    switch (bytes[start]) {
      case RecordKind.KEY:
      case RecordKind.LONG_STRING:
      case RecordKind.TABLE: {
        if (length < KeyRecord.BYTES) return -1;
        const inline =
          bytes[start] === RecordKind.KEY ? wordAt(bytes, start + KeyRecord.VALUE_LENGTH) >>> 0 : 0;
        return KeyRecord.BYTES + (wordAt(bytes, start + KeyRecord.KEY_LENGTH) >>> 0) + inline;
      }
      case RecordKind.PART:
        if (length < PartRecord.BYTES) return -1;
        return PartRecord.BYTES + bytes.readUInt32LE(start + PartRecord.LENGTH);
      case RecordKind.FIELD: {
        if (length < FieldRecord.BYTES) return -1;
        const field = bytes.readUInt32LE(start + FieldRecord.FIELD_LENGTH);
        return FieldRecord.BYTES + field + bytes.readUInt32LE(start + FieldRecord.VALUE_LENGTH);
      }
      case RecordKind.LONG_FIELD:
        if (length < LongFieldRecord.BYTES) return -1;
        return LongFieldRecord.BYTES + bytes.readUInt32LE(start + LongFieldRecord.FIELD_LENGTH);
      case RecordKind.END:
        return EndRecord.BYTES;
      default:
        throw new SnapshotDamagedError('a record is of no known kind');
    }
  }

  private readRecord(): void {
    const { bytes, start } = this.records;
    switch (bytes[start]) {
      case RecordKind.PART:
        this.readPart();
        break;
      case RecordKind.FIELD:
        this.readField();
        break;
      case RecordKind.LONG_FIELD:
        this.readLongField();
        break;
      case RecordKind.END:
        this.ended = true;
        if (bytes.readDoubleLE(start + EndRecord.KEY_COUNT) !== this.keyCount) {
          throw new SnapshotDamagedError('keys are missing');
        }
        break;
      default:
        this.readKey();
    }
  }

  private readKey(): void {
    const { bytes, start } = this.records;
    const kind = bytes[start];
    const keyStart = start + KeyRecord.BYTES;
    const keyEnd = keyStart + (wordAt(bytes, start + KeyRecord.KEY_LENGTH) >>> 0);
    const length = wordAt(bytes, start + KeyRecord.VALUE_LENGTH) >>> 0;
    const hash = this.keys.hashOf(bytes, keyStart, keyEnd);
    const entry = this.createEntry(kind, length, keyStart, keyEnd, hash);
    this.keyCount += 1;
    if (kind === RecordKind.KEY) {
      this.keys.entries.writeValue(entry, bytes, keyEnd, keyEnd + length);
    } else if (length > 0) {
      this.parts.set(bytes.readUInt32LE(start + KeyRecord.NUMBER), {
        entry,
        field: NO_BLOCK,
        missing: length,
      });
    }
    this.keys.add(entry, hash);
  }

  private createEntry(kind: number, length: number, keyStart: number, keyEnd: number, hash: number): Handle {
    const { bytes, start } = this.records;
    const { entries, tables } = this.keys;
    const db = bytes[start + KeyRecord.DATABASE];
    const slot = bytes[start + KeyRecord.SLOT] | (bytes[start + KeyRecord.SLOT + 1] << 8);
    const type = bytes[start + KeyRecord.TYPE] as ValueType;
    const encoding = bytes[start + KeyRecord.ENCODING] as Encoding;
    if (db >= DATABASE_COUNT || slot >= SLOT_COUNT || !isKnown(kind, type, encoding)) {
      throw new SnapshotDamagedError('a key is impossible');
    }
    if (this.keys.lookup(db, slot, hash, bytes, keyStart, keyEnd) !== NO_BLOCK) {
      throw new SnapshotDamagedError('a key comes twice');
    }
    const value = kind === RecordKind.TABLE ? tables.create() : length;
    const expireAtMs = readF64(bytes, start + KeyRecord.EXPIRY);
    const entry = entries.create(db, slot, bytes, keyStart, keyEnd, type, encoding, value, expireAtMs);
    const versionAt = start + KeyRecord.VERSION;
    const versionHigh = bytes[versionAt + 4] | (bytes[versionAt + 5] << 8);
    const version = versionHigh * 2 ** 32 + (wordAt(bytes, versionAt) >>> 0);
    entries.setVersion(entry, version);
    if (this.keys.isStaging) entries.setGeneration(entry, this.keys.generation);
    if (version > this.keys.highestVersion) this.keys.highestVersion = version;
    return entry;
  }

  private readPart(): void {
    const { bytes, start } = this.records;
    const { entries, tables } = this.keys;
    const number = bytes.readUInt32LE(start + PartRecord.NUMBER);
    const length = bytes.readUInt32LE(start + PartRecord.LENGTH);
    const part = this.part(number, length, false);
    const ofField = part.field !== NO_BLOCK;
    const target = ofField ? tables.bytes(part.field) : entries.bytes(part.entry);
    const end = ofField
      ? tables.valueEnd(part.field)
      : entries.valueStart(part.entry) + entries.valueLength(part.entry);
    const from = start + PartRecord.BYTES;
    copyBytes(bytes, from, from + length, target, end - part.missing);
    this.received(number, part, length);
  }

  private readLongField(): void {
    const { bytes, start } = this.records;
    const { entries, tables } = this.keys;
    const number = bytes.readUInt32LE(start + LongFieldRecord.TABLE);
    const part = this.part(number, 1, true);
    const { entry } = part;
    this.changes(entry);
    const at = start + LongFieldRecord.BYTES;
    const end = at + bytes.readUInt32LE(start + LongFieldRecord.FIELD_LENGTH);
    const length = bytes.readUInt32LE(start + LongFieldRecord.VALUE_LENGTH);
    const table = entries.valueLength(entry);
    const before = tables.usedBytes(table);
    const field = tables.reserve(table, bytes, at, end, length, this.fieldStamp(entry));
    if (field === NO_BLOCK) throw new SnapshotDamagedError('a field comes twice');
    this.keys.account(entry, tables.usedBytes(table) - before);
    this.received(number, part, 1);
    this.parts.set(bytes.readUInt32LE(start + LongFieldRecord.NUMBER), { entry, field, missing: length });
  }

  private readField(): void {
    const { bytes, start } = this.records;
    const { entries, tables } = this.keys;
    const number = bytes.readUInt32LE(start + FieldRecord.NUMBER);
    const part = this.part(number, 1, true);
    this.changes(part.entry);
    const field = start + FieldRecord.BYTES;
    const value = field + bytes.readUInt32LE(start + FieldRecord.FIELD_LENGTH);
    const end = value + bytes.readUInt32LE(start + FieldRecord.VALUE_LENGTH);
    const table = entries.valueLength(part.entry);
    const before = tables.usedBytes(table);
    if (!tables.set(table, bytes, field, value, bytes, value, end, this.fieldStamp(part.entry))) {
      throw new SnapshotDamagedError('a field comes twice');
    }
    this.keys.account(part.entry, tables.usedBytes(table) - before);
    this.received(number, part, 1);
  }

  /** Fields of a staging area come while it is walked over: a walk that has not come to their table takes it as it was when the walk began. */
  private changes(entry: Handle): void {
    const { entries, generation, isStaging, observer } = this.keys;
    if (!isStaging) return;
    observer?.beforeKey(entry);
    entries.setGeneration(entry, generation);
  }

  private fieldStamp(entry: Handle): number {
    return this.keys.isStaging ? this.keys.fieldStamp : this.keys.entries.version(entry);
  }

  private part(number: number, length: number, ofTable: boolean): Part {
    const part = this.parts.get(number);
    const isTable = part !== undefined && this.isTable(part);
    if (part === undefined || part.missing < length || isTable !== ofTable) {
      throw new SnapshotDamagedError('a part belongs to nothing');
    }
    return part;
  }

  private isTable(part: Part): boolean {
    return part.field === NO_BLOCK && this.keys.entries.encoding(part.entry) === Encoding.HASHTABLE;
  }

  private received(number: number, part: Part, length: number): void {
    part.missing -= length;
    if (part.missing === 0) this.parts.delete(number);
  }
}

/** Of `SnapshotLoader.state`: 0 flags; then bytes not yet read, and the parts. */
const LoaderState = { KEY_COUNT: 1, FRAMES: 9, RECORDS: 13, PARTS: 17, BYTES: 21 } as const;
/** Of a value that is not whole; its key follows, and its field where it is one. */
const PartState = {
  NUMBER: 0,
  MISSING: 4,
  DATABASE: 12,
  HAS_FIELD: 13,
  SLOT: 14,
  KEY_LENGTH: 16,
  FIELD_LENGTH: 20,
  BYTES: 24,
} as const;

function partState({ entries, tables }: KeyTable, number: number, { entry, field, missing }: Part): Buffer {
  const head = Buffer.alloc(PartState.BYTES);
  head.writeUInt32LE(number, PartState.NUMBER);
  head.writeDoubleLE(missing, PartState.MISSING);
  head[PartState.DATABASE] = entries.database(entry);
  head[PartState.HAS_FIELD] = field === NO_BLOCK ? 0 : 1;
  head.writeUInt16LE(entries.slot(entry), PartState.SLOT);
  head.writeUInt32LE(entries.keyLength(entry), PartState.KEY_LENGTH);
  const keyStart = entries.keyStart(entry);
  const key = entries.bytes(entry).subarray(keyStart, keyStart + entries.keyLength(entry));
  if (field === NO_BLOCK) return Buffer.concat([head, key]);
  const fieldStart = tables.fieldStart(field);
  const fieldEnd = tables.valueStart(field);
  head.writeUInt32LE(fieldEnd - fieldStart, PartState.FIELD_LENGTH);
  return Buffer.concat([head, key, tables.bytes(field).subarray(fieldStart, fieldEnd)]);
}

function isKnown(kind: number, type: ValueType, encoding: Encoding): boolean {
  if (kind === RecordKind.TABLE) return type === ValueType.HASH && encoding === Encoding.HASHTABLE;
  if (type === ValueType.HASH) return kind === RecordKind.KEY && encoding === Encoding.LISTPACK;
  return type === ValueType.STRING && encoding <= Encoding.RAW;
}
