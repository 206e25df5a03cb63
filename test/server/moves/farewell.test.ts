import { describe, expect, it } from 'vitest';

import { FAREWELL_MS, Farewell } from '../../../src/server/moves/farewell.ts';

const LOADS = [4, 2, 0, 9];
const loadOf = (slot: number): number => LOADS[slot];

describe('the farewell of a shard', () => {
  it('lets all go where others stay', () => {
    expect(new Farewell().mayGo([0, 1, 2], 4, loadOf, 0)).toEqual([0, 1, 2]);
    expect(new Farewell().mayGo([2], 2, loadOf, 0)).toEqual([2]);
  });

  it('keeps the quietest of all', () => {
    expect(new Farewell().mayGo([0, 1, 2, 3], 4, loadOf, 0)).toEqual([0, 1, 3]);
    expect(new Farewell().mayGo([0, 3], 2, loadOf, 0)).toEqual([3]);
    expect(new Farewell().mayGo([0, 1, 2, 3], 4, () => 0, 0)).toEqual([1, 2, 3]);
  });

  it('lets the last one go once it has been alone for a while', () => {
    const farewell = new Farewell();
    expect(farewell.mayGo([2, 3], 2, loadOf, 100)).toEqual([3]);
    expect(farewell.mayGo([2], 1, loadOf, 500)).toEqual([]);
    expect(farewell.mayGo([2], 1, loadOf, 500 + FAREWELL_MS - 1)).toEqual([]);
    expect(farewell.mayGo([2], 1, loadOf, 500 + FAREWELL_MS)).toEqual([2]);
  });

  it('begins anew when others have come meanwhile', () => {
    const farewell = new Farewell();
    farewell.mayGo([2], 1, loadOf, 0);
    expect(farewell.mayGo([2], 3, loadOf, 10)).toEqual([2]);
    expect(farewell.mayGo([2], 1, loadOf, FAREWELL_MS)).toEqual([]);
  });
});
