import { assert } from '../assert.ts';
import type { ClusterRecord } from './founding.ts';
import type { NodeEntry, ShardEntry, ShardId, SlotRun, Topology } from './types.ts';

const FIRST_GENERATION = 1;
const FIRST_EPOCH = 1;
const REPLICATION_FACTOR = 3;
/** Fewer nodes cannot carry a replicated shard: learners, which two could have, come later. */
const MIN_NODES_TO_REPLICATE = 3;

/** A shard and the node that is its home, as placement sees them. */
export interface PlacedShard {
  shard: ShardId;
  ordinal: number;
  zone: string;
  machine: string;
  weight: number;
}

/** What is asked of the ring. Pure: the same input gives the same answer on every node. */
export interface Placement {
  /** Runs that cover all slots, by weight and preference. */
  slots(shards: readonly PlacedShard[]): readonly SlotRun[];
  /** The ordinals of the nodes that hold a shard's other replicas, `count` of them, spread over zones and machines. */
  replicas(shards: readonly PlacedShard[], shard: PlacedShard, count: number): readonly number[];
}

/** One home shard per node, with replicas on two others where there are three nodes; the ring says where slots and replicas go. */
export function firstTopology(cluster: ClusterRecord, placement: Placement): Topology {
  const nodes = [...cluster.nodes].sort((a, b) => a.ordinal - b.ordinal);
  const placed = nodes.map((node) => placedShardOf(node));
  return {
    clusterId: cluster.id,
    generation: FIRST_GENERATION,
    epoch: FIRST_EPOCH,
    nodes,
    shards: placed.map((shard) => shardEntry(shard, placed, nodes, placement)),
    slots: placement.slots(placed),
  };
}

/** A node's home shard has its ordinal. */
function placedShardOf(node: NodeEntry): PlacedShard {
  const { ordinal, zone, machine, weight } = node;
  return { shard: ordinal, ordinal, zone, machine, weight };
}

/** Members are numbered by their place in the row, groups by their shard: both are given once, and later ones count on from here. */
function shardEntry(
  shard: PlacedShard,
  placed: readonly PlacedShard[],
  nodes: readonly NodeEntry[],
  placement: Placement,
): ShardEntry {
  const others = nodes.length < MIN_NODES_TO_REPLICATE ? 0 : REPLICATION_FACTOR - 1;
  const ordinals = [shard.ordinal, ...(others === 0 ? [] : placement.replicas(placed, shard, others))];
  assert(new Set(ordinals).size === others + 1, 'replicas of a shard lie on different nodes');
  const idOf = (ordinal: number): string => {
    const node = nodes.find((each) => each.ordinal === ordinal);
    assert(node !== undefined, 'placement names nodes of the cluster');
    return node.id;
  };
  return {
    id: shard.shard,
    group: shard.shard,
    home: idOf(shard.ordinal),
    replicas: ordinals.map((ordinal, i) => ({ member: i + 1, node: idOf(ordinal) })),
  };
}
