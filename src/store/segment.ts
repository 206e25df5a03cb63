/**
 * A segment of a dictionary: pairs (hash, handle) in the order of their hashes, without gaps. Hashes are uniform, so a pair is found by
 * interpolation: a guess, and a few steps from there; what lies far off it is found by halving. Order and density make scans, uniform picks and
 * splits simple, and cost 9 bytes a pair.
 *
 * Words of the block: count, (capacity << 8 | depth), then the pairs. All hashes in it share their first `depth` bits.
 */
import { SLAB_SHIFT, UNIT_MASK } from './page-runs.ts';
import { roundedSize } from './size-classes.ts';
import type { Handle, SlabPool } from './slab-pool.ts';

/** This module's own copies: V8 takes them for constant (desk.ts). */
const SHIFT = SLAB_SHIFT;
const MASK = UNIT_MASK;

const HEADER_WORDS = 2;
const PAIR_BYTES = 8;
/** Beyond it a segment is split in two. Moving up to this many pairs takes well under a microsecond. */
export const MAX_PAIRS = 511;
const LEAST_CAPACITY = 1;
/** From the guess so many words on, either way, pairs are looked at one by one: beyond, hashes do not lie evenly, and it is a matter of halving. */
const NEAR_WORDS = 64;
const TWO_32 = 2 ** 32;

export class Segments {
  private readonly slabs: SlabPool;

  constructor(slabs: SlabPool) {
    this.slabs = slabs;
  }

  create(depth: number, pairs: number): Handle {
    const sizeBytes = roundedSize(HEADER_WORDS * 4 + Math.max(pairs, LEAST_CAPACITY) * PAIR_BYTES);
    const segment = this.slabs.take(sizeBytes);
    const words = this.slabs.words[segment >>> SHIFT];
    const at = (segment & MASK) * 2;
    words[at] = 0;
    words[at + 1] = (((sizeBytes - HEADER_WORDS * 4) / PAIR_BYTES) << 8) | depth;
    return segment;
  }

  free(segment: Handle): void {
    this.slabs.free(segment);
  }

  count(segment: Handle): number {
    return this.slabs.words[segment >>> SHIFT][(segment & MASK) * 2];
  }

  depth(segment: Handle): number {
    return this.slabs.words[segment >>> SHIFT][(segment & MASK) * 2 + 1] & 0xff;
  }

  hashAt(segment: Handle, index: number): number {
    return this.slabs.words[segment >>> SHIFT][(segment & MASK) * 2 + HEADER_WORDS + 2 * index];
  }

  handleAt(segment: Handle, index: number): Handle {
    return this.slabs.words[segment >>> SHIFT][(segment & MASK) * 2 + HEADER_WORDS + 2 * index + 1];
  }

  /** Writes all handles to `target` from `at` on; returns where they end. */
  handlesInto(segment: Handle, target: Uint32Array, at: number): number {
    const words = this.slabs.words[segment >>> SHIFT];
    const from = (segment & MASK) * 2;
    const end = at + words[from];
    for (let to = at, word = from + HEADER_WORDS + 1; to < end; to += 1, word += 2) target[to] = words[word];
    return end;
  }

  setHandleAt(segment: Handle, index: number, handle: Handle): void {
    this.slabs.words[segment >>> SHIFT][(segment & MASK) * 2 + HEADER_WORDS + 2 * index + 1] = handle;
  }

  /** The first index whose hash is not below `hash`. */
  lowerBound(segment: Handle, hash: number): number {
    const at = (segment & MASK) * 2;
    return (lowerPlace(this.slabs.words[segment >>> SHIFT], at, hash) - at - HEADER_WORDS) >>> 1;
  }

  /** The index of this very pair, or -1. */
  indexOf(segment: Handle, hash: number, handle: Handle): number {
    const count = this.count(segment);
    for (let index = this.lowerBound(segment, hash); index < count; index += 1) {
      if (this.hashAt(segment, index) !== hash) return -1;
      if (this.handleAt(segment, index) === handle) return index;
    }
    return -1;
  }

  /** Puts the pair in; returns the segment, which moves when it has to grow. */
  insert(segment: Handle, hash: number, handle: Handle): Handle {
    const index = this.lowerBound(segment, hash);
    const roomy = this.isFull(segment) ? this.resize(segment, grown(this.count(segment))) : segment;
    const words = this.slabs.words[roomy >>> SHIFT];
    const at = (roomy & MASK) * 2;
    const count = words[at];
    const place = at + HEADER_WORDS + 2 * index;
    if (index < count) words.copyWithin(place + 2, place, at + HEADER_WORDS + 2 * count);
    words[place] = hash;
    words[place + 1] = handle;
    words[at] = count + 1;
    return roomy;
  }

  /** Takes the pair out; returns the segment, which moves when it shrinks. */
  removeAt(segment: Handle, index: number): Handle {
    const words = this.slabs.words[segment >>> SHIFT];
    const at = (segment & MASK) * 2;
    const count = words[at] - 1;
    const place = at + HEADER_WORDS + 2 * index;
    words.copyWithin(place, place + 2, at + HEADER_WORDS + 2 * count + 2);
    words[at] = count;
    const capacity = words[at + 1] >>> 8;
    return capacity > 4 && capacity > 2 * count ? this.resize(segment, grown(count)) : segment;
  }

  /** Appends `count` pairs of another segment; there is room, and their hashes are not below those that are there. */
  append(segment: Handle, from: Handle, index: number, count: number): void {
    const source = this.slabs.words[from >>> SHIFT];
    const first = (from & MASK) * 2 + HEADER_WORDS + 2 * index;
    const words = this.slabs.words[segment >>> SHIFT];
    const at = (segment & MASK) * 2;
    const place = at + HEADER_WORDS + 2 * words[at];
    for (let word = 0; word < 2 * count; word += 1) words[place + word] = source[first + word];
    words[at] += count;
  }

  private isFull(segment: Handle): boolean {
    const words = this.slabs.words[segment >>> SHIFT];
    const at = (segment & MASK) * 2;
    return words[at] === words[at + 1] >>> 8;
  }

  private resize(segment: Handle, pairs: number): Handle {
    const moved = this.create(this.depth(segment), pairs);
    this.append(moved, segment, 0, this.count(segment));
    this.slabs.free(segment);
    return moved;
  }
}

/** Where the pairs of the segment at `at` end, in the words of its slab. */
export function endPlace(words: Uint32Array, at: number): number {
  return at + HEADER_WORDS + 2 * words[at];
}

/** Where its first pair lies whose hash is not below `hash`. A pair is its hash, then its handle. */
export function lowerPlace(words: Uint32Array, at: number, hash: number): number {
  // Known to be a uint32, it is compared as one.
  const wanted = hash >>> 0;
  const first = at + HEADER_WORDS;
  const count = words[at];
  const end = first + 2 * count;
  const depth = words[at + 1] & 0xff;
  const guess = first + 2 * (((((wanted << depth) >>> 0) * count) / TWO_32) >>> 0);
  const nearEnd = guess + NEAR_WORDS < end ? guess + NEAR_WORDS : end;
  const nearFirst = guess - NEAR_WORDS > first ? guess - NEAR_WORDS : first;
  let place = guess;
  while (place < nearEnd && words[place] < wanted) place += 2;
  if (place === nearEnd && place < end) return halve(words, place, end, wanted);
  while (place > nearFirst && words[place - 2] >= wanted) place -= 2;
  if (place === nearFirst && place > first) return halve(words, first, place, wanted);
  return place;
}

/** As `lowerPlace`, from `from` to `to`. Where pairs come in the order of their hashes (a snapshot, a move) the far part of a segment is empty. */
function halve(words: Uint32Array, from: number, to: number, wanted: number): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = low + 2 * ((high - low) >>> 2);
    if (words[middle] < wanted) low = middle + 2;
    else high = middle;
  }
  return low;
}

/** Capacity for one more pair: an eighth more keeps the cost of growing constant per pair. */
function grown(count: number): number {
  return count + 1 + (count >>> 3);
}
