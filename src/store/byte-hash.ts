/** Hashing and comparing ranges of bytes, without a view or copy of them. */
import { wordAt } from './desk.ts';

/** MurmurHash3's 32-bit variant. The same on every platform: scan cursors are made of it. */
export function hashBytes(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = seed;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    hash ^= scramble(wordAt(bytes, at));
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  if (at < end) {
    let tail = bytes[at];
    if (at + 1 < end) tail |= bytes[at + 1] << 8;
    if (at + 2 < end) tail |= bytes[at + 2] << 16;
    hash ^= scramble(tail);
  }
  return mix32(hash ^ (end - start));
}

function scramble(word: number): number {
  const spread = Math.imul(word, 0xcc9e2d51);
  return Math.imul((spread << 15) | (spread >>> 17), 0x1b873593);
}

/** MurmurHash3's finaliser: every input bit reaches every output bit. */
export function mix32(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Whether `left` from `leftStart` on holds just the bytes of `right[start, end)`. */
export function equalAt(
  left: Uint8Array,
  leftStart: number,
  right: Uint8Array,
  start: number,
  end: number,
): boolean {
  for (let at = start, other = leftStart; at < end; at += 1, other += 1) {
    if (left[other] !== right[at]) return false;
  }
  return true;
}

/** As `equalAt`, for a left side under a view. */
export function equalUnder(
  left: DataView,
  leftStart: number,
  right: Uint8Array,
  start: number,
  end: number,
): boolean {
  let at = start;
  let other = leftStart;
  for (; at + 4 <= end; at += 4, other += 4) {
    if (left.getInt32(other, true) !== wordAt(right, at)) return false;
  }
  for (; at < end; at += 1, other += 1) if (left.getUint8(other) !== right[at]) return false;
  return true;
}
