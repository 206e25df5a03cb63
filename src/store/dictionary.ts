/**
 * A dictionary of entries by the bytes of their key: extendible hashing (Fagin et al., 1979) over ordered segments. A full segment splits
 * in two by the next bit of the hash and a directory leads to the segments, so there is no rehash of the whole, however large it grows.
 * One concept for the keys of a slot, those of them that expire, and the fields of a large hash.
 *
 * Pairs lie in the order of their hashes across all segments. So a scan's cursor is a hash, good whatever is written meanwhile, and
 * "was it passed already?" is one comparison.
 *
 * A record in the slabs describes one dictionary: words count, root (a segment, or with depth > 0 a directory of 2^depth segments),
 * depth, the size of its largest segment beyond MAX_PAIRS; then a double for the owner's use.
 */
import { equalFrom, mix32 } from './byte-hash.ts';
import { SLAB_SHIFT, UNIT_MASK } from './page-runs.ts';
import { MAX_PAIRS, Segments, endPlace, lowerPlace } from './segment.ts';
import { type Handle, NO_BLOCK, type SlabPool } from './slab-pool.ts';

/** This module's own copies: V8 takes them for constant (desk.ts). */
const SHIFT = SLAB_SHIFT;
const MASK = UNIT_MASK;
const NONE = NO_BLOCK;

export const RECORD_BYTES = 24;
const COUNT = 0;
const ROOT = 1;
const DEPTH = 2;
const OVERSIZE = 3;
const OWNER_DOUBLE = 2;

/** What a pair costs, on average and rounded up: the index's part in the accounting, so that this depends on the content alone. */
export const INDEX_SHARE_BYTES = 10;

/** The hash after the last one. */
export const END_OF_HASHES = 2 ** 32;

/** The directory has at most one entry for so many pairs; a segment that could only split beyond grows instead (colliding hashes). */
const LEAST_PAIRS_PER_DIRECTORY_ENTRY = 32;
/** Two neighbours with fewer pairs than this together become one again. */
const MERGE_BELOW_PAIRS = MAX_PAIRS >>> 2;
/** The step of a counter that visits all uint32s: mixed, it turns one pick into as many as are needed. */
const GOLDEN_RATIO = 0x9e3779b9;
/** How many entries `collected` holds at first. */
const FIRST_COLLECTED = 256;
/** Word of an entry that holds the length of its key. */
export const KEY_LENGTH_WORD = 1;
const KEY_WORD = KEY_LENGTH_WORD;

export class Dictionary {
  /** What the last `collect` found. */
  collected: Uint32Array = new Uint32Array(FIRST_COLLECTED);
  /** The hash from where to go on after `collect`; END_OF_HASHES at the end. */
  nextHash = END_OF_HASHES;

  private readonly slabs: SlabPool;
  private readonly segments: Segments;
  private readonly keyOffsetWords: number;

  /** `keyOffsetBytes`: where the key's bytes start in an entry; a multiple of 4. */
  constructor(slabs: SlabPool, keyOffsetBytes: number) {
    this.slabs = slabs;
    this.segments = new Segments(slabs);
    this.keyOffsetWords = keyOffsetBytes / 4;
  }

  create(): Handle {
    const record = this.slabs.take(RECORD_BYTES);
    this.set(record, COUNT, 0);
    this.set(record, ROOT, this.segments.create(0, 1));
    this.set(record, DEPTH, 0);
    this.set(record, OVERSIZE, 0);
    this.slabs.doubles[record >>> SHIFT][(record & MASK) + OWNER_DOUBLE] = 0;
    return record;
  }

  /** Frees the dictionary, not the entries that it leads to. */
  free(record: Handle): void {
    const depth = this.get(record, DEPTH);
    const root = this.get(record, ROOT);
    if (depth > 0) {
      for (let index = 0; index < 2 ** depth; index = this.segmentEnd(record, index)) {
        this.segments.free(this.directoryEntry(root, index));
      }
    }
    this.slabs.free(root);
    this.slabs.free(record);
  }

  count(record: Handle): number {
    return this.get(record, COUNT);
  }

  ownerDouble(record: Handle): number {
    return this.slabs.doubles[record >>> SHIFT][(record & MASK) + OWNER_DOUBLE];
  }

  addToOwnerDouble(record: Handle, delta: number): void {
    this.slabs.doubles[record >>> SHIFT][(record & MASK) + OWNER_DOUBLE] += delta;
  }

  /** The entry with this key, or NONE. */
  find(record: Handle, hash: number, bytes: Uint8Array, start: number, end: number): Handle {
    const segment = this.segmentFor(record, hash);
    const words = this.slabs.words[segment >>> SHIFT];
    const at = (segment & MASK) * 2;
    const pairsEnd = endPlace(words, at);
    for (let place = lowerPlace(words, at, hash); place < pairsEnd && words[place] === hash; place += 2) {
      const handle = words[place + 1];
      if (this.hasKey(handle, bytes, start, end)) return handle;
    }
    return NONE;
  }

  insert(record: Handle, hash: number, handle: Handle): void {
    let segment = this.segmentFor(record, hash);
    while (this.segments.count(segment) >= MAX_PAIRS && this.split(record, segment, hash)) {
      segment = this.segmentFor(record, hash);
    }
    const roomy = this.segments.insert(segment, hash, handle);
    if (roomy !== segment) this.pointTo(record, hash, roomy);
    const count = this.segments.count(roomy);
    if (count > MAX_PAIRS && count > this.get(record, OVERSIZE)) this.set(record, OVERSIZE, count);
    this.set(record, COUNT, this.count(record) + 1);
  }

  /** Lets the pair of `old` lead to `replacement`. */
  replace(record: Handle, hash: number, old: Handle, replacement: Handle): void {
    const segment = this.segmentFor(record, hash);
    this.segments.setHandleAt(segment, this.segments.indexOf(segment, hash, old), replacement);
  }

  /** False when the pair is not there. */
  remove(record: Handle, hash: number, handle: Handle): boolean {
    const segment = this.segmentFor(record, hash);
    const index = this.segments.indexOf(segment, hash, handle);
    if (index < 0) return false;
    const kept = this.segments.removeAt(segment, index);
    if (kept !== segment) this.pointTo(record, hash, kept);
    this.set(record, COUNT, this.count(record) - 1);
    if (this.get(record, DEPTH) > 0 && this.segments.count(kept) < MERGE_BELOW_PAIRS)
      this.merge(record, hash);
    return true;
  }

  /**
   * Puts into `collected` the entries from `fromHash` on, at least `limit` if there are so many: pairs of equal hash stay together.
   * Returns how many.
   */
  collect(record: Handle, fromHash: number, limit: number): number {
    let found = 0;
    let hash = fromHash;
    while (hash < END_OF_HASHES) {
      const segment = this.segmentFor(record, hash);
      const count = this.segments.count(segment);
      for (let index = this.segments.lowerBound(segment, hash); index < count; index += 1) {
        const at = this.segments.hashAt(segment, index);
        if (found >= limit && at !== hash) {
          this.nextHash = at;
          return found;
        }
        hash = at;
        if (found === this.collected.length) this.growCollected();
        this.collected[found++] = this.segments.handleAt(segment, index);
      }
      hash = this.hashAfter(segment, hash);
    }
    this.nextHash = END_OF_HASHES;
    return found;
  }

  /** All entries: a few nanoseconds each, so that a million takes some milliseconds. */
  all(record: Handle): Uint32Array {
    const entries = new Uint32Array(this.count(record));
    const depth = this.get(record, DEPTH);
    const root = this.get(record, ROOT);
    if (depth === 0) {
      this.segments.handlesInto(root, entries, 0);
      return entries;
    }
    let at = 0;
    for (let index = 0; index < 2 ** depth; index = this.segmentEnd(record, index)) {
      at = this.segments.handlesInto(this.directoryEntry(root, index), entries, at);
    }
    return entries;
  }

  /** The entry at a random place, uniformly; the dictionary is not empty. `pick`: a random uint32. */
  pick(record: Handle, pick: number): Handle {
    const depth = this.get(record, DEPTH);
    const root = this.get(record, ROOT);
    if (depth === 0) {
      return this.segments.handleAt(root, Math.floor((pick * this.count(record)) / END_OF_HASHES));
    }
    const places = Math.max(MAX_PAIRS, this.get(record, OVERSIZE));
    let state = pick;
    for (;;) {
      // A segment of lesser depth is hit more often, and has as many more places: every pair is equally likely.
      state = (state + GOLDEN_RATIO) >>> 0;
      const segment = this.directoryEntry(root, mix32(state) >>> (32 - depth));
      state = (state + GOLDEN_RATIO) >>> 0;
      const range = places * 2 ** (depth - this.segments.depth(segment));
      const index = Math.floor((mix32(state) * range) / END_OF_HASHES);
      if (index < this.segments.count(segment)) return this.segments.handleAt(segment, index);
    }
  }

  private hasKey(handle: Handle, bytes: Uint8Array, start: number, end: number): boolean {
    const words = this.slabs.words[handle >>> SHIFT];
    const at = (handle & MASK) * 2;
    if (words[at + KEY_WORD] !== end - start) return false;
    return equalFrom(words, at + this.keyOffsetWords, bytes, start, end);
  }

  private get(record: Handle, word: number): number {
    return this.slabs.words[record >>> SHIFT][(record & MASK) * 2 + word];
  }

  private set(record: Handle, word: number, value: number): void {
    this.slabs.words[record >>> SHIFT][(record & MASK) * 2 + word] = value;
  }

  private directoryEntry(directory: Handle, index: number): Handle {
    return this.slabs.words[directory >>> SHIFT][(directory & MASK) * 2 + index];
  }

  private segmentFor(record: Handle, hash: number): Handle {
    const words = this.slabs.words[record >>> SHIFT];
    const at = (record & MASK) * 2;
    const depth = words[at + DEPTH];
    if (depth === 0) return words[at + ROOT];
    return this.directoryEntry(words[at + ROOT], hash >>> (32 - depth));
  }

  /** The first hash beyond the segment's range. */
  private hashAfter(segment: Handle, hash: number): number {
    const width = 2 ** (32 - this.segments.depth(segment));
    return (Math.floor(hash / width) + 1) * width;
  }

  /** The directory index after those that lead to the same segment as `index`, the first of them. */
  private segmentEnd(record: Handle, index: number): number {
    const segment = this.directoryEntry(this.get(record, ROOT), index);
    return index + 2 ** (this.get(record, DEPTH) - this.segments.depth(segment));
  }

  /** Lets all directory entries of the segment that covers `hash` lead to `segment`, whose depth says how many they are. */
  private pointTo(record: Handle, hash: number, segment: Handle): void {
    const depth = this.get(record, DEPTH);
    if (depth === 0) {
      this.set(record, ROOT, segment);
      return;
    }
    const root = this.get(record, ROOT);
    const width = 2 ** (depth - this.segments.depth(segment));
    const first = Math.floor((hash >>> (32 - depth)) / width) * width;
    const at = (root & MASK) * 2 + first;
    this.slabs.words[root >>> SHIFT].fill(segment, at, at + width);
  }

  /** Splits the segment in two by its next bit. False when the directory would grow too large for it. */
  private split(record: Handle, segment: Handle, hash: number): boolean {
    const depth = this.segments.depth(segment);
    if (depth === this.get(record, DEPTH) && !this.deepen(record)) return false;
    const width = 2 ** (32 - depth);
    const start = Math.floor(hash / width) * width;
    const middle = start + width / 2;
    const count = this.segments.count(segment);
    const lower = this.segments.lowerBound(segment, middle);
    const low = this.segments.create(depth + 1, lower);
    const high = this.segments.create(depth + 1, count - lower);
    this.segments.append(low, segment, 0, lower);
    this.segments.append(high, segment, lower, count - lower);
    this.segments.free(segment);
    this.pointTo(record, start, low);
    this.pointTo(record, middle, high);
    return true;
  }

  /** Doubles the directory. */
  private deepen(record: Handle): boolean {
    const depth = this.get(record, DEPTH);
    if (2 ** (depth + 1) * LEAST_PAIRS_PER_DIRECTORY_ENTRY > this.count(record)) return false;
    const root = this.get(record, ROOT);
    const directory = this.slabs.take(2 ** (depth + 1) * 4);
    const words = this.slabs.words[directory >>> SHIFT];
    const at = (directory & MASK) * 2;
    for (let index = 0; index < 2 ** depth; index += 1) {
      const segment = depth === 0 ? root : this.directoryEntry(root, index);
      words[at + 2 * index] = segment;
      words[at + 2 * index + 1] = segment;
    }
    if (depth > 0) this.slabs.free(root);
    this.set(record, ROOT, directory);
    this.set(record, DEPTH, depth + 1);
    return true;
  }

  /** Joins the segment of `hash` with its buddy while both together are small. */
  private merge(record: Handle, hash: number): void {
    for (;;) {
      const segment = this.segmentFor(record, hash);
      const depth = this.segments.depth(segment);
      if (depth === 0) break;
      const width = 2 ** (32 - depth);
      const start = Math.floor(hash / width) * width;
      const buddyStart = Math.floor(start / width) % 2 === 0 ? start + width : start - width;
      const buddy = this.segmentFor(record, buddyStart);
      const count = this.segments.count(segment) + this.segments.count(buddy);
      if (this.segments.depth(buddy) !== depth || count > MERGE_BELOW_PAIRS) return;
      const low = start < buddyStart ? segment : buddy;
      const high = start < buddyStart ? buddy : segment;
      const joined = this.segments.create(depth - 1, count);
      this.segments.append(joined, low, 0, this.segments.count(low));
      this.segments.append(joined, high, 0, this.segments.count(high));
      this.segments.free(low);
      this.segments.free(high);
      this.pointTo(record, start, joined);
    }
    this.dropDirectory(record);
  }

  /** One segment is left: it becomes the root again. */
  private dropDirectory(record: Handle): void {
    const directory = this.get(record, ROOT);
    this.set(record, ROOT, this.directoryEntry(directory, 0));
    this.set(record, DEPTH, 0);
    this.set(record, OVERSIZE, 0);
    this.slabs.free(directory);
  }

  private growCollected(): void {
    const larger = new Uint32Array(this.collected.length * 2);
    larger.set(this.collected);
    this.collected = larger;
  }
}
