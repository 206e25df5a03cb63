import { assert } from '../assert.ts';
import type { SectionWriter } from './types.ts';
import { writeF64, writeU16, writeU32 } from '../little-endian.ts';

const FIRST_BYTES = 1024;
/** A buffer that one burst made larger is let go after the flush. */
const KEEP_BYTES = 4 * 1024 * 1024;

/** A section of the frame that is being gathered. */
export class SectionBuffer implements SectionWriter {
  private buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  private size = 0;

  get sizeBytes(): number {
    return this.size;
  }

  u8(value: number): void {
    this.reserve(1);
    this.buffer[this.size] = value;
    this.size += 1;
  }

  u16(value: number): void {
    this.reserve(2);
    writeU16(this.buffer, value, this.size);
    this.size += 2;
  }

  u32(value: number): void {
    this.reserve(4);
    writeU32(this.buffer, value, this.size);
    this.size += 4;
  }

  f64(value: number): void {
    this.reserve(8);
    writeF64(this.buffer, value, this.size);
    this.size += 8;
  }

  bytes(bytes: Uint8Array, start: number, end: number): void {
    this.reserve(end - start);
    if (start === 0 && end === bytes.length) this.buffer.set(bytes, this.size);
    else this.buffer.set(bytes.subarray(start, end), this.size);
    this.size += end - start;
  }

  patchU32(offset: number, value: number): void {
    assert(offset >= 0 && offset + 4 <= this.size, 'a patch lies within what was written');
    writeU32(this.buffer, value, offset);
  }

  /** Copies the section to `target` and starts anew. Returns the offset behind it. */
  moveTo(target: Buffer, offset: number): number {
    this.buffer.copy(target, offset, 0, this.size);
    const end = offset + this.size;
    this.clear();
    return end;
  }

  clear(): void {
    this.size = 0;
    if (this.buffer.length > KEEP_BYTES) this.buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  }

  private reserve(moreBytes: number): void {
    const needed = this.size + moreBytes;
    if (needed <= this.buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2));
    this.buffer.copy(grown, 0, 0, this.size);
    this.buffer = grown;
  }
}
