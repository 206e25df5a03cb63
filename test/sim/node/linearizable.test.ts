import { describe, expect, it } from 'vitest';

import { runHistories } from './histories.ts';
import { CACHE, LARGE, REGISTERS, type Workload } from './workloads.ts';

async function expectRight(seed: number, workload: Workload): Promise<ReadonlyMap<string, number>> {
  const { failure, faults, operations, answered, events } = await runHistories(seed, workload);
  if (failure !== null) expect.fail(`after ${faults.join(', ')}\n${failure}`);
  expect(answered).toBeGreaterThan(operations / 3);
  return events;
}

describe('histories of clients of all nodes', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    'are linearizable through crashes, pauses, cuts and clocks that jump (seed %i)',
    async (seed) => {
      await expectRight(seed, REGISTERS);
    },
  );

  it.each([2])(
    'are so with values that are staged, reads that take many turns, and members that need snapshots (seed %i)',
    async (seed) => {
      const events = await expectRight(seed, LARGE);
      expect(events.get('snapshot-installed')).toBeGreaterThan(0);
    },
  );

  it.each([1, 2])(
    'are so while keys expire, are evicted and flushed: what is gone does not come back, and replicas agree (seed %i)',
    async (seed) => {
      const events = await expectRight(seed, CACHE);
      expect(events.get('snapshot-made')).toBeGreaterThan(0);
    },
  );
});
