import { EntryKind } from '../../../src/raft/entry.ts';
import type { Entry } from '../../../src/raft/entry.ts';
import { decodeMembership } from '../../../src/raft/membership.ts';
import type { Membership, MembershipRecord, SnapshotMeta } from '../../../src/raft/types.ts';

/** One member's log as its driver knows it, to check the core by: the terms, and the memberships. */
export class LogMirror {
  /** By index; what is compacted keeps no term. */
  private terms: number[] = [];
  private base = 0;
  private memberships: MembershipRecord[] = [];

  /** A snapshot in place of the log. */
  reset({ index, term, membership }: SnapshotMeta): void {
    this.base = index;
    this.terms = [];
    this.terms[index] = term;
    this.memberships = [{ index, membership }];
  }

  /** Consecutive entries: the first replaces what is at its index and all after it. Returns how many memberships were rolled back. */
  write(entries: readonly Entry[]): number {
    if (entries.length === 0) return 0;
    const rolledBack = this.truncateTo(entries[0].index - 1);
    for (const entry of entries) {
      this.terms.push(entry.term);
      if (entry.kind !== EntryKind.MEMBERSHIP) continue;
      this.memberships.push({ index: entry.index, membership: decodeMembership(entry) });
    }
    return rolledBack;
  }

  truncateTo(lastIndex: number): number {
    this.terms.length = lastIndex + 1;
    const before = this.memberships.length;
    while (this.memberships.length > 1 && this.last.index > lastIndex) this.memberships.pop();
    return before - this.memberships.length;
  }

  termAt(index: number): number {
    return this.terms[index] ?? -1;
  }

  holds(index: number, term: number): boolean {
    return index <= this.base || this.terms[index] === term;
  }

  /** The newest membership at or below the index. */
  at(index: number): MembershipRecord {
    return this.membershipsFrom(index)[0];
  }

  /** The one in force at the index, and those that follow it. */
  membershipsFrom(index: number): readonly MembershipRecord[] {
    let at = this.memberships.length - 1;
    while (at > 0 && this.memberships[at].index > index) at--;
    return this.memberships.slice(at);
  }

  /** The newest membership in the log. */
  get last(): MembershipRecord {
    return this.memberships[this.memberships.length - 1];
  }

  get previous(): Membership {
    return this.memberships[Math.max(this.memberships.length - 2, 0)].membership;
  }

  /** How many of the log's entries are memberships. */
  get changes(): number {
    return this.memberships.length - 1;
  }
}
