/** Moves of slots, as the register records them (§8, steps 0 and 5). */
import { unreachable } from '../assert.ts';
import { slotRanges, slotsOf } from './slot-ranges.ts';
import type { Epoch, MoveEntry, MoveId, ShardId, SlotRange, SlotRun, Topology } from './types.ts';
import { SLOT_COUNT } from './types.ts';

export type MoveChange =
  /** The slots are to go from one shard to the other. */
  | { kind: 'begin-move'; source: ShardId; target: ShardId; slots: readonly SlotRange[] }
  /** An operator wants it back, if it can still be had. */
  | { kind: 'abort-move'; move: MoveId }
  /** The source's log has ended it for each of its slots: these went over, the others stayed. */
  | { kind: 'end-move'; move: MoveId; moved: readonly SlotRange[] };

const GENERATION_STEP = 2 ** 32;

/** The id of a move that this epoch records. */
export function moveIdOf({ generation, epoch }: Epoch): MoveId {
  return generation * GENERATION_STEP + epoch;
}

/** The epoch that recorded the move. */
export function epochOfMove(move: MoveId): Epoch {
  return { generation: Math.floor(move / GENERATION_STEP), epoch: move % GENERATION_STEP };
}

/** As people see a move or a plan: by the epoch that recorded it, as `torc topology history` has it. */
export function moveName(id: MoveId): string {
  const { generation, epoch } = epochOfMove(id);
  return `${generation}.${epoch}`;
}

/** The topology without its new epoch, or why not. */
export function applyMoveChange(current: Topology, change: MoveChange): Topology | string {
  switch (change.kind) {
    case 'begin-move':
      return beginMove(current, change.source, change.target, change.slots);
    case 'abort-move':
      return withMove(current, change.move, (move) => ({
        ...current,
        moves: current.moves.map((row) => (row === move ? { ...move, aborting: true } : row)),
      }));
    case 'end-move':
      return withMove(current, change.move, (move) => endMove(current, move, change.moved));
    default:
      return unreachable(change, 'change');
  }
}

function beginMove(
  current: Topology,
  source: ShardId,
  target: ShardId,
  wanted: readonly SlotRange[],
): Topology | string {
  if (source === target) return `shard ${source} cannot move slots to itself`;
  for (const shard of [source, target]) {
    const entry = current.shards.find(({ id }) => id === shard);
    if (entry === undefined) return `there is no shard ${shard}`;
    if (entry.closing !== undefined) return `shard ${shard} is closing`;
    if (entry.givenUp !== undefined) return `shard ${shard} is given up`;
  }
  const slots = slotRanges(wanted);
  if (slots === null) return 'the slots of a move are ranges apart from each other, in order';
  const owners = ownersOf(current.slots);
  const movers = moversOf(current.moves);
  for (const slot of slotsOf(slots)) {
    if (owners[slot] !== source) return `slot ${slot} is not of shard ${source}`;
    if (movers.has(slot)) return `slot ${slot} is being moved already`;
  }
  const id = moveIdOf({ generation: current.generation, epoch: current.epoch + 1 });
  return { ...current, moves: [...current.moves, { id, source, target, slots }] };
}

function endMove(current: Topology, move: MoveEntry, moved: readonly SlotRange[]): Topology | string {
  const moves = current.moves.filter((row) => row !== move);
  if (moved.length === 0) return { ...current, moves };
  const ranges = slotRanges(moved);
  if (ranges === null) return 'the slots that moved are ranges apart from each other, in order';
  const movers = moversOf([move]);
  for (const slot of slotsOf(ranges))
    if (!movers.has(slot)) return `slot ${slot} is not of move ${moveName(move.id)}`;
  return { ...current, slots: withOwner(current.slots, ranges, move.target), moves };
}

function withMove(
  current: Topology,
  id: MoveId,
  change: (move: MoveEntry) => Topology | string,
): Topology | string {
  const move = current.moves.find((row) => row.id === id);
  return move === undefined ? `there is no move ${moveName(id)} under way` : change(move);
}

/** The shard of each slot. */
export function ownersOf(runs: readonly SlotRun[]): Uint16Array {
  const owners = new Uint16Array(SLOT_COUNT);
  for (const { from, to, shard } of runs) owners.fill(shard, from, to + 1);
  return owners;
}

/** The slots that are in some move. */
export function moversOf(moves: readonly MoveEntry[]): ReadonlySet<number> {
  return new Set(moves.flatMap(({ slots }) => slotsOf(slots)));
}

export function withOwner(
  runs: readonly SlotRun[],
  ranges: readonly SlotRange[],
  owner: ShardId,
): readonly SlotRun[] {
  const owners = ownersOf(runs);
  for (const { from, to } of ranges) owners.fill(owner, from, to + 1);
  const changed: SlotRun[] = [];
  for (const [slot, shard] of owners.entries()) {
    const last = changed.at(-1);
    if (last?.shard === shard) last.to = slot;
    else changed.push({ from: slot, to: slot, shard });
  }
  return changed;
}
