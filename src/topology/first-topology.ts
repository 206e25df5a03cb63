import { assert } from '../assert.ts';
import { FIRST_VERSION } from './cluster-version.ts';
import type { ClusterRecord } from './founding.ts';
import { canonicalTopology } from './topology-codec.ts';
import { firstVoters } from './voters.ts';
import type { NodeEntry, NodeId, ShardEntry, ShardId, SlotRun, Topology } from './types.ts';

const FIRST_GENERATION = 1;
const FIRST_EPOCH = 1;
/** Fewer nodes cannot carry a replicated shard: learners, which two could have, come later. */
const MIN_NODES_TO_REPLICATE = 3;

/** A shard and the node that is its home, as placement sees them. */
interface PlacedShard {
  shard: ShardId;
  zone: string;
  machine: string;
  weight: number;
}

/** What is asked of the ring. Pure: the same input gives the same answer on every node. */
export interface Placement {
  /** Runs that cover all slots, by weight and preference. */
  slots(shards: readonly PlacedShard[]): readonly SlotRun[];
  /** For each shard the shards whose home nodes hold it: its own first, the others spread over zones and machines. */
  replicas(
    shards: readonly PlacedShard[],
    replicationFactor: number,
  ): ReadonlyMap<ShardId, readonly ShardId[]>;
}

/** One home shard per node, with replicas on two others where there are three nodes; the ring says where slots and replicas go. */
export function firstTopology(cluster: ClusterRecord, wantedFactor: number, placement: Placement): Topology {
  const nodes = [...cluster.nodes].sort((a, b) => a.ordinal - b.ordinal);
  const placed = nodes.map((node) => placedShardOf(node));
  const replicationFactor = nodes.length < MIN_NODES_TO_REPLICATE ? 1 : oddAtMost(wantedFactor, nodes.length);
  const replicas = placement.replicas(placed, replicationFactor);
  const shards = placed.map(({ shard }) => {
    const holders = replicas.get(shard) ?? [];
    assert(holders[0] === shard, 'the first replica of a shard lies on its home');
    assert(new Set(holders).size === replicationFactor, 'replicas of a shard lie on different nodes');
    return shardEntry(shard, holders, nodes);
  });
  const { id: clusterId } = cluster;
  const slots = placement.slots(placed);
  const nextOrdinal = Math.max(...nodes.map(({ ordinal }) => ordinal)) + 1;
  const first: Topology = {
    clusterId,
    generation: FIRST_GENERATION,
    epoch: FIRST_EPOCH,
    version: FIRST_VERSION,
    nodes,
    nextOrdinal,
    shards,
    slots,
    voters: firstVoters(nodes),
    moves: [],
  };
  const canonical = canonicalTopology(first);
  assert(canonical !== null, 'the first topology can be told');
  return canonical;
}

/** Voters of a shard are an odd number. */
function oddAtMost(wanted: number, nodes: number): number {
  const least = Math.min(wanted, nodes);
  return least % 2 === 1 ? least : least - 1;
}

/** A node's home shard has its ordinal. */
function placedShardOf(node: NodeEntry): PlacedShard {
  const { ordinal, zone, machine, weight } = node;
  return { shard: ordinal, zone, machine, weight };
}

/** Members are numbered by their place in the row, groups by their shard: both are given once, and later ones count on from here. */
function shardEntry(shard: ShardId, holders: readonly ShardId[], nodes: readonly NodeEntry[]): ShardEntry {
  const homeOf = (shard: ShardId): NodeId => {
    const node = nodes.find(({ ordinal }) => ordinal === shard);
    assert(node !== undefined, 'placement names shards of the cluster');
    return node.id;
  };
  const replicas = holders.map((holder, i) => ({ member: i + 1, node: homeOf(holder) }));
  const first = replicas.map(({ member }) => member);
  return { id: shard, group: shard, home: homeOf(shard), replicas, first, nextMember: first.length + 1 };
}
