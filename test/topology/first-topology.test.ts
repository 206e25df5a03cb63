import { describe, expect, it } from 'vitest';

import { firstTopology } from '../../src/topology/first-topology.ts';
import type { Placement } from '../../src/topology/first-topology.ts';
import type { ClusterRecord } from '../../src/topology/founding.ts';
import { SLOT_COUNT } from '../../src/topology/types.ts';

/** The next shards by number, and equal runs: enough to see what is asked and what is made of the answer. */
const placement: Placement = {
  slots: (shards) =>
    shards.map(({ shard }, i) => ({
      from: Math.floor((i * SLOT_COUNT) / shards.length),
      to: Math.floor(((i + 1) * SLOT_COUNT) / shards.length) - 1,
      shard,
    })),
  replicas: (shards, factor) =>
    new Map(
      shards.map(({ shard }, i) => [
        shard,
        Array.from({ length: factor }, (_, step) => shards[(i + step) % shards.length].shard),
      ]),
    ),
};

function clusterOf(count: number): ClusterRecord {
  const nodes = Array.from({ length: count }, (_, i) => ({
    id: `${i + 1}`.repeat(40),
    ordinal: i + 1,
    host: 'h',
    clientPort: 1,
    redirectPort: 2,
    peerPort: 3 + i,
    adminPort: 4,
    zone: 'z',
    machine: `m${i}`,
    weight: 1,
  }));
  return { id: 'c'.repeat(40), nodes: nodes.reverse() };
}

describe('the first topology', () => {
  it('gives each node a home shard, and three voters where there are three nodes', () => {
    const topology = firstTopology(clusterOf(4), 3, placement);
    expect(topology).toMatchObject({ clusterId: 'c'.repeat(40), generation: 1, epoch: 1 });
    expect(topology.nodes.map(({ ordinal }) => ordinal)).toEqual([1, 2, 3, 4]);
    expect(topology.shards[3]).toEqual({
      id: 4,
      group: 4,
      home: '4'.repeat(40),
      replicas: [
        { member: 1, node: '4'.repeat(40) },
        { member: 2, node: '1'.repeat(40) },
        { member: 3, node: '2'.repeat(40) },
      ],
      first: [1, 2, 3],
      nextMember: 4,
    });
    expect(topology.slots.map(({ shard }) => shard)).toEqual([1, 2, 3, 4]);
  });

  it.each([1, 2])('gives each of %i nodes one voter, at home', (count) => {
    const { shards } = firstTopology(clusterOf(count), 3, placement);
    expect(shards).toHaveLength(count);
    for (const { home, replicas } of shards) expect(replicas).toEqual([{ member: 1, node: home }]);
  });

  it('does not take a placement that puts two replicas on one node', () => {
    const broken: Placement = {
      ...placement,
      replicas: (shards) => new Map(shards.map(({ shard }) => [shard, [shard, shard, shard]])),
    };
    expect(() => firstTopology(clusterOf(3), 3, broken)).toThrow('different nodes');
  });
});
