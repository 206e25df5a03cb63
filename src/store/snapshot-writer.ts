/** A snapshot in slices, while writes go on: a walk whose keys become records (snapshot-format.ts), which wait for the next slice. */
import { crc32 } from 'node:zlib';
import { assert } from '../assert.ts';
import { ChunkQueue } from './chunk-queue.ts';
import { copyViewed } from './copy-bytes.ts';
import type { KeyTable } from './key-table.ts';
import type { Handle } from './slab-pool.ts';
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
} from './snapshot-format.ts';
import type { KeyspaceSnapshot } from './types.ts';
import { KeyspaceWalk, type OpenValue } from './walk.ts';

/** Passing over what is not part of the snapshot counts too, or a slice could examine the whole keyspace. */
const BYTES_PER_EXAMINED = 32;

export class SnapshotWriter extends KeyspaceWalk implements KeyspaceSnapshot {
  private readonly out: ChunkQueue;

  constructor(keys: KeyTable, pendingMaxBytes: number, slot = -1) {
    super(keys, pendingMaxBytes, slot);
    this.out = new ChunkQueue(slot < 0 ? 0 : expectedBytes(keys, slot));
    this.out.append(MAGIC, 0, MAGIC.length);
    this.out.reserve(1);
    this.out.bytes[this.out.end++] = FORMAT_VERSION;
  }

  override get pendingBytes(): number {
    return this.out.length + super.pendingBytes;
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

  override abandon(): void {
    super.abandon();
    this.out.clear();
  }

  protected get takenBytes(): number {
    return this.out.length;
  }

  protected takeKey(entry: Handle, value: OpenValue | null, length: number): void {
    const { entries } = this.keys;
    const start = entries.keyStart(entry);
    // The value follows its key.
    const end = start + entries.keyLength(entry) + (value === null ? length : 0);
    this.out.reserve(KeyRecord.BYTES + end - start);
    const { bytes, view, end: at } = this.out;
    bytes[at] = kindOf(value);
    view.setUint32(at + KeyRecord.NUMBER, value === null ? 0 : value.number, true);
    entries.describe(entry, view, at);
    view.setUint32(at + KeyRecord.VALUE_LENGTH, length, true);
    const to = at + KeyRecord.BYTES;
    copyViewed(entries.bytes(entry), entries.view(entry), start, end, bytes, view, to);
    this.out.end = to + end - start;
  }

  protected takePart(value: OpenValue, from: Buffer, start: number, end: number): void {
    this.out.reserve(PartRecord.BYTES);
    const { bytes, end: at } = this.out;
    bytes[at] = RecordKind.PART;
    bytes.writeUInt32LE(value.number, at + PartRecord.NUMBER);
    bytes.writeUInt32LE(end - start, at + PartRecord.LENGTH);
    this.out.end = at + PartRecord.BYTES;
    this.out.append(from, start, end);
  }

  protected takeField(table: OpenValue, field: Handle): void {
    const { tables } = this.keys;
    const start = tables.fieldStart(field);
    const valueStart = tables.valueStart(field);
    const valueEnd = tables.valueEnd(field);
    this.out.reserve(FieldRecord.BYTES);
    const { bytes, end: at } = this.out;
    bytes[at] = RecordKind.FIELD;
    bytes.writeUInt32LE(table.number, at + FieldRecord.NUMBER);
    bytes.writeUInt32LE(valueStart - start, at + FieldRecord.FIELD_LENGTH);
    bytes.writeUInt32LE(valueEnd - valueStart, at + FieldRecord.VALUE_LENGTH);
    this.out.end = at + FieldRecord.BYTES;
    this.out.append(tables.bytes(field), start, valueEnd);
  }

  protected takeLongField(table: OpenValue, field: Handle, value: OpenValue): void {
    const { tables } = this.keys;
    const start = tables.fieldStart(field);
    const valueStart = tables.valueStart(field);
    this.out.reserve(LongFieldRecord.BYTES);
    const { bytes, end: at } = this.out;
    bytes[at] = RecordKind.LONG_FIELD;
    bytes.writeUInt32LE(table.number, at + LongFieldRecord.TABLE);
    bytes.writeUInt32LE(value.number, at + LongFieldRecord.NUMBER);
    bytes.writeUInt32LE(valueStart - start, at + LongFieldRecord.FIELD_LENGTH);
    bytes.writeUInt32LE(tables.valueEnd(field) - valueStart, at + LongFieldRecord.VALUE_LENGTH);
    this.out.end = at + LongFieldRecord.BYTES;
    this.out.append(tables.bytes(field), start, valueStart);
  }

  /** The loader counts what comes. */
  protected close(): void {}

  protected finish(): void {
    this.out.reserve(EndRecord.BYTES);
    this.out.bytes[this.out.end] = RecordKind.END;
    this.out.bytes.writeDoubleLE(this.takenKeys, this.out.end + EndRecord.KEY_COUNT);
    this.out.end += EndRecord.BYTES;
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

/** Of a slot's records: each is a little shorter than what its key accounts for. */
function expectedBytes(keys: KeyTable, slot: number): number {
  return PREAMBLE_BYTES + keys.bytesInSlot(slot) + EndRecord.BYTES;
}

function kindOf(value: OpenValue | null): number {
  if (value === null) return RecordKind.KEY;
  return value.kind === 'table' ? RecordKind.TABLE : RecordKind.LONG_STRING;
}
