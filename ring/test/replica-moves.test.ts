import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AdjustedReplicas, Home } from '../index.ts';
import { adjustReplicas, loadTokenHash, placeReplicas, RingError } from '../index.ts';

const hash = await loadTokenHash();

type Place = readonly [zone: string, host: string];

function homesOf(places: readonly Place[]): Home[] {
  return places.map(([zone, host], index) => ({ shard: index + 1, zone, host: `${zone}-${host}` }));
}

function evenHomes(count: number): Home[] {
  return homesOf(Array.from({ length: count }, (_, i) => ['z', `${i}`]));
}

const anyHomes = fc
  .array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('1', '2', '3')), {
    minLength: 1,
    maxLength: 10,
  })
  .map(homesOf);
const anyFactor = fc.constantFrom(1, 3, 5);

/** Any sets at all: what no history of plans need have led to. */
const anyPlacement = fc.tuple(anyHomes, anyFactor).chain(([homes, factor]) =>
  fc
    .array(fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 6 }), {
      minLength: homes.length,
      maxLength: homes.length,
    })
    .map((sets) => ({
      homes,
      factor,
      current: sets.map((members, at) => ({ shard: at + 1, members })),
    })),
);

function movedBetween(before: readonly { members: readonly number[] }[], after: AdjustedReplicas[]): number {
  return after.reduce(
    (sum, { members }, at) =>
      sum + members.filter((member) => before[at]?.members.includes(member) !== true).length,
    0,
  );
}

function heldBy(sets: readonly AdjustedReplicas[], home: number): number {
  return sets.filter(({ members }) => members.includes(home)).length;
}

describe('the moves of replicas', () => {
  test('end at as many as there should be, on distinct candidates, one of them at home', () => {
    fc.assert(
      fc.property(anyPlacement, ({ homes, factor, current }) => {
        for (const { shard, members } of adjustReplicas(homes, current, factor, hash)) {
          expect(members).toHaveLength(Math.min(factor, homes.length));
          expect(new Set(members).size).toBe(members.length);
          expect(members).toContain(shard);
          expect(members.every((member) => homes.some((home) => home.shard === member))).toBe(true);
        }
      }),
    );
  });

  test('are none once they are done', () => {
    fc.assert(
      fc.property(anyPlacement, ({ homes, factor, current }) => {
        const once = adjustReplicas(homes, current, factor, hash);
        const twice = adjustReplicas(homes, once, factor, hash);
        expect(movedBetween(once, twice)).toBe(0);
      }),
    );
  });

  test('spread over as many zones and hosts as a placement from scratch, and survive a host’s loss where that does', () => {
    fc.assert(
      fc.property(anyPlacement, ({ homes, factor, current }) => {
        if (Math.min(factor, homes.length) % 2 === 0) return;
        const fresh = placeReplicas(homes, factor, hash);
        const placeOf = (shard: number): Home => homes[shard - 1];
        for (const [at, set] of adjustReplicas(homes, current, factor, hash).entries()) {
          const distinct = (label: 'zone' | 'host', of: Home[]): number =>
            new Set(of.map((home) => home[label])).size;
          const members = set.members.map(placeOf);
          expect(set.survivesHostLoss).toBe(fresh[at].survivesHostLoss);
          if (factor > 3) continue;
          expect(distinct('zone', members)).toBe(distinct('zone', fresh[at].members));
          expect(distinct('host', members)).toBe(distinct('host', fresh[at].members));
        }
      }),
    );
  });

  test('leave no candidate with two more than another when nothing tells them apart', () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 12 }), fc.integer(), (count, seed) => {
        const homes = evenHomes(count);
        const current = homes.map(({ shard }) => ({
          shard,
          members: homes.map((home) => home.shard).filter((one) => (one * 7 + shard * 3 + seed) % 3 === 0),
        }));
        const sets = adjustReplicas(homes, current, 3, hash);
        const held = homes.map(({ shard }) => heldBy(sets, shard));
        expect(Math.max(...held) - Math.min(...held)).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('are as few as can be when a node comes: its share, and nothing between the others', () => {
    for (let count = 3; count <= 20; count++) {
      const homes = evenHomes(count);
      const before = placeReplicas(homes, 3, hash).map(({ shard, members }) => ({
        shard,
        members: members.map((home) => home.shard),
      }));
      const grown = [...homes, { shard: count + 1, zone: 'z', host: 'new' }];
      const current = [...before, { shard: count + 1, members: [count + 1, 1, 2] }];
      const after = adjustReplicas(grown, current, 3, hash);
      // It has its own; two more make its share.
      expect(movedBetween(current, after)).toBe(2);
      expect(heldBy(after, count + 1)).toBe(3);
    }
  });

  test('are as few as can be when a node goes: what it held', () => {
    for (let count = 4; count <= 20; count++) {
      const homes = evenHomes(count);
      const before = adjustReplicas(
        homes,
        homes.map(({ shard }) => ({ shard, members: [] })),
        3,
        hash,
      );
      const left = homes.filter(({ shard }) => shard !== 2);
      const after = adjustReplicas(left, before, 3, hash);
      expect(movedBetween(before, after)).toBe(heldBy(before, 2));
      expect(after.find(({ shard }) => shard === 2)?.members).toHaveLength(3);
    }
  });

  test('grow one to two to three', () => {
    let sets: AdjustedReplicas[] = [];
    for (const count of [1, 2, 3, 4]) {
      const homes = evenHomes(count);
      sets = adjustReplicas(
        homes,
        homes.map(({ shard }) => sets.find((set) => set.shard === shard) ?? { shard, members: [shard] }),
        3,
        hash,
      );
      expect(sets.map(({ members }) => members.length)).toEqual(
        Array.from({ length: count }, () => Math.min(3, count)),
      );
      expect(sets.every(({ survivesHostLoss }) => survivesHostLoss)).toBe(count >= 3);
    }
  });

  test('of a thousand nodes are planned within a second', () => {
    const homes = homesOf(Array.from({ length: 1000 }, (_, i) => ['abc'[i % 3], `${i}`]));
    const before = placeReplicas(homes, 3, hash).map(({ shard, members }) => ({
      shard,
      members: members.map((home) => home.shard),
    }));
    const current = [...before, { shard: 1001, members: [1001] }];
    const grown = [...homes, { shard: 1001, zone: 'a', host: 'new' }];
    const startedUs = process.cpuUsage();
    const after = adjustReplicas(grown, current, 3, hash);
    const { user, system } = process.cpuUsage(startedUs);
    expect(heldBy(after, 1001)).toBeGreaterThanOrEqual(2);
    expect(user + system).toBeLessThan(1_000_000);
  });

  test('do not depend on the order of nodes and shards', () => {
    fc.assert(
      fc.property(anyPlacement, ({ homes, factor, current }) => {
        expect(adjustReplicas(homes.toReversed(), current.toReversed(), factor, hash)).toEqual(
          adjustReplicas(homes, current, factor, hash),
        );
      }),
      { numRuns: 50 },
    );
  });

  test('are refused for an even factor, two homes of a shard, and a shard given twice', () => {
    const homes = evenHomes(2);
    expect(() => adjustReplicas(homes, [], 2, hash)).toThrow(RingError);
    expect(() => adjustReplicas([homes[0], homes[0]], [], 3, hash)).toThrow('two homes');
    const set = { shard: 1, members: [1] };
    expect(() => adjustReplicas(homes, [set, set], 3, hash)).toThrow('given twice');
  });
});
