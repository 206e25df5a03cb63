/**
 * The rows of all sessions of a shard: for each (session, slot, sequence) that ran, its reply. Typed arrays, found by a hash of the three, and
 * linked per (session, slot) by whoever owns the list. A place is a session's number and a slot.
 */
import { assert } from '../assert.ts';
import type { ReplyWriter } from '../resp/reply-writer.ts';

/** A larger reply is not kept: its retry is told that it ran, and that the reply is lost. */
export const ROW_REPLY_MAX_BYTES = 64 * 1024;

export const NO_ROW = -1;
/** This module's own copies: V8 takes them for constant (store/desk.ts). */
const NONE = NO_ROW;

/** How a row keeps its reply: the short ones that most writes get take no memory of their own. */
export const RowReply = { BLOB: 0, OK: 1, INTEGER: 2, NULL_2: 3, NULL_3: 4, LOST: 5 } as const;
const { BLOB, OK, INTEGER, NULL_2, NULL_3, LOST } = RowReply;

const NULL_2_TEXT = Buffer.from('$-1\r\n');
const NULL_3_TEXT = Buffer.from('_\r\n');
/** Few: each slot's import has rows of its own. */
const INITIAL_ROWS = 16;

/** The words of a row, side by side: each use of a row would else miss the cache once a field. */
const ROW_WORDS = 4;
/** The neighbours in the list of the row's session and slot. */
const NEWER = 0;
const OLDER = 1;
/** The session and slot, as one number. */
const PLACE = 2;
/** The next row with the same hash; of a free row the next free one. */
const CHAINED = 3;

/** The numbers of a row. */
const ROW_NUMBERS = 2;
const SEQUENCE = 0;
/** That of a reply of kind INTEGER. */
const REPLY = 1;

export class SessionRows {
  private kinds: Uint8Array;
  private words: Int32Array;
  private numbers: Float64Array;
  private blobs: (Buffer | null)[] = [];
  /** Rows below this are or were in use. */
  used = 0;
  /** How many are in use. */
  count = 0;
  blobBytes = 0;

  /** As many buckets as there are rows at most. */
  private buckets: Int32Array;
  private free = NONE;

  constructor(rows: number = INITIAL_ROWS) {
    this.kinds = new Uint8Array(rows);
    this.words = new Int32Array(rows * ROW_WORDS);
    this.numbers = new Float64Array(rows * ROW_NUMBERS);
    this.buckets = new Int32Array(rows).fill(NONE);
  }

  /** The newest of a list whose newest was `older`, or NONE. */
  add(place: number, sequence: number, older: number): number {
    const row = this.take();
    const { words, buckets } = this;
    const bucket = bucketOf(place, sequence) & (buckets.length - 1);
    const at = row * ROW_WORDS;
    words[at + NEWER] = NONE;
    words[at + OLDER] = older;
    words[at + PLACE] = place;
    words[at + CHAINED] = buckets[bucket];
    this.numbers[row * ROW_NUMBERS + SEQUENCE] = sequence;
    buckets[bucket] = row;
    if (older !== NONE) words[older * ROW_WORDS + NEWER] = row;
    this.count += 1;
    return row;
  }

  find(place: number, sequence: number): number {
    const { words, numbers, buckets } = this;
    let row = buckets[bucketOf(place, sequence) & (buckets.length - 1)];
    while (row !== NONE) {
      if (numbers[row * ROW_NUMBERS + SEQUENCE] === sequence && words[row * ROW_WORDS + PLACE] === place)
        break;
      row = words[row * ROW_WORDS + CHAINED];
    }
    return row;
  }

  sequence(row: number): number {
    return this.numbers[row * ROW_NUMBERS + SEQUENCE];
  }

  kind(row: number): number {
    return this.kinds[row];
  }

  /** Of a row of kind INTEGER. */
  replyNumber(row: number): number {
    return this.numbers[row * ROW_NUMBERS + REPLY];
  }

  /** Of a row of kind BLOB. */
  blob(row: number): Buffer | null {
    return this.blobs[row];
  }

  /** As it is now; only to be read. */
  copy(): SessionRows {
    const copy = new SessionRows(0);
    copy.kinds = this.kinds.slice(0, this.used);
    copy.words = this.words.slice(0, this.used * ROW_WORDS);
    copy.numbers = this.numbers.slice(0, this.used * ROW_NUMBERS);
    copy.blobs = this.blobs.slice();
    return copy;
  }

  /** Gives a row that was just added the reply that an image told. */
  restore(row: number, kind: number, replyNumber: number, blob: Buffer): void {
    this.kinds[row] = kind;
    this.numbers[row * ROW_NUMBERS + REPLY] = replyNumber;
    if (kind === BLOB) this.keepBlob(row, blob);
  }

  older(row: number): number {
    return this.words[row * ROW_WORDS + OLDER];
  }

  private place(row: number): number {
    return this.words[row * ROW_WORDS + PLACE];
  }

  /** Takes the row out of its list, whose newest was `head`; returns the newest of what is left. */
  drop(row: number, head: number): number {
    const { words } = this;
    const at = row * ROW_WORDS;
    const newer = words[at + NEWER];
    const older = words[at + OLDER];
    if (newer !== NONE) words[newer * ROW_WORDS + OLDER] = older;
    if (older !== NONE) words[older * ROW_WORDS + NEWER] = newer;
    this.unchain(row);
    if (this.kinds[row] === BLOB) this.dropBlob(row);
    words[at + CHAINED] = this.free;
    this.free = row;
    this.count -= 1;
    return newer === NONE ? older : head;
  }

  private dropBlob(row: number): void {
    this.blobBytes -= this.blobs[row]?.length ?? 0;
    this.blobs[row] = null;
  }

  /** Keeps `bytes[start, end)`. */
  keep(row: number, bytes: Buffer, start: number, end: number): void {
    const sizeBytes = end - start;
    const type = bytes[start];
    if (type === 43 && sizeBytes === 5 && bytes[start + 1] === 79 && bytes[start + 2] === 75) {
      this.kinds[row] = OK;
    } else if (type === 58 && sizeBytes <= 18) {
      this.kinds[row] = INTEGER;
      this.numbers[row * ROW_NUMBERS + REPLY] = parseInteger(bytes, start + 1, end - 2);
    } else if (sizeBytes === 5 && NULL_2_TEXT.compare(bytes, start, end) === 0) {
      this.kinds[row] = NULL_2;
    } else if (sizeBytes === 3 && type === 95) {
      this.kinds[row] = NULL_3;
    } else if (sizeBytes > ROW_REPLY_MAX_BYTES) {
      this.kinds[row] = LOST;
    } else {
      this.keepBlob(row, Buffer.from(bytes.subarray(start, end)));
    }
  }

  private keepBlob(row: number, blob: Buffer): void {
    this.kinds[row] = BLOB;
    this.blobs[row] = blob;
    this.blobBytes += blob.length;
  }

  /** Writes the reply; false when it was too large to keep. */
  repeat(row: number, reply: ReplyWriter): boolean {
    switch (this.kinds[row]) {
      case OK:
        reply.ok();
        return true;
      case INTEGER:
        reply.integer(this.numbers[row * ROW_NUMBERS + REPLY]);
        return true;
      case NULL_2:
        reply.raw(NULL_2_TEXT, 0, NULL_2_TEXT.length);
        return true;
      case NULL_3:
        reply.raw(NULL_3_TEXT, 0, NULL_3_TEXT.length);
        return true;
      case LOST:
        return false;
      default: {
        const blob = this.blobs[row];
        assert(blob != null, 'a row has its reply');
        reply.raw(blob, 0, blob.length);
        return true;
      }
    }
  }

  private unchain(row: number): void {
    const { words, buckets } = this;
    const next = words[row * ROW_WORDS + CHAINED];
    const bucket = bucketOf(this.place(row), this.sequence(row)) & (buckets.length - 1);
    let at = buckets[bucket];
    if (at === row) {
      buckets[bucket] = next;
      return;
    }
    while (words[at * ROW_WORDS + CHAINED] !== row) at = words[at * ROW_WORDS + CHAINED];
    words[at * ROW_WORDS + CHAINED] = next;
  }

  private take(): number {
    const row = this.free;
    if (row !== NONE) {
      this.free = this.words[row * ROW_WORDS + CHAINED];
      return row;
    }
    if (this.used === this.kinds.length) this.grow();
    this.blobs[this.used] = null;
    return this.used++;
  }

  /** Only when all rows are in use: each is chained anew. */
  private grow(): void {
    const capacity = this.used * 2;
    this.kinds = grown(this.kinds, new Uint8Array(capacity));
    this.words = grown(this.words, new Int32Array(capacity * ROW_WORDS));
    this.numbers = grown(this.numbers, new Float64Array(capacity * ROW_NUMBERS));
    this.buckets = new Int32Array(capacity).fill(NONE);
    for (let row = 0; row < this.used; row++) {
      const bucket = bucketOf(this.place(row), this.sequence(row)) & (capacity - 1);
      this.words[row * ROW_WORDS + CHAINED] = this.buckets[bucket];
      this.buckets[bucket] = row;
    }
  }
}

/** Its low bits: sequences of a slot follow one another, and so do their buckets; slots and sessions are scattered. */
function bucketOf(place: number, sequence: number): number {
  return (sequence | 0) + Math.imul(place, 0x9e3779b1);
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
