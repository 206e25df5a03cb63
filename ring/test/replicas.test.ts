import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Home, ReplicaSet } from '../index.ts';
import { loadTokenHash, placeReplicas, RingError } from '../index.ts';

const hash = await loadTokenHash();

/** A cluster from the zone and host of each node; hosts belong to one zone. */
function homesOf(places: readonly (readonly [zone: string, host: string])[]): Home[] {
  return places.map(([zone, host], index) => ({ shard: index + 1, zone, host: `${zone}-${host}` }));
}

const anyHomes = fc
  .array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('1', '2', '3')), {
    minLength: 1,
    maxLength: 14,
  })
  .map(homesOf);
const anyFactor = fc.constantFrom(1, 3, 5, 7);

const distinctBy = (members: readonly Home[], label: 'zone' | 'host'): number =>
  new Set(members.map((member) => member[label])).size;

function placed(homes: readonly Home[], factor: number): [ReplicaSet, Home[]][] {
  return placeReplicas(homes, factor, hash).map((set) => [set, set.members]);
}

/** The most voters that one host can hold without costing the quorum, by counting who would be left. */
function losesQuorumWithOneHost(voters: readonly Home[]): boolean {
  return voters.some(({ host }) => {
    const left = voters.filter((voter) => voter.host !== host).length;
    return left * 2 <= voters.length;
  });
}

/** All ways to choose `count` of the items. */
function* combinations<T>(items: readonly T[], count: number, from = 0): Generator<T[]> {
  if (count === 0) yield [];
  else
    for (let i = from; i <= items.length - count; i++)
      for (const rest of combinations(items, count - 1, i + 1)) yield [items[i], ...rest];
}

describe('replicas', () => {
  test('start at home and lie on distinct nodes, as many as there are up to the factor', () => {
    fc.assert(
      fc.property(anyHomes, anyFactor, (homes, factor) => {
        const sets = placeReplicas(homes, factor, hash);
        expect(sets.map((set) => set.shard)).toEqual(homes.map((home) => home.shard));
        for (const { shard, members, voterCount } of sets) {
          expect(members[0].shard).toBe(shard);
          expect(new Set(members.map((member) => member.shard)).size).toBe(Math.min(factor, homes.length));
          expect(members.length).toBe(Math.min(factor, homes.length));
          expect(voterCount % 2).toBe(1);
          expect(members.length - voterCount).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  test('one voter alone, one and a learner for two nodes, three for three', () => {
    const voters = (count: number) =>
      placed(homesOf(Array.from({ length: count }, (_, i) => ['z', `${i}`])), 3)[0][0].voterCount;
    expect([1, 2, 3, 4].map(voters)).toEqual([1, 1, 3, 3]);
  });

  test('are the next clockwise on the ring when nothing tells nodes apart', () => {
    const homes = homesOf(Array.from({ length: 20 }, (_, i) => ['z', `${i}`]));
    const clockwise = homes.map((home) => home.shard).sort((a, b) => hash(`${a}#0`) - hash(`${b}#0`));
    for (const [{ shard }, members] of placed(homes, 3)) {
      const position = clockwise.indexOf(shard);
      const next = [0, 1, 2].map((step) => clockwise[(position + step) % clockwise.length]);
      expect(members.map((member) => member.shard)).toEqual(next);
    }
  });

  test('use as many zones as there are, then as many hosts', () => {
    fc.assert(
      fc.property(anyHomes, (homes) => {
        for (const [, members] of placed(homes, 3)) {
          expect(distinctBy(members, 'zone')).toBe(Math.min(members.length, distinctBy(homes, 'zone')));
          expect(distinctBy(members, 'host')).toBe(Math.min(members.length, distinctBy(homes, 'host')));
        }
      }),
    );
  });

  test('never depend on one host while another placement does not, and say so when none', () => {
    fc.assert(
      fc.property(anyHomes, anyFactor, (homes, factor) => {
        for (const { members, voterCount, survivesHostLoss } of placeReplicas(homes, factor, hash)) {
          expect(survivesHostLoss).toBe(!losesQuorumWithOneHost(members.slice(0, voterCount)));
          if (survivesHostLoss || homes.length > 9) continue;
          const others = homes.filter((home) => home !== members[0]);
          for (const choice of combinations(others, voterCount - 1)) {
            expect(losesQuorumWithOneHost([members[0], ...choice])).toBe(true);
          }
        }
      }),
    );
  });

  test('of one machine are placed all the same, and reported', () => {
    const sets = placeReplicas(
      homesOf([
        ['z', '1'],
        ['z', '1'],
        ['z', '1'],
      ]),
      3,
      hash,
    );
    expect(sets.map(({ members, survivesHostLoss }) => [members.length, survivesHostLoss])).toEqual([
      [3, false],
      [3, false],
      [3, false],
    ]);
  });

  test('are spread evenly when nothing tells nodes apart: each node holds as many as the factor', () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 60 }), (count) => {
        const homes = homesOf(Array.from({ length: count }, (_, i) => ['z', `${i}`]));
        const held = placed(homes, 3).flatMap(([, members]) => members.map((member) => member.shard));
        for (const { shard } of homes) expect(held.filter((holder) => holder === shard).length).toBe(3);
      }),
      { numRuns: 20 },
    );
  });

  test('pass over nodes that are full, in zones of equal size too', () => {
    for (const perZone of [1, 2, 5, 10]) {
      const homes = homesOf(Array.from({ length: 3 * perZone }, (_, i) => ['abc'[i % 3], `${i}`]));
      const held = placed(homes, 3).flatMap(([, members]) => members.map((member) => member.shard));
      for (const { shard } of homes) expect(held.filter((holder) => holder === shard).length).toBe(3);
    }
  });

  test('do not depend on the order of the nodes', () => {
    fc.assert(
      fc.property(anyHomes, anyFactor, (homes, factor) => {
        expect(placeReplicas(homes.toReversed(), factor, hash)).toEqual(placeReplicas(homes, factor, hash));
      }),
      { numRuns: 50 },
    );
  });

  test('are refused for an even factor and for a shard with two homes', () => {
    const homes = homesOf([
      ['a', '1'],
      ['b', '1'],
    ]);
    for (const factor of [0, 2, 9, 1.5, NaN])
      expect(() => placeReplicas(homes, factor, hash)).toThrow(RingError);
    expect(() => placeReplicas([homes[0], homes[0]], 3, hash)).toThrow('two homes');
  });
});
