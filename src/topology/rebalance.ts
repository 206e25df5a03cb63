/** What the register holds of rebalancing: the plan under way, those that have ended, and whether an operator wants none. */
import type { MoveId, ShardId, SlotRange } from './types.ts';

/** What is spread evenly, by weight: slots, or what is in them. */
export type RebalanceBy = 'slots' | 'bytes' | 'ops';

/** Of the epoch that recorded the plan, as a move's. */
export type PlanId = number;

/** A move that a plan is still to begin. */
export interface PlannedMove {
  source: ShardId;
  target: ShardId;
  /** Sorted, apart from each other. */
  slots: readonly SlotRange[];
}

/** How many slots went over. */
export interface Transfer {
  source: ShardId;
  target: ShardId;
  slots: number;
}

interface PlanHead {
  id: PlanId;
  by: RebalanceBy;
  /** Nobody asked for it. */
  isAutomatic: boolean;
  /** By the wall clock of who proposed it. */
  beganMs: number;
  /** Of the time since then, for how long an operator had it paused. */
  pausedMs?: number | undefined;
  /** All that were to move. */
  slots: number;
  /** How many have gone over. */
  moved: number;
  /** From where to where: a row a pair of shards; of plans that have ended those with the most slots. */
  transfers: readonly Transfer[];
}

export interface PlanEntry extends PlanHead {
  /** What is still to be begun, in this order. */
  steps: readonly PlannedMove[];
  /** Those of its moves that are under way. */
  moves: readonly MoveId[];
  /** An operator wants it aborted: it ends once its moves have. */
  aborting?: boolean | undefined;
  /** Moves of it were called back, since their target is to have nothing any more. */
  superseded?: boolean | undefined;
}

/**
 * - `done`: all slots went over.
 * - `partly`: all moves have ended, not all slots went over.
 * - `superseded`: the rest was not begun, or called back, since the cluster has changed.
 * - `aborted`: by an operator.
 */
export const OUTCOMES = ['done', 'partly', 'superseded', 'aborted'] as const;
export type PlanOutcome = (typeof OUTCOMES)[number];

export interface PlanRecord extends PlanHead {
  endedMs: number;
  outcome: PlanOutcome;
}

export interface Rebalance {
  /** No move is begun until an operator says so. */
  paused?: boolean | undefined;
  /** Since when, by the wall clock of who asked for it. */
  pausedAtMs?: number | undefined;
  plan?: PlanEntry | undefined;
  /** The oldest first. */
  history: readonly PlanRecord[];
}

/** How long it has been at work: a pause says nothing of its pace. */
export function workedMs({ beganMs, pausedMs = 0 }: PlanHead, untilMs: number): number {
  return Math.max(0, untilMs - beganMs - pausedMs);
}

export function slotCountOf(ranges: readonly SlotRange[]): number {
  return ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
}
