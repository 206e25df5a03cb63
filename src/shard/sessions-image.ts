/** A copy of a shard's sessions as records: for snapshots, and for the digest that replicas compare. */
import { NO_ROW, RowReply, type SessionRows } from './session-rows.ts';

export const NODE_ID_BYTES = 20;
export const SLOT_COUNT = 16384;

/** What a session keeps of each slot's rows: the newest, and how many. */
export const LIST_FIELDS = 2;
export const HEAD = 0;
export const COUNT = 1;

export const ImageRecord = { SESSION: 1, SLOT: 2, ENDED: 3 } as const;
export const SLOT_AT = 1 + NODE_ID_BYTES + 4;
export const FLOOR_AT = SLOT_AT + 2;
export const ROWS_AT = FLOOR_AT + 8;
/** Beyond this a slot's rows go on in another record. */
const SLOT_RECORD_BYTES = 256 * 1024;

export interface SessionImage {
  node: string;
  start: number;
  /** A number a slot. */
  floors: Float64Array;
  /** LIST_FIELDS a slot. */
  lists: Int32Array;
}

/** Records in an order that depends on the content alone: the same state gives the same bytes on every replica. */
export class SessionsImage {
  private readonly sessions: SessionImage[];
  private readonly ended: [string, number][];
  private readonly rows: SessionRows;
  private sessionAt = 0;
  private slotAt = -1;
  private endedAt = 0;
  /** Rows of the slot that did not go into its last record. */
  private rowsLeft: number[] = [];

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
      return header(ImageRecord.ENDED, node, start);
    }
    while (this.sessionAt < this.sessions.length) {
      const session = this.sessions[this.sessionAt];
      if (this.slotAt < 0) {
        this.slotAt = 0;
        return header(ImageRecord.SESSION, session.node, session.start);
      }
      if (this.rowsLeft.length > 0) return this.slotRecord(session, this.slotAt - 1, this.rowsLeft);
      while (this.slotAt < SLOT_COUNT) {
        const slot = this.slotAt++;
        if (session.floors[slot] !== 0 || session.lists[slot * LIST_FIELDS + HEAD] !== NO_ROW)
          return this.slotRecord(session, slot, this.rowsOf(session, slot));
      }
      this.sessionAt += 1;
      this.slotAt = -1;
    }
    return null;
  }

  private rowsOf(session: SessionImage, slot: number): number[] {
    const { rows } = this;
    const ofSlot: number[] = [];
    for (let row = session.lists[slot * LIST_FIELDS + HEAD]; row !== NO_ROW; row = rows.older(row))
      ofSlot.push(row);
    return ofSlot.sort((a, b) => rows.sequence(a) - rows.sequence(b));
  }

  /** As many rows as make a record of fair size; the others go into the next ones, which say the same of the slot. */
  private slotRecord(session: SessionImage, slot: number, rows: number[]): Buffer {
    const records: Buffer[] = [];
    let sizeBytes = 0;
    while (records.length < rows.length && sizeBytes < SLOT_RECORD_BYTES) {
      const record = this.rowRecord(rows[records.length]);
      records.push(record);
      sizeBytes += record.length;
    }
    this.rowsLeft = rows.slice(records.length);
    const place = Buffer.alloc(10);
    place.writeUInt16LE(slot, 0);
    place.writeDoubleLE(session.floors[slot], 2);
    return Buffer.concat([header(ImageRecord.SLOT, session.node, session.start), place, ...records]);
  }

  private rowRecord(row: number): Buffer {
    const { rows } = this;
    const kind = rows.kind(row);
    const blob = kind === RowReply.BLOB ? rows.blob(row) : null;
    const record = Buffer.alloc(21 + (blob?.length ?? 0));
    record.writeDoubleLE(rows.sequence(row), 0);
    record[8] = kind;
    record.writeDoubleLE(kind === RowReply.INTEGER ? rows.replyNumber(row) : 0, 9);
    record.writeUInt32LE(blob?.length ?? 0, 17);
    blob?.copy(record, 21);
    return record;
  }
}

function header(kind: number, node: string, start: number): Buffer {
  const record = Buffer.alloc(SLOT_AT);
  record[0] = kind;
  record.write(node, 1, 'hex');
  record.writeUInt32LE(start, 1 + NODE_ID_BYTES);
  return record;
}
