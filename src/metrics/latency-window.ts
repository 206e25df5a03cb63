import type { Histogram } from './histogram.ts';

/** What came into latency histograms since it was last asked. */
export interface LatencyReading {
  count: number;
  /** 0 when nothing came. */
  p99: number;
}

/** Watches histograms of one scale that go on counting, as those of all commands: each reading is of what came since the one before. */
export class LatencyWindow {
  private seen = new Float64Array(0);
  private totals = new Float64Array(0);

  /** Many times a second, moves or none: in arrays that are kept. */
  read(histograms: Iterable<Histogram | null>): LatencyReading {
    let bounds: readonly number[] = [];
    this.totals.fill(0);
    for (const histogram of histograms) {
      if (histogram === null) continue;
      ({ bounds } = histogram);
      if (this.totals.length === 0) this.begin(bounds.length + 1);
      histogram.addTo(this.totals);
    }
    const counts = this.seen;
    let count = 0;
    for (const [bucket, total] of this.totals.entries()) {
      // Below what was seen: they were reset.
      counts[bucket] = total < counts[bucket] ? total : total - counts[bucket];
      count += counts[bucket];
    }
    const p99 = quantile(counts, bounds, count * 0.99);
    this.seen = this.totals;
    this.totals = counts;
    return { count, p99 };
  }

  private begin(buckets: number): void {
    this.seen = new Float64Array(buckets);
    this.totals = new Float64Array(buckets);
  }
}

/** As if the values of a bucket lay evenly in it; those above the last bound lie at it. */
function quantile(counts: Float64Array, bounds: readonly number[], rank: number): number {
  let before = 0;
  for (const [bucket, count] of counts.entries()) {
    if (count > 0 && before + count >= rank) {
      const lower = bucket === 0 ? 0 : bounds[bucket - 1];
      const upper = bounds[bucket] ?? lower;
      return lower + ((upper - lower) * (rank - before)) / count;
    }
    before += count;
  }
  return 0;
}
