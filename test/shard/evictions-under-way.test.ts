import { expect, it } from 'vitest';

import { EvictionsUnderWay } from '../../src/shard/evictions-under-way.ts';

function victim(key: string, db = 0): { db: number; key: Buffer; version: number; sizeBytes: number } {
  return { db, key: Buffer.from(key), version: 1, sizeBytes: 10 };
}

it('tells a key that an entry evicts already, until the entry is applied or lost', () => {
  const evictions = new EvictionsUnderWay();
  expect([evictions.add(victim('a')), evictions.add(victim('a', 1)), evictions.add(victim('a'))]).toEqual([
    true,
    true,
    false,
  ]);
  const first = evictions.take();
  expect(evictions.add(victim('b'))).toBe(true);
  const second = evictions.take();
  expect(evictions.take()).toEqual([]);
  evictions.end(first);
  expect([evictions.add(victim('a')), evictions.add(victim('b'))]).toEqual([true, false]);
  evictions.end(second);
  expect(evictions.add(victim('b'))).toBe(true);
  evictions.clear();
  expect(evictions.add(victim('b'))).toBe(true);
  expect(evictions.take()).toHaveLength(1);
});
