/** Hashing and comparing ranges of bytes, without a view or copy of them. */
import { DESK, DESK_VIEW } from './desk.ts';

/** Copies of this module's own (desk.ts). */
const ownDesk = DESK;
const ownDeskView = DESK_VIEW;

/** MurmurHash3's 32-bit variant. The same on every platform: scan cursors are made of it. */
export function hashBytes(bytes: Uint8Array, start: number, end: number, seed: number): number {
  if (bytes === ownDesk) return hashOnDesk(start, end, seed);
  let hash = seed;
  let at = start;
  for (; at + 4 <= end; at += 4) hash = stir(hash, wordOf(bytes, at));
  if (at < end) {
    let tail = bytes[at];
    if (at + 1 < end) tail |= bytes[at + 1] << 8;
    if (at + 2 < end) tail |= bytes[at + 2] << 16;
    hash ^= scramble(tail);
  }
  return mix32(hash ^ (end - start));
}

/** The same, of bytes on the desk. */
function hashOnDesk(start: number, end: number, seed: number): number {
  const wordsEnd = end - 3;
  let hash = seed | 0;
  let at = start | 0;
  for (; at < wordsEnd; at = (at + 4) | 0) hash = stir(hash, ownDeskView.getInt32(at, true));
  if (at < end) hash ^= scramble(ownDeskView.getInt32(at, true) & tailMask(end - at));
  return mix32(hash ^ (end - start));
}

function stir(hash: number, word: number): number {
  const stirred = hash ^ scramble(word);
  // As an int32: beyond it each step would make a number on the heap.
  return (Math.imul((stirred << 13) | (stirred >>> 19), 5) + 0xe6546b64) | 0;
}

/** The low `count` bytes of a word; 1 to 3. */
function tailMask(count: number): number {
  return (1 << (count << 3)) - 1;
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

/** As `equalAt`, for a left side that starts with `words[place]`; what follows it in its last word may be anything. */
export function equalFrom(
  words: Uint32Array,
  place: number,
  right: Uint8Array,
  start: number,
  end: number,
): boolean {
  const onDesk = right === ownDesk;
  const wordsEnd = end - 3;
  let at = start | 0;
  let word = place | 0;
  for (; at < wordsEnd; at = (at + 4) | 0, word = (word + 1) | 0) {
    const other = onDesk ? ownDeskView.getInt32(at, true) : wordOf(right, at);
    if ((words[word] | 0) !== other) return false;
  }
  let rest = at < end ? words[word] : 0;
  for (; at < end; at = (at + 1) | 0, rest >>>= 8) if ((rest & 0xff) !== right[at]) return false;
  return true;
}

function wordOf(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}
