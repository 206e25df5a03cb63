/**
 * Which slots are to move so that every shard has its share, by slots, bytes or operations. Pure: same input, same plan, on every node.
 */
import { emptyTable, planSlots, slotQuotas, tableOf, type Shard, type SlotTable } from '../../ring/index.ts';
import { balancingTransfers } from './load-balance.ts';
import { emptiedShards, MAX_PLAN_RANGES } from './rebalance-change.ts';
import { slotCountOf, type PlannedMove, type RebalanceBy } from './rebalance.ts';
import { slotRanges } from './slot-ranges.ts';
import { SLOT_COUNT, type ShardId, type SlotRange, type Topology } from './types.ts';

/** Slots of one move. Each costs two changes of the register; the register learns of its slots when it ends. */
export const MAX_MOVE_SLOTS = 2048;

/** A plan by bytes or operations is made when a shard is so far above its share, or below it, and brings all within the lesser distance. */
export const ACT_RATIO = 1.1;
export const STOP_RATIO = 1.02;

/** Commands a second are of about so long (slot-operations.ts). */
const COUNTED_SECONDS = 10;
/** A count that is off by more of its standard deviations than these is not off by chance. */
const CHANCE_DEVIATIONS = 3;

export interface PlanInput {
  topology: Topology;
  /** The shard that each slot prefers, of those given (ring/). */
  preferences: (shards: readonly ShardId[]) => SlotTable;
  by: RebalanceBy;
  /** What each slot weighs: bytes, or operations a second. Null by slots. */
  loads: Float64Array | null;
}

export interface MovePlan {
  readonly moves: readonly PlannedMove[];
  readonly slots: number;
  /** Slots that are to move as well, and are too scattered for this plan. */
  readonly slotsLater: number;
}

/** The moves that bring each shard to its share, as few slots as can be; moves under way count as done. */
export function planMoves(input: PlanInput): MovePlan {
  const { topology, by, loads } = input;
  const shards = weighedShards(topology);
  if (shards.every(({ weight }) => weight === 0)) return planOf([]);
  const owners = ownersToBe(topology);
  const isByLoad = by !== 'slots' && loads !== null && loads.some((load) => load > 0);
  const targets = isByLoad
    ? balancingTransfers(owners, shards, loads, STOP_RATIO)
    : bySlots(owners, shards, input);
  return planOf(movesBetween(owners, targets));
}

/**
 * Whether a plan should be made at all. By slots whenever a shard is off its quota; by load when one is further from its share than a plan leaves
 * it: what a plan has balanced has to get worse by as much before there is another.
 */
export function isPlanDue(input: PlanInput): boolean {
  const { topology, by, loads } = input;
  if (by === 'slots' || loads === null) return isOffQuota(input);
  const shards = weighedShards(topology);
  const owners = ownersToBe(topology);
  const { highest, lowest, isHeldByNone } = balanceOf(owners, shards, loads);
  const chance = by === 'ops' ? chanceOf(shards, loads) : 0;
  const isOff =
    highest > Math.max(ACT_RATIO, 1 + chance) ||
    lowest < Math.min(1 / ACT_RATIO, 1 - chance) ||
    (lowest === 0 && shards.some(({ id, weight }) => weight > 0 && !owners.includes(id)));
  return (isOff || isHeldByNone) && planMoves(input).slots > 0;
}

/** By how much of its share a shard may be off because few commands were counted: what is planned by chance is planned back by the next. */
function chanceOf(shards: readonly Shard[], loads: Float64Array): number {
  const weights = shards.map(({ weight }) => weight).filter((weight) => weight > 0);
  const least = Math.min(...weights) / weights.reduce((sum, weight) => sum + weight, 0);
  const counted = loads.reduce((sum, load) => sum + load, 0) * COUNTED_SECONDS;
  return CHANCE_DEVIATIONS / Math.sqrt(counted * least);
}

function isOffQuota({ topology }: PlanInput): boolean {
  const held = heldSlots(topology);
  const quotas = quotasOf(weighedShards(topology), held);
  return quotas.size > 0 && [...held].some(([shard, count]) => count !== (quotas.get(shard) ?? 0));
}

export interface Balance {
  /** Of a shard's load to its share by weight; 1 where there is no load. */
  highest: number;
  lowest: number;
  /** A shard that is to have nothing has slots. */
  isHeldByNone: boolean;
}

export function balanceOf(owners: SlotTable, shards: readonly Shard[], loads: Float64Array | null): Balance {
  const held = new Map<ShardId, { load: number; slots: number }>();
  let total = 0;
  for (const [slot, shard] of owners.entries()) {
    const row = held.get(shard) ?? { load: 0, slots: 0 };
    const load = loads === null ? 1 : loads[slot];
    row.load += load;
    row.slots += 1;
    total += load;
    held.set(shard, row);
  }
  const weights = shards.reduce((sum, { weight }) => sum + weight, 0);
  const balance: Balance = { highest: 1, lowest: 1, isHeldByNone: false };
  for (const { id, weight } of shards) {
    const { load = 0, slots = 0 } = held.get(id) ?? {};
    if (weight === 0) balance.isHeldByNone ||= slots > 0;
    if (weight === 0 || total === 0) continue;
    const ratio = (load * weights) / (total * weight);
    balance.highest = Math.max(balance.highest, ratio);
    balance.lowest = Math.min(balance.lowest, ratio);
  }
  return balance;
}

/** Shards weigh what their homes do; one without a home is to have nothing. */
export function weighedShards(topology: Topology): Shard[] {
  const weights = new Map(topology.nodes.map(({ id, weight }) => [id, weight]));
  const emptied = emptiedShards(topology);
  return topology.shards.map(({ id, home }) => ({
    id,
    weight: emptied.has(id) ? 0 : (weights.get(home) ?? 0),
  }));
}

/** How many slots each shard should have, of those that hold so many now; none while no shard weighs anything. */
export function quotasOf(
  shards: readonly Shard[],
  held: ReadonlyMap<ShardId, number>,
): ReadonlyMap<ShardId, number> {
  if (shards.every(({ weight }) => weight === 0)) return new Map();
  const sorted = [...shards].sort((a, b) => a.id - b.id);
  const quotas = slotQuotas(
    sorted,
    sorted.map(({ id }) => held.get(id) ?? 0),
  );
  return new Map(sorted.map(({ id }, at) => [id, quotas[at]]));
}

/** How many slots each owner has once the moves under way have ended. */
export function heldSlots({ slots, moves }: Topology): ReadonlyMap<ShardId, number> {
  const held = new Map<ShardId, number>();
  const add = (shard: ShardId, count: number): void => {
    held.set(shard, (held.get(shard) ?? 0) + count);
  };
  for (const { from, to, shard } of slots) add(shard, to - from + 1);
  for (const move of moves) {
    if (move.aborting === true) continue;
    add(move.source, -slotCountOf(move.slots));
    add(move.target, slotCountOf(move.slots));
  }
  return held;
}

/** Who owns each slot once the moves under way have ended. */
export function ownersToBe({ slots, moves }: Topology): SlotTable {
  const owners = tableOf(slots);
  for (const move of moves) {
    if (move.aborting === true) continue;
    for (const { from, to } of move.slots) owners.fill(move.target, from, to + 1);
  }
  return owners;
}

function bySlots(owners: SlotTable, shards: readonly Shard[], { preferences }: PlanInput): SlotTable {
  const ids = shards.filter(({ weight }) => weight > 0).map(({ id }) => id);
  return planSlots(owners, shards, ids.length === 0 ? emptyTable() : preferences(ids)).table;
}

/** By source and target, in moves of bounded size; the first of all pairs come first, so that moves that run at once have different ends. */
function movesBetween(before: SlotTable, after: SlotTable): PlannedMove[] {
  const pairs = new Map<number, number[]>();
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    if (before[slot] === after[slot]) continue;
    const key = before[slot] * 2 ** 20 + after[slot];
    const slots = pairs.get(key);
    if (slots === undefined) pairs.set(key, [slot]);
    else slots.push(slot);
  }
  return [...pairs.values()]
    .flatMap((slots) => {
      const [first] = slots;
      return piecesOf(slots).map((piece, turn) => ({
        turn,
        move: { source: before[first], target: after[first], slots: piece },
      }));
    })
    .sort((a, b) => a.turn - b.turn || a.move.target - b.move.target || a.move.source - b.move.source)
    .map(({ move }) => move);
}

function piecesOf(slots: readonly number[]): SlotRange[][] {
  const pieces: SlotRange[][] = [];
  for (let at = 0; at < slots.length; at += MAX_MOVE_SLOTS) {
    const piece = slots.slice(at, at + MAX_MOVE_SLOTS).map((slot) => ({ from: slot, to: slot }));
    pieces.push(slotRanges(piece) ?? []);
  }
  return pieces;
}

/** What does not fit into one plan is left for the next. */
function planOf(all: readonly PlannedMove[]): MovePlan {
  const moves: PlannedMove[] = [];
  let ranges = 0;
  let slots = 0;
  let slotsLater = 0;
  for (const move of all) {
    const fitting = move.slots.slice(0, MAX_PLAN_RANGES - ranges);
    if (fitting.length > 0) moves.push({ ...move, slots: fitting });
    ranges += fitting.length;
    slots += slotCountOf(fitting);
    slotsLater += slotCountOf(move.slots) - slotCountOf(fitting);
  }
  return { moves, slots, slotsLater };
}
