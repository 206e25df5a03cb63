import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Shard, SlotTable } from '../index.ts';
import {
  emptyTable,
  loadTokenHash,
  MAX_WEIGHT,
  NO_SHARD,
  planSlots,
  RingError,
  runsOf,
  SLOT_COUNT,
  slotPreferences,
  slotQuotas,
  tableOf,
} from '../index.ts';
import { anyTable, countSlots, equalShards, weightedShards } from './arbitraries.ts';

const hash = await loadTokenHash();

function preferencesOf(shards: readonly Shard[]): SlotTable {
  return slotPreferences(
    shards.map((shard) => shard.id),
    hash,
  );
}

function place(table: SlotTable, shards: readonly Shard[]): SlotTable {
  return planSlots(table, shards, preferencesOf(shards)).table;
}

function quotasOf(table: SlotTable, shards: readonly Shard[]): Map<number, number> {
  const sorted = [...shards].sort((a, b) => a.id - b.id);
  const counts = countSlots(table);
  const quotas = slotQuotas(
    sorted,
    sorted.map(({ id }) => counts.get(id) ?? 0),
  );
  return new Map(sorted.map(({ id }, index) => [id, quotas[index]]));
}

/** As toEqual, but fast on thousands of slots. */
function expectSameTable(actual: SlotTable, expected: SlotTable): void {
  expect(Buffer.from(actual.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
}

function changedSlots(before: SlotTable, after: SlotTable): number {
  return before.filter((shard, slot) => shard !== after[slot]).length;
}

/** Shards, and any table over them and over shards that are gone. */
const anyState = fc
  .tuple(weightedShards(25, 20), fc.uniqueArray(fc.integer({ min: 6000, max: 6010 }), { maxLength: 3 }))
  .chain(([shards, gone]) =>
    fc.tuple(fc.constant(shards), anyTable([...shards.map(({ id }) => id), ...gone])),
  );

describe('any plan', () => {
  test('fills every quota exactly, and its moves lead from the old table to the new', () => {
    fc.assert(
      fc.property(anyState, ([shards, table]) => {
        const before = table.slice();
        const plan = planSlots(table, shards, preferencesOf(shards));
        expectSameTable(table, before);

        const counts = countSlots(plan.table);
        for (const [id, quota] of quotasOf(table, shards)) expect(counts.get(id) ?? 0).toBe(quota);

        const moved = table.slice();
        for (const { from, to, source, target } of plan.moves) {
          expect(moved.subarray(from, to + 1).every((shard) => shard === source)).toBe(true);
          expect(target).not.toBe(source);
          moved.fill(target, from, to + 1);
        }
        expectSameTable(moved, plan.table);
      }),
    );
  });

  test('moves no slot that it need not: none into a shard over its quota, none out of one under it', () => {
    fc.assert(
      fc.property(anyState, ([shards, table]) => {
        const counts = countSlots(table);
        const quotas = quotasOf(table, shards);
        const plan = planSlots(table, shards, preferencesOf(shards));
        let surplus = 0;
        for (const [id, count] of counts) surplus += Math.max(0, count - (quotas.get(id) ?? 0));
        expect(changedSlots(table, plan.table)).toBe(surplus);
      }),
    );
  });

  test('is the same however the shards are ordered', () => {
    fc.assert(
      fc.property(anyState, ([shards, table]) => {
        const plan = planSlots(table, shards, preferencesOf(shards));
        const again = planSlots(table, shards.toReversed(), preferencesOf(shards.toReversed()));
        expectSameTable(again.table, plan.table);
        expect(again.moves).toEqual(plan.moves);
      }),
      { numRuns: 50 },
    );
  });

  test('from where it leads is no move at all', () => {
    fc.assert(
      fc.property(anyState, ([shards, table]) => {
        expect(planSlots(place(table, shards), shards, preferencesOf(shards)).moves).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  test('no other plan with as few moves puts more slots where they prefer', () => {
    fc.assert(
      fc.property(anyState, ([shards, table]) => {
        const preferences = preferencesOf(shards);
        const after = planSlots(table, shards, preferences).table;
        expect(preferredCount(after, preferences)).toBe(mostPreferred(table, preferences, shards));
      }),
    );
  });

  test('is refused for bad weights, ids and tables', () => {
    const preferences = emptyTable();
    const plan = (shards: Shard[]) => () => planSlots(emptyTable(), shards, preferences);
    expect(plan([{ id: 1, weight: 0.00005 }])).toThrow('weight of shard 1 is 0.00005');
    expect(plan([{ id: 1, weight: Infinity }])).toThrow(RingError);
    expect(plan([{ id: 1, weight: -1 }])).toThrow(RingError);
    expect(plan([{ id: 1, weight: MAX_WEIGHT + 1 }])).toThrow(RingError);
    expect(plan([{ id: 1, weight: NaN }])).toThrow(RingError);
    expect(plan([{ id: -1, weight: 1 }])).toThrow(RingError);
    expect(plan([...equalShards(2), { id: 1, weight: 1 }])).toThrow('shard 1 is given twice');
    expect(plan([])).toThrow(RingError);
    expect(() => planSlots(new Int32Array(5), equalShards(1), preferences)).toThrow(RingError);
  });
});

describe('the first placement', () => {
  test('of 1 to 1000 equal shards leaves no two more than one slot apart', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), (count) => {
        const counts = [...countSlots(place(emptyTable(), equalShards(count))).values()];
        expect(counts.length).toBe(count);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 40, examples: [[1], [2], [3], [999], [1000]] },
    );
  });

  test('fills quotas by preference: each shard has all slots that prefer it, or nothing but such slots', () => {
    fc.assert(
      fc.property(weightedShards(40, 10), (shards) => {
        const preferences = preferencesOf(shards);
        const table = place(emptyTable(), shards);
        const preferring = countSlots(preferences);
        const filled = countSlots(table.filter((shard, slot) => shard === preferences[slot]));
        for (const [id, quota] of quotasOf(emptyTable(), shards)) {
          expect(filled.get(id) ?? 0).toBe(Math.min(quota, preferring.get(id) ?? 0));
        }
      }),
    );
  });
});

describe('resizing', () => {
  test('by one of equal shards moves exactly the minimum, down and up, for ever', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.array(fc.nat(), { minLength: 1, maxLength: 12 }),
        (count, steps) => {
          let shards = equalShards(count);
          let table = place(emptyTable(), shards);
          for (const [step, choice] of steps.entries()) {
            const adds = choice % 2 === 0 || shards.length === 1;
            const removed = shards[choice % shards.length].id;
            shards = adds
              ? [...shards, { id: 1000 + step, weight: 1 }]
              : shards.filter(({ id }) => id !== removed);
            const next = place(table, shards);
            // A shard that comes must get at least the smaller quota; one that goes must give up all it holds.
            const least = adds
              ? Math.floor(SLOT_COUNT / shards.length)
              : (countSlots(table).get(removed) ?? 0);
            expect(changedSlots(table, next)).toBe(least);
            const counts = [...countSlots(next).values()];
            expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
            table = next;
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  test('of a weight moves what the shares differ by', () => {
    const table = place(emptyTable(), equalShards(4));
    const heavier = equalShards(4).map((shard) => (shard.id === 2 ? { id: 2, weight: 5 } : shard));
    const after = place(table, heavier);
    expect(countSlots(after).get(2)).toBe(10240);
    expect(changedSlots(table, after)).toBe(10240 - 4096);
  });

  test('to a weight of 0 empties a shard that stays', () => {
    const table = place(emptyTable(), equalShards(3));
    const after = place(table, [{ id: 0, weight: 0 }, ...equalShards(2, 1)]);
    expect(countSlots(after)).toEqual(
      new Map([
        [1, 8192],
        [2, 8192],
      ]),
    );
  });
});

describe('long runs', () => {
  test('without preferences a first placement is one run a shard', () => {
    fc.assert(
      fc.property(weightedShards(50, 100), (shards) => {
        const { table } = planSlots(emptyTable(), shards, emptyTable());
        expect(runsOf(table).length).toBe(countSlots(table).size);
      }),
    );
  });

  test('a cut that touches the receiver is taken before one that does not', () => {
    // Shard 0 must give 2 slots too many to shard 2: from the border between them, not from its other end.
    const table = tableOf([
      { from: 0, to: 8191, shard: 1 },
      { from: 8192, to: 14000, shard: 0 },
      { from: 14001, to: SLOT_COUNT - 1, shard: 2 },
    ]);
    const shards = [
      { id: 0, weight: 1 },
      { id: 1, weight: 2 },
      { id: 2, weight: 1 },
    ];
    const { moves } = planSlots(table, shards, emptyTable());
    expect(moves).toEqual([{ from: 8192 + 4096, to: 14000, source: 0, target: 2 }]);
  });

  test('a whole run goes before a longer one is cut', () => {
    const table = tableOf([
      { from: 0, to: 99, shard: 1 },
      { from: 100, to: 8191, shard: 0 },
      { from: 8192, to: 8291, shard: 1 },
      { from: 8292, to: SLOT_COUNT - 1, shard: 0 },
    ]);
    const shards = [
      { id: 0, weight: 16384 - 200 },
      { id: 1, weight: 100 },
      { id: 2, weight: 100 },
    ];
    const { moves } = planSlots(table, shards, emptyTable());
    expect(moves).toEqual([{ from: 0, to: 99, source: 1, target: 2 }]);
  });
});

describe('tables and runs', () => {
  test('are the same thing told twice', () => {
    fc.assert(
      fc.property(anyTable([1, 2, 3]), (table) => {
        const runs = runsOf(table);
        expectSameTable(tableOf(runs), table);
        for (const [index, run] of runs.entries()) {
          const next = runs[index + 1];
          if (next !== undefined && next.from === run.to + 1) expect(next.shard).not.toBe(run.shard);
        }
      }),
    );
  });

  test('runs outside the table or over each other are refused', () => {
    expect(() => tableOf([{ from: 0, to: SLOT_COUNT, shard: 1 }])).toThrow(RingError);
    expect(() => tableOf([{ from: 5, to: 4, shard: 1 }])).toThrow(RingError);
    const twice = [
      { from: 0, to: 5, shard: 1 },
      { from: 5, to: 6, shard: 2 },
    ];
    expect(() => tableOf(twice)).toThrow('slot 5 lies in two runs');
  });
});

function preferredCount(table: SlotTable, preferences: SlotTable): number {
  return table.filter((shard, slot) => shard !== NO_SHARD && shard === preferences[slot]).length;
}

/**
 * The most slots that can lie where they prefer after a plan of minimal moves, found in another way than the plan does: what stays
 * of the shards over their quota, plus a maximum flow over a plain matrix.
 */
function mostPreferred(table: SlotTable, preferences: SlotTable, shards: readonly Shard[]): number {
  const quotas = quotasOf(table, shards);
  const counts = countSlots(table);
  const givers = [...counts.keys()].filter((id) => (counts.get(id) ?? 0) > (quotas.get(id) ?? 0));
  const receivers = [...quotas.keys()].filter((id) => (quotas.get(id) ?? 0) > (counts.get(id) ?? 0));
  const pairs = new Map<string, number>();
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    const pair = `${table[slot]} ${preferences[slot]}`;
    pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
  }
  const pairCount = (holder: number, preferred: number): number => pairs.get(`${holder} ${preferred}`) ?? 0;
  let staying = 0;
  for (const id of quotas.keys()) staying += Math.min(pairCount(id, id), quotas.get(id) ?? 0);
  const surplus = (id: number): number => (counts.get(id) ?? 0) - (quotas.get(id) ?? 0);
  const size = givers.length + receivers.length + 2;
  const capacity = Array.from({ length: size }, () => Array.from({ length: size }, () => 0));
  givers.forEach((giver, g) => {
    capacity[0][g + 1] = surplus(giver);
    receivers.forEach((receiver, r) => (capacity[g + 1][givers.length + 1 + r] = pairCount(giver, receiver)));
  });
  receivers.forEach((receiver, r) => (capacity[givers.length + 1 + r][size - 1] = -surplus(receiver)));
  return staying + maximumFlow(capacity);
}

/** Ford-Fulkerson, depth first, over residual capacities from node 0 to the last. */
function maximumFlow(residual: number[][]): number {
  const sink = residual.length - 1;
  const push = (node: number, limit: number, seen: Set<number>): number => {
    if (node === sink) return limit;
    seen.add(node);
    for (let next = 0; next <= sink; next++) {
      if (residual[node][next] === 0 || seen.has(next)) continue;
      const pushed = push(next, Math.min(limit, residual[node][next]), seen);
      if (pushed > 0) {
        residual[node][next] -= pushed;
        residual[next][node] += pushed;
        return pushed;
      }
    }
    return 0;
  };
  let total = 0;
  for (let pushed = Infinity; pushed > 0; total += pushed) pushed = push(0, Infinity, new Set());
  return total;
}
