/**
 * What the driver of moves builds on (design section 8): `replica.moves` proposes, `replica.machine.moves` tells what the log has said so far.
 *
 * The driver at the leader of the source S, for a batch of a move's slots, and whenever it does not know how far it is:
 *  1. has D's leader propose `importBegin`; proposes `exportBegin` at S; asks D for `positions`.
 *  2. `feed.resume(positions)`; then sends what `feed.next` gives to D's leader, which proposes the bytes as they are; each answer brings D's
 *     positions of those slots: `feed.resume` with them when an answer is NOT_NEXT, `feed.logged` with them else. Now and then it proposes
 *     `feed.loggedItem()` at S, so that effects need not be kept.
 *  3. When `feed.leftBytes(slots)` is little: proposes `fence` at S; once its answers are DONE sends what `feed.next` still gives. NOT_NOW: too much
 *     was written meanwhile, and is sent first.
 *  4. When `feed.leftBytes(slots)` is 0 and all that was sent is answered: `feed.activation(slots)` goes to D's leader.
 *  5. By D's answers: WENT: proposes `moved` at S; ABORTED: `thaw`. D's answers to any later item of the move say the same again.
 * To abort it has D propose `importAbort`, at any time, and goes by its answers likewise.
 */
import type { MoveId, ShardId, SlotRange } from '../../topology/types.ts';
import type { Instant } from '../../raft/types.ts';
import type { Refusal } from '../waiter.ts';
import type { MoveAnswer, MoveOutcome, SlotState } from './slot-state.ts';

/** What became of an item of an entry, slot by slot, in the order of its ranges, proofs or positions. */
export interface ItemAnswers {
  move: MoveId;
  slots: readonly number[];
  answers: readonly MoveAnswer[];
}

/** Who proposed items of moves: told once. */
export interface MoveWaiter {
  /** Applied: of each item in order. */
  done(answers: readonly ItemAnswers[]): void;
  /** As of a command (waiter.ts); LOST: it may be in the log. To be asked again: every item may come twice. */
  refuse(refusal: Refusal): void;
}

/** What a target needs next of a slot. */
export interface ImportPosition {
  slot: number;
  /** STAGING, or why nothing is needed: `ended` says how the move went, if it has ended here. */
  state: SlotState;
  ended: MoveOutcome;
  /** Of the cut that is being loaded or is loaded: it rises with each cut of a term. 0: there is none, and one is wanted. */
  cutIndex: number;
  /** The term of the source's leader that made it. */
  cutTerm: number;
  isCut: boolean;
  /** The next byte wanted, of the cut, or once that is whole, of the effects. */
  offset: number;
}

export interface MoveLookups {
  stateOf(slot: number): SlotState;
  /** Served here now. */
  isOwned(slot: number): boolean;
  /** The move that the slot is in here; 0: none. */
  moveOf(slot: number): MoveId;
  /** The other side of that move, or where the slot went with the last one that ended here; 0: not known. */
  peerOf(slot: number): ShardId;
  epochOf(slot: number): number;
  /** Of the highest move that has ended for the slot here, and its id. */
  outcomeOf(slot: number): MoveOutcome;
  endedOf(slot: number): MoveId;
  readonly ownedCount: number;
  readonly frozenCount: number;
  readonly stagingCount: number;
  /** Slots here of this move: exported (OWNED or FROZEN), or imported (STAGING). */
  slotsOfMove(move: MoveId): number[];
  /** Moves that some slot here is in, with the part that this group has in it. */
  movesUnderWay(): { move: MoveId; peer: ShardId; side: 'source' | 'target' }[];
  /** At the target, of slots of the move. */
  positions(move: MoveId, slots: readonly number[]): ImportPosition[];
  keysIn(slot: number): number;
  /** What its keys account for. */
  bytesIn(slot: number): number;
}

/** At the source's leader: what is to go to the target's log. Nothing of it is replicated: a new leader makes its own. */
export interface ExportFeed {
  readonly move: MoveId;
  /** Goes on, slot by slot, from what the target says that it needs; cuts anew what cannot be gone on with. */
  resume(positions: readonly ImportPosition[]): void;
  /** Items for the target's log, of about `maxBytes`, in a millisecond or so; null: nothing to send now. `slots`: of these alone. */
  next(maxBytes: number, slots?: readonly number[]): Buffer | null;
  /** As `next`, of cuts alone; null: there is none to send now. */
  nextCuts(maxBytes: number): Buffer | null;
  /** As `next`, of effects alone; null: there are none to send now. */
  nextEffects(maxBytes: number): Buffer | null;
  /** Bytes of effects that `next` would give now, of slots that are cut. */
  effectsLeft(): number;
  /** The target has logged so much. */
  logged(positions: readonly ImportPosition[]): void;
  /** An item for the source's own log that lets its replicas forget what was logged; null: nothing new. */
  loggedItem(): Buffer | null;
  /** Only effects are left to send. */
  isCut(slots: readonly number[]): boolean;
  /**
   * What was not given out by `next` yet, of cuts and effects: an estimate, never 0, while a slot is not cut; exact once it is. Once it is more than
   * `enoughBytes`, no more is counted.
   */
  leftBytes(slots: readonly number[], enoughBytes?: number): number;
  /** How many bytes `next` has given out. */
  readonly sentBytes: number;
  /** The one decision, for slots that are all FROZEN here and of which all is given out; null while one is not. */
  activation(slots: readonly number[], now: Instant): Buffer | null;
  /** Lets go of cuts under way. */
  end(): void;
}

/** `replica.moves`. Proposals are refused like commands when this replica does not lead. */
export interface ReplicaMoves {
  exportBegin(
    move: MoveId,
    target: ShardId,
    slots: readonly SlotRange[],
    waiter: MoveWaiter,
    now: Instant,
  ): void;
  fence(move: MoveId, slots: readonly SlotRange[], waiter: MoveWaiter, now: Instant): void;
  /** D's log has activated these slots. */
  moved(move: MoveId, slots: readonly SlotRange[], waiter: MoveWaiter, now: Instant): void;
  /** D's log has ended the move without these slots. */
  thaw(move: MoveId, slots: readonly SlotRange[], waiter: MoveWaiter, now: Instant): void;
  importBegin(
    move: MoveId,
    source: ShardId,
    slots: readonly SlotRange[],
    waiter: MoveWaiter,
    now: Instant,
  ): void;
  importAbort(move: MoveId, slots: readonly SlotRange[], waiter: MoveWaiter, now: Instant): void;
  /** The register marked the shard closing in this epoch: does nothing unless every slot here is NONE. */
  close(by: MoveId, waiter: MoveWaiter, now: Instant): void;
  /** Items as `feed` made them: of any kind, checked by `areTargetItems` where they came over the mesh. */
  propose(items: Buffer, waiter: MoveWaiter, now: Instant): void;
  /** Of a leader of the source, once `exportBegin` is applied. One a move; it ends with the leadership. */
  feed(move: MoveId): ExportFeed | null;
}
