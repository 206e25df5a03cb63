/** Bytes in, at the end, and out, at the front; those in between lie in one piece. */
import { copyBytes } from './copy-bytes.ts';

/** Most queues are of a slot on its way from one shard to another, and see little. */
const LEAST_BYTES = 1024;
const NO_BYTES = Buffer.alloc(0);

export class ByteQueue {
  bytes: Buffer = NO_BYTES;
  start = 0;
  end = 0;

  get length(): number {
    return this.end - this.start;
  }

  /** Makes room for more bytes at `end`. The caller writes them and moves `end`. */
  reserve(sizeBytes: number): void {
    if (this.end + sizeBytes <= this.bytes.length) return;
    const needed = this.length + sizeBytes;
    const target =
      needed <= this.bytes.length / 2
        ? this.bytes
        : Buffer.allocUnsafe(Math.max(needed, this.bytes.length * 2, LEAST_BYTES));
    this.bytes.copy(target, 0, this.start, this.end);
    this.bytes = target;
    this.end -= this.start;
    this.start = 0;
  }

  append(source: Buffer, start: number, end: number): void {
    this.reserve(end - start);
    copyBytes(source, start, end, this.bytes, this.end);
    this.end += end - start;
  }

  consume(sizeBytes: number): void {
    this.start += sizeBytes;
    if (this.start === this.end) {
      this.start = 0;
      this.end = 0;
    }
  }
}
