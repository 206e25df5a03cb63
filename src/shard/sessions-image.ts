/** A copy of a shard's sessions as records: for snapshots, and for the digest that replicas compare. */
import { writeF64, writeU16, writeU32 } from '../little-endian.ts';
import { NO_ROW, RowReply, type SessionRows } from './session-rows.ts';

export const NODE_ID_BYTES = 20;
export const SLOT_COUNT = 16384;

export const ImageRecord = { SESSION: 1, SLOT: 2, ENDED: 3 } as const;
export const SLOT_AT = 1 + NODE_ID_BYTES + 4;
export const FLOOR_AT = SLOT_AT + 2;
export const ROWS_AT = FLOOR_AT + 8;
/** | sequence, float64 | kind | number, float64 | length of the blob, 4 bytes | blob | */
const ROW_BYTES = 21;
const NO_ROWS: number[] = [];
/** Beyond this a slot's rows go on in another record. */
const SLOT_RECORD_BYTES = 256 * 1024;

export interface SessionImage {
  node: string;
  nodeBytes: Buffer;
  start: number;
  /** Those with a floor or rows, ascending; of each its floor and its newest row. */
  slots: Uint16Array;
  floors: Float64Array;
  heads: Int32Array;
}

/** Records in an order that depends on the content alone: the same state gives the same bytes on every replica. */
export class SessionsImage {
  private readonly sessions: SessionImage[];
  private readonly ended: [string, number][];
  private readonly rows: SessionRows;
  private sessionAt = 0;
  /** In the session's slots; -1: before the session itself. */
  private slotAt = -1;
  private endedAt = 0;
  /** Rows of the slot that did not go into its last record. */
  private rowsLeft: number[] = NO_ROWS;

  /** Of what does not change until the last record is taken. */
  constructor(sessions: SessionImage[], ended: ReadonlyMap<string, number>, rows: SessionRows) {
    this.sessions = sessions.sort((a, b) =>
      a.node === b.node ? a.start - b.start : a.node < b.node ? -1 : 1,
    );
    this.ended = [...ended].sort((a, b) => (a[0] < b[0] ? -1 : 1));
    this.rows = rows;
  }

  /** The next record; null at the end. */
  next(): Buffer | null {
    if (this.endedAt < this.ended.length) {
      const [node, start] = this.ended[this.endedAt++];
      return sessionRecord(ImageRecord.ENDED, Buffer.from(node, 'hex'), start, SLOT_AT);
    }
    while (this.sessionAt < this.sessions.length) {
      const session = this.sessions[this.sessionAt];
      if (this.slotAt < 0) {
        this.slotAt = 0;
        return sessionRecord(ImageRecord.SESSION, session.nodeBytes, session.start, SLOT_AT);
      }
      if (this.rowsLeft.length > 0) return this.slotRecord(session, this.slotAt - 1, this.rowsLeft);
      if (this.slotAt < session.slots.length) {
        const at = this.slotAt++;
        return this.slotRecord(session, at, rowsFrom(this.rows, session.heads[at]));
      }
      this.sessionAt += 1;
      this.slotAt = -1;
    }
    return null;
  }

  /** As many rows as make a record of fair size; the others go into the next ones, which say the same of the slot. */
  private slotRecord({ nodeBytes, start, slots, floors }: SessionImage, at: number, rows: number[]): Buffer {
    let sizeBytes = ROWS_AT;
    let count = 0;
    for (; count < rows.length && sizeBytes < ROWS_AT + SLOT_RECORD_BYTES; count += 1)
      sizeBytes += ROW_BYTES + this.blobBytes(rows[count]);
    const record = sessionRecord(ImageRecord.SLOT, nodeBytes, start, sizeBytes);
    writeU16(record, slots[at], SLOT_AT);
    writeF64(record, floors[at], FLOOR_AT);
    let to = ROWS_AT;
    for (let i = 0; i < count; i += 1) to = this.writeRow(record, to, rows[i]);
    this.rowsLeft = count === rows.length ? NO_ROWS : rows.slice(count);
    return record;
  }

  private blobBytes(row: number): number {
    return this.rows.kind(row) === RowReply.BLOB ? (this.rows.blob(row)?.length ?? 0) : 0;
  }

  /** Returns where the next one goes. */
  private writeRow(record: Buffer, at: number, row: number): number {
    const { rows } = this;
    const kind = rows.kind(row);
    const blob = kind === RowReply.BLOB ? rows.blob(row) : null;
    const blobBytes = blob?.length ?? 0;
    writeF64(record, rows.sequence(row), at);
    record[at + 8] = kind;
    writeF64(record, kind === RowReply.INTEGER ? rows.replyNumber(row) : 0, at + 9);
    writeU32(record, blobBytes, at + 17);
    blob?.copy(record, at + ROW_BYTES);
    return at + ROW_BYTES + blobBytes;
  }
}

/** All of a slot's, of which `head` is the newest, in the order of their sequences. */
export function rowsFrom(rows: SessionRows, head: number): number[] {
  const ofSlot: number[] = [];
  for (let row = head; row !== NO_ROW; row = rows.older(row)) ofSlot.push(row);
  return ofSlot.length < 2 ? ofSlot : ofSlot.sort((a, b) => rows.sequence(a) - rows.sequence(b));
}

/** A record with what each begins with. */
function sessionRecord(kind: number, node: Buffer, start: number, sizeBytes: number): Buffer {
  const record = Buffer.allocUnsafe(sizeBytes);
  record[0] = kind;
  record.set(node, 1);
  writeU32(record, start, 1 + NODE_ID_BYTES);
  return record;
}
