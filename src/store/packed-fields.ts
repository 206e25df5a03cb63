/**
 * The fields of a small hash as packed bytes, in the order of their making: a count (u32), then per pair the field's length, its bytes,
 * the value's length, its bytes. Lengths take one byte for seven bits. One cursor is used again and again.
 */
import { readU32, writeU32 } from '../little-endian.ts';
import { equalAt } from './byte-hash.ts';
import { copyBytes } from './copy-bytes.ts';
import type { FieldVisitor } from './types.ts';

export const PACKED_HEADER_BYTES = 4;
const CONTINUES = 0x80;
const LENGTH_BITS = 7;

export class PackedCursor {
  bytes: Buffer = Buffer.alloc(0);
  end = 0;
  /** The pair that the cursor is at. */
  pairStart = 0;
  fieldStart = 0;
  fieldEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  private at = 0;

  open(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes;
    this.end = end;
    this.at = start + PACKED_HEADER_BYTES;
    this.valueEnd = this.at;
  }

  next(): boolean {
    if (this.valueEnd >= this.end) return false;
    this.pairStart = this.valueEnd;
    this.at = this.valueEnd;
    const fieldLength = this.readLength();
    this.fieldStart = this.at;
    this.fieldEnd = this.at + fieldLength;
    this.at = this.fieldEnd;
    const valueLength = this.readLength();
    this.valueStart = this.at;
    this.valueEnd = this.at + valueLength;
    return true;
  }

  /** Moves to the pair of this field; false when there is none. */
  seek(field: Uint8Array, start: number, end: number): boolean {
    while (this.next()) {
      if (
        this.fieldEnd - this.fieldStart === end - start &&
        equalAt(this.bytes, this.fieldStart, field, start, end)
      ) {
        return true;
      }
    }
    return false;
  }

  visit(visitor: FieldVisitor): void {
    visitor(this.bytes, this.fieldStart, this.fieldEnd, this.bytes, this.valueStart, this.valueEnd);
  }

  private readLength(): number {
    const { bytes, at } = this;
    if (bytes[at] < CONTINUES) {
      this.at = at + 1;
      return bytes[at];
    }
    return this.readLongLength();
  }

  private readLongLength(): number {
    let length = 0;
    for (let shift = 0; ; shift += LENGTH_BITS) {
      const byte = this.bytes[this.at++];
      length += (byte & (CONTINUES - 1)) * 2 ** shift;
      if (byte < CONTINUES) return length;
    }
  }
}

export function packedCount(bytes: Buffer, start: number): number {
  return readU32(bytes, start);
}

export function writePackedCount(bytes: Buffer, start: number, count: number): void {
  writeU32(bytes, count, start);
}

/** Bytes of a length and what it is the length of. */
export function packedSize(lengthBytes: number): number {
  let sizeBytes = lengthBytes + 1;
  for (let rest = lengthBytes; rest >= CONTINUES; rest = Math.floor(rest / CONTINUES)) sizeBytes += 1;
  return sizeBytes;
}

/** Writes a length and its bytes at `at`; returns where they end. */
export function writePacked(
  target: Buffer,
  at: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  let to = at;
  let rest = end - start;
  for (; rest >= CONTINUES; rest = Math.floor(rest / CONTINUES))
    target[to++] = (rest % CONTINUES) | CONTINUES;
  target[to++] = rest;
  copyBytes(bytes, start, end, target, to);
  return to + end - start;
}
