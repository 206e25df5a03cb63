import type { Clock } from './contracts.ts';

const JUST_BELOW_ONE_MS = 0.999;

/**
 * The wall clock of JavaScript counts whole milliseconds. The fraction comes from the monotonic clock, held within the millisecond that
 * the wall clock shows, so that jumps of the wall clock are followed at once.
 */
export class SystemClock implements Clock {
  #wallMinusMonotonicMs = performance.timeOrigin;

  monotonicMs(): number {
    return performance.now();
  }

  wallMs(monotonicMs: number = performance.now()): number {
    const wholeMs = Date.now();
    const fineMs = this.#wallMinusMonotonicMs + monotonicMs;
    const withinMs = Math.min(Math.max(fineMs, wholeMs), wholeMs + JUST_BELOW_ONE_MS);
    this.#wallMinusMonotonicMs += withinMs - fineMs;
    return withinMs;
  }
}
