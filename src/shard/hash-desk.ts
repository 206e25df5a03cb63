/**
 * The state hashes of a replica that somebody has asked for: of the state as it is, or at a mark in the log. A mark is an entry that changes
 * nothing and has a number (mark.ts); every replica that was told to expect the number begins its hash when it has applied just that entry, so
 * all are of one index, however fast the log goes on. Marks that nobody expects here, such as those of a log read again, cost nothing.
 */
import type { Clock, Timers } from '../env/contracts.ts';
import { StateHash, type StateAt } from './state-hash.ts';
import type { StateMachine } from './state-machine.ts';

/** At one replica, expected, being computed, and kept until asked for. */
const MARKS_MAX = 8;
/** How long an answer is kept, and a mark expected. */
const MARK_KEPT_MS = 60_000;
/** Being computed at once: each costs every write to a key that it has not passed. */
const HASHES_AT_ONCE = 4;
/** What writes may leave behind for one hash, of large values that it has not passed. */
const KEPT_MAX_BYTES = 64 * 1024 * 1024;

/**
 * - `expected`: the mark has not been applied here; all up to `appliedIndex` has.
 * - `hashing`: it was applied, at `index`.
 * - `done`.
 * - `failed`: this replica has no hash at the mark; another mark may have.
 */
export type MarkAnswer =
  | { readonly state: 'expected'; readonly appliedIndex: number }
  | { readonly state: 'hashing'; readonly index: number }
  | { readonly state: 'done'; readonly index: number; readonly hash: string }
  | { readonly state: 'failed'; readonly reason: string };

interface Mark {
  sinceMs: number;
  /** This replica has put it into the log. */
  isLogged: boolean;
  answer: MarkAnswer | null;
}

export class HashDesk {
  private readonly machine: StateMachine;
  private readonly clock: Pick<Clock, 'monotonicMs'>;
  private readonly timers: Timers;
  private readonly marks = new Map<number, Mark>();
  private readonly fatal: (error: unknown) => void;
  private readonly keptMaxBytes: number;

  /** `fatal`: an invariant is broken. */
  constructor(
    machine: StateMachine,
    clock: Pick<Clock, 'monotonicMs'>,
    timers: Timers,
    fatal: (error: unknown) => void,
    keptMaxBytes = KEPT_MAX_BYTES,
  ) {
    this.machine = machine;
    this.clock = clock;
    this.timers = timers;
    this.fatal = fatal;
    this.keptMaxBytes = keptMaxBytes;
  }

  /** Of the state as it is now. Null while a snapshot is loaded, when too many are computed, and when it has given up. */
  async now(): Promise<StateAt | null> {
    if (this.machine.isLoading || this.machine.hashesUnderWay >= HASHES_AT_ONCE) return null;
    try {
      return await this.run(new StateHash(this.machine, this.keptMaxBytes));
    } catch (error) {
      this.fatal(error);
      throw error;
    }
  }

  /** The hash at this mark is wanted, whenever the log brings it. False when too many are. */
  expect(mark: number): boolean {
    this.forgetOld();
    if (this.marks.has(mark)) return true;
    if (this.marks.size >= MARKS_MAX && !this.forgetOneDone()) return false;
    this.marks.set(mark, { sinceMs: this.clock.monotonicMs(), isLogged: false, answer: null });
    this.machine.onMark = (applied) => this.begin(applied);
    return true;
  }

  /** Null when this mark is not known here: never expected, or too long ago. */
  answer(mark: number): MarkAnswer | null {
    this.forgetOld();
    const known = this.marks.get(mark);
    if (known === undefined) return null;
    return known.answer ?? { state: 'expected', appliedIndex: this.machine.appliedIndex };
  }

  /** Puts the mark into the log by `propose`, which returns its index or 0, once; 0 when it is not expected here, or was put there. */
  log(mark: number, propose: () => number): number {
    this.forgetOld();
    const known = this.marks.get(mark);
    if (known === undefined || known.isLogged) return 0;
    const index = propose();
    known.isLogged = index > 0;
    return index;
  }

  private begin(number: number): void {
    const mark = this.marks.get(number);
    if (mark === undefined || mark.answer !== null) return;
    if (this.machine.hashesUnderWay >= HASHES_AT_ONCE) {
      mark.answer = { state: 'failed', reason: 'too many hashes are being computed' };
      return;
    }
    const hash = new StateHash(this.machine, this.keptMaxBytes);
    mark.answer = { state: 'hashing', index: hash.index };
    this.finish(mark, hash).catch(this.fatal);
  }

  private async finish(mark: Mark, hash: StateHash): Promise<void> {
    const done = await this.run(hash);
    mark.sinceMs = this.clock.monotonicMs();
    mark.answer =
      done === null
        ? {
            state: 'failed',
            reason: `more than ${this.keptMaxBytes} bytes of old values would have been kept`,
          }
        : { state: 'done', ...done };
  }

  /** A slice a turn of the event loop. */
  private async run(hash: StateHash): Promise<StateAt | null> {
    this.machine.hashesUnderWay += 1;
    try {
      let hex: string | null = null;
      while (hex === null && !hash.hasGivenUp) {
        await this.turn();
        hex = hash.next();
      }
      return hex === null ? null : { index: hash.index, hash: hex };
    } finally {
      this.machine.hashesUnderWay -= 1;
    }
  }

  private turn(): Promise<void> {
    return new Promise((resolve) => {
      this.timers.endOfTurn(resolve);
    });
  }

  private forgetOld(): void {
    const oldestMs = this.clock.monotonicMs() - MARK_KEPT_MS;
    for (const [number, { sinceMs, answer }] of this.marks) {
      if (sinceMs < oldestMs && answer?.state !== 'hashing') this.marks.delete(number);
    }
    if (this.marks.size === 0) this.machine.onMark = null;
  }

  /** The oldest answer makes room for another mark. */
  private forgetOneDone(): boolean {
    for (const [number, { answer }] of this.marks) {
      if (answer === null || answer.state === 'hashing') continue;
      this.marks.delete(number);
      return true;
    }
    return false;
  }
}
