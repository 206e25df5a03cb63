import { expect, it } from 'vitest';

import { SlotOperations } from '../../src/shard/slot-operations.ts';

it('tells the rate of a steady flow, and forgets what was long ago', () => {
  const operations = new SlotOperations();
  let nowMs = 0;
  const pass = (seconds: number, perSecond: number): void => {
    for (let second = 0; second < seconds; second++) {
      operations.counts[7] += perSecond;
      nowMs += 1000;
      operations.tend(true, nowMs);
    }
  };
  operations.tend(true, nowMs);
  pass(125, 200);
  expect(operations.rates(nowMs)[7]).toBeGreaterThan(195);
  expect(operations.rates(nowMs)[7]).toBeLessThan(205);
  expect(operations.rates(nowMs)[8]).toBe(0);
  pass(60, 0);
  expect(operations.rates(nowMs)[7]).toBeLessThan(10);
  pass(120, 0);
  expect(operations.counts[7]).toBe(0);
});

it('tells the rate of a slot that has just come, and of a leader that has just begun', () => {
  const operations = new SlotOperations();
  let nowMs = 0;
  const pass = (seconds: number, isLed: boolean): void => {
    for (let tenth = 0; tenth < seconds * 10; tenth++) {
      operations.counts[7] += 20;
      operations.counts[8] += 20;
      nowMs += 100;
      operations.tend(isLed, nowMs);
    }
  };
  pass(95, false);
  for (const seconds of [3, 4, 9, 20]) {
    operations.arrive(8);
    pass(seconds, true);
    for (const slot of [7, 8]) {
      expect(operations.rates(nowMs)[slot]).toBeGreaterThan(190);
      expect(operations.rates(nowMs)[slot]).toBeLessThan(210);
    }
  }
});
