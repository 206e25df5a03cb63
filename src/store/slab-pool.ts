/**
 * Blocks of memory off the JS heap, shared by all keyspaces of a node. A block is named by a 32-bit handle (32 GiB in all). Small blocks of
 * one class lie together in a span; free ones form a list inside the span; an empty span's pages serve any other class.
 */
import { assert } from '../assert.ts';
import { PageRuns, PAGES_PER_SLAB, SLAB_BYTES, SLAB_SHIFT, UNIT_MASK } from './page-runs.ts';
import {
  CLASS_SIZES,
  classOf,
  MAX_SMALL_BYTES,
  PAGE_BYTES,
  roundedSize,
  SPAN_BYTES,
  SPAN_PAGES,
  UNIT_BYTES,
} from './size-classes.ts';

/** This module's own copies: V8 takes them for constant (desk.ts). */
const SHIFT = SLAB_SHIFT;
const MASK = UNIT_MASK;
const UNIT = UNIT_BYTES;

export type Handle = number;
export const NO_BLOCK: Handle = 0;

const NO_CLASS = 255;
const PAGE_SHIFT = 12;
const PAGE_MASK = PAGES_PER_SLAB - 1;
const UNITS_PER_PAGE_SHIFT = 9;
const CLASS_UNITS = Uint32Array.from(CLASS_SIZES, (size) => size / UNIT);
const BLOCKS_PER_SPAN = Uint32Array.from(CLASS_SIZES, (size) => Math.floor(SPAN_BYTES / size));

export class SlabPool {
  readonly bytes: Buffer[];
  readonly words: Uint32Array[];
  readonly doubles: Float64Array[];
  readonly views: DataView[];
  /** Bytes of the blocks that are taken, as rounded up. The rest of `heldBytes` is free, or lost to fragmentation. */
  takenBytes = 0;
  private readonly runs: PageRuns;
  /** The first span with room, a class. */
  private readonly partial = new Uint32Array(CLASS_SIZES.length);

  constructor(slabBytes: number) {
    this.runs = new PageRuns(slabBytes);
    this.bytes = this.runs.bytes;
    this.words = this.runs.words;
    this.doubles = this.runs.doubles;
    this.views = this.runs.views;
  }

  /** Bytes held from the system. */
  get heldBytes(): number {
    return this.runs.heldBytes;
  }

  /** A block whose content is whatever was there before. */
  take(sizeBytes: number): Handle {
    if (sizeBytes <= MAX_SMALL_BYTES) return this.takeSmall(classOf(sizeBytes));
    const handle = this.runs.take(sizeBytes);
    this.takenBytes += roundedSize(sizeBytes);
    this.runs.slab(handle >>> SHIFT).sizeClass[(handle & MASK) >>> UNITS_PER_PAGE_SHIFT] = NO_CLASS;
    return handle >>> 0;
  }

  free(handle: Handle): void {
    const slab = this.runs.slab(handle >>> SHIFT);
    const unit = handle & MASK;
    const first = slab.head[unit >>> UNITS_PER_PAGE_SHIFT];
    const sizeClass = slab.sizeClass[first];
    if (sizeClass === NO_CLASS) {
      this.takenBytes -= this.runs.sizeOf(handle);
      this.runs.giveBack(handle);
      return;
    }
    const used = slab.usedBlocks[first];
    assert(used > 0, 'a block is freed once');
    slab.usedBlocks[first] = used - 1;
    this.takenBytes -= CLASS_SIZES[sizeClass];
    this.runs.words[handle >>> SHIFT][unit * 2] = slab.freeUnit[first];
    slab.freeUnit[first] = unit + 1;
    const page = (((handle >>> SHIFT) << PAGE_SHIFT) | first) >>> 0;
    if (used === BLOCKS_PER_SPAN[sizeClass]) this.linkSpan(page, sizeClass);
    if (used === 1) {
      this.unlinkSpan(page, sizeClass);
      this.runs.giveBack((page << UNITS_PER_PAGE_SHIFT) >>> 0);
    }
  }

  /** The bytes that the block really has. */
  capacity(handle: Handle): number {
    const slab = this.runs.slab(handle >>> SHIFT);
    const first = slab.head[(handle & MASK) >>> UNITS_PER_PAGE_SHIFT];
    const sizeClass = slab.sizeClass[first];
    return sizeClass === NO_CLASS ? this.runs.sizeOf(handle) : CLASS_SIZES[sizeClass];
  }

  private takeSmall(sizeClass: number): Handle {
    let page = this.partial[sizeClass];
    if (page === 0) page = this.addSpan(sizeClass);
    const number = page >>> PAGE_SHIFT;
    const first = page & PAGE_MASK;
    const slab = this.runs.slab(number);
    let unit = slab.freeUnit[first];
    if (unit !== 0) {
      unit -= 1;
      slab.freeUnit[first] = this.runs.words[number][unit * 2];
    } else {
      unit = slab.freshUnit[first];
      slab.freshUnit[first] = unit + CLASS_UNITS[sizeClass];
    }
    const used = slab.usedBlocks[first] + 1;
    slab.usedBlocks[first] = used;
    this.takenBytes += CLASS_SIZES[sizeClass];
    if (used === BLOCKS_PER_SPAN[sizeClass]) this.unlinkSpan(page, sizeClass);
    return ((number << SHIFT) | unit) >>> 0;
  }

  private addSpan(sizeClass: number): number {
    const handle = this.runs.take(SPAN_PAGES * PAGE_BYTES);
    const slab = this.runs.slab(handle >>> SHIFT);
    const unit = handle & MASK;
    const first = unit >>> UNITS_PER_PAGE_SHIFT;
    slab.sizeClass[first] = sizeClass;
    slab.usedBlocks[first] = 0;
    slab.freeUnit[first] = 0;
    slab.freshUnit[first] = unit;
    const page = (((handle >>> SHIFT) << PAGE_SHIFT) | first) >>> 0;
    this.linkSpan(page, sizeClass);
    return page;
  }

  private linkSpan(page: number, sizeClass: number): void {
    const slab = this.runs.slab(page >>> PAGE_SHIFT);
    const following = this.partial[sizeClass];
    slab.next[page & PAGE_MASK] = following;
    slab.previous[page & PAGE_MASK] = 0;
    if (following !== 0) this.runs.slab(following >>> PAGE_SHIFT).previous[following & PAGE_MASK] = page;
    this.partial[sizeClass] = page;
  }

  private unlinkSpan(page: number, sizeClass: number): void {
    const slab = this.runs.slab(page >>> PAGE_SHIFT);
    const next = slab.next[page & PAGE_MASK];
    const previous = slab.previous[page & PAGE_MASK];
    if (next !== 0) this.runs.slab(next >>> PAGE_SHIFT).previous[next & PAGE_MASK] = previous;
    if (previous === 0) this.partial[sizeClass] = next;
    else this.runs.slab(previous >>> PAGE_SHIFT).next[previous & PAGE_MASK] = next;
  }
}

/** One a node: its keyspaces share it. */
export function createSlabPool(slabBytes: number = SLAB_BYTES): SlabPool {
  return new SlabPool(slabBytes);
}
