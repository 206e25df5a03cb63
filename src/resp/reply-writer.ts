/**
 * Writes replies as bytes, in the protocol of the asking client. Grows by doubling; `reset` keeps the buffer.
 * Null, maps, sets, doubles and the like differ between RESP2 and RESP3 here and nowhere else.
 */
import { copyWords } from '../little-endian.ts';

const CR = 13;
const LF = 10;
const PLUS = 43;
const MINUS = 45;
const COLON = 58;
const DOLLAR = 36;
const STAR = 42;
const PERCENT = 37;
const TILDE = 126;
const GREATER = 62;
const COMMA = 44;
const HASH = 35;
const EQUALS = 61;
const UNDERSCORE = 95;
const DIGIT_ZERO = 48;

const INITIAL_BYTES = 16 * 1024;
/** A longer buffer has no more to spare than this part. */
const LONG_BYTES = 1024 * 1024;
const LONG_SPARE = 4;
/** Up to this length a loop beats a native copy, and up to that a copy by words, where there is a view of the source. */
const SHORT_COPY_BYTES = 24;
const WORDS_COPY_BYTES = 512;
/** The head of a bulk string: its type, length and line break. */
const HEADER_MAX_BYTES = 24;

const NO_BYTES = Buffer.alloc(0);

export class ReplyWriter {
  buffer: Buffer;
  /** Bytes written. */
  size = 0;
  /** 2 or 3: set before each command. */
  protocol: 2 | 3 = 2;
  /** Of the buffer. */
  private view: DataView;
  /** What `written` gave out last, a part of `partOf`. */
  private part: Buffer = NO_BYTES;
  private partOf: Buffer = NO_BYTES;

  constructor(initialBytes = INITIAL_BYTES) {
    this.buffer = Buffer.allocUnsafeSlow(initialBytes);
    this.view = new DataView(this.buffer.buffer);
  }

  reset(): void {
    this.size = 0;
  }

  /** What was written. A view costs more to make than a short reply to write, and many replies are as long as the last one. */
  get written(): Buffer {
    if (this.part.length !== this.size || this.partOf !== this.buffer) {
      this.partOf = this.buffer;
      this.part = this.buffer.subarray(0, this.size);
    }
    return this.part;
  }

  /** What was written is somebody else's from here on. */
  letGo(): void {
    this.part = NO_BYTES;
    this.partOf = NO_BYTES;
    this.buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    this.view = new DataView(this.buffer.buffer);
    this.size = 0;
  }

  /** Makes room for `sizeBytes` more. */
  ensure(sizeBytes: number): void {
    if (this.size + sizeBytes > this.buffer.length) this.grow(sizeBytes);
  }

  ok(): void {
    this.ensure(5);
    const { buffer, size } = this;
    buffer[size] = PLUS;
    buffer[size + 1] = 79;
    buffer[size + 2] = 75;
    buffer[size + 3] = CR;
    buffer[size + 4] = LF;
    this.size = size + 5;
  }

  /** A status line of ASCII text without line breaks. */
  simple(text: string): void {
    this.line(PLUS, text);
  }

  /**
   * `text` begins with the code: `ERR …`, `WRONGTYPE …`; one byte a character, as `Args.text` gives what a client sent.
   * As in Redis, line breaks at the end fall away and others become spaces.
   */
  error(text: string): void {
    this.line(MINUS, /[\r\n]/.test(text) ? text.replace(/[\r\n]+$/, '').replaceAll(/[\r\n]/g, ' ') : text);
  }

  /** A safe integer. */
  integer(value: number): void {
    this.header(COLON, value);
  }

  bigInteger(value: bigint): void {
    this.line(COLON, value.toString());
  }

  bulk(bytes: Uint8Array, start: number, end: number): void {
    this.header(DOLLAR, end - start);
    this.raw(bytes, start, end);
    this.crlf();
  }

  /** As `bulk`, with a view of the same bytes: such as lie in one place for long. */
  bulkUnder(bytes: Uint8Array, view: DataView, start: number, end: number): void {
    const sizeBytes = end - start;
    if (sizeBytes <= SHORT_COPY_BYTES || sizeBytes > WORDS_COPY_BYTES) {
      this.bulk(bytes, start, end);
      return;
    }
    this.ensure(HEADER_MAX_BYTES + sizeBytes);
    this.header(DOLLAR, sizeBytes);
    copyWords(view, start, end, this.view, this.size);
    this.size += sizeBytes;
    this.crlf();
  }

  /** A bulk string of text, written as UTF-8. */
  bulkText(text: string): void {
    const sizeBytes = Buffer.byteLength(text);
    this.header(DOLLAR, sizeBytes);
    this.ensure(sizeBytes + 2);
    this.size += this.buffer.write(text, this.size, 'utf8');
    this.crlf();
  }

  /** A bulk string of one byte a character: for bytes that were read as latin1. */
  bulkLatin1(text: string): void {
    this.header(DOLLAR, text.length);
    this.ensure(text.length + 2);
    this.size += this.buffer.write(text, this.size, 'latin1');
    this.crlf();
  }

  null(): void {
    if (this.protocol === 3) this.line(UNDERSCORE, '');
    else this.line(DOLLAR, '-1');
  }

  nullArray(): void {
    if (this.protocol === 3) this.line(UNDERSCORE, '');
    else this.line(STAR, '-1');
  }

  arrayHeader(count: number): void {
    this.header(STAR, count);
  }

  /**
   * Moves what was written since `size` was `from` before what was written since it was `to`: for a header that says how much follows,
   * which shows only at the end.
   */
  moveBefore(to: number, from: number): void {
    const end = this.size;
    const movedBytes = end - from;
    this.ensure(movedBytes);
    const { buffer } = this;
    buffer.copyWithin(end, from, end);
    buffer.copyWithin(to + movedBytes, to, from);
    buffer.copyWithin(to, end, end + movedBytes);
  }

  /** Followed by `pairs` keys and values in turn; a flat array in RESP2. */
  mapHeader(pairs: number): void {
    if (this.protocol === 3) this.header(PERCENT, pairs);
    else this.header(STAR, pairs * 2);
  }

  setHeader(count: number): void {
    this.header(this.protocol === 3 ? TILDE : STAR, count);
  }

  /** Out-of-band data; an array in RESP2. */
  pushHeader(count: number): void {
    this.header(this.protocol === 3 ? GREATER : STAR, count);
  }

  /** `text`: the number as Redis writes it. A bulk string in RESP2. */
  double(text: string): void {
    if (this.protocol === 3) this.line(COMMA, text);
    else this.bulkText(text);
  }

  /** 1 or 0 in RESP2. */
  boolean(value: boolean): void {
    if (this.protocol === 3) this.line(HASH, value ? 't' : 'f');
    else this.integer(value ? 1 : 0);
  }

  /** Text for people; `format` has three letters. A bulk string in RESP2. */
  verbatim(format: string, text: string): void {
    if (this.protocol === 2) {
      this.bulkText(text);
      return;
    }
    const sizeBytes = Buffer.byteLength(text) + 4;
    this.header(EQUALS, sizeBytes);
    this.ensure(sizeBytes + 2);
    this.size += this.buffer.write(`${format}:${text}`, this.size, 'utf8');
    this.crlf();
  }

  /** Bytes that are replies already. */
  raw(bytes: Uint8Array, start: number, end: number): void {
    const sizeBytes = end - start;
    this.ensure(sizeBytes + 2);
    const { buffer } = this;
    let at = this.size;
    if (sizeBytes <= SHORT_COPY_BYTES) for (let i = start; i < end; i++) buffer[at++] = bytes[i];
    else buffer.set(bytes.subarray(start, end), at);
    this.size += sizeBytes;
  }

  private crlf(): void {
    this.ensure(2);
    const { buffer, size } = this;
    buffer[size] = CR;
    buffer[size + 1] = LF;
    this.size = size + 2;
  }

  private line(type: number, text: string): void {
    this.ensure(text.length + 3);
    this.buffer[this.size] = type;
    this.size += 1 + this.buffer.write(text, this.size + 1, 'latin1');
    this.crlf();
  }

  private header(type: number, value: number): void {
    this.ensure(HEADER_MAX_BYTES);
    this.buffer[this.size] = type;
    this.size += 1;
    this.decimal(value);
    this.crlf();
  }

  private decimal(value: number): void {
    if (value < 0 || value > 0x7fffffff) {
      this.size += this.buffer.write(value.toString(), this.size, 'latin1');
      return;
    }
    const { buffer, size } = this;
    let digits = 1;
    for (let rest = value; rest >= 10; rest = (rest / 10) | 0) digits += 1;
    let rest = value | 0;
    for (let at = size + digits - 1; at >= size; at--) {
      const quotient = (rest / 10) | 0;
      buffer[at] = DIGIT_ZERO + rest - quotient * 10;
      rest = quotient;
    }
    this.size = size + digits;
  }

  private grow(sizeBytes: number): void {
    const neededBytes = this.size + sizeBytes;
    let capacity = this.buffer.length * 2;
    while (capacity < neededBytes) capacity *= 2;
    if (neededBytes > LONG_BYTES)
      capacity = Math.min(capacity, neededBytes + Math.ceil(neededBytes / LONG_SPARE));
    const bigger = Buffer.allocUnsafeSlow(capacity);
    this.buffer.copy(bigger, 0, 0, this.size);
    this.buffer = bigger;
    this.view = new DataView(bigger.buffer);
  }
}
