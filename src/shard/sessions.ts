/**
 * Exactly once (design section 5): which writes of which session have run, with their replies. Replicated state of a shard.
 *
 * A session is (node, start). Sequences, floor and rows are per (session, slot), so that they can move with the slot: all below the floor is
 * answered; a row says that its sequence ran, and what it replied. Rows lie in typed arrays, linked per (session, slot), newest first.
 */
import { assert } from '../assert.ts';
import type { ReplyWriter } from '../resp/reply-writer.ts';

export const NODE_ID_BYTES = 20;
/** A larger reply is not kept: its retry is told that it ran, and that the reply is lost. */
export const ROW_REPLY_MAX_BYTES = 64 * 1024;

const SLOT_COUNT = 16384;
const NO_ROW = -1;

const Reply = { BLOB: 0, OK: 1, INTEGER: 2, NULL_2: 3, NULL_3: 4, LOST: 5 } as const;

const NULL_2_TEXT = Buffer.from('$-1\r\n');
const NULL_3_TEXT = Buffer.from('_\r\n');

interface Session {
  node: string;
  nodeBytes: Buffer;
  start: number;
  floors: Float64Array;
  /** The newest row of each slot. */
  heads: Int32Array;
}

export const Admission = {
  /** New: run it, then `record` its reply. */
  RUN: 0,
  /** It ran: `repeatReply` tells the reply. */
  REPEAT: 1,
  /** Below the floor: whoever sent it has its answer. */
  BELOW_FLOOR: 2,
  /** The session has ended. */
  NOT_OPEN: 3,
} as const;
export type Admission = (typeof Admission)[keyof typeof Admission];

export class Sessions {
  private sessions: Session[] = [];
  /** The highest ended start of each node, kept for ever. */
  private ended = new Map<string, number>();
  private rowSequence = new Float64Array(1024);
  private rowNext = new Int32Array(1024);
  private rowKind = new Uint8Array(1024);
  private rowNumber = new Float64Array(1024);
  private rowBlob: (Buffer | null)[] = [];
  private rowsUsed = 0;
  private freeRow = NO_ROW;
  private found = NO_ROW;

  /** How many rows are kept. */
  rowCount = 0;
  /** Bytes of replies kept in rows that are not short ones. */
  blobBytes = 0;

  /** Opens the session of the 20 + 4 bytes at `at`; a later start ends the earlier ones. Returns its index, or -1 when it has ended. */
  open(bytes: Buffer, at: number): number {
    const start = bytes.readUInt32LE(at + NODE_ID_BYTES);
    for (let i = 0; i < this.sessions.length; i++) {
      const session = this.sessions[i];
      if (session.start === start && session.nodeBytes.compare(bytes, at, at + NODE_ID_BYTES) === 0) return i;
    }
    return this.openNew(bytes.toString('hex', at, at + NODE_ID_BYTES), start);
  }

  private openNew(node: string, start: number): number {
    if (start <= (this.ended.get(node) ?? 0)) return -1;
    this.end(node, start - 1);
    this.sessions.push({
      node,
      nodeBytes: Buffer.from(node, 'hex'),
      start,
      floors: new Float64Array(SLOT_COUNT),
      heads: new Int32Array(SLOT_COUNT).fill(NO_ROW),
    });
    return this.sessions.length - 1;
  }

  /** Ends all sessions of the node up to `start`, for ever, and drops their rows. */
  end(node: string, start: number): void {
    if (start <= (this.ended.get(node) ?? 0)) return;
    this.ended.set(node, start);
    const kept: Session[] = [];
    for (const session of this.sessions) {
      if (session.node !== node || session.start > start) kept.push(session);
      else this.dropAll(session);
    }
    this.sessions = kept;
  }

  /** Whether a write may run. Raises the floor first. */
  admit(index: number, slot: number, sequence: number, floor: number): Admission {
    if (index < 0) return Admission.NOT_OPEN;
    const session = this.sessions[index];
    this.raise(session, slot, floor);
    if (sequence < session.floors[slot]) return Admission.BELOW_FLOOR;
    for (let row = session.heads[slot]; row !== NO_ROW; row = this.rowNext[row]) {
      if (this.rowSequence[row] !== sequence) continue;
      this.found = row;
      return Admission.REPEAT;
    }
    return Admission.RUN;
  }

  raiseFloor(index: number, slot: number, floor: number): void {
    if (index >= 0) this.raise(this.sessions[index], slot, floor);
  }

  /** Writes the reply of the row that the last `admit` found; false when it was too large to keep. */
  repeatReply(reply: ReplyWriter): boolean {
    const row = this.found;
    switch (this.rowKind[row]) {
      case Reply.OK:
        reply.ok();
        return true;
      case Reply.INTEGER:
        reply.integer(this.rowNumber[row]);
        return true;
      case Reply.NULL_2:
        reply.raw(NULL_2_TEXT, 0, NULL_2_TEXT.length);
        return true;
      case Reply.NULL_3:
        reply.raw(NULL_3_TEXT, 0, NULL_3_TEXT.length);
        return true;
      case Reply.LOST:
        return false;
      default: {
        const blob = this.rowBlob[row];
        assert(blob != null, 'a row has its reply');
        reply.raw(blob, 0, blob.length);
        return true;
      }
    }
  }

  /** Keeps the reply `bytes[start, end)` of a sequence that has just run. */
  record(index: number, slot: number, sequence: number, bytes: Buffer, start: number, end: number): void {
    const session = this.sessions[index];
    const row = this.takeRow();
    this.rowSequence[row] = sequence;
    this.rowNext[row] = session.heads[slot];
    session.heads[slot] = row;
    const sizeBytes = end - start;
    const type = bytes[start];
    if (type === 43 && sizeBytes === 5 && bytes[start + 1] === 79 && bytes[start + 2] === 75) {
      this.rowKind[row] = Reply.OK;
    } else if (type === 58 && sizeBytes <= 18) {
      this.rowKind[row] = Reply.INTEGER;
      this.rowNumber[row] = parseInteger(bytes, start + 1, end - 2);
    } else if (sizeBytes === 5 && NULL_2_TEXT.compare(bytes, start, end) === 0) {
      this.rowKind[row] = Reply.NULL_2;
    } else if (sizeBytes === 3 && type === 95) {
      this.rowKind[row] = Reply.NULL_3;
    } else if (sizeBytes > ROW_REPLY_MAX_BYTES) {
      this.rowKind[row] = Reply.LOST;
    } else {
      this.keepBlob(row, Buffer.from(bytes.subarray(start, end)));
    }
  }

  /** A copy to be written into a snapshot bit by bit, while this one goes on. */
  image(): SessionsImage {
    const sessions = this.sessions.map((session) => ({
      node: session.node,
      start: session.start,
      floors: session.floors.slice(),
      heads: session.heads.slice(),
    }));
    const rows = this.rowsUsed;
    return new SessionsImage(
      sessions,
      new Map(this.ended),
      this.rowSequence.slice(0, rows),
      this.rowNext.slice(0, rows),
      this.rowKind.slice(0, rows),
      this.rowNumber.slice(0, rows),
      this.rowBlob.slice(),
    );
  }

  /** Takes in one record that an image wrote. */
  load(record: Buffer): void {
    const kind = record[0];
    const node = record.toString('hex', 1, 1 + NODE_ID_BYTES);
    const start = record.readUInt32LE(1 + NODE_ID_BYTES);
    if (kind === ImageRecord.ENDED) {
      this.ended.set(node, Math.max(start, this.ended.get(node) ?? 0));
      return;
    }
    const index = this.open(record, 1);
    if (index < 0 || kind === ImageRecord.SESSION) return;
    const slot = record.readUInt16LE(SLOT_AT);
    this.raise(this.sessions[index], slot, record.readDoubleLE(FLOOR_AT));
    let at = ROWS_AT;
    while (at < record.length) {
      const row = this.takeRow();
      this.rowSequence[row] = record.readDoubleLE(at);
      this.rowKind[row] = record[at + 8];
      this.rowNumber[row] = record.readDoubleLE(at + 9);
      const blobBytes = record.readUInt32LE(at + 17);
      at += 21;
      if (this.rowKind[row] === Reply.BLOB)
        this.keepBlob(row, Buffer.from(record.subarray(at, at + blobBytes)));
      at += blobBytes;
      this.rowNext[row] = this.sessions[index].heads[slot];
      this.sessions[index].heads[slot] = row;
    }
  }

  private keepBlob(row: number, blob: Buffer): void {
    this.rowKind[row] = Reply.BLOB;
    this.rowBlob[row] = blob;
    this.blobBytes += blob.length;
  }

  private raise(session: Session, slot: number, floor: number): void {
    if (floor <= session.floors[slot]) return;
    session.floors[slot] = floor;
    let previous = NO_ROW;
    let row = session.heads[slot];
    while (row !== NO_ROW) {
      const next = this.rowNext[row];
      if (this.rowSequence[row] >= floor) previous = row;
      else {
        if (previous === NO_ROW) session.heads[slot] = next;
        else this.rowNext[previous] = next;
        this.dropRow(row);
      }
      row = next;
    }
  }

  private dropAll(session: Session): void {
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      let row = session.heads[slot];
      while (row !== NO_ROW) {
        const next = this.rowNext[row];
        this.dropRow(row);
        row = next;
      }
    }
  }

  private takeRow(): number {
    this.rowCount += 1;
    if (this.freeRow !== NO_ROW) {
      const row = this.freeRow;
      this.freeRow = this.rowNext[row];
      return row;
    }
    if (this.rowsUsed === this.rowSequence.length) this.growRows();
    this.rowBlob[this.rowsUsed] = null;
    return this.rowsUsed++;
  }

  private dropRow(row: number): void {
    const blob = this.rowBlob[row];
    if (blob !== null) {
      this.blobBytes -= blob.length;
      this.rowBlob[row] = null;
    }
    this.rowNext[row] = this.freeRow;
    this.freeRow = row;
    this.rowCount -= 1;
  }

  private growRows(): void {
    const capacity = this.rowsUsed * 2;
    this.rowSequence = grown(this.rowSequence, new Float64Array(capacity));
    this.rowNext = grown(this.rowNext, new Int32Array(capacity));
    this.rowKind = grown(this.rowKind, new Uint8Array(capacity));
    this.rowNumber = grown(this.rowNumber, new Float64Array(capacity));
  }
}

const ImageRecord = { SESSION: 1, SLOT: 2, ENDED: 3 } as const;
const SLOT_AT = 1 + NODE_ID_BYTES + 4;
const FLOOR_AT = SLOT_AT + 2;
const ROWS_AT = FLOOR_AT + 8;
/** Beyond this a slot's rows go on in another record. */
const SLOT_RECORD_BYTES = 256 * 1024;

interface SessionImage {
  node: string;
  start: number;
  floors: Float64Array;
  heads: Int32Array;
}

/** Records in an order that depends on the content alone: the same state gives the same bytes on every replica. */
export class SessionsImage {
  private readonly sessions: SessionImage[];
  private readonly ended: [string, number][];
  private readonly rowSequence: Float64Array;
  private readonly rowNext: Int32Array;
  private readonly rowKind: Uint8Array;
  private readonly rowNumber: Float64Array;
  private readonly rowBlob: (Buffer | null)[];
  private sessionAt = 0;
  private slotAt = -1;
  private endedAt = 0;
  /** Rows of the slot that did not go into its last record. */
  private rowsLeft: number[] = [];

  constructor(
    sessions: SessionImage[],
    ended: Map<string, number>,
    rowSequence: Float64Array,
    rowNext: Int32Array,
    rowKind: Uint8Array,
    rowNumber: Float64Array,
    rowBlob: (Buffer | null)[],
  ) {
    this.sessions = sessions.sort((a, b) =>
      a.node === b.node ? a.start - b.start : a.node < b.node ? -1 : 1,
    );
    this.ended = [...ended].sort((a, b) => (a[0] < b[0] ? -1 : 1));
    this.rowSequence = rowSequence;
    this.rowNext = rowNext;
    this.rowKind = rowKind;
    this.rowNumber = rowNumber;
    this.rowBlob = rowBlob;
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
        if (session.floors[slot] !== 0 || session.heads[slot] !== NO_ROW)
          return this.slotRecord(session, slot, this.rowsOf(session, slot));
      }
      this.sessionAt += 1;
      this.slotAt = -1;
    }
    return null;
  }

  private rowsOf(session: SessionImage, slot: number): number[] {
    const rows: number[] = [];
    for (let row = session.heads[slot]; row !== NO_ROW; row = this.rowNext[row]) rows.push(row);
    return rows.sort((a, b) => this.rowSequence[a] - this.rowSequence[b]);
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
    const kind = this.rowKind[row];
    const blob = kind === Reply.BLOB ? this.rowBlob[row] : null;
    const record = Buffer.alloc(21 + (blob?.length ?? 0));
    record.writeDoubleLE(this.rowSequence[row], 0);
    record[8] = kind;
    record.writeDoubleLE(kind === Reply.INTEGER ? this.rowNumber[row] : 0, 9);
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

function parseInteger(bytes: Buffer, start: number, end: number): number {
  const negative = bytes[start] === 45;
  let value = 0;
  for (let i = negative ? start + 1 : start; i < end; i++) value = value * 10 + bytes[i] - 48;
  return negative ? -value : value;
}

function grown<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}
