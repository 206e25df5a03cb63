/**
 * What is to become of rebalancing next: pure, so that whoever looks at the same topology proposes the same. The register takes each step once,
 * whoever proposes it how often.
 */
import type { TopologyChange } from './change.ts';
import { heldSlots, quotasOf, weighedShards } from './planner.ts';
import { emptiedShards, isPaused, stepProblem } from './rebalance-change.ts';
import { slotCountOf, type PlanEntry, type PlannedMove, type RebalanceBy } from './rebalance.ts';
import type { MoveEntry, Topology } from './types.ts';

/** Moves of a plan that the register has begun: more than run at once, so that none waits for the register. */
export const MOVES_AT_ONCE = 8;
/** A plan of which not all slots went over is not followed by another at once. */
export const PARTLY_PAUSE_MS = 60_000;

/** Nor one by load by another: slots that have just come were counted for a short time only. */
export const COUNTING_MS = 30_000;

export interface RebalanceSituation {
  topology: Topology;
  wallMs: number;
  /** Why no move may be begun now; empty when one may. */
  obstacle: string;
}

/** The next change of the plan under way; null: there is none, or it has to wait. */
export function nextPlanChange(situation: RebalanceSituation): TopologyChange | null {
  const { topology, obstacle, wallMs } = situation;
  const plan = topology.rebalance?.plan;
  if (plan === undefined) return null;
  const toCallBack = misledMove(topology, plan);
  if (toCallBack !== undefined) return { kind: 'abort-move', move: toCallBack.id };
  const isWaitedFor = plan.moves.length > 0;
  const end: TopologyChange | null = isWaitedFor ? null : { kind: 'end-plan', plan: plan.id, atMs: wallMs };
  if (plan.steps.length === 0 || plan.aborting === true) return end;
  if (plan.moves.length >= MOVES_AT_ONCE) return null;
  if (isSuperseded(situation, plan)) return end;
  if (obstacle !== '' || isPaused(topology)) return null;
  return { kind: 'begin-planned-move', plan: plan.id, left: plan.steps.length };
}

/** Whether a new plan may be made without being asked for. */
export function mayBeginPlan({ topology, wallMs, obstacle }: RebalanceSituation): boolean {
  const { rebalance, moves } = topology;
  if (obstacle !== '' || isPaused(topology) || rebalance?.plan !== undefined || moves.length > 0)
    return false;
  const last = rebalance?.history.at(-1);
  // By another's clock, which may have been far ahead.
  return last?.outcome !== 'partly' || Math.abs(wallMs - last.endedMs) >= PARTLY_PAUSE_MS;
}

/** Whether the loads of slots say enough for a plan by them. */
export function mayPlanByLoads({ topology, wallMs }: RebalanceSituation): boolean {
  const last = topology.rebalance?.history.at(-1);
  const isEmptied = [...emptiedShards(topology)].some((id) =>
    topology.slots.some(({ shard }) => shard === id),
  );
  return isEmptied || last === undefined || wallMs - last.endedMs >= COUNTING_MS || last.endedMs > wallMs;
}

export function beginPlan(
  by: RebalanceBy,
  steps: readonly PlannedMove[],
  isAutomatic: boolean,
  atMs: number,
): TopologyChange {
  return { kind: 'begin-plan', by, isAutomatic, atMs, steps };
}

/** Moves that are of no plan: they have to end first. */
export function hasForeignMoves({ moves, rebalance }: Topology): boolean {
  return moves.some(({ id }) => rebalance?.plan?.moves.includes(id) !== true);
}

/** Under way to a shard that is to have nothing any more: what has not gone over would have to come back. */
function misledMove(topology: Topology, { moves }: PlanEntry): MoveEntry | undefined {
  const emptied = emptiedShards(topology);
  return topology.moves.find(
    ({ id, target, aborting }) => aborting !== true && emptied.has(target) && moves.includes(id),
  );
}

/**
 * The cluster has become another than the plan was made for: what it would do next cannot be done, or would take a shard past its quota, or from
 * one below it. A plan by load goes on as long as its targets are to have anything.
 */
function isSuperseded({ topology }: RebalanceSituation, plan: PlanEntry): boolean {
  const [next] = plan.steps;
  if (stepProblem(topology, next) !== null) return true;
  const shards = weighedShards(topology);
  if (shards.some(({ id, weight }) => id === next.target && weight === 0)) return true;
  if (plan.by !== 'slots') return false;
  const held = new Map(heldSlots(topology));
  const quotas = quotasOf(shards, held);
  for (const { source, target, slots } of plan.steps) {
    const count = slotCountOf(slots);
    held.set(source, (held.get(source) ?? 0) - count);
    held.set(target, (held.get(target) ?? 0) + count);
  }
  return plan.steps.some(
    ({ source, target }) =>
      (held.get(target) ?? 0) > (quotas.get(target) ?? 0) ||
      (held.get(source) ?? 0) < (quotas.get(source) ?? 0),
  );
}
