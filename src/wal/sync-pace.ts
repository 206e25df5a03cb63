/** Syncs are judged so many at a time. */
const WINDOW = 64;
/**
 * A disk is fast when one sync in FAST_SHARE takes no longer. Not most of them: on a busy machine a sync is often done long before its process
 * or its loop runs again, which says nothing of the disk.
 */
const FAST_MS = 0.4;
const FAST_SHARE = 8;
/** What the syncs of a window may hold the loop in all, and one of them alone; more, and it is left alone for so many windows. */
const HELD_WINDOW_MS = 128;
const HELD_MS = 10;
const BACK_OFF_WINDOWS = 4;

/**
 * Whether the loop itself syncs, or hands that to another thread. To hand over and take back costs more CPU than a sync of a fast disk, and
 * on a busy machine more time; a slow disk must not hold up the loop. One cannot know beforehand that a disk will stall: it may do so once.
 */
export class SyncPace {
  #inLoop = false;
  #syncs = 0;
  #fast = 0;
  #tookMs = 0;
  #backOff = 0;

  /** The loop may wait for the next sync. */
  get inLoop(): boolean {
    return this.#inLoop;
  }

  synced(ms: number): void {
    this.#syncs += 1;
    this.#tookMs += ms;
    if (ms <= FAST_MS) this.#fast += 1;
    if (this.#inLoop && (ms > HELD_MS || this.#tookMs > HELD_WINDOW_MS)) {
      this.#backOff = BACK_OFF_WINDOWS;
      this.#begin(false);
    } else if (this.#syncs === WINDOW) {
      if (this.#backOff > 0) this.#backOff -= 1;
      this.#begin(this.#backOff === 0 && this.#fast * FAST_SHARE >= WINDOW);
    }
  }

  #begin(inLoop: boolean): void {
    this.#inLoop = inLoop;
    this.#syncs = 0;
    this.#fast = 0;
    this.#tookMs = 0;
  }
}
