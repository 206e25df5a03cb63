/** Plans of moves, as the register records them: begun, taken step by step, ended, paused and aborted. */
import { unreachable } from '../assert.ts';
import { applyMoveChange, type MoveChange, moveIdOf, moveName } from './move-change.ts';
import {
  slotCountOf,
  type PlanEntry,
  type PlanId,
  type PlannedMove,
  type PlanOutcome,
  type PlanRecord,
  type Rebalance,
  type RebalanceBy,
  type Transfer,
} from './rebalance.ts';
import { slotsOf } from './slot-ranges.ts';
import type { MoveEntry, ShardId, Topology } from './types.ts';

export type RebalanceChange =
  | {
      kind: 'begin-plan';
      by: RebalanceBy;
      isAutomatic: boolean;
      atMs: number;
      steps: readonly PlannedMove[];
    }
  /** The next of its moves. `left`: how many are to be begun, this one included, so that a step is taken once. */
  | { kind: 'begin-planned-move'; plan: PlanId; left: number }
  /** None of its moves is under way. */
  | { kind: 'end-plan'; plan: PlanId; atMs: number }
  /** `atMs`: by the wall clock of who asks for it; without it the time that it takes counts as the plan's. */
  | { kind: 'pause-rebalance'; atMs?: number | undefined }
  | { kind: 'resume-rebalance'; atMs?: number | undefined }
  /** No more moves are begun, by any plan, until resumed; those of this one are aborted if they still can be. */
  | { kind: 'abort-plan'; plan: PlanId };

/** A plan has no more ranges of slots: it is in every topology while it is under way. What is beyond is for the next plan. */
export const MAX_PLAN_RANGES = 512;
/** Plans that are remembered. */
const HISTORY_PLANS = 20;
/** Pairs of shards that are remembered of one, those with the most slots. */
const HISTORY_TRANSFERS = 32;

/** The topology without its new epoch, or why not. */
export function applyRebalanceChange(current: Topology, change: RebalanceChange): Topology | string {
  switch (change.kind) {
    case 'begin-plan':
      return beginPlan(current, change);
    case 'begin-planned-move':
      return inPlan(current, change.plan, (plan) => beginNext(current, plan, change.left));
    case 'end-plan':
      return inPlan(current, change.plan, (plan) => endPlan(current, plan, change.atMs));
    case 'pause-rebalance':
      return isPaused(current)
        ? 'rebalancing is paused already'
        : withRebalance(current, { ...rebalanceOf(current), paused: true, pausedAtMs: change.atMs });
    case 'resume-rebalance':
      return isPaused(current) ? resume(current, change.atMs) : 'rebalancing is not paused';
    case 'abort-plan':
      return inPlan(current, change.plan, (plan) => abortPlan(current, plan));
    default:
      return unreachable(change, 'change');
  }
}

/** A change of moves, and what it is to the plan that they are of. */
export function applyMoveChangeInPlan(current: Topology, change: MoveChange): Topology | string {
  const changed = applyMoveChange(current, change);
  const plan = current.rebalance?.plan;
  if (typeof changed === 'string' || plan === undefined || change.kind === 'begin-move') return changed;
  const move = current.moves.find(({ id }) => id === change.move);
  if (move === undefined || !plan.moves.includes(move.id)) return changed;
  if (change.kind === 'abort-move') {
    const isMisled = emptiedShards(current).has(move.target);
    return isMisled ? withPlan(changed, { ...plan, superseded: true }) : changed;
  }
  const moves = plan.moves.filter((id) => id !== move.id);
  const slots = slotCountOf(change.moved);
  const transfers = withTransfer(plan.transfers, move, slots);
  return withPlan(changed, { ...plan, moves, moved: plan.moved + slots, transfers });
}

/** They are to have no slots any more, or their homes have gone. */
export function emptiedShards({ nodes, shards }: Topology): ReadonlySet<ShardId> {
  const staying = new Set(nodes.filter(({ leaving }) => leaving !== true).map(({ id }) => id));
  const emptied = shards.filter(({ home, closing }) => !staying.has(home) || closing !== undefined);
  return new Set(emptied.map(({ id }) => id));
}

export function rebalanceOf({ rebalance }: Topology): Rebalance {
  return rebalance ?? { history: [] };
}

export function isPaused({ rebalance }: Topology): boolean {
  return rebalance?.paused === true;
}

function beginPlan(
  current: Topology,
  { by, isAutomatic, atMs, steps }: Extract<RebalanceChange, { kind: 'begin-plan' }>,
): Topology | string {
  const problem = planProblem(current, steps);
  if (problem !== null) return problem;
  const slots = steps.reduce((sum, step) => sum + slotCountOf(step.slots), 0);
  const id = moveIdOf({ generation: current.generation, epoch: current.epoch + 1 });
  return withPlan(current, {
    id,
    by,
    isAutomatic,
    beganMs: atMs,
    slots,
    moved: 0,
    transfers: [],
    steps,
    moves: [],
  });
}

function planProblem(current: Topology, steps: readonly PlannedMove[]): string | null {
  if (current.rebalance?.plan !== undefined) return 'a plan is under way already';
  if (isPaused(current)) return 'rebalancing is paused';
  if (current.moves.length > 0) return 'slots are being moved without a plan';
  if (steps.length === 0) return 'the plan moves nothing';
  const ranges = steps.reduce((sum, step) => sum + step.slots.length, 0);
  if (ranges > MAX_PLAN_RANGES) return `a plan has ${MAX_PLAN_RANGES} ranges of slots at most`;
  const seen = new Set<number>();
  for (const step of steps) {
    const problem = stepProblem(current, step);
    if (problem !== null) return problem;
    for (const slot of slotsOf(step.slots)) {
      if (seen.has(slot)) return `slot ${slot} is in the plan twice`;
      seen.add(slot);
    }
  }
  return null;
}

/** Why the move could not be begun now; null when it could. */
export function stepProblem(current: Topology, { source, target, slots }: PlannedMove): string | null {
  const begun = applyMoveChange(current, { kind: 'begin-move', source, target, slots });
  return typeof begun === 'string' ? begun : null;
}

function beginNext(current: Topology, plan: PlanEntry, left: number): Topology | string {
  const [next, ...steps] = plan.steps;
  if (plan.aborting === true) return 'the plan is being aborted';
  if (isPaused(current)) return 'rebalancing is paused';
  if (next === undefined || plan.steps.length !== left) return 'that step is begun already';
  const begun = applyMoveChange(current, { kind: 'begin-move', ...next });
  if (typeof begun === 'string') return begun;
  const id = moveIdOf({ generation: current.generation, epoch: current.epoch + 1 });
  return withPlan(begun, { ...plan, steps, moves: [...plan.moves, id] });
}

function endPlan(current: Topology, plan: PlanEntry, atMs: number): Topology | string {
  if (plan.moves.length > 0) return 'moves of the plan are under way';
  const { steps: _steps, moves: _moves, aborting: _aborting, superseded: _superseded, ...head } = plan;
  const transfers = [...plan.transfers].sort((a, b) => b.slots - a.slots).slice(0, HISTORY_TRANSFERS);
  const endedMs = Math.max(atMs, plan.beganMs);
  const record: PlanRecord = { ...head, endedMs, outcome: outcomeOf(plan), transfers };
  const { paused, pausedAtMs, history } = rebalanceOf(current);
  return withRebalance(current, { paused, pausedAtMs, history: [...history, record].slice(-HISTORY_PLANS) });
}

function outcomeOf(plan: PlanEntry): PlanOutcome {
  if (plan.aborting === true) return 'aborted';
  if (plan.steps.length > 0 || plan.superseded === true) return 'superseded';
  return plan.moved === plan.slots ? 'done' : 'partly';
}

function abortPlan(current: Topology, plan: PlanEntry): Topology | string {
  if (plan.aborting === true) return 'the plan is being aborted already';
  const moves = current.moves.map((move): MoveEntry =>
    plan.moves.includes(move.id) ? { ...move, aborting: true } : move,
  );
  const { history } = rebalanceOf(current);
  return { ...current, moves, rebalance: { paused: true, plan: { ...plan, aborting: true }, history } };
}

function resume(current: Topology, atMs: number | undefined): Topology {
  const { plan, pausedAtMs, history } = rebalanceOf(current);
  if (plan === undefined || atMs === undefined || pausedAtMs === undefined)
    return withRebalance(current, { plan, history });
  const pausedMs = (plan.pausedMs ?? 0) + Math.max(0, atMs - Math.max(pausedAtMs, plan.beganMs));
  return withRebalance(current, { plan: { ...plan, pausedMs }, history });
}

function inPlan(
  current: Topology,
  id: PlanId,
  change: (plan: PlanEntry) => Topology | string,
): Topology | string {
  const plan = current.rebalance?.plan;
  return plan?.id === id ? change(plan) : `there is no plan ${moveName(id)} under way`;
}

function withPlan(current: Topology, plan: PlanEntry): Topology {
  return withRebalance(current, { ...rebalanceOf(current), plan });
}

function withRebalance(current: Topology, rebalance: Rebalance): Topology {
  return { ...current, rebalance };
}

function withTransfer(
  transfers: readonly Transfer[],
  { source, target }: MoveEntry,
  slots: number,
): readonly Transfer[] {
  if (slots === 0) return transfers;
  const isPair = (row: Transfer): boolean => row.source === source && row.target === target;
  const row = transfers.find(isPair);
  if (row === undefined) return [...transfers, { source, target, slots }];
  return transfers.map((other) => (other === row ? { ...row, slots: row.slots + slots } : other));
}
