/**
 * How many slots are frozen at once: fewer after a pause that was long, since they all wait for the same. Where disks and lines alone make it long, a
 * pause of few slots is as long as one of many: then fewer would only be slower.
 */

/** Of 16384: what moves from several sources at once stays below one in a hundred commands. */
const SIZES = [4, 8, 16, 32];
const LONG_PAUSE_MS = 20;
const SHORT_PAUSE_MS = 10;
/** Fewer slots are worth it when more make the pause so many times as long. */
const WORTH = 1.5;
/** With each pause, what was seen of more slots counts for so much less: they are tried again. */
const FORGETTING = 0.97;

export class FenceSize {
  private level = SIZES.length - 1;
  /** The last pause of each size; NaN: none was seen. */
  private readonly pausesMs = SIZES.map(() => Number.NaN);

  get slots(): number {
    return SIZES[this.level];
  }

  paused(pauseMs: number): void {
    const { level, pausesMs } = this;
    pausesMs[level] = pauseMs;
    for (let more = level + 1; more < SIZES.length; more++) pausesMs[more] *= FORGETTING;
    const isAsShortWithFewer = pauseMs < pausesMs[level - 1] * WORTH;
    const isLongerWithMore = pausesMs[level + 1] > pauseMs * WORTH;
    if (level > 0 && pauseMs > LONG_PAUSE_MS && !isAsShortWithFewer) this.level -= 1;
    else if (level < SIZES.length - 1 && (pauseMs < SHORT_PAUSE_MS || !isLongerWithMore)) this.level += 1;
  }
}
