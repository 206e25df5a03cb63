/** Bytes in, at the end, and out, at the front. They lie in chunks, so that none is moved however many wait. */
import { copyBytes } from './copy-bytes.ts';

/** The first chunk is small, since a slot or a small keyspace needs no more; each is twice as large as the one before, up to the most. */
const FIRST_CHUNK_BYTES = 1024;
const CHUNK_BYTES = 256 * 1024;

export class ChunkQueue {
  /** The chunk that is being filled, up to `end`. */
  bytes: Buffer;
  /** Of the same bytes. */
  view: DataView;
  end = 0;
  private start = 0;
  private full: Buffer[] = [];
  private fullBytes = 0;

  /** `expectedBytes`: about as much will come, so the first chunk need not be outgrown. */
  constructor(expectedBytes = 0) {
    this.bytes = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, Math.max(FIRST_CHUNK_BYTES, expectedBytes)));
    this.view = new DataView(this.bytes.buffer);
  }

  get length(): number {
    return this.fullBytes + this.end - this.start;
  }

  /** Makes room for more bytes, in one piece, at `end`. The caller writes them and moves `end`. */
  reserve(sizeBytes: number): void {
    if (this.end + sizeBytes <= this.bytes.length) return;
    if (this.moveToStart(sizeBytes)) return;
    if (this.end > this.start) this.full.push(this.bytes.subarray(this.start, this.end));
    this.fullBytes += this.end - this.start;
    const chunkBytes = Math.min(CHUNK_BYTES, 2 * this.bytes.length);
    this.bytes = Buffer.allocUnsafeSlow(Math.max(chunkBytes, sizeBytes));
    this.view = new DataView(this.bytes.buffer);
    this.start = 0;
    this.end = 0;
  }

  /** What is left of the only chunk is mostly little, since it is taken in large pieces: then the chunk serves on. */
  private moveToStart(sizeBytes: number): boolean {
    const leftBytes = this.end - this.start;
    if (this.full.length > 0 || leftBytes > this.start || leftBytes + sizeBytes > this.bytes.length)
      return false;
    this.bytes.copyWithin(0, this.start, this.end);
    this.start = 0;
    this.end = leftBytes;
    return true;
  }

  append(source: Buffer, start: number, end: number): void {
    this.reserve(end - start);
    copyBytes(source, start, end, this.bytes, this.end);
    this.end += end - start;
  }

  /** Moves the first `sizeBytes`, no more than there are, to `target`. */
  take(sizeBytes: number, target: Buffer, targetAt: number): void {
    let left = sizeBytes;
    let at = targetAt;
    let passed = 0;
    for (; left > 0 && passed < this.full.length; passed += 1) {
      const chunk = this.full[passed];
      const taken = Math.min(left, chunk.length);
      chunk.copy(target, at, 0, taken);
      left -= taken;
      at += taken;
      this.fullBytes -= taken;
      if (taken < chunk.length) {
        this.full[passed] = chunk.subarray(taken);
        break;
      }
    }
    this.full.splice(0, passed);
    this.bytes.copy(target, at, this.start, this.start + left);
    this.start += left;
    if (this.start === this.end) {
      this.start = 0;
      this.end = 0;
    }
  }

  clear(): void {
    this.full = [];
    this.fullBytes = 0;
    this.start = 0;
    this.end = 0;
  }
}
