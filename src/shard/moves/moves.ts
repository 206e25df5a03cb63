/**
 * Moves of slots as a group's log decides them (design section 8): applies the items of an entry, at the source, the target or both. Every item may
 * come twice, late, or out of order; a move that has ended for a slot, or one that is lower, changes nothing there and is told how it went.
 */
import { unreachable } from '../../assert.ts';
import { ENTRY_HEADER_BYTES } from '../../raft/entry.ts';
import type { SlotKeyspace } from '../../store/types.ts';
import { slotsOf } from '../../topology/slot-ranges.ts';
import { SLOT_COUNT, type MoveId, type ShardId } from '../../topology/types.ts';
import { EFFECTS_KEPT_MAX_BYTES, Exports, FENCE_GROWTH_MAX_BYTES } from './exports.ts';
import { Imports, type Rerun } from './imports.ts';
import {
  MoveItemType,
  PIECE_HEADER_BYTES,
  eachLogged,
  itemBytes,
  itemEffectsEnds,
  itemMove,
  itemRanges,
  itemShard,
  itemSourceTerm,
  moveItemType,
  pieceCutIndex,
  pieceOffset,
  pieceSlot,
  readActivation,
  readCutEnd,
  type Activation,
  type SlotProof,
} from './move-item.ts';
import { MoveAnswer, MoveOutcome, SlotState } from './slot-state.ts';
import { SlotStates } from './slot-states.ts';
import type { ImportPosition, ItemAnswers, MoveLookups } from './types.ts';

const { NONE, OWNED, FROZEN, STAGING } = SlotState;
const { DONE, WENT, ABORTED, OLD_TERM, NOT_NEXT, NOT_NOW, PENDING } = MoveAnswer;

/** What an `Activate` that takes effect changes beside the slots. */
export interface MovesHost {
  readonly keyspace: SlotKeyspace;
  readonly rerun: Rerun;
  /** The log's time and versions go on above these, and these starts have ended. */
  takeOver(activation: Activation): void;
  takeSessions(slot: number, imports: Imports): void;
  dropSessions(slot: number): void;
  /** No key has a higher version. */
  readonly version: number;
}

export class Moves implements MoveLookups {
  readonly slots = new SlotStates();
  readonly exports: Exports;
  readonly imports: Imports;
  /** Whether some transaction on the slot is prepared and not decided: a fence waits for it. */
  undecided: (slot: number) => boolean = () => false;
  private readonly host: MovesHost;

  constructor(host: MovesHost, effectsKeptMaxBytes = EFFECTS_KEPT_MAX_BYTES) {
    this.host = host;
    this.exports = new Exports(effectsKeptMaxBytes);
    this.imports = new Imports(host.keyspace, host.rerun);
  }

  /** All items of an entry, in order. */
  apply(bytes: Buffer): ItemAnswers[] {
    const answers: ItemAnswers[] = [];
    for (let at = ENTRY_HEADER_BYTES; at < bytes.length; at += itemBytes(bytes, at))
      answers.push(this.applyItem(bytes, at));
    return answers;
  }

  private applyItem(bytes: Buffer, at: number): ItemAnswers {
    const type = moveItemType(bytes, at);
    const move = itemMove(bytes, at);
    switch (type) {
      case MoveItemType.FOUND:
        if (!this.slots.isFounded && !this.slots.hasMoved) this.slots.found(itemRanges(bytes, at));
        return { move, slots: [], answers: [] };
      case MoveItemType.EXPORT_BEGIN:
        return this.each(bytes, at, (slot) => this.exportBegin(slot, move, itemShard(bytes, at)));
      case MoveItemType.LOGGED:
        return this.logged(bytes, at, move);
      case MoveItemType.FENCE:
        return this.fenceAll(bytes, at, move);
      case MoveItemType.MOVED:
        return this.each(bytes, at, (slot) => this.moved(slot, move));
      case MoveItemType.THAW:
        return this.each(bytes, at, (slot) => this.thaw(slot, move));
      case MoveItemType.IMPORT_BEGIN:
        return this.each(bytes, at, (slot) => this.importBegin(slot, move, itemShard(bytes, at)));
      case MoveItemType.CUT:
      case MoveItemType.CUT_END:
      case MoveItemType.EFFECTS: {
        const slot = pieceSlot(bytes, at);
        return { move, slots: [slot], answers: [this.piece(slot, move, type, bytes, at)] };
      }
      case MoveItemType.ACTIVATE:
        return this.activate(readActivation(bytes, at));
      case MoveItemType.IMPORT_ABORT:
        return this.each(bytes, at, (slot) => this.importAbort(slot, move));
      case MoveItemType.CLOSE:
        return { move, slots: [], answers: [this.close(move)] };
      default:
        return unreachable(type, 'type of an item');
    }
  }

  private each(bytes: Buffer, at: number, apply: (slot: number) => MoveAnswer): ItemAnswers {
    const slots = slotsOf(itemRanges(bytes, at));
    return { move: itemMove(bytes, at), slots, answers: slots.map(apply) };
  }

  /** How the move went here, if it is not above the highest that has ended for the slot; else 0. */
  private ended(slot: number, move: MoveId): MoveAnswer | 0 {
    const { slots } = this;
    if (move > slots.endedMove(slot)) return 0;
    return slots.outcome(slot) === MoveOutcome.WENT ? WENT : ABORTED;
  }

  private exportBegin(slot: number, move: MoveId, target: ShardId): MoveAnswer {
    const { slots } = this;
    const ended = this.ended(slot, move);
    if (ended !== 0) return ended;
    if (slots.move(slot) === move && slots.state(slot) !== STAGING) return DONE;
    if (slots.move(slot) !== 0 || slots.state(slot) !== OWNED) return NOT_NOW;
    slots.begin(slot, move, target, OWNED);
    this.exports.begin(slot);
    return DONE;
  }

  private logged(bytes: Buffer, at: number, move: MoveId): ItemAnswers {
    const logged: number[] = [];
    eachLogged(bytes, at, (slot, offset) => {
      if (this.slots.move(slot) === move) this.exports.logged(slot, offset);
      logged.push(slot);
    });
    return { move, slots: logged, answers: logged.map(() => DONE) };
  }

  /** What was written since it was proposed is to be sent while clients wait: when that is much, the slots stay open until it is there. */
  private fenceAll(bytes: Buffer, at: number, move: MoveId): ItemAnswers {
    const ends = this.exports.endsOf(slotsOf(itemRanges(bytes, at)));
    const grownBytes = (ends - itemEffectsEnds(bytes, at)) >>> 0;
    return this.each(bytes, at, (slot) => this.fence(slot, move, grownBytes > FENCE_GROWTH_MAX_BYTES));
  }

  private fence(slot: number, move: MoveId, hasGrown: boolean): MoveAnswer {
    const { slots, exports } = this;
    const ended = this.ended(slot, move);
    if (ended !== 0) return ended;
    if (slots.move(slot) !== move || slots.state(slot) === STAGING) return NOT_NOW;
    if (slots.state(slot) === FROZEN) return DONE;
    if (hasGrown) return NOT_NOW;
    if (this.undecided(slot)) {
      exports.setFencePending(slot);
      return PENDING;
    }
    slots.freeze(slot);
    return DONE;
  }

  /** No new transaction may begin on the slot: a fence waits for those that have. */
  barsTransactions(slot: number): boolean {
    return this.exports.isFencePending(slot);
  }

  /** A transaction on the slot was decided. */
  decided(slot: number): void {
    if (!this.exports.isFencePending(slot) || this.undecided(slot)) return;
    if (this.slots.state(slot) === OWNED) this.slots.freeze(slot);
  }

  private moved(slot: number, move: MoveId): MoveAnswer {
    const { slots } = this;
    const ended = this.ended(slot, move);
    if (ended !== 0) return ended;
    if (slots.move(slot) !== move || slots.state(slot) !== FROZEN) return NOT_NOW;
    slots.end(slot, move, MoveOutcome.WENT, NONE);
    this.exports.end(slot);
    this.host.keyspace.flushSlot(-1, slot);
    this.host.dropSessions(slot);
    return WENT;
  }

  private thaw(slot: number, move: MoveId): MoveAnswer {
    const { slots } = this;
    const ended = this.ended(slot, move);
    if (ended !== 0) return ended;
    const isOurs = slots.move(slot) === move || slots.move(slot) === 0;
    if (!isOurs || slots.state(slot) === STAGING) return NOT_NOW;
    // What had gone before the move was recorded, by a register that had lost epochs, stays where it is.
    slots.end(slot, move, MoveOutcome.ABORTED, slots.state(slot) === NONE ? NONE : OWNED);
    this.exports.end(slot);
    return ABORTED;
  }

  private importBegin(slot: number, move: MoveId, source: ShardId): MoveAnswer {
    const { slots } = this;
    const ended = this.ended(slot, move);
    if (ended !== 0) return ended;
    if (slots.move(slot) === move && slots.state(slot) === STAGING) return DONE;
    if (slots.move(slot) !== 0 || slots.state(slot) !== NONE || slots.closedBy !== 0) return NOT_NOW;
    slots.begin(slot, move, source, STAGING);
    this.imports.begin(slot, move);
    return DONE;
  }

  private piece(slot: number, move: MoveId, type: MoveItemType, bytes: Buffer, at: number): MoveAnswer {
    const ended = this.ended(slot, move);
    if (ended !== 0) return ended;
    const one = this.imports.slots.get(slot);
    if (one?.move !== move) return NOT_NOW;
    const term = itemSourceTerm(bytes, at);
    if (!this.imports.hears(move, term)) return OLD_TERM;
    const index = pieceCutIndex(bytes, at);
    if (type === MoveItemType.CUT_END)
      return this.imports.cutEnd(one, term, index, readCutEnd(bytes, at)) ? DONE : NOT_NEXT;
    const piece = bytes.subarray(at + PIECE_HEADER_BYTES, at + itemBytes(bytes, at));
    const offset = pieceOffset(bytes, at);
    const isNext =
      type === MoveItemType.CUT
        ? this.imports.cut(one, term, index, offset, piece)
        : this.imports.effects(one, offset, piece);
    return isNext ? DONE : NOT_NEXT;
  }

  private activate(activation: Activation): ItemAnswers {
    const slots = activation.slots.map(({ slot }) => slot);
    const answers: MoveAnswer[] = [];
    let hasTakenOver = false;
    for (const proof of activation.slots) {
      const refused = this.refusedActivation(proof, activation);
      if (refused === 0 && !hasTakenOver) this.host.takeOver(activation);
      hasTakenOver ||= refused === 0;
      answers.push(refused === 0 ? this.activateSlot(proof, activation.move) : refused);
    }
    return { move: activation.move, slots, answers };
  }

  /** 0: the slot goes over. */
  private refusedActivation(proof: SlotProof, { move, sourceTerm }: Activation): MoveAnswer | 0 {
    const { imports } = this;
    const { slot } = proof;
    const ended = this.ended(slot, move);
    if (ended !== 0) return ended;
    if (imports.slots.get(slot)?.move === move && !imports.hears(move, sourceTerm)) return OLD_TERM;
    if (!imports.matches(slot, move, proof)) return this.importAbort(slot, move);
    return 0;
  }

  /** The one decision. */
  private activateSlot({ slot, epoch }: SlotProof, move: MoveId): MoveAnswer {
    const { slots, imports, host } = this;
    host.takeSessions(slot, imports);
    imports.handOver(slot, host.keyspace, host.version);
    slots.end(slot, move, MoveOutcome.WENT, OWNED);
    slots.setEpoch(slot, epoch + 1);
    return WENT;
  }

  /** Does nothing while some slot is owned, frozen or staged here (histories.md 22). */
  private close(by: MoveId): MoveAnswer {
    const { slots } = this;
    if (slots.closedBy !== 0) return DONE;
    if (!slots.isFounded || slots.count(NONE) < SLOT_COUNT) return NOT_NOW;
    slots.closedBy = by;
    return DONE;
  }

  private importAbort(slot: number, move: MoveId): MoveAnswer {
    const { slots } = this;
    const ended = this.ended(slot, move);
    if (ended !== 0) return ended;
    const isStaged = slots.state(slot) === STAGING && slots.move(slot) === move;
    if (!isStaged && slots.move(slot) !== 0) return NOT_NOW;
    this.imports.drop(slot);
    // Owned already, by a move that a register which had lost epochs did not know of: it is not taken again.
    slots.end(slot, move, MoveOutcome.ABORTED, slots.state(slot) === OWNED ? OWNED : NONE);
    return ABORTED;
  }

  stateOf(slot: number): SlotState {
    return this.slots.state(slot);
  }

  /** Of all slots. */
  get states(): Uint8Array {
    return this.slots.states;
  }

  isOwned(slot: number): boolean {
    return this.slots.states[slot] === OWNED;
  }

  moveOf(slot: number): MoveId {
    return this.slots.move(slot);
  }

  peerOf(slot: number): ShardId {
    return this.slots.peer(slot);
  }

  epochOf(slot: number): number {
    return this.slots.epoch(slot);
  }

  outcomeOf(slot: number): MoveOutcome {
    return this.slots.outcome(slot);
  }

  endedOf(slot: number): MoveId {
    return this.slots.endedMove(slot);
  }

  get ownedCount(): number {
    return this.slots.count(OWNED);
  }

  get frozenCount(): number {
    return this.slots.count(FROZEN);
  }

  get stagingCount(): number {
    return this.slots.count(STAGING);
  }

  slotsOfMove(move: MoveId): number[] {
    return this.slotsInMoves().filter((slot) => this.slots.move(slot) === move);
  }

  movesUnderWay(): { move: MoveId; peer: ShardId; side: 'source' | 'target' }[] {
    const found = new Map<MoveId, { move: MoveId; peer: ShardId; side: 'source' | 'target' }>();
    for (const slot of this.slotsInMoves()) {
      const move = this.slots.move(slot);
      if (found.has(move)) continue;
      const side = this.slots.state(slot) === STAGING ? 'target' : 'source';
      found.set(move, { move, peer: this.slots.peer(slot), side });
    }
    return [...found.values()];
  }

  /** Ascending: each is exported or imported. */
  private slotsInMoves(): number[] {
    return [...this.exports.all(), ...this.imports.slots.keys()].sort((a, b) => a - b);
  }

  positions(move: MoveId, slots: readonly number[]): ImportPosition[] {
    return slots.map((slot) => this.position(move, slot));
  }

  private position(move: MoveId, slot: number): ImportPosition {
    const { slots } = this;
    const hasEnded = move <= slots.endedMove(slot);
    const ended = hasEnded ? slots.outcome(slot) : MoveOutcome.NONE;
    const one = this.imports.slots.get(slot);
    const state = slots.state(slot);
    if (one?.move !== move) return { slot, state, ended, cutIndex: 0, cutTerm: 0, isCut: false, offset: 0 };
    const { cutIndex, cutTerm, isCut, effectsEnd, cutBytes } = one;
    return { slot, state, ended, cutIndex, cutTerm, isCut, offset: isCut ? effectsEnd : cutBytes };
  }

  keysIn(slot: number): number {
    return this.host.keyspace.keyCountInSlot(slot);
  }

  bytesIn(slot: number): number {
    return this.host.keyspace.bytesInSlot(slot);
  }
}
