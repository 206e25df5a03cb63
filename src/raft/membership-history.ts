import { assert } from '../assert.ts';
import type { MembershipRecord } from './types.ts';

/**
 * The memberships that a log holds, and the one that it began with: which is in force, which was at an index, and what is to be gone back to when
 * the log is truncated.
 */
export class MembershipHistory {
  /** By index, at least one. */
  private records: MembershipRecord[];

  constructor(first: MembershipRecord) {
    this.records = [first];
  }

  /** In force, committed or not. */
  get last(): MembershipRecord {
    return this.records[this.records.length - 1];
  }

  /** What the last took the place of; the last itself when nothing before it is remembered. */
  get previous(): MembershipRecord {
    return this.records[Math.max(this.records.length - 2, 0)];
  }

  append(record: MembershipRecord): void {
    assert(record.index > this.last.index, 'memberships follow each other along the log');
    this.records.push(record);
  }

  /** The newest at or below the index. */
  at(index: number): MembershipRecord {
    let at = this.records.length - 1;
    while (at > 0 && this.records[at].index > index) at--;
    assert(this.records[at].index <= index, 'the membership at a compacted index is not asked for');
    return this.records[at];
  }

  /** The log lost `index` and all after it. */
  truncateFrom(index: number): void {
    while (this.last.index >= index) {
      assert(this.records.length > 1, 'the membership that the log began with stays');
      this.records.pop();
    }
  }

  /** The log was compacted up to `index`: what was in force there is still needed. */
  compact(index: number): void {
    const kept = this.at(index);
    this.records = this.records.slice(this.records.indexOf(kept));
  }

  /** A snapshot takes the place of the whole log: what it says wins (correctness.md 1.2, #18). */
  resetTo(record: MembershipRecord): void {
    this.records = [record];
  }
}
