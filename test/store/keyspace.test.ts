import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSlabPool } from '../../src/store/slab-pool.ts';
import { newKeyspace, Twin } from './model.ts';
import { applyStep, stepArbitrary } from './steps.ts';

describe('the keyspace', () => {
  test('does what a plain model does, and accounts for just its content', () => {
    fc.assert(
      fc.property(fc.array(stepArbitrary, { minLength: 1, maxLength: 120 }), (steps) => {
        const slabs = createSlabPool();
        const twin = new Twin(newKeyspace(slabs));
        for (const step of steps) applyStep(twin, step);
        twin.check();
        twin.tick(0);
        twin.flush(-1);
        expect(twin.keyspace.usedBytes).toBe(0);
        while (twin.keyspace.reclaim(7));
        expect(slabs.takenBytes).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
