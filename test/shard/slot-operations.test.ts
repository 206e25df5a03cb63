import { expect, it } from 'vitest';

import { SlotOperations } from '../../src/shard/slot-operations.ts';

it('tells the rate of a steady flow, and forgets what was long ago', () => {
  const operations = new SlotOperations();
  let nowMs = 0;
  const pass = (seconds: number, perSecond: number): void => {
    for (let second = 0; second < seconds; second++) {
      operations.counts[7] += perSecond;
      nowMs += 1000;
      operations.tend(nowMs);
    }
  };
  operations.tend(nowMs);
  pass(125, 200);
  expect(operations.rateOf(7, nowMs)).toBeGreaterThan(195);
  expect(operations.rateOf(7, nowMs)).toBeLessThan(205);
  expect(operations.rateOf(8, nowMs)).toBe(0);
  pass(60, 0);
  expect(operations.rateOf(7, nowMs)).toBeLessThan(10);
  pass(120, 0);
  expect(operations.counts[7]).toBe(0);
});
