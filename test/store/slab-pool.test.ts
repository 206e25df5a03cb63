import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SLAB_BYTES, SLAB_SHIFT, UNIT_MASK } from '../../src/store/page-runs.ts';
import { CLASS_SIZES, MAX_SMALL_BYTES, PAGE_BYTES, roundedSize } from '../../src/store/size-classes.ts';
import { createSlabPool, type SlabPool } from '../../src/store/slab-pool.ts';

interface Block {
  handle: number;
  sizeBytes: number;
  mark: number;
}

function fill(pool: SlabPool, block: Block): void {
  const start = (block.handle & UNIT_MASK) * 8;
  pool.bytes[block.handle >>> SLAB_SHIFT].fill(block.mark, start, start + block.sizeBytes);
}

function isIntact(pool: SlabPool, block: Block): boolean {
  const start = (block.handle & UNIT_MASK) * 8;
  const bytes = pool.bytes[block.handle >>> SLAB_SHIFT];
  return bytes.subarray(start, start + block.sizeBytes).equals(Buffer.alloc(block.sizeBytes, block.mark));
}

describe('size classes', () => {
  test('waste at most 7 bytes up to 256, a sixth up to 10 KiB, and a page above', () => {
    const wrong: number[] = [];
    for (let size = 1; size < 100_000; size += 1) {
      const rounded = roundedSize(size);
      const allowed = size <= 256 ? 7 : size <= MAX_SMALL_BYTES ? Math.max(7, rounded / 6) : PAGE_BYTES - 1;
      const fits = rounded >= size && rounded - size <= allowed;
      if (!fits || rounded % 8 !== 0 || roundedSize(rounded) !== rounded) wrong.push(size);
    }
    expect(wrong).toEqual([]);
    expect(CLASS_SIZES.length).toBeLessThan(255);
  });
});

describe('the slab pool', () => {
  const size = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 400 }) },
    { weight: 3, arbitrary: fc.integer({ min: 400, max: 12_000 }) },
    { weight: 2, arbitrary: fc.integer({ min: 12_000, max: 300_000 }) },
  );

  test('gives blocks that never overlap, and takes all of them back', () => {
    const steps = fc.array(fc.tuple(size, fc.nat(), fc.boolean()), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(steps, fc.constantFrom(SLAB_BYTES, 2 ** 18), (all, slabBytes) => {
        const pool = createSlabPool(slabBytes);
        const blocks: Block[] = [];
        for (const [sizeBytes, pick, takes] of all) {
          if (takes || blocks.length === 0) {
            const block = { handle: pool.take(sizeBytes), sizeBytes, mark: pick & 0xff };
            expect(pool.capacity(block.handle)).toBe(roundedSize(sizeBytes));
            fill(pool, block);
            blocks.push(block);
            continue;
          }
          const [block] = blocks.splice(pick % blocks.length, 1);
          expect(isIntact(pool, block)).toBe(true);
          pool.free(block.handle);
        }
        expect(pool.takenBytes).toBe(blocks.reduce((sum, block) => sum + roundedSize(block.sizeBytes), 0));
        for (const block of blocks) {
          expect(isIntact(pool, block)).toBe(true);
          pool.free(block.handle);
        }
        expect(pool.takenBytes).toBe(0);
        expect(pool.heldBytes).toBeLessThanOrEqual(SLAB_BYTES);
      }),
      { numRuns: 60 },
    );
  });

  test('lets memory of one size serve any other', () => {
    const pool = createSlabPool();
    let most = 0;
    for (const sizeBytes of [40, 100, 144, 1000, 5000, 20_000, 150_000, 2_000_000, 64]) {
      const handles: number[] = [];
      for (let taken = 0; taken < 30_000_000; taken += roundedSize(sizeBytes))
        handles.push(pool.take(sizeBytes));
      most = Math.max(most, pool.heldBytes);
      for (const handle of handles) pool.free(handle);
    }
    expect(most).toBeLessThanOrEqual(4 * SLAB_BYTES);
    expect(pool.heldBytes).toBeLessThanOrEqual(SLAB_BYTES);
  });

  test('is empty until something is taken', () => {
    expect(createSlabPool().heldBytes).toBe(0);
  });

  test('gives blocks beyond half a slab a buffer of their own, and lets go of it', () => {
    const pool = createSlabPool();
    const sizeBytes = 64 * 1024 * 1024 + 123;
    const handle = pool.take(sizeBytes);
    expect(pool.capacity(handle)).toBe(roundedSize(sizeBytes));
    fill(pool, { handle, sizeBytes, mark: 7 });
    pool.free(handle);
    expect(pool.heldBytes).toBe(0);
  });

  test('refuses to free a block twice', () => {
    const pool = createSlabPool();
    const handle = pool.take(100_000);
    pool.free(handle);
    pool.take(50_000);
    expect(() => {
      pool.free(handle);
      pool.free(handle);
    }).toThrow();
  });
});
