import { assert, double, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Histogram, latencyHistogram, sizeHistogram } from '../../src/metrics/histogram.ts';

function bucketOf(histogram: Histogram): number {
  const bucket = [...histogram.bounds.keys(), histogram.bounds.length].find(
    (at) => histogram.countIn(at) === 1,
  );
  if (bucket === undefined) throw new Error('no bucket took the value');
  return bucket;
}

describe('Histogram', () => {
  it('counts a value in the first bucket whose bound is not below it', () => {
    assert(
      property(double({ min: 0, max: 1e12, noNaN: true }), (value) => {
        const histogram = latencyHistogram();
        histogram.record(value);
        const expected = histogram.bounds.findIndex((bound) => value <= bound);
        expect(bucketOf(histogram)).toBe(expected === -1 ? histogram.bounds.length : expected);
        expect(histogram.sum).toBe(value);
        expect(histogram.count).toBe(1);
      }),
    );
  });

  it('counts a bound in its own bucket', () => {
    for (const make of [latencyHistogram, sizeHistogram]) {
      for (const [at, bound] of make().bounds.entries()) {
        const histogram = make();
        histogram.record(bound);
        expect(bucketOf(histogram)).toBe(at);
      }
    }
  });

  it.each([Number.NaN, -1, 0])('counts %d as 0', (value) => {
    const histogram = latencyHistogram();
    histogram.record(value);
    expect(histogram.countIn(0)).toBe(1);
    expect(histogram.sum).toBe(0);
  });

  it('counts what is beyond the last bound, infinity included', () => {
    const histogram = latencyHistogram();
    histogram.record(20_000);
    histogram.record(Number.MAX_VALUE);
    expect(histogram.countIn(histogram.bounds.length)).toBe(2);
  });

  it('spans 50 µs to above 10 s, and 256 B to 128 MiB', () => {
    expect(latencyHistogram().bounds[0]).toBe(0.05);
    expect(latencyHistogram().bounds.at(-1)).toBeGreaterThan(10_000);
    expect(sizeHistogram().bounds.at(-1)).toBe(128 * 1024 * 1024);
  });

  it('forgets all at reset', () => {
    const histogram = sizeHistogram();
    histogram.record(300);
    histogram.reset();
    expect([histogram.count, histogram.sum]).toEqual([0, 0]);
  });
});
