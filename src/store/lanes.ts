/** A hash of 64 bits in two lanes, for comparing states, and sums of such hashes, which do not depend on an order. */
import { mix32 } from './byte-hash.ts';

const LANE_SEEDS = [0x243f6a88, 0x85a308d3] as const;
const UINT32_RANGE = 2 ** 32;

export class Lanes {
  low: number = LANE_SEEDS[0];
  high: number = LANE_SEEDS[1];

  reset(): void {
    this.low = LANE_SEEDS[0];
    this.high = LANE_SEEDS[1];
  }

  word(word: number): void {
    const low = this.low ^ word;
    const high = this.high ^ word;
    this.low = (Math.imul((low << 15) | (low >>> 17), 0x85ebca6b) + 0x9e3779b9) | 0;
    this.high = (Math.imul((high << 13) | (high >>> 19), 0xc2b2ae35) + 0x7f4a7c15) | 0;
  }

  /** An integer, whatever its size. */
  number(value: number): void {
    this.word(value | 0);
    this.word(Math.floor(value / UINT32_RANGE) | 0);
  }

  /** Another cut of the same bytes gives another hash: callers cut at places that the content tells. */
  bytes(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    for (; at + 4 <= end; at += 4) {
      this.word(bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24));
    }
    let tail = 0;
    for (let shift = 0; at < end; at += 1, shift += 8) tail |= bytes[at] << shift;
    this.word(tail);
  }

  finish(): void {
    const { low } = this;
    this.low = mix32(low ^ Math.imul(this.high, 0x9e3779b1));
    this.high = mix32(this.high ^ Math.imul(low, 0x85ebca77));
  }
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
