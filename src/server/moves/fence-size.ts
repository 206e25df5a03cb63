/** How many slots are frozen at once: fewer after a pause that was long, since they all wait for the same. */

/** Of 16384: what moves from several sources at once stays below one in a hundred commands. */
const MOST_SLOTS = 32;
const LEAST_SLOTS = 4;
const LONG_PAUSE_MS = 20;
const SHORT_PAUSE_MS = 10;

export class FenceSize {
  slots = MOST_SLOTS;

  paused(pauseMs: number): void {
    if (pauseMs > LONG_PAUSE_MS) this.slots = Math.max(LEAST_SLOTS, this.slots >>> 1);
    else if (pauseMs < SHORT_PAUSE_MS) this.slots = Math.min(MOST_SLOTS, this.slots * 2);
  }
}
