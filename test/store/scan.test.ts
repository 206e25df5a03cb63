import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createKeyspace } from '../../src/store/keyspace.ts';
import { createSlabPool } from '../../src/store/slab-pool.ts';
import { type Keyspace, NO_REF } from '../../src/store/types.ts';
import { newKeyspace, slotOf, Twin } from './model.ts';

const SLOT = 2 ** 32;

/** One SCAN, with something done between its calls. Returns the keys seen. */
function scanAll(keyspace: Keyspace, from: number, to: number, count: number, between: () => void): string[] {
  const seen: string[] = [];
  let cursor = from * SLOT;
  while (cursor !== -1) {
    cursor = keyspace.scan(0, cursor, to, count, (bytes, start, end, ref) => {
      expect(keyspace.key(ref).start).toBe(start);
      seen.push(bytes.toString('utf8', start, end));
    });
    between();
  }
  return seen;
}

/** Keys of few slots, so that slots hold many. */
function put(keyspace: Keyspace, name: string, slots: number): void {
  const bytes = Buffer.from(name);
  keyspace.setString(0, slotOf(name) % slots, bytes, 0, bytes.length, bytes, 0, bytes.length, 0, 2);
}

function drop(keyspace: Keyspace, name: string, slots: number): void {
  const bytes = Buffer.from(name);
  const ref = keyspace.find(0, slotOf(name) % slots, bytes, 0, bytes.length);
  if (ref !== NO_REF) keyspace.remove(ref);
}

describe('scan', () => {
  test('visits every key that is there throughout just once, while others come and go and slots grow', () => {
    const parameters = [
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 5 }),
      fc.boolean(),
    ] as const;
    fc.assert(
      fc.property(...parameters, (count, slots, grows) => {
        const keyspace = newKeyspace();
        keyspace.at(1, 1, true);
        for (let number = 0; number < 400; number += 1) put(keyspace, `stays${number}`, slots);
        for (let number = 0; number < 1500; number += 1) put(keyspace, `goes${number}`, slots);
        let round = 0;
        const seen = scanAll(keyspace, 0, slots - 1, count, () => {
          for (let each = 0; each < 60; each += 1) {
            if (grows && round < 3000) put(keyspace, `comes${round}`, slots);
            else drop(keyspace, `goes${round}`, slots);
            round += 1;
          }
        });
        const stays = seen.filter((name) => name.startsWith('stays'));
        expect(stays).toHaveLength(400);
        expect(new Set(stays).size).toBe(400);
      }),
      { numRuns: 12 },
    );
  });

  test('keeps to its slots and its database, and hides what has expired', () => {
    const twin = new Twin();
    for (let number = 0; number < 500; number += 1) {
      twin.setString(number % 2, `k${number}`, 'v', number % 5 === 0 ? 1500 : 0);
    }
    const { keyspace } = twin;
    keyspace.at(1501, 1, false);
    const expected = [...twin.model.values()].filter((each) => each.db === 0 && each.expireAtMs === 0);
    expect(scanAll(keyspace, 0, 16383, 7, () => {}).sort()).toEqual(expected.map((each) => each.key).sort());
    const some = expected.filter((each) => each.slot >= 4000 && each.slot <= 9000);
    expect(scanAll(keyspace, 4000, 9000, 3, () => {}).sort()).toEqual(some.map((each) => each.key).sort());
    expect(keyspace.scan(7, 0, 16383, 10, () => expect.unreachable())).toBe(-1);
  });

  test('goes on by its cursor in another keyspace with the same keys', () => {
    const left = newKeyspace();
    const right = newKeyspace();
    for (let number = 0; number < 900; number += 1) put(left, `k${number}`, 2);
    for (let number = 899; number >= 0; number -= 1) put(right, `k${number}`, 2);
    const seen: string[] = [];
    let cursor = 0;
    for (let turn = 0; cursor !== -1; turn += 1) {
      const keyspace = turn % 2 === 0 ? left : right;
      cursor = keyspace.scan(0, cursor, 1, 10, (bytes, start, end) =>
        seen.push(bytes.toString('utf8', start, end)),
      );
    }
    expect(seen).toHaveLength(900);
    expect(new Set(seen).size).toBe(900);
  });

  test('examines about as many keys as asked for', () => {
    const keyspace = newKeyspace();
    for (let number = 0; number < 3000; number += 1) put(keyspace, `k${number}`, 1);
    let visited = 0;
    keyspace.scan(0, 0, 0, 10, () => (visited += 1));
    expect(visited).toBeGreaterThanOrEqual(10);
    expect(visited).toBeLessThan(13);
  });
});

describe('hashScan and hashRandom', () => {
  function hash(fields: number): { keyspace: Keyspace; ref: number } {
    const limits = { hashMaxListpackEntries: 128, hashMaxListpackValueBytes: 64 };
    const keyspace = createKeyspace({ slabs: createSlabPool(), limits });
    keyspace.at(1, 1, true);
    let ref = keyspace.createHash(0, 0, Buffer.from('h'), 0, 1);
    for (let number = 0; number < fields; number += 1) ref = setField(keyspace, ref, `stays${number}`);
    return { keyspace, ref };
  }

  function setField(keyspace: Keyspace, ref: number, field: string): number {
    const bytes = Buffer.from(field);
    return keyspace.hashSet(ref, bytes, 0, bytes.length, bytes, 0, bytes.length);
  }

  test('visits every field that is there throughout, while others come and go', () => {
    for (const count of [1, 10, 100]) {
      const { keyspace, ref } = hash(500);
      const seen: string[] = [];
      let cursor = 0;
      let round = 0;
      do {
        cursor = keyspace.hashScan(ref, cursor, count, (field, start, end, value, valueStart, valueEnd) => {
          seen.push(field.toString('utf8', start, end));
          expect(value.toString('utf8', valueStart, valueEnd)).toBe(seen[seen.length - 1]);
        });
        for (let each = 0; each < count; each += 1, round += 1) {
          setField(keyspace, ref, `comes${round}`);
          const gone = Buffer.from(`comes${round - 5}`);
          keyspace.hashDelete(ref, gone, 0, gone.length);
        }
      } while (cursor !== 0);
      expect(seen.filter((field) => field.startsWith('stays'))).toHaveLength(500);
    }
  });

  test('visits a small hash whole, in the order of its making', () => {
    const { keyspace, ref } = hash(20);
    const seen: string[] = [];
    expect(
      keyspace.hashScan(ref, 0, 1, (field, start, end) => seen.push(field.toString('utf8', start, end))),
    ).toBe(0);
    expect(seen).toEqual(Array.from({ length: 20 }, (_, number) => `stays${number}`));
  });

  test('picks fields uniformly', () => {
    for (const fields of [10, 700]) {
      const { keyspace, ref } = hash(fields);
      const times = new Map<string, number>();
      const rounds = fields * 50;
      for (let round = 0; round < rounds; round += 1) {
        keyspace.hashRandom(ref, Math.floor(((round + 0.5) / rounds) * SLOT), (field, start, end) => {
          const name = field.toString('utf8', start, end);
          times.set(name, (times.get(name) ?? 0) + 1);
        });
      }
      expect(times.size).toBe(fields);
      let chiSquare = 0;
      for (const count of times.values()) chiSquare += (count - 50) ** 2 / 50;
      expect(chiSquare / fields).toBeLessThan(1.4);
    }
  });
});
