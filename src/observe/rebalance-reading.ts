/** What /metrics tells of shares and plans. */
import type { RebalanceReading } from '../admin/metrics-source.ts';
import type { SlotOwners } from '../server/slot-owners.ts';
import type { Replica } from '../shard/replica.ts';
import { balanceOf, heldSlots, ownersToBe, quotasOf, weighedShards } from '../topology/planner.ts';
import { rebalanceOf } from '../topology/rebalance-change.ts';
import type { PlanEntry } from '../topology/rebalance.ts';
import { slotsOf } from '../topology/slot-ranges.ts';
import type { Topology } from '../topology/types.ts';
import type { NodeParts } from './parts.ts';

export function readRebalancing({
  topology,
  router,
  rebalancer: rebalancerNow,
}: NodeParts): RebalanceReading {
  const rebalancer = rebalancerNow();
  const { plan, paused } = rebalanceOf(topology);
  const shards = weighedShards(topology);
  const owned = { ...topology, moves: [] };
  const quotas = quotasOf(shards, heldSlots(owned));
  return {
    shares: shards.map(({ id, weight }) => ({ shard: id, weight, quota: quotas.get(id) ?? 0 })),
    balanceRatio: balanceOf(ownersToBe(owned), shards, null).highest,
    hasPlan: plan !== undefined,
    paused: paused === true,
    obstructed: (rebalancer?.obstacle ?? '') !== '',
    slotsPlanned: plan?.slots ?? 0,
    slotsLeft: plan === undefined ? 0 : plan.slots - plan.moved - slotsGone(topology, plan, router.owners),
    movesRunning: topology.moves.length,
    ended: rebalancer?.ended ?? new Map(),
  };
}

/** Of moves under way, as their targets have told all nodes. */
function slotsGone({ moves }: Topology, plan: PlanEntry, owners: SlotOwners): number {
  return moves
    .filter(({ id }) => plan.moves.includes(id))
    .reduce(
      (sum, { slots, target }) => sum + slotsOf(slots).filter((slot) => owners.of(slot) === target).length,
      0,
    );
}

/** All slots; null unless it leads. */
export function commandsPerSecond({ env }: NodeParts, { isLeader, machine }: Replica): number | null {
  if (!isLeader) return null;
  let sum = 0;
  for (const rate of machine.operations.rates(env.clock.monotonicMs())) sum += rate;
  return sum;
}
