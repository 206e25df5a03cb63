/**
 * What the source's leader gives to the target of a move: of each slot its cut, then its effects, from where the target says that it is. Nothing of
 * it is replicated. Effects go before cuts, and one slot is cut at a time.
 */
import type { Instant } from '../../raft/types.ts';
import type { MoveId } from '../../topology/types.ts';
import type { LogTime } from '../log-time.ts';
import type { StateMachine } from '../state-machine.ts';
import { Cut } from './cut.ts';
import { activateItem, cutEndItem, loggedItem, pieceItem } from './move-item.ts';
import { MoveOutcome, SlotState } from './slot-state.ts';
import type { ExportFeed, ImportPosition } from './types.ts';

const PIECE_BYTES = 64 * 1024;
/** Of cuts that the target has not logged: it is not sent more until it has. */
const CUTS_KEPT_MAX_BYTES = 8 * 1024 * 1024;

class SlotFeed {
  readonly slot: number;
  /** `unknown`: the target has not said yet what it wants; `over`: nothing any more. */
  phase: 'unknown' | 'wanted' | 'cut' | 'effects' | 'over' = 'unknown';
  cut: Cut | null = null;
  /** The next byte to send, of the cut or the effects. */
  sent = 0;
  /** The target has the cut: what it said before that it wanted is past. */
  isLogged = false;
  /** Effects that the target has logged, and those that the source's log says so of. */
  logged = 0;
  told = 0;

  constructor(slot: number) {
    this.slot = slot;
  }
}

export class Feed implements ExportFeed {
  readonly move: MoveId;
  readonly term: number;
  sentBytes = 0;
  private readonly machine: StateMachine;
  private readonly time: Pick<LogTime, 'leaderTimeMs'>;
  private readonly nextCutIndex: () => number;
  private readonly ended: () => void;
  private readonly slots = new Map<number, SlotFeed>();
  /** Of all cuts. */
  private keptBytes = 0;

  /** `nextCutIndex`: rises with each call. `ended`: it is used no more. */
  constructor(
    machine: StateMachine,
    time: Pick<LogTime, 'leaderTimeMs'>,
    move: MoveId,
    term: number,
    nextCutIndex: () => number,
    ended: () => void = () => {},
  ) {
    this.machine = machine;
    this.time = time;
    this.move = move;
    this.term = term;
    this.nextCutIndex = nextCutIndex;
    this.ended = ended;
  }

  resume(positions: readonly ImportPosition[]): void {
    for (const position of positions) this.resumeSlot(position);
  }

  private resumeSlot(position: ImportPosition): void {
    const { slot, state, ended, isCut, offset } = position;
    const one = this.slotFeed(slot);
    const { exports } = this.machine.moves;
    if (ended !== MoveOutcome.NONE) {
      this.rest(one, 'over');
    } else if (state !== SlotState.STAGING || !exports.has(slot)) {
      this.rest(one, 'unknown');
    } else if (isCut) {
      if (one.isLogged && offset < one.logged) return;
      this.rest(one, 'effects');
      one.sent = offset;
    } else if (!one.isLogged) {
      this.resumeCut(one, position);
    }
    // Else it was said before the target had the cut.
  }

  private resumeCut(one: SlotFeed, { cutTerm, cutIndex, offset }: ImportPosition): void {
    const { cut } = one;
    const isThisCut = cutTerm === this.term && cutIndex === cut?.index;
    // It begins with bytes: a target that knows it and has none of it has given it up.
    const isGivenUp = isThisCut && offset === 0;
    if (cut === null || cut.hasFailed || isGivenUp) {
      this.rest(one, 'wanted');
      return;
    }
    // Said before the first of this cut has come: it may be lost, or on its way.
    const from = isThisCut ? offset : 0;
    if (from >= cut.keptFrom) {
      one.phase = 'cut';
      one.sent = from;
    } else if (isThisCut) {
      this.rest(one, 'wanted');
    }
  }

  private rest(one: SlotFeed, phase: 'unknown' | 'wanted' | 'effects' | 'over'): void {
    this.dropCut(one);
    one.phase = phase;
    one.isLogged = phase === 'effects';
  }

  private dropCut(one: SlotFeed): void {
    if (one.cut === null) return;
    this.keptBytes -= one.cut.keptBytes;
    one.cut.abandon();
    one.cut = null;
  }

  private slotFeed(slot: number): SlotFeed {
    let one = this.slots.get(slot);
    if (one === undefined) this.slots.set(slot, (one = new SlotFeed(slot)));
    return one;
  }

  next(maxBytes: number, slots?: readonly number[]): Buffer | null {
    const chosen = slots === undefined ? [...this.slots.values()] : slots.map((slot) => this.slotFeed(slot));
    const items: Buffer[] = [];
    const left = this.takeEffects(chosen, maxBytes, items);
    this.takeCuts(chosen, left, items);
    return this.given(items);
  }

  nextCuts(maxBytes: number): Buffer | null {
    const items: Buffer[] = [];
    this.takeCuts([...this.slots.values()], maxBytes, items);
    return this.given(items);
  }

  nextEffects(maxBytes: number): Buffer | null {
    const items: Buffer[] = [];
    this.takeEffects(this.slots.values(), maxBytes, items);
    return this.given(items);
  }

  effectsLeft(): number {
    const { exports } = this.machine.moves;
    let sum = 0;
    for (const { phase, slot, sent } of this.slots.values())
      if (phase === 'effects' && exports.has(slot)) sum += exports.endOf(slot) - sent;
    return sum;
  }

  /** What is left of `maxBytes`. */
  private takeEffects(chosen: Iterable<SlotFeed>, maxBytes: number, items: Buffer[]): number {
    let left = maxBytes;
    for (const one of chosen) {
      while (left > 0 && one.phase === 'effects') {
        const item = this.nextEffectsOf(one, left);
        if (item === null) break;
        items.push(item);
        left -= item.length;
      }
    }
    return left;
  }

  private takeCuts(chosen: readonly SlotFeed[], maxBytes: number, items: Buffer[]): void {
    // One slot is cut at a time: what is begun goes on first.
    const left = this.takeCutsOf(chosen, 'cut', maxBytes, items);
    this.takeCutsOf(chosen, 'wanted', left, items);
  }

  /** What is left of `maxBytes`; 0 also when there is nothing more to take now. */
  private takeCutsOf(
    chosen: readonly SlotFeed[],
    phase: 'cut' | 'wanted',
    maxBytes: number,
    items: Buffer[],
  ): number {
    let left = maxBytes;
    for (let i = 0; i < chosen.length && left > 0; i++) {
      const one = chosen[i];
      if (one.phase !== phase) continue;
      if (phase === 'wanted' && !this.beginCut(one)) return 0;
      while (left > 0 && isBeingCut(one)) {
        const item = this.nextOfCut(one);
        if (item === null) return 0;
        items.push(item);
        left -= item.length;
      }
    }
    return left;
  }

  /** False: too much is under way. */
  private beginCut(one: SlotFeed): boolean {
    if (this.keptBytes >= CUTS_KEPT_MAX_BYTES) return false;
    one.cut = new Cut(this.machine, one.slot, this.nextCutIndex());
    this.keptBytes += one.cut.keptBytes;
    one.phase = 'cut';
    one.sent = 0;
    return true;
  }

  private given(items: readonly Buffer[]): Buffer | null {
    if (items.length === 0) return null;
    const bytes = items.length === 1 ? items[0] : Buffer.concat(items);
    this.sentBytes += bytes.length;
    return bytes;
  }

  private nextOfCut(one: SlotFeed): Buffer | null {
    const { move, term } = this;
    const { cut, slot, sent } = one;
    if (cut === null) return null;
    if (sent === cut.made && !cut.isWhole && this.keptBytes < CUTS_KEPT_MAX_BYTES) {
      cut.make();
      this.keptBytes += cut.made - sent;
    }
    if (cut.hasFailed) {
      this.rest(one, 'wanted');
      return null;
    }
    if (sent < cut.made) {
      const bytes = cut.read(sent, PIECE_BYTES);
      one.sent += bytes.length;
      return pieceItem(move, term, slot, cut.index, sent, bytes);
    }
    if (!cut.isWhole) return null;
    const end = cut.end();
    one.phase = 'effects';
    one.sent = end.effectsFrom;
    return cutEndItem(move, term, slot, cut.index, end);
  }

  private nextEffectsOf(one: SlotFeed, maxBytes: number): Buffer | null {
    const { exports } = this.machine.moves;
    const { slot, sent } = one;
    if (sent < exports.keptFrom(slot)) {
      // They were too many to be kept.
      this.rest(one, 'wanted');
      return null;
    }
    const bytes = exports.read(slot, sent, Math.min(maxBytes, PIECE_BYTES));
    if (bytes === null) return null;
    one.sent += bytes.length;
    return pieceItem(this.move, this.term, slot, 0, sent, bytes);
  }

  logged(positions: readonly ImportPosition[]): void {
    for (const { slot, isCut, cutIndex, cutTerm, offset } of positions) {
      const one = this.slots.get(slot);
      if (one === undefined) continue;
      if (isCut && one.phase === 'effects') {
        this.dropCut(one);
        one.isLogged = true;
        one.logged = Math.max(one.logged, offset);
        one.sent = Math.max(one.sent, offset);
      } else if (cutTerm === this.term && cutIndex === one.cut?.index) {
        this.keptBytes -= one.cut.keptBytes;
        one.cut.forget(offset);
        this.keptBytes += one.cut.keptBytes;
        if (one.phase === 'cut') one.sent = Math.max(one.sent, one.cut.keptFrom);
      }
    }
  }

  loggedItem(): Buffer | null {
    const news = [...this.slots.values()].filter(({ logged, told }) => logged > told);
    if (news.length === 0) return null;
    for (const one of news) one.told = one.logged;
    return loggedItem(
      this.move,
      news.map(({ slot }) => slot),
      news.map(({ logged }) => logged),
    );
  }

  isCut(slots: readonly number[]): boolean {
    return slots.every((slot) => {
      const phase = this.slots.get(slot)?.phase;
      return phase === 'effects' || phase === 'over';
    });
  }

  leftBytes(slots: readonly number[], enoughBytes = Infinity): number {
    let sum = 0;
    for (let i = 0; i < slots.length && sum <= enoughBytes; i++) sum += this.leftOf(slots[i]);
    return sum;
  }

  private leftOf(slot: number): number {
    const { moves } = this.machine;
    const one = this.slots.get(slot);
    if (one?.phase === 'over') return 0;
    if (one?.phase === 'effects') return moves.exports.endOf(slot) - one.sent;
    // At least one: it is not nothing while it is not cut.
    return Math.max(1, moves.bytesIn(slot) - (one?.phase === 'cut' ? one.sent : 0));
  }

  activation(slots: readonly number[], now: Instant): Buffer | null {
    const { moves, timeMs, version, sessions } = this.machine;
    const isReady = (slot: number): boolean =>
      moves.stateOf(slot) === SlotState.FROZEN && moves.moveOf(slot) === this.move && this.leftOf(slot) === 0;
    if (!slots.every(isReady)) return null;
    return activateItem({
      move: this.move,
      sourceTerm: this.term,
      sourceTimeMs: Math.max(timeMs, this.time.leaderTimeMs(now)),
      sourceVersion: version,
      ended: sessions.endedStarts(),
      slots: slots.map((slot) => ({
        slot,
        epoch: moves.epochOf(slot),
        keys: moves.keysIn(slot),
        usedBytes: moves.bytesIn(slot),
        effectsSum: moves.exports.sumOf(slot),
        effectsEnd: moves.exports.endOf(slot),
      })),
    });
  }

  end(): void {
    for (const one of this.slots.values()) this.rest(one, 'unknown');
    this.slots.clear();
    this.ended();
  }
}

function isBeingCut({ phase }: SlotFeed): boolean {
  return phase === 'cut';
}
