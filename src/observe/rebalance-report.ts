/** What /api/rebalance tells: the plan under way, those that have ended, how the shards are off their shares, and the plan that would be made now. */
import type {
  MoveReport,
  PlanProposal,
  PlanReport,
  RebalanceReport,
  RebalanceSource,
  ShardBalance,
} from '../admin/rebalance.ts';
import type { Rebalancer } from '../server/rebalancer.ts';
import type { SlotLoads } from '../server/slot-loads.ts';
import { heldSlots, ownersToBe, quotasOf, weighedShards } from '../topology/planner.ts';
import { rebalanceOf } from '../topology/rebalance-change.ts';
import {
  slotCountOf,
  workedMs,
  type PlanEntry,
  type PlanRecord,
  type PlannedMove,
  type RebalanceBy,
} from '../topology/rebalance.ts';
import { slotsOf } from '../topology/slot-ranges.ts';
import type { NodeId, ShardId, Topology } from '../topology/types.ts';
import type { NodeParts } from './parts.ts';

/** What a plan takes where nobody asks for anything, as `npm run bench:resize` shows on two cores: to begin and end it, for each slot, for what is in them. */
const ASSUMED_PLAN_MS = 1000;
const ASSUMED_SLOT_MS = 0.25;
const ASSUMED_BYTES_PER_SECOND = 16 * 1024 * 1024;
const MS_PER_SECOND = 1000;

interface Contents {
  keys: number;
  bytes: number;
}

/** Null before the node serves. */
export function rebalanceSource(partsNow: () => NodeParts | null): RebalanceSource {
  const tell = async <Told>(
    how: (parts: NodeParts, rebalancer: Rebalancer) => Promise<Told>,
  ): Promise<Told | null> => {
    const parts = partsNow();
    const rebalancer = parts?.rebalancer() ?? null;
    return parts === null || rebalancer === null ? null : how(parts, rebalancer);
  };
  return {
    readRebalance: () => tell(readRebalance),
    proposePlan: (by) =>
      tell((parts, rebalancer) => proposePlan(parts, rebalancer, by ?? parts.settings.rebalanceBy)),
  };
}

async function readRebalance(parts: NodeParts, rebalancer: Rebalancer): Promise<RebalanceReport> {
  const loads = await rebalancer.gatherLoads();
  const { topology, settings, env } = parts;
  const { paused, plan, history } = rebalanceOf(topology);
  return {
    ...headOf(topology),
    isAutomatic: settings.rebalanceAuto,
    by: settings.rebalanceBy,
    paused: paused === true,
    obstacle: rebalancer.obstacle,
    plan: plan === undefined ? null : planReport(topology, plan, loads, env.clock.wallMs()),
    history,
    shards: shardBalances(parts, topology, loads),
    unknown: loads.unknown,
  };
}

async function proposePlan(parts: NodeParts, rebalancer: Rebalancer, by: RebalanceBy): Promise<PlanProposal> {
  const { topology, loads, moves, slots, slotsLater, obstacle } = await rebalancer.plan(by);
  const { plan, paused, history } = rebalanceOf(topology);
  const what = moves.map((move) => ({ ...move, ...contentsOf(slotsOf(move.slots), loads) }));
  const bytes = what.reduce((sum, move) => sum + move.bytes, 0);
  return {
    ...headOf(topology),
    by,
    obstacle:
      plan !== undefined ? 'a plan is under way' : paused === true ? 'rebalancing is paused' : obstacle,
    moves: what,
    slots,
    slotsLater,
    expectedMs: expectedMs(slots, bytes, history),
    shards: shardBalances(parts, topology, loads),
    after: [...heldAfter(topology, moves)].map(([shard, count]) => ({ shard, slots: count })),
    unknown: loads.unknown,
  };
}

function headOf({
  clusterId,
  generation,
  epoch,
}: Topology): Pick<RebalanceReport, 'clusterId' | 'generation' | 'epoch'> {
  return { clusterId, generation, epoch };
}

function planReport(topology: Topology, plan: PlanEntry, loads: SlotLoads, wallMs: number): PlanReport {
  const underWay = topology.moves
    .filter(({ id }) => plan.moves.includes(id))
    .map(({ id, source, target, slots, aborting }): MoveReport => {
      const left = slotsOf(slots).filter((slot) => loads.servers[slot] !== target);
      const slotsGone = slotCountOf(slots) - left.length;
      return {
        id,
        source,
        target,
        slots: left.length,
        slotsGone,
        aborting: aborting === true,
        ...contentsOf(left, loads),
      };
    });
  const waiting = plan.steps.map((step) => contentsOf(slotsOf(step.slots), loads));
  const sum = (of: (contents: Contents) => number): number =>
    [...underWay, ...waiting].reduce((total, contents) => total + of(contents), 0);
  const { id, by, isAutomatic, beganMs, slots, moved, transfers } = plan;
  return {
    id,
    by,
    isAutomatic,
    aborting: plan.aborting === true,
    beganMs,
    elapsedMs: workedMs(plan, wallMs),
    slots,
    moved: underWay.reduce((total, { slotsGone }) => total + slotsGone, moved),
    transfers,
    underWay,
    movesLeft: plan.steps.length,
    keysLeft: sum(({ keys }) => keys),
    bytesLeft: sum(({ bytes }) => bytes),
  };
}

function shardBalances(parts: NodeParts, topology: Topology, loads: SlotLoads): ShardBalance[] {
  const shards = weighedShards(topology);
  const held = heldSlots(topology);
  const quotas = quotasOf(shards, held);
  const contents = new Map<ShardId, Contents & { slots: number; operations: number }>();
  const owners = ownersToBe({ ...topology, moves: [] });
  let last = { shard: 0, row: { slots: 0, keys: 0, bytes: 0, operations: 0 } };
  for (let slot = 0; slot < owners.length; slot++) {
    const shard = loads.servers[slot] === 0 ? owners[slot] : loads.servers[slot];
    // Mostly that of the slot before.
    if (shard !== last.shard) {
      last = { shard, row: contents.get(shard) ?? { slots: 0, keys: 0, bytes: 0, operations: 0 } };
      contents.set(shard, last.row);
    }
    last.row.slots += 1;
    last.row.keys += loads.keys[slot];
    last.row.bytes += loads.bytes[slot];
    last.row.operations += loads.operations[slot];
  }
  return shards.map(({ id, weight }, at) => {
    const { slots = 0, keys = 0, bytes = 0, operations = 0 } = contents.get(id) ?? {};
    return {
      shard: id,
      node: nameOf(parts, topology.shards[at].home),
      weight,
      slots,
      quota: quotas.get(id) ?? 0,
      keys,
      bytes,
      operationsPerSecond: Math.round(operations),
    };
  });
}

function heldAfter(topology: Topology, moves: readonly PlannedMove[]): ReadonlyMap<ShardId, number> {
  const planned = moves.map((move, at) => ({ ...move, id: at + 1 }));
  return heldSlots({ ...topology, moves: [...topology.moves, ...planned] });
}

function contentsOf(slots: readonly number[], loads: SlotLoads): Contents {
  const contents = { keys: 0, bytes: 0 };
  for (const slot of slots) {
    contents.keys += loads.keys[slot];
    contents.bytes += loads.bytes[slot];
  }
  return contents;
}

/** As it is assumed, or at the pace of the last plan that was done where that was slower: its slots may have held less, but it knew the machines. */
function expectedMs(slots: number, bytes: number, history: readonly PlanRecord[]): number {
  const assumedMs =
    ASSUMED_PLAN_MS + slots * ASSUMED_SLOT_MS + (bytes / ASSUMED_BYTES_PER_SECOND) * MS_PER_SECOND;
  const last = history.findLast(({ outcome, moved }) => outcome === 'done' && moved > 0);
  const paceMs = last === undefined ? 0 : (workedMs(last, last.endedMs) / last.moved) * slots;
  return slots === 0 ? 0 : Math.max(assumedMs, paceMs);
}

function nameOf({ self, settings, peers }: NodeParts, node: NodeId): string {
  return node === self ? settings.id : (peers.get(node)?.name ?? node.slice(0, 8));
}
