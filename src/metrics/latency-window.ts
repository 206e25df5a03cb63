import type { Histogram } from './histogram.ts';

/** What came into latency histograms since it was last asked. */
export interface LatencyReading {
  count: number;
  /** 0 when nothing came. */
  p99: number;
}

/** Watches histograms of one scale that go on counting, as those of all commands: each reading is of what came since the one before. */
export class LatencyWindow {
  private seen: readonly number[] = [];

  read(histograms: Iterable<Histogram | null>): LatencyReading {
    let bounds: readonly number[] = [];
    const totals: number[] = [];
    for (const histogram of histograms) {
      if (histogram === null) continue;
      ({ bounds } = histogram);
      for (let bucket = 0; bucket <= bounds.length; bucket++)
        totals[bucket] = (totals[bucket] ?? 0) + histogram.countIn(bucket);
    }
    // Below what was seen: they were reset.
    const counts = totals.map((total, bucket) => {
      const seen = this.seen[bucket] ?? 0;
      return total < seen ? total : total - seen;
    });
    this.seen = totals;
    let count = 0;
    for (const each of counts) count += each;
    return { count, p99: quantile(counts, bounds, count * 0.99) };
  }
}

/** As if the values of a bucket lay evenly in it; those above the last bound lie at it. */
function quantile(counts: readonly number[], bounds: readonly number[], rank: number): number {
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
