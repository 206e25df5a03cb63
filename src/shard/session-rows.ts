/**
 * The rows of all sessions of a shard: for each (session, slot, sequence) that ran, its reply. Typed arrays, found by a hash of the three, and
 * linked per (session, slot) by whoever owns the list. A place is a session's number and a slot.
 */
import { assert } from '../assert.ts';
import type { ReplyWriter } from '../resp/reply-writer.ts';

/** A larger reply is not kept: its retry is told that it ran, and that the reply is lost. */
export const ROW_REPLY_MAX_BYTES = 64 * 1024;

export const NO_ROW = -1;

/** How a row keeps its reply: the short ones that most writes get take no memory of their own. */
export const RowReply = { BLOB: 0, OK: 1, INTEGER: 2, NULL_2: 3, NULL_3: 4, LOST: 5 } as const;

const NULL_2_TEXT = Buffer.from('$-1\r\n');
const NULL_3_TEXT = Buffer.from('_\r\n');
const INITIAL_ROWS = 1024;

export class SessionRows {
  /** The neighbours in the list of the row's session and slot. */
  newer = new Int32Array(INITIAL_ROWS);
  older = new Int32Array(INITIAL_ROWS);
  sequence = new Float64Array(INITIAL_ROWS);
  kind = new Uint8Array(INITIAL_ROWS);
  /** The number of a reply of kind INTEGER. */
  number = new Float64Array(INITIAL_ROWS);
  readonly blob: (Buffer | null)[] = [];
  /** Rows below this are or were in use. */
  used = 0;
  /** How many are in use. */
  count = 0;
  blobBytes = 0;

  /** The session and slot of each, as one number. */
  private place = new Int32Array(INITIAL_ROWS);
  /** The next row with the same hash; for a free row the next free one. */
  private chained = new Int32Array(INITIAL_ROWS);
  /** As many buckets as there are rows at most. */
  private buckets = new Int32Array(INITIAL_ROWS).fill(NO_ROW);
  private free = NO_ROW;

  add(place: number, sequence: number): number {
    const row = this.take();
    const bucket = this.bucketOf(place, sequence);
    this.place[row] = place;
    this.sequence[row] = sequence;
    this.chained[row] = this.buckets[bucket];
    this.buckets[bucket] = row;
    this.count += 1;
    return row;
  }

  find(place: number, sequence: number): number {
    let row = this.buckets[this.bucketOf(place, sequence)];
    while (row !== NO_ROW && (this.sequence[row] !== sequence || this.place[row] !== place))
      row = this.chained[row];
    return row;
  }

  /** The caller has taken it out of its list. */
  drop(row: number): void {
    this.unchain(row);
    const blob = this.blob[row];
    if (blob !== null) {
      this.blobBytes -= blob.length;
      this.blob[row] = null;
    }
    this.chained[row] = this.free;
    this.free = row;
    this.count -= 1;
  }

  /** Keeps `bytes[start, end)`. */
  keep(row: number, bytes: Buffer, start: number, end: number): void {
    const sizeBytes = end - start;
    const type = bytes[start];
    if (type === 43 && sizeBytes === 5 && bytes[start + 1] === 79 && bytes[start + 2] === 75) {
      this.kind[row] = RowReply.OK;
    } else if (type === 58 && sizeBytes <= 18) {
      this.kind[row] = RowReply.INTEGER;
      this.number[row] = parseInteger(bytes, start + 1, end - 2);
    } else if (sizeBytes === 5 && NULL_2_TEXT.compare(bytes, start, end) === 0) {
      this.kind[row] = RowReply.NULL_2;
    } else if (sizeBytes === 3 && type === 95) {
      this.kind[row] = RowReply.NULL_3;
    } else if (sizeBytes > ROW_REPLY_MAX_BYTES) {
      this.kind[row] = RowReply.LOST;
    } else {
      this.keepBlob(row, Buffer.from(bytes.subarray(start, end)));
    }
  }

  keepBlob(row: number, blob: Buffer): void {
    this.kind[row] = RowReply.BLOB;
    this.blob[row] = blob;
    this.blobBytes += blob.length;
  }

  /** Writes the reply; false when it was too large to keep. */
  repeat(row: number, reply: ReplyWriter): boolean {
    switch (this.kind[row]) {
      case RowReply.OK:
        reply.ok();
        return true;
      case RowReply.INTEGER:
        reply.integer(this.number[row]);
        return true;
      case RowReply.NULL_2:
        reply.raw(NULL_2_TEXT, 0, NULL_2_TEXT.length);
        return true;
      case RowReply.NULL_3:
        reply.raw(NULL_3_TEXT, 0, NULL_3_TEXT.length);
        return true;
      case RowReply.LOST:
        return false;
      default: {
        const blob = this.blob[row];
        assert(blob != null, 'a row has its reply');
        reply.raw(blob, 0, blob.length);
        return true;
      }
    }
  }

  private bucketOf(place: number, sequence: number): number {
    // Sequences of a slot follow one another: neighbours in the buckets, too. Slots and sessions are scattered.
    return (sequence + (Math.imul(place, 0x9e3779b1) >>> 0)) & (this.buckets.length - 1);
  }

  private unchain(row: number): void {
    const bucket = this.bucketOf(this.place[row], this.sequence[row]);
    let at = this.buckets[bucket];
    if (at === row) {
      this.buckets[bucket] = this.chained[row];
      return;
    }
    while (this.chained[at] !== row) at = this.chained[at];
    this.chained[at] = this.chained[row];
  }

  private take(): number {
    const row = this.free;
    if (row !== NO_ROW) {
      this.free = this.chained[row];
      return row;
    }
    if (this.used === this.sequence.length) this.grow();
    this.blob[this.used] = null;
    return this.used++;
  }

  /** Only when all rows are in use: each is chained anew. */
  private grow(): void {
    const capacity = this.used * 2;
    this.newer = grown(this.newer, new Int32Array(capacity));
    this.older = grown(this.older, new Int32Array(capacity));
    this.sequence = grown(this.sequence, new Float64Array(capacity));
    this.kind = grown(this.kind, new Uint8Array(capacity));
    this.number = grown(this.number, new Float64Array(capacity));
    this.place = grown(this.place, new Int32Array(capacity));
    this.chained = new Int32Array(capacity);
    this.buckets = new Int32Array(capacity).fill(NO_ROW);
    for (let row = 0; row < this.used; row++) {
      const bucket = this.bucketOf(this.place[row], this.sequence[row]);
      this.chained[row] = this.buckets[bucket];
      this.buckets[bucket] = row;
    }
  }
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
