/** A hash of 64 bits in two lanes, for comparing states, and sums of such hashes, which do not depend on an order. */
import { mix32 } from './byte-hash.ts';

const LANE_SEEDS = [0x243f6a88, 0x85a308d3] as const;
const UINT32_RANGE = 2 ** 32;

/** From here on a view, which costs as much as a hundred words, is cheaper than bytes. */
const LONG_BYTES = 1024;
/** Four words, each into lanes of its own: a processor mixes them side by side. */
const STRIPE_BYTES = 16;

export class Lanes {
  low: number = LANE_SEEDS[0];
  high: number = LANE_SEEDS[1];

  reset(): void {
    this.low = LANE_SEEDS[0];
    this.high = LANE_SEEDS[1];
  }

  word(word: number): void {
    this.low = mixedLow(this.low, word);
    this.high = mixedHigh(this.high, word);
  }

  /** An integer, whatever its size. */
  number(value: number): void {
    this.word(value | 0);
    this.word(Math.floor(value / UINT32_RANGE) | 0);
  }

  /** Another cut of the same bytes gives another hash: callers cut at places that the content tells. */
  bytes(bytes: Uint8Array, start: number, end: number): void {
    const wordsEnd = end - ((end - start) & 3);
    if (end - start < LONG_BYTES)
      for (let at = start; at < wordsEnd; at += 4)
        this.word(bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24));
    else this.words(new DataView(bytes.buffer, bytes.byteOffset + start, wordsEnd - start));
    let at = wordsEnd;
    let tail = 0;
    for (let shift = 0; at < end; at += 1, shift += 8) tail |= bytes[at] << shift;
    this.word(tail);
  }

  private words(view: DataView): void {
    const sizeBytes = view.byteLength;
    let at = sizeBytes - (sizeBytes % STRIPE_BYTES);
    this.stripes(view, at);
    for (; at < sizeBytes; at += 4) this.word(view.getInt32(at, true));
  }

  private stripes(view: DataView, sizeBytes: number): void {
    let [low0, low1, low2, low3] = [this.low, this.low, this.low, this.low];
    let [high0, high1, high2, high3] = [this.high, this.high, this.high, this.high];
    for (let at = 0; at < sizeBytes; at += STRIPE_BYTES) {
      const word0 = view.getInt32(at, true);
      const word1 = view.getInt32(at + 4, true);
      const word2 = view.getInt32(at + 8, true);
      const word3 = view.getInt32(at + 12, true);
      low0 = mixedLow(low0, word0);
      high0 = mixedHigh(high0, word0);
      low1 = mixedLow(low1, word1);
      high1 = mixedHigh(high1, word1);
      low2 = mixedLow(low2, word2);
      high2 = mixedHigh(high2, word2);
      low3 = mixedLow(low3, word3);
      high3 = mixedHigh(high3, word3);
    }
    this.low = mixedLow(mixedLow(mixedLow(low0, low1), low2), low3);
    this.high = mixedHigh(mixedHigh(mixedHigh(high0, high1), high2), high3);
  }

  finish(): void {
    const { low } = this;
    this.low = mix32(low ^ Math.imul(this.high, 0x9e3779b1));
    this.high = mix32(this.high ^ Math.imul(low, 0x85ebca77));
  }
}

function mixedLow(lane: number, word: number): number {
  const low = lane ^ word;
  return (Math.imul((low << 15) | (low >>> 17), 0x85ebca6b) + 0x9e3779b9) | 0;
}

function mixedHigh(lane: number, word: number): number {
  const high = lane ^ word;
  return (Math.imul((high << 13) | (high >>> 19), 0xc2b2ae35) + 0x7f4a7c15) | 0;
}

/** Of finished lanes, modulo 2^32 each. */
export class LaneSum {
  low = 0;
  high = 0;

  add({ low, high }: Lanes): void {
    this.low = (this.low + low) >>> 0;
    this.high = (this.high + high) >>> 0;
  }
}

/** 16 hex digits. */
export function hexOf({ low, high }: LaneSum | Lanes): string {
  return (high >>> 0).toString(16).padStart(8, '0') + (low >>> 0).toString(16).padStart(8, '0');
}
