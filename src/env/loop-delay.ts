/** How late the event loop runs what is due: the delay that everything in this process shares. */
import { monitorEventLoopDelay } from 'node:perf_hooks';

export interface LoopDelayReading {
  meanMs: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

export interface LoopDelay {
  /** The delays since the last reading, or since the start. */
  read(): LoopDelayReading;
  /** The longest since this was asked last, whoever else reads; what is shorter than its own interval may hide. */
  takeWorstMs(): number;
  stop(): void;
}

const NS_PER_MS = 1e6;
/** For who wants to know of long holds only: it costs next to nothing. */
const WORST_INTERVAL_MS = 100;

/**
 * By a timer of the system, each `intervalMs`. What holds the loop between two of its ticks is seen as late as the next one comes: a hold of H shows
 * as a delay between H less the interval and H, so a coarse timer hides most of a hold of its own length.
 */
export function measureLoopDelay(intervalMs: number): LoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: intervalMs });
  histogram.enable();
  const worst = monitorEventLoopDelay({ resolution: WORST_INTERVAL_MS });
  worst.enable();
  return {
    read() {
      // What is sampled is the distance of two ticks of the timer: an undelayed one is the resolution itself.
      const baselineMs = Math.min(intervalMs, histogram.min / NS_PER_MS);
      const delayMs = (ns: number): number => Math.max(0, ns / NS_PER_MS - baselineMs);
      const reading =
        histogram.count === 0
          ? { meanMs: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 }
          : {
              meanMs: delayMs(histogram.mean),
              p50Ms: delayMs(histogram.percentile(50)),
              p99Ms: delayMs(histogram.percentile(99)),
              maxMs: delayMs(histogram.max),
            };
      histogram.reset();
      return reading;
    },
    takeWorstMs() {
      const worstMs = worst.count === 0 ? 0 : Math.max(0, worst.max / NS_PER_MS - WORST_INTERVAL_MS);
      worst.reset();
      return worstMs;
    },
    stop() {
      histogram.disable();
      worst.disable();
    },
  };
}
