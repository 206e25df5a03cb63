/**
 * Slabs of memory off the JS heap, and runs of free pages in them. A freed run grows together with its free neighbours, so memory that
 * served one size serves any other; a slab that is wholly free goes back to the system, one spare excepted. Runs are found by bins of
 * their length, so both taking and giving back take constant time. What stays unused is free runs too short for what is asked for:
 * with spans of 64 KiB and large values of pages, it is bounded by the pages between living ones.
 */
import { assert } from '../assert.ts';
import { PAGE_BYTES, UNIT_BYTES } from './size-classes.ts';

export const SLAB_BYTES = 16 * 1024 * 1024;
/** A handle is (slab number, unit of 8 bytes within the slab); slab 0 does not exist, so no handle is 0. */
export const SLAB_SHIFT = 21;
export const UNIT_MASK = (1 << SLAB_SHIFT) - 1;
const MAX_SLABS = 2 ** (32 - SLAB_SHIFT);

export const PAGES_PER_SLAB = SLAB_BYTES / PAGE_BYTES;
const PAGE_SHIFT = 12;
const UNITS_PER_PAGE_SHIFT = 9;

const EXACT_BINS = 16;
const BIN_COUNT = 56;
/** How many runs of the fitting bin are looked at before a larger bin is taken. */
const BIN_TRIES = 8;

/** What is kept of each page: five words, two halves, two bytes. */
const PAGE_FACTS_BYTES = 26;

const FREE = 1;
const USED = 0;

/** Bins 1 to 15 hold runs of just that length; above, four bins a doubling. */
function binOf(pages: number): number {
  if (pages < EXACT_BINS) return pages;
  const log2 = 31 - Math.clz32(pages);
  return EXACT_BINS + (log2 - 4) * 4 + ((pages >>> (log2 - 2)) & 3);
}

/** One slab's book-keeping, an element a page. Run and span facts are kept at their first page. */
export class SlabPages {
  readonly dedicated: boolean;
  readonly state: Uint8Array;
  /** At the first page of a run; of a free run also at its last. */
  readonly runPages: Uint32Array;
  /** Links of lists: of free runs of a bin, or of spans of a class with room. Page numbers count through all slabs; 0 ends. */
  readonly next: Uint32Array;
  readonly previous: Uint32Array;
  /** The first page of the span or run that a used page belongs to. */
  readonly head: Uint16Array;
  readonly sizeClass: Uint8Array;
  readonly usedBlocks: Uint16Array;
  /** Unit of the first free block, plus 1. */
  readonly freeUnit: Uint32Array;
  /** Unit from where blocks have never been used. */
  readonly freshUnit: Uint32Array;

  constructor(pages: number, dedicated: boolean) {
    this.dedicated = dedicated;
    // In one buffer: each buffer of its own is one more for the collector to count.
    const buffer = new ArrayBuffer(pages * PAGE_FACTS_BYTES);
    this.runPages = new Uint32Array(buffer, 0, pages);
    this.next = new Uint32Array(buffer, 4 * pages, pages);
    this.previous = new Uint32Array(buffer, 8 * pages, pages);
    this.freeUnit = new Uint32Array(buffer, 12 * pages, pages);
    this.freshUnit = new Uint32Array(buffer, 16 * pages, pages);
    this.head = new Uint16Array(buffer, 20 * pages, pages);
    this.usedBlocks = new Uint16Array(buffer, 22 * pages, pages);
    this.state = new Uint8Array(buffer, 24 * pages, pages);
    this.sizeClass = new Uint8Array(buffer, 25 * pages, pages);
  }
}

const NO_BYTES = Buffer.alloc(0);
const NO_WORDS = new Uint32Array(0);
const NO_DOUBLES = new Float64Array(0);
const NO_VIEW = new DataView(new ArrayBuffer(0));

export class PageRuns {
  /** Views of each slab, by its number. */
  readonly bytes: Buffer[] = [NO_BYTES];
  readonly words: Uint32Array[] = [NO_WORDS];
  readonly doubles: Float64Array[] = [NO_DOUBLES];
  readonly views: DataView[] = [NO_VIEW];
  readonly pages: (SlabPages | null)[] = [null];
  heldBytes = 0;
  /** Of each slab: PAGES_PER_SLAB, or fewer where slabs are smaller. */
  private readonly slabPages: number;
  private readonly bins = new Uint32Array(BIN_COUNT);
  private readonly freeNumbers: number[] = [];
  private wholeFreeSlabs = 0;

  constructor(slabBytes: number) {
    assert(
      slabBytes <= SLAB_BYTES && slabBytes % PAGE_BYTES === 0,
      'a slab is whole pages, as many as its number tells apart',
    );
    this.slabPages = slabBytes / PAGE_BYTES;
  }

  /** A run of at least this many bytes: its handle. */
  take(sizeBytes: number): number {
    const count = Math.ceil(sizeBytes / PAGE_BYTES);
    // Larger blocks get a buffer of their own.
    if (count > this.slabPages / 2) return this.takeDedicated(count);
    let page = this.findRun(count);
    if (page === 0) {
      this.addSlab();
      page = this.findRun(count);
    }
    this.cut(page, count);
    return page << UNITS_PER_PAGE_SHIFT;
  }

  giveBack(handle: number): void {
    const number = handle >>> SLAB_SHIFT;
    const slab = this.slab(number);
    if (slab.dedicated) {
      this.dropSlab(number);
      return;
    }
    const first = (handle & UNIT_MASK) >>> UNITS_PER_PAGE_SHIFT;
    assert(slab.state[first] === USED && slab.head[first] === first, 'a run is given back once');
    this.join(number, slab, first, slab.runPages[first]);
  }

  sizeOf(handle: number): number {
    const slab = this.slab(handle >>> SLAB_SHIFT);
    return slab.runPages[(handle & UNIT_MASK) >>> UNITS_PER_PAGE_SHIFT] * PAGE_BYTES;
  }

  slab(number: number): SlabPages {
    const slab = this.pages[number];
    assert(slab != null, 'the slab is there');
    return slab;
  }

  private findRun(count: number): number {
    const fitting = binOf(count);
    let page = this.bins[fitting];
    for (let tries = 0; page !== 0 && tries < BIN_TRIES; tries += 1) {
      const slab = this.slab(page >>> PAGE_SHIFT);
      if (slab.runPages[page & (PAGES_PER_SLAB - 1)] >= count) return page;
      page = slab.next[page & (PAGES_PER_SLAB - 1)];
    }
    for (let bin = fitting + 1; bin < BIN_COUNT; bin += 1) {
      if (this.bins[bin] !== 0) return this.bins[bin];
    }
    return 0;
  }

  /** Makes the first `count` pages of a free run used, and the rest a free run of its own. */
  private cut(page: number, count: number): void {
    const slab = this.slab(page >>> PAGE_SHIFT);
    const first = page & (PAGES_PER_SLAB - 1);
    const length = slab.runPages[first];
    this.unlink(slab, first);
    if (length === this.slabPages) this.wholeFreeSlabs -= 1;
    if (length > count) this.link(page >>> PAGE_SHIFT, slab, first + count, length - count);
    slab.runPages[first] = count;
    slab.state.fill(USED, first, first + count);
    slab.head.fill(first, first, first + count);
  }

  private join(number: number, slab: SlabPages, from: number, count: number): void {
    let first = from;
    let length = count;
    const after = from + count;
    if (after < this.slabPages && slab.state[after] === FREE) {
      length += slab.runPages[after];
      this.unlink(slab, after);
    }
    if (from > 0 && slab.state[from - 1] === FREE) {
      first = from - slab.runPages[from - 1];
      length += from - first;
      this.unlink(slab, first);
    }
    slab.state.fill(FREE, from, from + count);
    if (length === this.slabPages && this.wholeFreeSlabs > 0) {
      this.dropSlab(number);
      return;
    }
    if (length === this.slabPages) this.wholeFreeSlabs += 1;
    this.link(number, slab, first, length);
  }

  private link(number: number, slab: SlabPages, first: number, length: number): void {
    const bin = binOf(length);
    const page = ((number << PAGE_SHIFT) | first) >>> 0;
    const following = this.bins[bin];
    slab.runPages[first] = length;
    slab.runPages[first + length - 1] = length;
    slab.next[first] = following;
    slab.previous[first] = 0;
    if (following !== 0)
      this.slab(following >>> PAGE_SHIFT).previous[following & (PAGES_PER_SLAB - 1)] = page;
    this.bins[bin] = page;
  }

  private unlink(slab: SlabPages, first: number): void {
    const next = slab.next[first];
    const previous = slab.previous[first];
    if (next !== 0) this.slab(next >>> PAGE_SHIFT).previous[next & (PAGES_PER_SLAB - 1)] = previous;
    if (previous === 0) this.bins[binOf(slab.runPages[first])] = next;
    else this.slab(previous >>> PAGE_SHIFT).next[previous & (PAGES_PER_SLAB - 1)] = next;
  }

  private addSlab(): void {
    const number = this.mapSlab(this.slabPages, false);
    const slab = this.slab(number);
    slab.state.fill(FREE);
    this.wholeFreeSlabs += 1;
    this.link(number, slab, 0, this.slabPages);
  }

  private takeDedicated(count: number): number {
    const number = this.mapSlab(count, true);
    this.slab(number).runPages[0] = count;
    return (number << SLAB_SHIFT) >>> 0;
  }

  private mapSlab(pages: number, dedicated: boolean): number {
    const number = this.freeNumbers.pop() ?? this.pages.length;
    assert(number < MAX_SLABS, 'slabs are numbered with 11 bits');
    const bytes = Buffer.allocUnsafeSlow(pages * PAGE_BYTES);
    this.bytes[number] = bytes;
    this.words[number] = new Uint32Array(bytes.buffer, 0, bytes.length / 4);
    this.doubles[number] = new Float64Array(bytes.buffer, 0, bytes.length / UNIT_BYTES);
    this.views[number] = new DataView(bytes.buffer, 0, bytes.length);
    this.pages[number] = new SlabPages(dedicated ? 1 : pages, dedicated);
    this.heldBytes += bytes.length;
    return number;
  }

  private dropSlab(number: number): void {
    this.heldBytes -= this.bytes[number].length;
    this.bytes[number] = NO_BYTES;
    this.words[number] = NO_WORDS;
    this.doubles[number] = NO_DOUBLES;
    this.views[number] = NO_VIEW;
    this.pages[number] = null;
    this.freeNumbers.push(number);
  }
}
