/**
 * Reads client commands, RESP arrays of bulk strings and inline lines, from chunks that are valid only while they are handed over.
 * A command that lies whole in its chunk is given out as ranges of the chunk; only one that is cut is gathered in a buffer of its own.
 *
 *   reader.feed(bytes, start, end);
 *   while (reader.next(args) === 'command') run(args);
 *
 * What comes out does not depend on where the chunks are cut.
 */
import { assert } from '../assert.ts';
import { Args } from './args.ts';
import { splitInline } from './inline.ts';
import { parseInteger } from './number.ts';

export interface ReaderLimits {
  /** Of one argument: `proto-max-bulk-len`. */
  bulkMaxBytes: number;
  /** Arguments of one command. */
  argumentMaxCount: number;
  /** Of an inline command, and of the line that announces a length. */
  lineMaxBytes: number;
  /** Of a whole command: `client-query-buffer-limit`. */
  commandMaxBytes: number;
}

export const DEFAULT_READER_LIMITS: ReaderLimits = {
  bulkMaxBytes: 64 * 1024 * 1024,
  argumentMaxCount: 1024 * 1024,
  lineMaxBytes: 64 * 1024,
  commandMaxBytes: 128 * 1024 * 1024,
};

/** Before AUTH, a client gets no more than this (CVE-2021-32675). */
const UNAUTHENTICATED_MAX_ARGUMENTS = 10;
const UNAUTHENTICATED_MAX_BULK_BYTES = 16384;

const LF = 10;
const CR = 13;
const DOLLAR = 36;
const STAR = 42;

const DIGIT_ZERO = 48;

/** `$0` with its line ends is the least that an argument takes. */
const SHORTEST_BYTES = 6;
/** What is read in one pass (`parseShort`). */
const SHORT_DIGITS = 3;
const SHORT_ARGUMENT_BYTES = 1000;
const SHORT_COMMAND_BYTES = 16 * 1024;

const NO_BYTES = Buffer.alloc(0);
const UNKNOWN = -1;
const INITIAL_PENDING_BYTES = 256;
/** A command that is longer already is mostly one long argument: it grows faster, and is copied less. */
const LONG_PENDING_BYTES = 1024 * 1024;
const LONG_GROWTH = 4;

/** `more`: the chunk is used up. `error`: answer `errorText` and close; the reader gives no more. */
export type ReadOutcome = 'command' | 'more' | 'error';

type ParseOutcome = ReadOutcome | 'empty';

export class CommandReader {
  /** False until AUTH, where one is required: smaller limits hold. */
  authenticated = true;
  /** The error's reply, when `next` has returned `error`. */
  errorText = '';

  private readonly limits: ReaderLimits;

  private chunk: Buffer = NO_BYTES;
  private chunkAt = 0;
  private chunkEnd = 0;
  private held = false;

  /** The bytes so far of a command that was cut, and what was found in them. */
  private pending: Buffer = NO_BYTES;
  private pendingBytes = 0;
  private partial: Args | null = null;

  /** The state of parsing one command: positions in the chunk, or in `pending`. */
  private at = 0;
  private commandStart = 0;
  /** Where the search for the end of the line goes on. */
  private searchFrom = 0;
  /** Arguments still to come; UNKNOWN before the array's length. */
  private argumentsLeft = UNKNOWN;
  private bulkBytes = UNKNOWN;

  constructor(limits: ReaderLimits = DEFAULT_READER_LIMITS) {
    this.limits = limits;
  }

  /** Bytes that the reader keeps for this client. */
  get bufferedBytes(): number {
    const ranges = this.partial === null ? 0 : this.partial.start.byteLength + this.partial.end.byteLength;
    return this.pending.length + ranges + (this.held ? this.chunk.length : 0);
  }

  /** Hands over a chunk. It is not kept beyond the `next` that returns `more`, unless the caller breaks off and says `hold`. */
  feed(bytes: Buffer, start: number, end: number): void {
    if (this.errorText !== '') return;
    if (this.chunkAt < this.chunkEnd) {
      assert(this.held, 'a chunk was read to its end, or held');
      this.chunk = Buffer.concat([
        this.chunk.subarray(this.chunkAt, this.chunkEnd),
        bytes.subarray(start, end),
      ]);
      this.chunkAt = 0;
      this.chunkEnd = this.chunk.length;
      return;
    }
    this.held = false;
    this.chunk = bytes;
    this.chunkAt = start;
    this.chunkEnd = end;
  }

  /** What was held is not read to its end. */
  get holdsInput(): boolean {
    return this.held;
  }

  /** Copies what is left of the chunk, so that `next` can go on with it later. */
  hold(): void {
    if (this.held || this.chunkAt === this.chunkEnd) return;
    this.chunk = Buffer.from(this.chunk.subarray(this.chunkAt, this.chunkEnd));
    this.chunkAt = 0;
    this.chunkEnd = this.chunk.length;
    this.held = true;
  }

  /** The next command, in `args`: good until the next call of the reader, and while the chunk is. */
  next(args: Args): ReadOutcome {
    if (this.partial === null) this.pending = NO_BYTES;
    while (this.errorText === '') {
      const outcome = this.partial === null ? this.nextInChunk(args) : this.nextInPending(args, this.partial);
      if (outcome !== 'empty') return outcome;
    }
    return 'error';
  }

  private nextInChunk(args: Args): ParseOutcome {
    if (this.chunkAt === this.chunkEnd) return this.endOfChunk();
    if (this.parseShort(args)) return 'command';
    this.beginCommand(this.chunkAt);
    args.count = 0;
    const outcome = this.parse(args, this.chunk, this.chunkEnd);
    if (outcome === 'more') {
      this.keepPartial(args);
      return this.endOfChunk();
    }
    if (outcome !== 'error') this.chunkAt = this.at;
    return outcome;
  }

  /** Adds to the cut command what it lacks, one length or argument at a time, until it is whole or the chunk used up. */
  private nextInPending(args: Args, partial: Args): ParseOutcome {
    let outcome: ParseOutcome = 'more';
    while (outcome === 'more') {
      if (this.chunkAt === this.chunkEnd) return this.endOfChunk();
      this.append();
      outcome = this.parse(partial, this.pending, this.pendingBytes);
    }
    if (outcome === 'error') return outcome;
    // What was added last may reach beyond the command: that is read again, from the chunk.
    this.chunkAt -= this.pendingBytes - this.at;
    this.partial = null;
    this.pendingBytes = 0;
    if (outcome === 'command') exchange(args, partial);
    return outcome;
  }

  private endOfChunk(): ReadOutcome {
    this.chunk = NO_BYTES;
    this.chunkAt = 0;
    this.chunkEnd = 0;
    this.held = false;
    return 'more';
  }

  /**
   * Reads what nearly every command is, in one pass: whole in its chunk, of fewer than ten arguments, each of fewer than a thousand bytes.
   * False when it may be anything else, which the general way then reads from its beginning.
   */
  private parseShort(args: Args): boolean {
    const { chunk, chunkEnd } = this;
    let at = this.chunkAt;
    if (at + SHORTEST_BYTES > chunkEnd || chunk[at] !== STAR || chunk[at + 2] !== CR) return false;
    const count = chunk[at + 1] - DIGIT_ZERO;
    if (count < 1 || count > 9 || !this.limitsAllowShort()) return false;
    const { start, end } = args;
    at += 4;
    for (let i = 0; i < count; i++) {
      if (at + SHORTEST_BYTES > chunkEnd || chunk[at] !== DOLLAR) return false;
      let sizeBytes = chunk[at + 1] - DIGIT_ZERO;
      if (sizeBytes < 0 || sizeBytes > 9) return false;
      at += 2;
      for (let digits = 1; chunk[at] !== CR; digits++) {
        const digit = chunk[at] - DIGIT_ZERO;
        if (digit < 0 || digit > 9 || sizeBytes === 0 || digits === SHORT_DIGITS) return false;
        sizeBytes = sizeBytes * 10 + digit;
        at++;
      }
      at += 2;
      start[i] = at;
      at += sizeBytes;
      end[i] = at;
      at += 2;
      if (at > chunkEnd) return false;
    }
    args.bytes = chunk;
    args.count = count;
    this.chunkAt = at;
    return true;
  }

  /** Limits below what is short are for tests, but hold. */
  private limitsAllowShort(): boolean {
    const { limits } = this;
    return (
      limits.bulkMaxBytes >= SHORT_ARGUMENT_BYTES &&
      limits.commandMaxBytes >= SHORT_COMMAND_BYTES &&
      limits.lineMaxBytes >= SHORTEST_BYTES &&
      limits.argumentMaxCount > 9
    );
  }

  private beginCommand(at: number): void {
    this.at = at;
    this.commandStart = at;
    this.searchFrom = at;
    this.argumentsLeft = UNKNOWN;
    this.bulkBytes = UNKNOWN;
  }

  /** Goes on with the command at `at`, as far as the bytes reach. */
  private parse(args: Args, bytes: Buffer, end: number): ParseOutcome {
    if (this.argumentsLeft === UNKNOWN) {
      if (bytes[this.commandStart] !== STAR) return this.parseInline(args, bytes, end);
      const outcome = this.parseArrayLength(bytes, end);
      if (outcome !== 'command') return outcome;
    }
    while (this.argumentsLeft > 0) {
      if (this.bulkBytes === UNKNOWN) {
        const outcome = this.parseBulkLength(bytes, end);
        if (outcome !== 'command') return outcome;
      }
      const bulkEnd = this.at + this.bulkBytes;
      if (bulkEnd + 2 > end) return 'more';
      args.push(this.at, bulkEnd);
      this.at = bulkEnd + 2;
      this.searchFrom = this.at;
      this.bulkBytes = UNKNOWN;
      this.argumentsLeft -= 1;
    }
    args.bytes = bytes;
    return 'command';
  }

  private parseInline(args: Args, bytes: Buffer, end: number): ParseOutcome {
    const lineFeed = this.find(LF, bytes, end);
    const lineBytes = (lineFeed === UNKNOWN ? end : lineFeed) - this.at;
    if (lineBytes > this.limits.lineMaxBytes) return this.fail('too big inline request');
    if (lineFeed === UNKNOWN) return 'more';
    const lineEnd = lineFeed > this.at && bytes[lineFeed - 1] === CR ? lineFeed - 1 : lineFeed;
    if (!splitInline(bytes, this.at, lineEnd, args)) return this.fail('unbalanced quotes in request');
    this.at = lineFeed + 1;
    return args.count === 0 ? 'empty' : 'command';
  }

  private parseArrayLength(bytes: Buffer, end: number): ParseOutcome {
    const lineEnd = this.find(CR, bytes, end);
    const lineBytes = (lineEnd === UNKNOWN ? end : lineEnd) - this.at;
    if (lineBytes > this.limits.lineMaxBytes) return this.fail('too big mbulk count string');
    if (lineEnd === UNKNOWN || lineEnd + 1 >= end) return 'more';
    const count = parseInteger(bytes, this.at + 1, lineEnd);
    if (!(count <= this.limits.argumentMaxCount)) return this.fail('invalid multibulk length');
    if (count > UNAUTHENTICATED_MAX_ARGUMENTS && !this.authenticated) {
      return this.fail('unauthenticated multibulk length');
    }
    this.at = lineEnd + 2;
    this.searchFrom = this.at;
    if (count <= 0) return 'empty';
    this.argumentsLeft = count;
    return 'command';
  }

  private parseBulkLength(bytes: Buffer, end: number): ParseOutcome {
    const lineEnd = this.find(CR, bytes, end);
    const lineBytes = (lineEnd === UNKNOWN ? end : lineEnd) - this.at;
    if (lineBytes > this.limits.lineMaxBytes) return this.fail('too big bulk count string');
    if (lineEnd === UNKNOWN || lineEnd + 1 >= end) return 'more';
    if (bytes[this.at] !== DOLLAR) {
      return this.fail(`expected '$', got '${String.fromCharCode(bytes[this.at])}'`);
    }
    const length = parseInteger(bytes, this.at + 1, lineEnd);
    if (!(length >= 0 && length <= this.limits.bulkMaxBytes)) return this.fail('invalid bulk length');
    if (length > UNAUTHENTICATED_MAX_BULK_BYTES && !this.authenticated) {
      return this.fail('unauthenticated bulk length');
    }
    this.at = lineEnd + 2;
    if (this.at + length + 2 - this.commandStart > this.limits.commandMaxBytes) {
      return this.fail('query buffer limit exceeded');
    }
    this.bulkBytes = length;
    return 'command';
  }

  /** Where `byte` is, or UNKNOWN; what was searched once is not searched again. */
  private find(byte: number, bytes: Buffer, end: number): number {
    for (let at = this.searchFrom; at < end; at++) if (bytes[at] === byte) return at;
    this.searchFrom = end;
    return UNKNOWN;
  }

  private fail(reason: string): 'error' {
    this.errorText = `ERR Protocol error: ${reason}`;
    this.pending = NO_BYTES;
    this.partial = null;
    this.endOfChunk();
    return 'error';
  }

  /** Takes the cut command's bytes, and the ranges found so far, out of the chunk. */
  private keepPartial(args: Args): void {
    const offset = this.commandStart;
    for (let i = 0; i < args.count; i++) {
      args.start[i] -= offset;
      args.end[i] -= offset;
    }
    this.partial = new Args();
    exchange(this.partial, args);
    args.count = 0;
    this.at -= offset;
    this.searchFrom -= offset;
    this.commandStart = 0;
    this.pendingBytes = 0;
    this.take(this.chunk, offset, this.chunkEnd);
    this.chunkAt = this.chunkEnd;
  }

  private append(): void {
    const { chunk, chunkAt, chunkEnd } = this;
    let upTo = chunkEnd;
    if (this.bulkBytes === UNKNOWN) {
      for (let at = chunkAt; at < chunkEnd; at++) {
        if (chunk[at] !== LF) continue;
        upTo = at + 1;
        break;
      }
    } else {
      upTo = Math.min(chunkEnd, chunkAt + this.at + this.bulkBytes + 2 - this.pendingBytes);
    }
    this.take(chunk, chunkAt, upTo);
    this.chunkAt = upTo;
  }

  private take(bytes: Buffer, start: number, end: number): void {
    const sizeBytes = this.pendingBytes + end - start;
    if (sizeBytes > this.pending.length) this.growPending(sizeBytes);
    bytes.copy(this.pending, this.pendingBytes, start, end);
    this.pendingBytes = sizeBytes;
  }

  /** By a multiple, so that nothing is copied often, yet not past the end of the argument that is being read. */
  private growPending(sizeBytes: number): void {
    const factor = sizeBytes > LONG_PENDING_BYTES ? LONG_GROWTH : 2;
    let capacity = Math.max(sizeBytes, this.pending.length * factor, INITIAL_PENDING_BYTES);
    if (this.bulkBytes !== UNKNOWN) capacity = Math.min(capacity, Math.max(sizeBytes, this.bulkEnd()));
    const bigger = Buffer.allocUnsafe(capacity);
    this.pending.copy(bigger, 0, 0, this.pendingBytes);
    this.pending = bigger;
  }

  private bulkEnd(): number {
    return this.at + this.bulkBytes + 2;
  }
}

/** Swaps what two Args say, without copying. */
function exchange(a: Args, b: Args): void {
  const { bytes, count, start, end } = a;
  a.bytes = b.bytes;
  a.count = b.count;
  a.start = b.start;
  a.end = b.end;
  b.bytes = bytes;
  b.count = count;
  b.start = start;
  b.end = end;
}
