/** Random steps on a Twin. */
import * as fc from 'fast-check';
import type { Twin } from './model.ts';

export type Step =
  | { do: 'set'; db: number; key: string; value: string; expireInMs: number }
  | { do: 'resize'; db: number; key: string; length: number }
  | { do: 'expire'; db: number; key: string; expireInMs: number }
  | { do: 'remove'; db: number; key: string }
  | { do: 'rename' | 'copy'; db: number; key: string; toDb: number; toKey: string }
  | { do: 'hset'; db: number; key: string; field: string; value: string }
  | { do: 'hdel'; db: number; key: string; field: string }
  | { do: 'hfill'; db: number; key: string; from: number; count: number; value: string }
  | { do: 'flush'; db: number }
  | { do: 'reclaim'; items: number }
  | { do: 'tick'; passedMs: number };

const db = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 }) },
);
const key = fc.oneof(
  fc.integer({ min: 0, max: 5 }).map((number) => `k${number}`),
  fc.integer({ min: 0, max: 3 }).map((number) => `a much longer key, number ${number % 2}`),
);
const field = fc.integer({ min: 0, max: 9 }).map((number) => `field${number}`);
const smallValue = fc.oneof(
  { weight: 40, arbitrary: fc.string({ maxLength: 14 }) },
  { weight: 2, arbitrary: fc.string({ maxLength: 20 }) },
  { weight: 1, arbitrary: fc.integer({ min: 8000, max: 30_000 }).map((length) => 'l'.repeat(length)) },
);
const value = fc.oneof(
  { weight: 6, arbitrary: fc.string({ maxLength: 40 }) },
  { weight: 2, arbitrary: fc.integer({ min: 100, max: 12_000 }).map((length) => 'v'.repeat(length)) },
  { weight: 1, arbitrary: fc.integer({ min: 12_000, max: 70_000 }).map((length) => 'w'.repeat(length)) },
);
const expireInMs = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60 }));

export const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('set' as const), db, key, value, expireInMs }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('resize' as const),
      db,
      key,
      length: fc.integer({ min: 0, max: 20_000 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('expire' as const), db, key, expireInMs }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('remove' as const), db, key }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('rename' as const, 'copy' as const),
      db,
      key,
      toDb: db,
      toKey: key,
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({ do: fc.constant('hset' as const), db, key, field, value: smallValue }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('hdel' as const), db, key, field }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('hfill' as const),
      db,
      key,
      from: fc.integer({ min: 0, max: 400 }),
      count: fc.integer({ min: 1, max: 300 }),
      value: fc.string({ maxLength: 20 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('flush' as const), db: fc.constantFrom(-1, 0, 1, 2) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('reclaim' as const), items: fc.integer({ min: 1, max: 50 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('tick' as const), passedMs: fc.integer({ min: 0, max: 20 }) }),
  },
);

export function applyStep(twin: Twin, step: Step): void {
  twin.tick(step.do === 'tick' ? step.passedMs : 0);
  switch (step.do) {
    case 'set':
      twin.setString(step.db, step.key, step.value, step.expireInMs && twin.timeMs + step.expireInMs);
      break;
    case 'resize':
      twin.resize(step.db, step.key, step.length);
      break;
    case 'expire':
      twin.expire(step.db, step.key, step.expireInMs && twin.timeMs + step.expireInMs);
      break;
    case 'remove':
      twin.remove(step.db, step.key);
      break;
    case 'rename':
      twin.rename(step.db, step.key, step.toDb, step.toKey);
      break;
    case 'copy':
      twin.copy(step.db, step.key, step.toDb, step.toKey);
      break;
    case 'hset':
      twin.hashSet(step.db, step.key, step.field, step.value);
      break;
    case 'hdel':
      twin.hashDelete(step.db, step.key, step.field);
      break;
    case 'hfill':
      for (let number = 0; number < step.count; number += 1) {
        twin.hashSet(step.db, step.key, `f${step.from + number}`, step.value);
      }
      break;
    case 'flush':
      twin.flush(step.db);
      break;
    case 'reclaim':
      twin.keyspace.reclaim(step.items);
      break;
    case 'tick':
      break;
  }
}
