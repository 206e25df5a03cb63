import { describe, expect, it } from 'vitest';

import { runHistories } from './histories.ts';

describe('histories of clients of all nodes', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    'are linearizable through crashes, pauses, cuts and clocks that jump (seed %i)',
    async (seed) => {
      const { failure, faults, operations, answered } = await runHistories(seed);
      if (failure !== null) expect.fail(`after ${faults.join(', ')}\n${failure}`);
      expect(answered).toBeGreaterThan(operations / 3);
    },
  );
});
