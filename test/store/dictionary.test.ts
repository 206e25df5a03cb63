import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Dictionary, END_OF_HASHES } from '../../src/store/dictionary.ts';
import { SLAB_SHIFT, UNIT_MASK } from '../../src/store/page-runs.ts';
import { createSlabPool } from '../../src/store/slab-pool.ts';

const KEY_OFFSET = 8;

/** A dictionary of entries whose hash the test chooses: word 1 is the key's length, 4 bytes of key follow. */
class Harness {
  readonly slabs = createSlabPool();
  readonly dictionary = new Dictionary(this.slabs, KEY_OFFSET);
  readonly record = this.dictionary.create();
  readonly handles = new Map<number, { handle: number; hash: number }>();
  private readonly key = Buffer.alloc(4);

  add(name: number, hash: number): void {
    const handle = this.slabs.take(12);
    this.slabs.words[handle >>> SLAB_SHIFT][(handle & UNIT_MASK) * 2 + 1] = 4;
    this.slabs.bytes[handle >>> SLAB_SHIFT].writeUInt32LE(name, (handle & UNIT_MASK) * 8 + KEY_OFFSET);
    this.handles.set(name, { handle, hash });
    this.dictionary.insert(this.record, hash, handle);
  }

  remove(name: number): void {
    const known = this.handles.get(name);
    if (known === undefined) return;
    expect(this.dictionary.remove(this.record, known.hash, known.handle)).toBe(true);
    this.slabs.free(known.handle);
    this.handles.delete(name);
  }

  find(name: number, hash: number): number {
    this.key.writeUInt32LE(name);
    return this.dictionary.find(this.record, hash, this.key, 0, 4);
  }

  all(limit: number): number[] {
    const found: number[] = [];
    for (let hash = 0; hash < END_OF_HASHES; hash = this.dictionary.nextHash) {
      const count = this.dictionary.collect(this.record, hash, limit);
      found.push(...this.dictionary.collected.subarray(0, count));
    }
    return found;
  }

  check(): void {
    expect(this.dictionary.count(this.record)).toBe(this.handles.size);
    for (const [name, { handle, hash }] of this.handles) expect(this.find(name, hash)).toBe(handle);
    const expected = [...this.handles.values()].map(({ handle }) => handle);
    const found = this.all(100);
    expect(found).toHaveLength(expected.length);
    expect(new Set(found)).toEqual(new Set(expected));
  }
}

/** A hash that spreads evenly, or one of a few that collide, or all in a corner. */
function hashOf(name: number, kind: 'even' | 'colliding' | 'corner'): number {
  const even = Math.imul(name + 1, 0x9e3779b1) >>> 0;
  if (kind === 'even') return even;
  return kind === 'colliding' ? (even % 3) * 0x7fffffff : even >>> 12;
}

describe('a dictionary', () => {
  for (const kind of ['even', 'colliding', 'corner'] as const) {
    test(`finds all and only what it holds while it grows and shrinks, hashes ${kind}`, () => {
      const step = fc.tuple(
        fc.boolean(),
        fc.integer({ min: 0, max: 3000 }),
        fc.integer({ min: 1, max: 900 }),
      );
      fc.assert(
        fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
          const harness = new Harness();
          for (const [adds, from, count] of steps) {
            for (let name = from; name < from + count; name += 1) {
              if (!adds) harness.remove(name);
              else if (!harness.handles.has(name)) harness.add(name, hashOf(name, kind));
            }
          }
          harness.check();
          expect(harness.find(999_999, hashOf(1, kind))).toBe(0);
          for (const name of harness.handles.keys()) harness.remove(name);
          expect(harness.all(10)).toEqual([]);
          harness.dictionary.free(harness.record);
          expect(harness.slabs.takenBytes).toBe(0);
        }),
        { numRuns: 25 },
      );
    });
  }

  test('takes ten bytes a pair, small or large, and gives them back', () => {
    for (const count of [300, 20_000]) {
      const harness = new Harness();
      for (let name = 0; name < count; name += 1) harness.add(name, hashOf(name, 'even'));
      const index = harness.slabs.takenBytes - count * 16;
      expect(index / count).toBeLessThan(11);
      for (let name = 100; name < count; name += 1) harness.remove(name);
      expect(harness.slabs.takenBytes - 100 * 16).toBeLessThan(100 * 20);
    }
  });

  test('picks every pair equally often', () => {
    for (const count of [50, 3000]) {
      const harness = new Harness();
      for (let name = 0; name < count; name += 1) harness.add(name, hashOf(name * 7919, 'even'));
      const picked = new Map<number, number>();
      const rounds = count * 100;
      for (let round = 0; round < rounds; round += 1) {
        const random = Math.floor(((round + 0.5) / rounds) * 2 ** 32);
        const handle = harness.dictionary.pick(harness.record, random);
        picked.set(handle, (picked.get(handle) ?? 0) + 1);
      }
      expect(picked.size).toBe(count);
      let chiSquare = 0;
      for (const times of picked.values()) chiSquare += (times - 100) ** 2 / 100;
      expect(chiSquare / count).toBeLessThan(1.3);
    }
  });
});
