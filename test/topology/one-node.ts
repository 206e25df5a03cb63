import type { Topology } from '../../src/topology/types.ts';

const NODE = 'a'.repeat(40);
const PORTS = { clientPort: 1, redirectPort: 2, peerPort: 3, adminPort: 4 };

/** A cluster of one node with one shard, at this epoch. */
export function oneNode(generation: number, epoch: number): Topology {
  return {
    clusterId: 'c'.repeat(40),
    generation,
    epoch,
    version: 1,
    nodes: [{ id: NODE, ordinal: 1, host: 'h', ...PORTS, zone: '', machine: '', weight: 1 }],
    nextOrdinal: 2,
    shards: [
      { id: 1, group: 1, home: NODE, replicas: [{ member: 1, node: NODE }], first: [1], nextMember: 2 },
    ],
    slots: [{ from: 0, to: 16_383, shard: 1 }],
    voters: [NODE],
    moves: [],
  };
}
