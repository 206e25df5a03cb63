/** Shards that are to take slots, and whether they may. Pure. */
import { heldSlots, quotasOf, weighedShards } from './planner.ts';
import type { NodeId, ShardId, Topology } from './types.ts';

/** A shard that is to take slots, and a node of its that is not reached. */
export interface AwayTaker {
  readonly shard: ShardId;
  readonly node: NodeId;
}

/** Those that are short of their quotas. */
export function shortOf(topology: Topology): ReadonlySet<ShardId> {
  const held = heldSlots(topology);
  const quotas = quotasOf(weighedShards(topology), held);
  return new Set([...quotas].filter(([id, quota]) => quota > (held.get(id) ?? 0)).map(([id]) => id));
}

/** Slots are not given to a shard that the next failure could leave without a majority: all its members have to be reached. Null: they are. */
export function awayTaker(
  { shards }: Topology,
  takers: ReadonlySet<ShardId>,
  isReached: (node: NodeId) => boolean,
): AwayTaker | null {
  for (const { id, home, replicas } of shards) {
    if (!takers.has(id)) continue;
    const members = replicas.filter(({ leaving }) => leaving !== true).map(({ node }) => node);
    const away = [home, ...members].find((node) => !isReached(node));
    if (away !== undefined) return { shard: id, node: away };
  }
  return null;
}
