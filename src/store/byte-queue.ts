/** Bytes in, at the end, and out, at the front; those in between lie in one piece. */
import { copyBytes } from './copy-bytes.ts';
import { DESK, DESK_BYTES } from './desk.ts';

/** Most queues are of a slot on its way from one shard to another, and see little. */
const LEAST_BYTES = 1024;
const NO_BYTES = Buffer.alloc(0);

export class ByteQueue {
  bytes: Buffer = NO_BYTES;
  start = 0;
  end = 0;
  /** The bytes are somebody else's, until `keep`. */
  private isLent = false;

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

  /** As `append`, but what was not consumed until `keep` is copied only then. Nothing is appended between. */
  lend(source: Buffer): void {
    if (this.length > 0) {
      this.append(source, 0, source.length);
      return;
    }
    this.lie(source, source.length);
  }

  /** As `lend`, with all that is there laid on the desk, where it is read at less cost. */
  lendOnDesk(source: Buffer): void {
    const { length } = this;
    if (length + source.length > DESK_BYTES) {
      this.append(source, 0, source.length);
      return;
    }
    this.bytes.copy(DESK, 0, this.start, this.end);
    DESK.set(source, length);
    this.lie(DESK, length + source.length);
  }

  private lie(bytes: Buffer, end: number): void {
    this.bytes = bytes;
    this.start = 0;
    this.end = end;
    this.isLent = true;
  }

  /** What is left is the queue's own from here on. */
  keep(): void {
    if (!this.isLent) return;
    this.isLent = false;
    this.bytes = this.length === 0 ? NO_BYTES : Buffer.from(this.bytes.subarray(this.start, this.end));
    this.end = this.bytes.length;
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
