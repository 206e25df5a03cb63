import { describe, expect, it } from 'vitest';

import { loadTokenHash } from '../../ring/index.ts';
import { crowdedWithout } from '../../src/topology/room-check.ts';
import type { NodeId, Topology } from '../../src/topology/types.ts';
import { after, manyNodes, nodeId } from '../topology/many-nodes.ts';

const hash = await loadTokenHash();
const MIB = 1024 * 1024;

/** Of `count` nodes, each shard with a fourth of the slots and three replicas in a ring. */
function cluster(count: number): Topology {
  const topology = manyNodes(count);
  const each = 16_384 / count;
  const shards = topology.shards.map((shard, at) => ({
    ...shard,
    replicas: [0, 1, 2].map((step) => ({ member: step + 1, node: nodeId(((at + step) % count) + 1) })),
  }));
  const slots = shards.map(({ id }, at) => ({ from: at * each, to: (at + 1) * each - 1, shard: id }));
  return { ...topology, shards, slots };
}

function rooms(bytes: readonly number[]): Map<NodeId, number> {
  return new Map(bytes.map((room, at) => [nodeId(at + 1), room]));
}

const FULL = new Map([1, 2, 3, 4].map((shard) => [shard, 100 * MIB]));

describe('a node that leaves', () => {
  it('leaves all it held to three others, each of which then holds everything', () => {
    // 400 MiB each instead of 300.
    const roomBytes = rooms([100 * MIB, 100 * MIB, 100 * MIB, 0]);
    expect(crowdedWithout(cluster(4), nodeId(4), { shardBytes: FULL, roomBytes, hash })).toEqual([]);
  });

  it('is too much for who has less room than that', () => {
    const roomBytes = rooms([100 * MIB, 99 * MIB, 100 * MIB, 0]);
    const crowded = crowdedWithout(cluster(4), nodeId(4), { shardBytes: FULL, roomBytes, hash });
    expect(crowded).toEqual([{ node: nodeId(2), neededBytes: 100 * MIB, roomBytes: 99 * MIB }]);
  });

  it('is reckoned beside those that leave already', () => {
    const topology = after(cluster(4), { kind: 'begin-leave', node: nodeId(3) });
    const roomBytes = rooms([100 * MIB, 100 * MIB, 0, 0]);
    const alone = crowdedWithout(cluster(4), nodeId(4), { shardBytes: FULL, roomBytes, hash });
    expect(alone.map(({ node }) => node)).toEqual([nodeId(3)]);
    const both = crowdedWithout(topology, nodeId(4), { shardBytes: FULL, roomBytes, hash });
    // Two nodes stay, which have all already but for a fourth.
    expect(both).toEqual([]);
    const little = { shardBytes: FULL, roomBytes: rooms([50 * MIB, 50 * MIB, 0, 0]), hash };
    expect(crowdedWithout(topology, nodeId(4), little).map(({ node }) => node)).toEqual([
      nodeId(1),
      nodeId(2),
    ]);
  });

  it('gives no replica to a node that does not answer', () => {
    const roomBytes = rooms([500 * MIB, 0, 500 * MIB, 0]);
    const loads = { shardBytes: FULL, roomBytes, hash };
    expect(crowdedWithout(cluster(4), nodeId(4), loads).map(({ node }) => node)).toEqual([nodeId(2)]);
    roomBytes.delete(nodeId(2));
    expect(crowdedWithout(cluster(4), nodeId(4), loads)).toEqual([]);
  });
});
