import { assert } from '../assert.ts';
import type { Entry } from './entry.ts';
import type { RaftLog } from './log.ts';
import type { HardState, Message, PersistMark } from './types.ts';

interface HandedOver {
  sequence: number;
  /** The last index that the write attests; lowered when a later write replaces some of its entries. */
  index: number;
  /** Of its entries. */
  sizeBytes: number;
}

interface Withheld {
  sequence: number;
  message: Message;
}

export interface ToPersist {
  hardState: HardState | null;
  entries: readonly Entry[];
  messages: readonly Message[];
  mark: PersistMark | null;
}

const NOTHING_UNWRITTEN = Infinity;
/**
 * The commit index is written with term and vote, else once in so many entries: a restarted member learns it from its leader anyway, and what
 * it applies before is only that much sooner.
 */
const COMMIT_HINT_ENTRIES = 64;
const NO_ENTRIES: readonly Entry[] = [];
const NO_MESSAGES: readonly Message[] = [];

/**
 * What is durable, what is on its way to the disk, and which messages wait for it. Writes are numbered by the Ready that hands them
 * over (`sequence`); what has not been handed over yet belongs to the next number.
 */
export class Persistence {
  /** The log up to here is durable. The member's own vote for a commit (§10.2.1 of the thesis). */
  stableIndex: number;
  /** Of entries that were handed over and are not durable. */
  underWayBytes = 0;
  private handedOver = 0;
  private durable = 0;
  /** The writes that term and vote, and the newest entries, are part of. */
  private hardStateSequence = 0;
  private entriesSequence = 0;
  private unwrittenFrom = NOTHING_UNWRITTEN;
  private writtenCommit: number;
  private underWay: HandedOver[] = [];
  private afterPersist: Message[] = [];
  private withheld: Withheld[] = [];

  constructor(stableIndex: number, writtenCommit: number) {
    this.stableIndex = stableIndex;
    this.writtenCommit = writtenCommit;
  }

  get hasWork(): boolean {
    return (
      this.hardStateSequence > this.handedOver ||
      this.unwrittenFrom !== NOTHING_UNWRITTEN ||
      this.afterPersist.length > 0
    );
  }

  /** Term and vote as they are now are on disk. */
  get hardStateDurable(): boolean {
    return this.hardStateSequence <= this.durable;
  }

  hardStateChanged(): void {
    this.hardStateSequence = this.handedOver + 1;
  }

  /**
   * The log from `from` on is new. Writes under way attest nothing there any more: their entries are to be replaced, and the
   * replacement may be lost while an answer about the old ones is still on its way (the ABA race).
   */
  logChanged(from: number): void {
    this.unwrittenFrom = Math.min(this.unwrittenFrom, from);
    this.entriesSequence = this.handedOver + 1;
    this.forget(from);
  }

  /** A snapshot stands in place of the log, durable. */
  snapshotInstalled(index: number): void {
    this.forget(index + 1);
    this.unwrittenFrom = NOTHING_UNWRITTEN;
    this.entriesSequence = Math.min(this.entriesSequence, this.handedOver);
    this.stableIndex = index;
  }

  /** Sends once term and vote are durable. */
  sendAfterHardState(message: Message, send: (message: Message) => void): void {
    this.sendAfter(this.hardStateSequence, message, send);
  }

  /** Sends once term, vote and log are durable. */
  sendAfterAll(message: Message, send: (message: Message) => void): void {
    this.sendAfter(Math.max(this.hardStateSequence, this.entriesSequence), message, send);
  }

  take(term: number, vote: number, commitIndex: number, log: RaftLog): ToPersist {
    const entries =
      this.unwrittenFrom === NOTHING_UNWRITTEN ? NO_ENTRIES : log.range(this.unwrittenFrom, log.lastIndex);
    const isHardStateNew = this.hardStateSequence > this.handedOver;
    if (!isHardStateNew && entries.length === 0) {
      return { hardState: null, entries, messages: this.takeMessages(), mark: null };
    }
    // Only a durable commit: the hint must never point beyond what recovery finds.
    const commit = Math.min(commitIndex, this.stableIndex);
    const hardState =
      isHardStateNew || commit >= this.writtenCommit + COMMIT_HINT_ENTRIES ? { term, vote, commit } : null;
    if (hardState !== null) this.writtenCommit = commit;
    this.unwrittenFrom = NOTHING_UNWRITTEN;
    const mark = { term: log.lastTerm, index: log.lastIndex, sequence: ++this.handedOver };
    let sizeBytes = 0;
    for (const entry of entries) sizeBytes += entry.bytes.length;
    this.underWayBytes += sizeBytes;
    this.underWay.push({ sequence: mark.sequence, index: mark.index, sizeBytes });
    return { hardState, entries, messages: this.takeMessages(), mark };
  }

  persisted(mark: PersistMark, send: (message: Message) => void): void {
    const write = this.underWay.shift();
    assert(write !== undefined && write.sequence === mark.sequence, 'marks come back in order');
    this.durable = mark.sequence;
    this.underWayBytes -= write.sizeBytes;
    this.stableIndex = Math.max(this.stableIndex, write.index);
    while (this.withheld.length > 0 && this.withheld[0].sequence <= this.durable) {
      send((this.withheld.shift() as Withheld).message);
    }
  }

  private sendAfter(sequence: number, message: Message, send: (message: Message) => void): void {
    if (sequence <= this.durable) send(message);
    else if (sequence > this.handedOver) this.afterPersist.push(message);
    else this.withhold(sequence, message);
  }

  /** The write was handed over by an earlier Ready. */
  private withhold(sequence: number, message: Message): void {
    let at = this.withheld.length;
    while (at > 0 && this.withheld[at - 1].sequence > sequence) at--;
    this.withheld.splice(at, 0, { sequence, message });
  }

  private forget(from: number): void {
    this.stableIndex = Math.min(this.stableIndex, from - 1);
    for (const write of this.underWay) write.index = Math.min(write.index, from - 1);
  }

  private takeMessages(): readonly Message[] {
    const messages = this.afterPersist;
    if (messages.length === 0) return NO_MESSAGES;
    this.afterPersist = [];
    return messages;
  }
}
