import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { emptyTable, planSlots, slotQuotas, tableOf, type SlotTable } from '../../ring/index.ts';
import {
  balanceOf,
  isPlanDue,
  MAX_MOVE_SLOTS,
  ownersToBe,
  planMoves,
  weighedShards,
  type PlanInput,
} from '../../src/topology/planner.ts';
import { slotCountOf, type RebalanceBy } from '../../src/topology/rebalance.ts';
import { slotsOf } from '../../src/topology/slot-ranges.ts';
import { SLOT_COUNT, type Topology } from '../../src/topology/types.ts';
import { cluster, preferences, withLeaving } from './clusters.ts';

const weights = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 });

/** Owners of slots in runs of any length, which no plan need have led to. */
function owners(shards: number): fc.Arbitrary<SlotTable> {
  const run = fc.tuple(fc.integer({ min: 1, max: shards }), fc.integer({ min: 1, max: 3000 }));
  return fc.array(run, { maxLength: 40 }).map((runs) => {
    const table = new Int32Array(SLOT_COUNT).fill(1);
    let from = 0;
    for (const [shard, length] of runs) {
      table.fill(shard, from, from + length);
      from += length;
    }
    return table;
  });
}

const anyCluster = weights.chain((row) => owners(row.length).map((table) => cluster(row, table)));

function inputOf(
  topology: Topology,
  by: RebalanceBy = 'slots',
  loads: Float64Array | null = null,
): PlanInput {
  return { topology, preferences, by, loads };
}

function placed(row: readonly number[]): Topology {
  const shards = row.map((weight, at) => ({ id: at + 1, weight }));
  const table = planSlots(emptyTable(), shards, preferences(shards.map(({ id }) => id))).table;
  return cluster(row, table);
}

/** All of the plan's moves done, again and again until there is nothing left to do; and how many slots have moved. */
function applied(input: PlanInput): { topology: Topology; moved: number; plans: number } {
  let { topology } = input;
  let moved = 0;
  for (let plans = 0; ; plans++) {
    const plan = planMoves({ ...input, topology });
    if (plan.slots === 0) return { topology, moved, plans };
    const table = ownersToBe(topology);
    for (const { source, target, slots } of plan.moves)
      for (const slot of slotsOf(slots)) {
        if (table[slot] !== source) throw new Error(`slot ${slot} is not of shard ${source}`);
        table[slot] = target;
      }
    moved += plan.slots;
    const next = cluster(
      topology.nodes.map(({ weight }) => weight),
      table,
    );
    topology = { ...next, nodes: topology.nodes };
  }
}

function heldBy(topology: Topology): number[] {
  const counts = topology.shards.map(() => 0);
  for (const shard of tableOf(topology.slots)) counts[shard - 1] += 1;
  return counts;
}

const loads = fc
  .tuple(
    fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    fc.constantFrom(1, 10, 1000),
    fc.constantFrom(0, 0.5, 0.99),
  )
  .map(([seed, spread, emptyShare]) => {
    let state = seed;
    const next = (): number => {
      state = Math.imul(state, 48_271) % 0x7fff_ffff;
      return Math.abs(state) / 0x7fff_ffff;
    };
    return Float64Array.from({ length: SLOT_COUNT }, () =>
      next() < emptyShare ? 0 : Math.floor(1 + next() ** 3 * spread),
    );
  });

describe('a plan by slots', () => {
  it('moves as few slots as any plan can, and reaches the quotas', () => {
    fc.assert(
      fc.property(anyCluster, (topology) => {
        const before = heldBy(topology);
        const shards = weighedShards(topology);
        const quotas = slotQuotas(shards, before);
        const least = before.reduce((sum, held, at) => sum + Math.max(0, held - quotas[at]), 0);
        const result = applied(inputOf(topology));
        expect(heldBy(result.topology)).toEqual([...quotas]);
        expect(result.moved).toBe(least);
      }),
      { numRuns: 40 },
    );
  });

  it('leaves no two shards of equal weight further apart than one slot', () => {
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 30 })
          .chain((count) => owners(count).map((table) => cluster(Array<number>(count).fill(1), table))),
        (topology) => {
          const held = heldBy(applied(inputOf(topology)).topology);
          expect(Math.max(...held) - Math.min(...held)).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('is the same for the same input, in whatever order nodes and shards come', () => {
    fc.assert(
      fc.property(anyCluster, loads, fc.constantFrom<RebalanceBy>('slots', 'bytes'), (topology, load, by) => {
        const turned = {
          ...topology,
          nodes: [...topology.nodes].reverse(),
          shards: [...topology.shards].reverse(),
        };
        const plan = planMoves(inputOf(topology, by, load));
        expect(planMoves(inputOf(topology, by, load))).toEqual(plan);
        expect(planMoves(inputOf(turned, by, load))).toEqual(plan);
      }),
      { numRuns: 30 },
    );
  });

  it('stays the rest of itself when part of it is done: nothing moves twice', () => {
    fc.assert(
      fc.property(anyCluster, fc.double({ min: 0, max: 1, noNaN: true }), (topology, share) => {
        const { moved } = applied(inputOf(topology));
        const plan = planMoves(inputOf(topology));
        const done = plan.moves.slice(0, Math.floor(plan.moves.length * share));
        const table = ownersToBe(topology);
        for (const { target, slots } of done) for (const slot of slotsOf(slots)) table[slot] = target;
        const slotsDone = done.reduce((sum, { slots }) => sum + slotCountOf(slots), 0);
        const rest = cluster(
          topology.nodes.map(({ weight }) => weight),
          table,
        );
        expect(applied(inputOf(rest)).moved).toBe(moved - slotsDone);
      }),
      { numRuns: 40 },
    );
  });

  it('has moves of bounded size, with one source and one target each', () => {
    fc.assert(
      fc.property(anyCluster, (topology) => {
        for (const { source, target, slots } of planMoves(inputOf(topology)).moves) {
          expect(source).not.toBe(target);
          expect(slotCountOf(slots)).toBeGreaterThan(0);
          expect(slotCountOf(slots)).toBeLessThanOrEqual(MAX_MOVE_SLOTS);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('gives a fourth of three equal shares to a fourth node, from all three', () => {
    const three = placed([1, 1, 1]);
    const four = cluster([1, 1, 1, 1], ownersToBe(three));
    const plan = planMoves(inputOf(four));
    expect(plan.slots).toBe(4096);
    expect(plan.moves.slice(0, 3).map(({ source, target }) => [source, target])).toEqual([
      [1, 4],
      [2, 4],
      [3, 4],
    ]);
    expect(isPlanDue(inputOf(four))).toBe(true);
    expect(isPlanDue(inputOf(placed([1, 1, 1, 1])))).toBe(false);
  });

  it('counts moves under way as done, but for those being aborted', () => {
    const three = placed([1, 1, 1]);
    const four = cluster([1, 1, 1, 1], ownersToBe(three));
    const moves = planMoves(inputOf(four)).moves.map((move, at) => ({ ...move, id: at + 1 }));
    expect(planMoves(inputOf({ ...four, moves })).slots).toBe(0);
    const aborted = moves.map((move, at) => (at === 0 ? { ...move, aborting: true } : move));
    expect(planMoves(inputOf({ ...four, moves: aborted })).slots).toBe(slotCountOf(moves[0].slots));
  });

  it('empties the home shard of a node that leaves, and of one that is gone', () => {
    const three = placed([1, 1, 1]);
    const leaving = inputOf(withLeaving(three, 2));
    expect(heldBy(applied(leaving).topology)).toEqual([8192, 0, 8192]);
    const gone = { ...three, nodes: three.nodes.slice(0, 2) };
    expect(planMoves(inputOf(gone)).moves.every(({ source }) => source === 3)).toBe(true);
    expect(planMoves(inputOf(withLeaving(three, 1, 2, 3))).slots).toBe(0);
  });
});

describe('a plan by load', () => {
  it('brings no shard further from its share, never swings, and leaves nothing to plan', () => {
    fc.assert(
      fc.property(anyCluster, loads, (topology, load) => {
        const input = inputOf(topology, 'bytes', load);
        const shards = weighedShards(topology);
        const before = balanceOf(ownersToBe(topology), shards, load);
        const result = applied(input);
        const balance = balanceOf(ownersToBe(result.topology), shards, load);
        expect(balance.highest).toBeLessThanOrEqual(before.highest + 1e-9);
        expect(balance.lowest).toBeGreaterThanOrEqual(before.lowest - 1e-9);
        expect(isPlanDue({ ...input, topology: result.topology })).toBe(false);
      }),
      { numRuns: 40 },
    );
  });

  it('comes within 2 % of the shares where slots are small', () => {
    const even = Float64Array.from({ length: SLOT_COUNT }, (_, slot) => 100 + (slot % 50));
    fc.assert(
      fc.property(anyCluster, (topology) => {
        const result = applied(inputOf(topology, 'ops', even));
        const balance = balanceOf(ownersToBe(result.topology), weighedShards(topology), even);
        expect(balance.highest).toBeLessThan(1.03);
        expect(balance.lowest).toBeGreaterThan(0.97);
      }),
      { numRuns: 30 },
    );
  });

  it('is not made for less than a tenth, and then goes on to a fiftieth', () => {
    const table = new Int32Array(SLOT_COUNT).fill(1).fill(2, SLOT_COUNT / 2);
    const two = cluster([1, 1], table);
    const off = (ratio: number): PlanInput =>
      inputOf(
        two,
        'bytes',
        Float64Array.from({ length: SLOT_COUNT }, (_, slot) =>
          slot < SLOT_COUNT / 2 ? 1000 * ratio : 1000 * (2 - ratio),
        ),
      );
    expect(isPlanDue(off(1.08))).toBe(false);
    expect(isPlanDue(off(1.12))).toBe(true);
    const after = applied(off(1.12)).topology;
    const balance = balanceOf(ownersToBe(after), weighedShards(after), off(1.12).loads);
    expect(balance.highest).toBeLessThanOrEqual(1.02);
  });

  it('by operations is not made for what few commands show by chance, and is for what many show', () => {
    const counted = (rates: readonly number[], seed: number): PlanInput => {
      const topology = cluster(
        rates.map(() => 1),
        Int32Array.from({ length: SLOT_COUNT }, (_, slot) => 1 + (slot % rates.length)),
      );
      const operations = new Float64Array(SLOT_COUNT);
      let drawn = seed;
      const below = (limit: number): number => {
        drawn = (drawn * 48_271) % 2_147_483_647;
        return drawn % limit;
      };
      for (const [at, rate] of rates.entries())
        for (let i = 0; i < rate * 10; i++)
          operations[at + rates.length * below(Math.floor(SLOT_COUNT / rates.length))] += 0.1;
      return inputOf(topology, 'ops', operations);
    };
    // 43 and 37 commands a second, where each should have 40, are no difference; ten times as many are one.
    for (let seed = 1; seed <= 5; seed++) {
      expect(isPlanDue(counted([45, 40, 38, 37], seed))).toBe(false);
      expect(isPlanDue(counted([450, 400, 380, 370], seed))).toBe(true);
      expect(isPlanDue(counted([1, 0.5, 1.5, 1], seed))).toBe(false);
    }
    // A new one lacks slots: that is no chance, however few the commands.
    const grown = counted([0.2, 0.2, 0.1], 1);
    const slots = [{ from: 0, to: SLOT_COUNT - 1, shard: 1 }];
    expect(isPlanDue({ ...grown, topology: { ...grown.topology, slots } })).toBe(true);
  });

  it('empties a shard that is to have nothing, and goes by slots while nothing is stored', () => {
    const three = placed([1, 1, 1]);
    const leaving = (load: Float64Array): PlanInput => inputOf(withLeaving(three, 1), 'bytes', load);
    const sparse = new Float64Array(SLOT_COUNT);
    for (let slot = 0; slot < SLOT_COUNT; slot += 16) sparse[slot] = 5;
    expect(isPlanDue(leaving(sparse))).toBe(true);
    const [first, ...others] = heldBy(applied(leaving(sparse)).topology);
    expect(first).toBe(0);
    expect(Math.abs(others[0] - others[1])).toBeLessThan(1500);
    expect(heldBy(applied(leaving(new Float64Array(SLOT_COUNT))).topology)).toEqual([0, 8192, 8192]);
  });
});
