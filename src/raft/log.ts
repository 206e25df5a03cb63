import { assert } from '../assert.ts';
import { NewerVersionError } from '../errors.ts';
import { entryRules } from './entry.ts';
import type { Entry } from './entry.ts';

/** The term of an index that the log does not know: beyond its end, or compacted away. Below every real term. */
export const UNKNOWN_TERM = -1;

/** Where two logs may agree at the latest: an index, and the term that one of them has there. */
export interface LogHint {
  index: number;
  term: number;
}

/** The log in memory: what lies above the last compaction. Knows nothing of what is durable (persistence.ts) or committed. */
export class RaftLog {
  /** The entry just below the first in memory: compacted, its term still known. Index 0 has term 0. */
  private baseIndex: number;
  private baseTerm: number;
  /** Invariant: entries[i].index === baseIndex + 1 + i. */
  private entries: Entry[] = [];
  private sizeBytes = 0;
  /** The newest version of the rules whose entries are taken in. */
  private readonly newestRules: number;
  /** Of the entry at the base, if it ever was in memory. */
  private baseRules = 0;
  private lastRules = 0;

  constructor(baseIndex: number, baseTerm: number, newestRules: number) {
    this.baseIndex = baseIndex;
    this.baseTerm = baseTerm;
    this.newestRules = newestRules;
  }

  get firstIndex(): number {
    return this.baseIndex + 1;
  }

  get lastIndex(): number {
    return this.baseIndex + this.entries.length;
  }

  get lastTerm(): number {
    return this.termAt(this.lastIndex);
  }

  get bytes(): number {
    return this.sizeBytes;
  }

  /** What the last entry is applied by; 0 when that was not in memory: it has been applied then. */
  get rules(): number {
    return this.lastRules;
  }

  termAt(index: number): number {
    if (index === this.baseIndex) return this.baseTerm;
    if (index < this.baseIndex || index > this.lastIndex) return UNKNOWN_TERM;
    return this.entries[index - this.firstIndex].term;
  }

  /** The Log Matching property (§5.3): equal term at an index means equal logs up to there. */
  matches(index: number, term: number): boolean {
    return this.termAt(index) === term;
  }

  /** §5.4.1: the later last term wins; with equal last terms the longer log. */
  isCoveredBy(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  append(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, 'log entries are consecutive');
    assert(entry.term >= this.lastTerm, 'terms never fall along the log');
    const rules = entryRules(entry);
    if (rules !== this.lastRules) this.raiseRules(rules);
    this.entries.push(entry);
    this.sizeBytes += entry.bytes.length;
  }

  /** The versions of the rules never fall along the log; and what cannot be applied here must not be acknowledged here. */
  private raiseRules(rules: number): void {
    if (rules > this.newestRules) throw new NewerVersionError('an entry of the log', rules, this.newestRules);
    assert(rules > this.lastRules, 'the versions of the rules never fall along the log');
    this.lastRules = rules;
  }

  /** Drops `index` and all after it (§5.3: a conflicting entry and all that follow it). */
  truncateFrom(index: number): void {
    assert(index > this.baseIndex && index <= this.lastIndex, 'truncation lies within the log');
    for (const entry of this.entries.splice(index - this.firstIndex)) this.sizeBytes -= entry.bytes.length;
    const last = this.entries.at(-1);
    this.lastRules = last === undefined ? this.baseRules : entryRules(last);
  }

  at(index: number): Entry {
    assert(index >= this.firstIndex && index <= this.lastIndex, 'the entry is in memory');
    return this.entries[index - this.firstIndex];
  }

  /** Entries from `from` to `to`, both included. */
  range(from: number, to: number): Entry[] {
    if (from > to) return [];
    assert(from >= this.firstIndex && to <= this.lastIndex, 'the range is in memory');
    return this.entries.slice(from - this.firstIndex, to - this.firstIndex + 1);
  }

  /** As many entries from `from` on as the limits let through, but at least one if there is one. */
  batch(from: number, maxEntries: number, maxBytes: number): Entry[] {
    let to = from;
    let sizeBytes = 0;
    while (to <= this.lastIndex && to - from < maxEntries) {
      sizeBytes += this.at(to).bytes.length;
      if (sizeBytes > maxBytes && to > from) break;
      to++;
    }
    return this.range(from, to - 1);
  }

  bytesAbove(index: number): number {
    let sizeBytes = 0;
    for (let i = Math.max(index + 1, this.firstIndex); i <= this.lastIndex; i++)
      sizeBytes += this.at(i).bytes.length;
    return sizeBytes;
  }

  /**
   * The last index up to `index` whose term is not above `term`: with the other log's term there, no later index can agree.
   * Skips a conflicting term at a time instead of an entry (end of §5.3).
   */
  agreementHint(index: number, term: number): LogHint {
    for (let i = Math.min(index, this.lastIndex); ; i--) {
      const termHere = this.termAt(i);
      if (termHere <= term) return { index: i, term: Math.max(termHere, 0) };
    }
  }

  /** Forgets entries up to `index`. */
  compact(index: number): void {
    if (index <= this.baseIndex) return;
    assert(index <= this.lastIndex, 'compaction lies within the log');
    const term = this.termAt(index);
    this.baseRules = entryRules(this.at(index));
    const dropped = index - this.baseIndex;
    for (let i = 0; i < dropped; i++) this.sizeBytes -= this.entries[i].bytes.length;
    this.entries = this.entries.slice(dropped);
    this.baseIndex = index;
    this.baseTerm = term;
  }

  /** A snapshot takes the place of the whole log (§7). */
  resetTo(index: number, term: number): void {
    this.entries = [];
    this.sizeBytes = 0;
    this.baseIndex = index;
    this.baseTerm = term;
    this.baseRules = 0;
    this.lastRules = 0;
  }
}
