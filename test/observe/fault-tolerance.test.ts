import { expect, it } from 'vitest';

import { toleratedLosses } from '../../src/observe/fault-tolerance.ts';

const stable = (voters: number[], following: number[], votersOld: number[] = []): number =>
  toleratedLosses({ voters, votersOld }, following);

it('a shard stands the loss of as many voters as its followers are above its majority', () => {
  expect(stable([1, 2, 3], [1, 2, 3])).toBe(1);
  expect(stable([1, 2, 3], [1, 2])).toBe(0);
  expect(stable([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])).toBe(2);
  expect(stable([1, 2, 3, 4, 5], [1, 3, 5])).toBe(0);
});

it('one voter stands nothing, however many learn from it', () => {
  expect(stable([1], [1, 2, 3])).toBe(0);
});

it('while voters change the worse half counts', () => {
  expect(stable([2, 3, 4], [1, 2, 3], [1, 2, 3])).toBe(0);
  expect(stable([2, 3, 4], [1, 2, 3, 4], [1, 2, 3])).toBe(1);
});

it('a leader that hears too few has nothing to lose', () => {
  expect(stable([1, 2, 3], [1])).toBe(0);
});
