/**
 * Counts values in buckets of doubling width. `record` is made for the hot path: a multiplication, a count of leading zeros and two
 * additions into one typed array.
 */

interface HistogramScale {
  /** The upper bound of the first bucket; each next one is twice it. */
  firstBound: number;
  /** One more takes what is above the last bound. */
  buckets: number;
}

/** 50 µs, 100 µs … 13.1 s, in milliseconds. */
const LATENCY: HistogramScale = { firstBound: 0.05, buckets: 19 };
/** 312.5 µs … 20 ms … 10.2 s, in milliseconds. */
const PAUSE: HistogramScale = { firstBound: 0.3125, buckets: 16 };
/** 256 B, 512 B … 128 MiB. */
const SIZE: HistogramScale = { firstBound: 256, buckets: 20 };

export class Histogram {
  /** Upper bounds, inclusive, ascending; what is above the last one is counted in an unbounded bucket. */
  readonly bounds: readonly number[];
  readonly #perUnit: number;
  readonly #last: number;
  /** Counts of the buckets, the unbounded one, and the sum of the values. */
  readonly #cells: Float64Array;

  constructor(scale: HistogramScale) {
    this.bounds = Array.from({ length: scale.buckets }, (_, at) => scale.firstBound * 2 ** at);
    this.#perUnit = 1 / scale.firstBound;
    this.#last = scale.buckets;
    this.#cells = new Float64Array(scale.buckets + 2);
  }

  record(value: number): void {
    // What is not above 0 (a NaN, too) is counted as 0.
    const counted = value > 0 ? value : 0;
    const units = Math.ceil(counted * this.#perUnit);
    // Bucket b holds (2^(b-1), 2^b] units; clz32 sees 32 bits only, which the last bound is far below.
    const bucket = units <= 1 ? 0 : units > 2 ** 31 ? this.#last : 32 - Math.clz32(units - 1);
    this.#cells[bucket < this.#last ? bucket : this.#last]++;
    this.#cells[this.#last + 1] += counted;
  }

  /** How many values the bucket took; bucket `bounds.length` is the unbounded one. */
  countIn(bucket: number): number {
    return this.#cells[bucket];
  }

  /** Adds what each bucket took to its place in `counts`. */
  addTo(counts: Float64Array): void {
    const cells = this.#cells;
    for (let bucket = 0; bucket <= this.#last; bucket++) counts[bucket] += cells[bucket];
  }

  get count(): number {
    let count = 0;
    for (let bucket = 0; bucket <= this.#last; bucket++) count += this.#cells[bucket];
    return count;
  }

  get sum(): number {
    return this.#cells[this.#last + 1];
  }

  reset(): void {
    this.#cells.fill(0);
  }
}

/** For milliseconds, from 50 µs to 13 s. */
export function latencyHistogram(): Histogram {
  return new Histogram(LATENCY);
}

/** For milliseconds, from 0.3 ms to 10 s: 20 ms, which no pause of a slot should last, is one of its bounds. */
export function pauseHistogram(): Histogram {
  return new Histogram(PAUSE);
}

/** For bytes, from 256 B to 128 MiB. */
export function sizeHistogram(): Histogram {
  return new Histogram(SIZE);
}
