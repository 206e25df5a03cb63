/** Whether the nodes that stay have room for what one that leaves holds. Pure. */
import type { TokenHash } from '../../ring/index.ts';
import { heldSlots, quotasOf, weighedShards } from './planner.ts';
import { planReplicas, replicationFactorOf } from './replica-planner.ts';
import type { NodeId, ShardId, Topology } from './types.ts';

/** What the cluster holds, and where there is room for more. */
export interface Loads {
  /** Keys and values of each shard. */
  readonly shardBytes: ReadonlyMap<ShardId, number>;
  /** What each node may be given more (server/room.ts); who does not answer is given nothing. */
  readonly roomBytes: ReadonlyMap<NodeId, number>;
  readonly hash: TokenHash;
}

export interface Crowded {
  readonly node: NodeId;
  readonly neededBytes: number;
  readonly roomBytes: number;
}

/** Nodes that would have to hold more than they have room for, once the node and all that leave already are gone. */
export function crowdedWithout(topology: Topology, leaver: NodeId, loads: Loads): Crowded[] {
  const { shardBytes, roomBytes, hash } = loads;
  const nodes = topology.nodes.map((node) => (node.id === leaver ? { ...node, leaving: true } : node));
  const leaving = new Set(nodes.filter((node) => node.leaving === true).map(({ id }) => id));
  const after = { ...topology, nodes };
  const bytesThen = shardBytesAfter(after, shardBytes);
  const replicationFactor = replicationFactorOf(topology);
  const silent = new Set(nodes.map(({ id }) => id).filter((id) => !roomBytes.has(id)));
  const { targets } = planReplicas(after, { replicationFactor, hash }, new Set(), silent);
  const needed = new Map<NodeId, number>();
  const add = (node: NodeId, bytes: number): unknown => needed.set(node, (needed.get(node) ?? 0) + bytes);
  for (const { id, home, replicas } of topology.shards) {
    for (const { node } of replicas) add(node, -(shardBytes.get(id) ?? 0));
    // Its group ends once its slots are elsewhere.
    if (leaving.has(home)) continue;
    for (const node of targets.get(id) ?? []) add(node, bytesThen.get(id) ?? 0);
  }
  return [...needed]
    .map(([node, bytes]) => ({ node, neededBytes: Math.ceil(bytes), roomBytes: roomBytes.get(node) ?? 0 }))
    .filter(({ node, neededBytes, roomBytes: room }) => !leaving.has(node) && neededBytes > room);
}

/** As if all slots of a shard held the same. */
function shardBytesAfter(topology: Topology, now: ReadonlyMap<ShardId, number>): Map<ShardId, number> {
  const held = heldSlots(topology);
  const quotas = quotasOf(weighedShards(topology), held);
  const rows = topology.shards.map(({ id }) => {
    const slots = held.get(id) ?? 0;
    return { id, bytes: now.get(id) ?? 0, slots, moved: (quotas.get(id) ?? 0) - slots };
  });
  const taken = rows.filter(({ moved }) => moved > 0).reduce((sum, { moved }) => sum + moved, 0);
  const given = rows
    .filter(({ moved }) => moved < 0)
    .reduce((sum, { bytes, slots, moved }) => sum + (bytes * -moved) / slots, 0);
  return new Map(
    rows.map(({ id, bytes, slots, moved }) => [
      id,
      moved < 0 ? (bytes * (slots + moved)) / slots : bytes + (taken === 0 ? 0 : (given * moved) / taken),
    ]),
  );
}
