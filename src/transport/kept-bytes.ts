/** Keeps small pieces together in memory: one of their own for each would cost more than they hold. */
import { Space, viewOf } from './space.ts';

/** No more than what Node.js keeps together: a piece keeps all from being freed. */
const SLAB_BYTES = 8 * 1024;
/** Larger ones have memory of their own. */
const SHARED_MAX_BYTES = SLAB_BYTES / 2;

export class KeptBytes {
  /** Where what was kept last lies. */
  space = new Space(SLAB_BYTES);
  at = 0;
  private slab = this.space;
  private used = 0;

  /** Copies `bytes[start, end)` to `space`, from `at` on. */
  keep(bytes: Buffer, start: number, end: number): void {
    this.place(end - start);
    this.space.copy(bytes, viewOf(bytes), start, end, this.at);
  }

  private place(sizeBytes: number): void {
    if (sizeBytes > SHARED_MAX_BYTES) {
      this.space = new Space(sizeBytes);
      this.at = 0;
      return;
    }
    if (this.used + sizeBytes > SLAB_BYTES) {
      this.slab = new Space(SLAB_BYTES);
      this.used = 0;
    }
    this.space = this.slab;
    this.at = this.used;
    this.used += sizeBytes;
  }
}
