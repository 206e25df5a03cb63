import type { Operation, Reply } from './history.ts';
import type { Model, State } from './model.ts';

/** What was found when no order explains a key's history. */
export interface DeadEnd {
  explained: Operation[];
  state: State;
  unexplained: Operation;
}

/** An operation that took effect, and what undoing it restores. */
interface Step {
  operation: number;
  stateBefore: State;
  /** Of an operation of unknown outcome: the answered one that fitted nowhere without it. */
  blocked: number;
}

/** How many turns of the search pass between two looks at the clock. */
const TURNS_PER_CLOCK_READING = 1024;

const BITS_PER_WORD = 16;

const NONE = -1;

/**
 * The search over one key's operations. Calls and returns of the answered ones are entries of a doubly linked list in order of time:
 * entry 2i is the call of operation i, 2i + 1 its return. Those of unknown outcome return at infinity, so that they may be placed
 * anywhere after their call; one is tried only where an answered operation is about to return and nothing else fits.
 */
export class KeySearch {
  private readonly operations: readonly Operation[];
  private readonly model: Model;
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  private readonly head: number;

  private state: State = null;
  private readonly steps: Step[] = [];
  /** Which answered operations have taken effect, a bit each. */
  private readonly placedAnswered: Uint16Array;
  /** Which operations of unknown outcome have. */
  private placedUnknown = 0n;
  private readonly answeredCount: number;
  private answeredLeft: number;
  /** For each operation of unknown outcome the last one before it with the same command and arguments, or NONE. */
  private readonly earlierTwin: readonly number[];

  /** For each operation the answered one that must have taken effect before it, or NONE. */
  private readonly predecessors: Int32Array;

  /** For the answered operations placed and the state that they led to: the sets of unknown ones that were used up. */
  private readonly seen = new Map<string, bigint[]>();
  private seenCount = 0;
  private readonly stateNumbers = new Map<State, number>();
  private deadEnd: DeadEnd | null = null;

  constructor(operations: readonly Operation[], model: Model) {
    const answered = operations.filter(({ outcome }) => outcome.kind === 'answered');
    const unknown = operations.filter(({ outcome }) => outcome.kind !== 'answered');
    unknown.sort((a, b) => a.callMs - b.callMs);
    this.operations = [...answered, ...unknown];
    this.earlierTwin = earlierTwins(unknown).map((twin) => (twin === NONE ? NONE : answered.length + twin));
    this.answeredCount = answered.length;
    this.answeredLeft = answered.length;
    this.placedAnswered = new Uint16Array(Math.ceil(answered.length / BITS_PER_WORD));
    this.predecessors = predecessorsOf(this.operations, answered);
    this.model = model;
    this.head = 2 * answered.length;
    this.next = new Int32Array(this.head + 1).fill(NONE);
    this.previous = new Int32Array(this.head + 1).fill(NONE);
    let last = this.head;
    for (const entry of entriesInTime(answered)) {
      this.next[last] = entry;
      this.previous[entry] = last;
      last = entry;
    }
  }

  run(expired: () => boolean, maxConfigurations: number): 'ok' | 'unknown' | DeadEnd {
    let entry = this.next[this.head];
    for (let turn = 1; this.answeredLeft > 0; turn++) {
      if (turn % TURNS_PER_CLOCK_READING === 0 && expired()) return 'unknown';
      if (this.seenCount > maxConfigurations) return 'unknown';
      const operation = entry >> 1;
      if (!isReturn(entry)) {
        entry = this.tryPlace(operation, NONE) ? this.next[this.head] : this.next[entry];
        continue;
      }
      this.noteDeadEnd(this.operations[operation]);
      entry = this.tryPlaceUnknown(this.answeredCount, operation) ? this.next[this.head] : this.undo();
      if (entry === NONE) return this.foundDeadEnd();
    }
    return 'ok';
  }

  /** Lets the operation take effect now, unless its reply says otherwise or it was seen to lead nowhere. */
  private tryPlace(index: number, blocked: number): boolean {
    if (this.isTooEarly(index)) return false;
    const { command, args, outcome } = this.operations[index];
    let applied = this.model.apply(this.state, command, args);
    if (outcome.kind !== 'answered') {
      // Of unknown outcome and without effect here: it need not have run.
      if (applied.state === this.state) return false;
    } else if (!sameReply(applied.reply, outcome.reply)) {
      if (this.model.forgets?.(this.state) !== true) return false;
      applied = this.model.apply(null, command, args);
      if (!sameReply(applied.reply, outcome.reply)) return false;
    }
    const { state } = applied;

    this.flip(index);
    if (!this.enter(state)) {
      this.flip(index);
      return false;
    }
    this.steps.push({ operation: index, stateBefore: this.state, blocked });
    this.state = state;
    if (this.isAnswered(index)) this.lift(index);
    return true;
  }

  /** Places the first operation of unknown outcome, from `first` on, that was called before `blocked` returned and is of use. */
  private tryPlaceUnknown(first: number, blocked: number): boolean {
    const { outcome } = this.operations[blocked];
    for (let index = first; index < this.operations.length; index++) {
      const isCalled = outcome.kind === 'answered' && this.operations[index].callMs <= outcome.returnMs;
      if (isCalled && this.isWorthTrying(index) && this.tryPlace(index, blocked)) return true;
    }
    return false;
  }

  /** Spares the search choices that cannot do better than others which it makes anyway. */
  private isWorthTrying(index: number): boolean {
    if (this.isUsedUp(index)) return false;
    // Of operations that are alike, the one called first can do all that a later one can.
    const twin = this.earlierTwin[index - this.answeredCount];
    if (twin !== NONE && !this.isUsedUp(twin) && !this.isTooEarly(twin)) return false;
    // One that wipes out what another of unknown outcome has just done, as SET does: that other need not have run.
    const last = this.steps.at(-1);
    if (last === undefined || this.isAnswered(last.operation)) return true;
    const { command, args } = this.operations[index];
    const { apply } = this.model;
    return apply(this.state, command, args).state !== apply(last.stateBefore, command, args).state;
  }

  /** Undoes choices until there is another one to make, and gives the entry to go on with: NONE when there is none. */
  private undo(): number {
    for (let step = this.steps.pop(); step !== undefined; step = this.steps.pop()) {
      const { operation, stateBefore, blocked } = step;
      this.state = stateBefore;
      this.flip(operation);
      if (!this.isAnswered(operation)) {
        if (this.tryPlaceUnknown(operation + 1, blocked)) return this.next[this.head];
        continue;
      }
      this.unlift(operation);
      // A read that fits is never worse now than later: there was nothing else to try.
      if (!this.model.reads.has(this.operations[operation].command)) return this.next[2 * operation];
    }
    return NONE;
  }

  /**
   * False when one as good was entered before: with the same answered operations placed, the same state, and no unknown one used up
   * that is not used up now. What it left undone could do all that this one still can.
   */
  private enter(state: State): boolean {
    const key = `${String.fromCharCode(...this.placedAnswered)} ${this.numberOf(state)}`;
    const used = this.seen.get(key) ?? [];
    if (used.some((before) => (before & this.placedUnknown) === before)) return false;
    const kept = used.filter((before) => (before & this.placedUnknown) !== this.placedUnknown);
    this.seen.set(key, [...kept, this.placedUnknown]);
    this.seenCount += kept.length + 1 - used.length;
    return true;
  }

  private numberOf(state: State): number {
    let number = this.stateNumbers.get(state);
    if (number === undefined) {
      number = this.stateNumbers.size;
      this.stateNumbers.set(state, number);
    }
    return number;
  }

  private flip(index: number): void {
    if (this.isAnswered(index)) {
      this.placedAnswered[Math.floor(index / BITS_PER_WORD)] ^= 1 << (index % BITS_PER_WORD);
    } else {
      this.placedUnknown ^= 1n << BigInt(index - this.answeredCount);
    }
  }

  /** Takes an answered operation out of the list. */
  private lift(index: number): void {
    this.unlink(2 * index);
    this.unlink(2 * index + 1);
    this.answeredLeft--;
  }

  /** The inverse of `lift`, in reverse order: each entry still knows its neighbours of then. */
  private unlift(index: number): void {
    this.relink(2 * index + 1);
    this.relink(2 * index);
    this.answeredLeft++;
  }

  private isAnswered(index: number): boolean {
    return index < this.answeredCount;
  }

  /** What its client sent before it has not taken effect. */
  private isTooEarly(index: number): boolean {
    const before = this.predecessors[index];
    if (before === NONE) return false;
    return (this.placedAnswered[Math.floor(before / BITS_PER_WORD)] & (1 << (before % BITS_PER_WORD))) === 0;
  }

  private isUsedUp(index: number): boolean {
    return (this.placedUnknown & (1n << BigInt(index - this.answeredCount))) !== 0n;
  }

  private unlink(entry: number): void {
    this.next[this.previous[entry]] = this.next[entry];
    if (this.next[entry] !== NONE) this.previous[this.next[entry]] = this.previous[entry];
  }

  private relink(entry: number): void {
    this.next[this.previous[entry]] = entry;
    if (this.next[entry] !== NONE) this.previous[this.next[entry]] = entry;
  }

  /** Keeps the longest explanation met, for the report. */
  private noteDeadEnd(unexplained: Operation): void {
    if (this.deadEnd !== null && this.deadEnd.explained.length >= this.steps.length) return;
    const explained = this.steps.map((step) => this.operations[step.operation]);
    this.deadEnd = { explained, state: this.state, unexplained };
  }

  private foundDeadEnd(): DeadEnd {
    if (this.deadEnd === null) throw new Error('the search ended without a dead end');
    return this.deadEnd;
  }
}

function isReturn(entry: number): boolean {
  return entry % 2 === 1;
}

/** One that was not answered may take effect later: what was sent before that counts. */
function predecessorsOf(operations: readonly Operation[], answered: readonly Operation[]): Int32Array {
  const places = new Map(answered.map((operation, index) => [operation, index]));
  const predecessors = new Int32Array(operations.length).fill(NONE);
  for (const [index, operation] of operations.entries()) {
    let before = operation.after;
    while (before !== undefined && !places.has(before)) before = before.after;
    if (before !== undefined) predecessors[index] = places.get(before) ?? NONE;
  }
  return predecessors;
}

function earlierTwins(operations: readonly Operation[]): number[] {
  const last = new Map<string, number>();
  return operations.map(({ command, args }, index) => {
    const call = JSON.stringify([command, ...args]);
    const twin = last.get(call) ?? NONE;
    last.set(call, index);
    return twin;
  });
}

/** Calls and returns by time. At one time calls come first: what touches is taken as concurrent, so nothing is accused wrongly. */
function entriesInTime(answered: readonly Operation[]): number[] {
  const entries: { entry: number; timeMs: number }[] = [];
  for (const [index, { callMs, outcome }] of answered.entries()) {
    entries.push({ entry: 2 * index, timeMs: callMs });
    if (outcome.kind === 'answered') entries.push({ entry: 2 * index + 1, timeMs: outcome.returnMs });
  }
  entries.sort((a, b) => a.timeMs - b.timeMs || (a.entry % 2) - (b.entry % 2) || a.entry - b.entry);
  return entries.map(({ entry }) => entry);
}

function sameReply(a: Reply, b: Reply): boolean {
  if (a !== null && b !== null && typeof a === 'object' && typeof b === 'object') return a.error === b.error;
  return a === b;
}
