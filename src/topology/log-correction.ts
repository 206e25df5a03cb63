/**
 * After a recovery the register may know less than the groups' logs: epochs were lost that began or ended moves. The log that decides says who owns a
 * slot (design section 6), so the register is put right by what the leaders of shards read there. Where a lost shard is to have a successor, each says so
 * when its log wants nothing put right any more: until all have, the register may give the successor what another log owns. Pure.
 */
import { epochOfMove, moveIdOf, moveName, moversOf, ownersOf, withOwner } from './move-change.ts';
import { rangesOf, slotRanges, slotsOf } from './slot-ranges.ts';
import { SLOT_COUNT, type MoveId, type ShardId, type SlotRange, type Topology } from './types.ts';

export type LogCorrection =
  /** By its log the shard owns these, and is in no move of them. */
  | { kind: 'claim-slots'; shard: ShardId; slots: readonly SlotRange[] }
  /** A log is in this move, whose epoch was lost: it is known again, so that it comes to its end, as one that is called back. */
  | {
      kind: 'resume-move';
      move: MoveId;
      source: ShardId;
      target: ShardId;
      slots: readonly SlotRange[];
    }
  /** Its log owns nothing that the register gives to another, and is in no move that the register does not know. */
  | { kind: 'confirm-slots'; shard: ShardId };

/** What a group's log says of slots. */
export interface SlotLog {
  isOwned(slot: number): boolean;
  /** Of a move that it is in: this group is its target. */
  isArriving(slot: number): boolean;
  /** The move that the slot is in here; 0: none. */
  moveOf(slot: number): MoveId;
  /** The other side of that move. */
  peerOf(slot: number): ShardId;
  /** The highest that has ended here for the slot; 0: none has. */
  endedOf(slot: number): MoveId;
}

/** What the register is to be told of a shard, by its leader; null: nothing. A log that has not said what it was made with says nothing. */
export function correctionFor(topology: Topology, shard: ShardId, log: SlotLog): LogCorrection | null {
  if (topology.generation === 1) return null;
  return (
    lostMove(topology, shard, log) ?? lostOwner(topology, shard, log) ?? confirmation(topology, shard, log)
  );
}

/** The topology without its new epoch, or why not. */
export function applyLogCorrection(current: Topology, change: LogCorrection): Topology | string {
  if (change.kind === 'confirm-slots') return confirm(current, change.shard);
  const slots = slotRanges(change.slots);
  if (slots === null) return 'the slots are ranges apart from each other, in order';
  const movers = moversOf(current.moves);
  const moving = slotsOf(slots).find((slot) => movers.has(slot));
  if (moving !== undefined) return `slot ${moving} is being moved`;
  const shards = change.kind === 'claim-slots' ? [change.shard] : [change.source, change.target];
  const unknown = shards.find((shard) => !current.shards.some(({ id }) => id === shard));
  if (unknown !== undefined) return `there is no shard ${unknown}`;
  if (change.kind === 'claim-slots')
    return { ...current, slots: withOwner(current.slots, slots, change.shard) };
  const { move: id, source, target } = change;
  if (epochOfMove(id).generation >= current.generation)
    return `move ${moveName(id)} is not of an epoch that was lost`;
  if (current.moves.some((row) => row.id === id)) return `move ${moveName(id)} is under way`;
  return { ...current, moves: [...current.moves, { id, source, target, slots, aborting: true }] };
}

function confirm(current: Topology, id: ShardId): Topology | string {
  const { generation, shards } = current;
  const shard = shards.find((row) => row.id === id);
  if (shard === undefined) return `there is no shard ${id}`;
  if (shard.givenUp !== undefined) return `shard ${id} is given up`;
  if (shard.confirmed === generation) return `shard ${id} has confirmed its slots already`;
  return {
    ...current,
    shards: shards.map((row) => (row === shard ? { ...shard, confirmed: generation } : row)),
  };
}

/** Shards that are not lost and whose logs may own, by an epoch that was lost, what the register gives to another. */
export function unconfirmed({ generation, shards }: Topology): ShardId[] {
  if (generation === 1) return [];
  const open = shards.filter((row) => row.givenUp === undefined && row.confirmed !== generation);
  return open.map(({ id }) => id);
}

/** Nobody asks for it but a shard that is to have a successor. */
function confirmation(topology: Topology, shard: ShardId, log: SlotLog): LogCorrection | null {
  if (!topology.shards.some(({ givenUp }) => givenUp !== undefined)) return null;
  if (!unconfirmed(topology).includes(shard)) return null;
  const movers = moversOf(topology.moves);
  const isInMove = allSlots().some((slot) => log.moveOf(slot) !== 0 && !movers.has(slot));
  return isInMove ? null : { kind: 'confirm-slots', shard };
}

function lostMove(
  { generation, moves, shards }: Topology,
  shard: ShardId,
  log: SlotLog,
): LogCorrection | null {
  const movers = moversOf(moves);
  const isLost = (slot: number): boolean =>
    log.moveOf(slot) !== 0 &&
    epochOfMove(log.moveOf(slot)).generation < generation &&
    !movers.has(slot) &&
    shards.some(({ id }) => id === log.peerOf(slot));
  const slots = allSlots().filter(isLost);
  if (slots.length === 0) return null;
  const [first] = slots;
  const move = log.moveOf(first);
  const peer = log.peerOf(first);
  const isTarget = log.isArriving(first);
  const same = slots.filter((slot) => log.moveOf(slot) === move && log.peerOf(slot) === peer);
  return {
    kind: 'resume-move',
    move,
    source: isTarget ? peer : shard,
    target: isTarget ? shard : peer,
    slots: rangesOf(same),
  };
}

/** What came here, or stayed, by a move that the register has not recorded. Of an epoch that is not known here yet: that says what became of it. */
function lostOwner(topology: Topology, shard: ShardId, log: SlotLog): LogCorrection | null {
  const owners = ownersOf(topology.slots);
  const movers = moversOf(topology.moves);
  const newest = moveIdOf(topology);
  const own = allSlots().filter(
    (slot) =>
      log.isOwned(slot) &&
      log.moveOf(slot) === 0 &&
      owners[slot] !== shard &&
      log.endedOf(slot) <= newest &&
      !movers.has(slot),
  );
  return own.length === 0 ? null : { kind: 'claim-slots', shard, slots: rangesOf(own) };
}

function allSlots(): number[] {
  return Array.from({ length: SLOT_COUNT }, (_, slot) => slot);
}
