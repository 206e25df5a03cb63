import { assert } from '../assert.ts';
import { copyInto } from '../store/copy-bytes.ts';
import { Space } from './space.ts';
import type { SectionWriter } from './types.ts';

const FIRST_BYTES = 1024;
/** A buffer that one burst made larger is let go after the flush. */
const KEEP_BYTES = 4 * 1024 * 1024;

/** A section of the frame that is being gathered. */
export class SectionBuffer implements SectionWriter {
  /** Asked for since the last frame. */
  isUsed = false;
  private space = new Space(FIRST_BYTES);
  private size = 0;

  get sizeBytes(): number {
    return this.size;
  }

  u8(value: number): void {
    const at = this.take(1);
    this.space.view.setUint8(at, value);
  }

  u16(value: number): void {
    const at = this.take(2);
    this.space.view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.take(4);
    this.space.view.setUint32(at, value, true);
  }

  f64(value: number): void {
    const at = this.take(8);
    this.space.view.setFloat64(at, value, true);
  }

  bytes(bytes: Uint8Array, start: number, end: number): void {
    const at = this.take(end - start);
    // Native code copies all of a buffer at the cost of one call.
    if (start === 0 && end === bytes.length) this.space.bytes.set(bytes, at);
    else copyInto(bytes, start, end, this.space.bytes, this.space.view, at);
  }

  patchU32(offset: number, value: number): void {
    assert(offset >= 0 && offset + 4 <= this.size, 'a patch lies within what was written');
    this.space.view.setUint32(offset, value, true);
  }

  /** Copies the section to `target` and starts anew. Returns the offset behind it. */
  moveTo(target: Buffer, offset: number): number {
    const end = offset + this.space.bytes.copy(target, offset, 0, this.size);
    this.clear();
    return end;
  }

  /** The same. */
  moveInto(target: Space, offset: number): number {
    const end = offset + this.size;
    target.copyFirst(this.space, this.size, offset);
    this.clear();
    return end;
  }

  clear(): void {
    this.size = 0;
    this.isUsed = false;
    if (this.space.bytes.length > KEEP_BYTES) this.space = new Space(FIRST_BYTES);
  }

  /** Where the next bytes go. */
  private take(sizeBytes: number): number {
    const at = this.size;
    const end = at + sizeBytes;
    if (end > this.space.bytes.length) this.grow(end);
    this.size = end;
    return at;
  }

  private grow(neededBytes: number): void {
    const grown = new Space(Math.max(neededBytes, this.space.bytes.length * 2));
    grown.copyFirst(this.space, this.size, 0);
    this.space = grown;
  }
}
