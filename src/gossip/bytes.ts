/** Reading and writing the parts of messages, little-endian. */
import { assert } from '../assert.ts';
import { readF64, readU16, readU32, writeF64, writeU16, writeU32 } from '../little-endian.ts';
import { MalformedGossipError } from './malformed.ts';
import { NAME_DIGITS, type MemberName } from './types.ts';

export const NAME_BYTES = NAME_DIGITS / 2;

/** Fills a buffer of exactly the size that was worked out before. */
export class ByteWriter {
  readonly bytes: Buffer;
  private at = 0;

  constructor(sizeBytes: number) {
    this.bytes = Buffer.alloc(sizeBytes);
  }

  u8(value: number): void {
    this.bytes[this.at] = value;
    this.at += 1;
  }

  u16(value: number): void {
    writeU16(this.bytes, value, this.at);
    this.at += 2;
  }

  u32(value: number): void {
    writeU32(this.bytes, value, this.at);
    this.at += 4;
  }

  f64(value: number): void {
    writeF64(this.bytes, value, this.at);
    this.at += 8;
  }

  name(name: MemberName): void {
    this.at += this.bytes.write(name, this.at, NAME_BYTES, 'hex');
  }

  /** At most 255 bytes of UTF-8. */
  text(text: string): void {
    const sizeBytes = Buffer.byteLength(text);
    this.u8(sizeBytes);
    this.at += this.bytes.write(text, this.at, sizeBytes, 'utf8');
  }

  finish(): Buffer {
    assert(this.at === this.bytes.length, 'a gossip message has the size that was worked out');
    return this.bytes;
  }
}

export function textBytes(text: string): number {
  return 1 + Buffer.byteLength(text);
}

/** Throws MalformedGossipError where the bytes end, or hold what cannot be. */
export class ByteReader {
  private readonly bytes: Buffer;
  private readonly end: number;
  private at: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  u8(): number {
    return this.bytes[this.take(1)];
  }

  u16(): number {
    return readU16(this.bytes, this.take(2));
  }

  u32(): number {
    return readU32(this.bytes, this.take(4));
  }

  f64(): number {
    return readF64(this.bytes, this.take(8));
  }

  /** A count that is written as f64 to be large. */
  count(): number {
    const value = this.f64();
    if (!Number.isSafeInteger(value) || value < 0 || Object.is(value, -0))
      throw new MalformedGossipError('a count is none');
    return value;
  }

  name(): MemberName {
    const at = this.take(NAME_BYTES);
    return this.bytes.toString('hex', at, at + NAME_BYTES);
  }

  text(): string {
    const sizeBytes = this.u8();
    const at = this.take(sizeBytes);
    const text = this.bytes.toString('utf8', at, at + sizeBytes);
    // What is no UTF-8 would grow when it is written again, past what its length has room for.
    if (Buffer.byteLength(text) !== sizeBytes) throw new MalformedGossipError('a text is none');
    return text;
  }

  /** Nothing may lie behind the message. */
  finish(): void {
    if (this.at !== this.end) throw new MalformedGossipError('a message has bytes behind its end');
  }

  private take(sizeBytes: number): number {
    const { at } = this;
    if (at + sizeBytes > this.end) throw new MalformedGossipError('a message is cut short');
    this.at = at + sizeBytes;
    return at;
  }
}
