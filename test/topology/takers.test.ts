import { expect, it } from 'vitest';

import { awayTaker, shortOf } from '../../src/topology/takers.ts';
import type { Topology } from '../../src/topology/types.ts';
import { manyNodes, nodeId } from './many-nodes.ts';

/** Shard 1 has its members on nodes 1, 2 and 3; of these, 3 leaves it. */
function withMembers(): Topology {
  const before = manyNodes(4);
  const replicas = [1, 2, 3].map((at) => ({
    member: at,
    node: nodeId(at),
    ...(at === 3 ? { leaving: true as const } : {}),
  }));
  return {
    ...before,
    shards: before.shards.map((shard) => (shard.id === 1 ? { ...shard, replicas } : shard)),
  };
}

const allBut = (away: number) => (node: string) => node !== nodeId(away);

it('a shard takes slots when all of its members are reached, and its home', () => {
  expect(awayTaker(withMembers(), new Set([1]), () => true)).toBeNull();
  expect(awayTaker(withMembers(), new Set([1]), allBut(1))).toEqual({ shard: 1, node: nodeId(1) });
  expect(awayTaker(withMembers(), new Set([1]), allBut(2))).toEqual({ shard: 1, node: nodeId(2) });
});

it('a member that leaves it need not be, nor those of shards that take nothing', () => {
  expect(awayTaker(withMembers(), new Set([1]), allBut(3))).toBeNull();
  expect(awayTaker(withMembers(), new Set([2]), allBut(1))).toBeNull();
});

it('short are those that hold less than their quotas', () => {
  const all = manyNodes(3);
  expect(all.slots).toEqual([{ from: 0, to: 16_383, shard: 1 }]);
  expect(shortOf(all)).toEqual(new Set([2, 3]));
  const thirds = [
    { from: 0, to: 5_461, shard: 1 },
    { from: 5_462, to: 10_922, shard: 2 },
    { from: 10_923, to: 16_383, shard: 3 },
  ];
  expect(shortOf({ ...all, slots: thirds })).toEqual(new Set());
});
