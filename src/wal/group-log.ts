import type { Entry } from '../raft/entry.ts';
import type { HardState, MemberId, SnapshotMeta } from '../raft/types.ts';

/** One group's log as it is read back, record by record, in the order of writing. */
export class GroupLog {
  /** Whose it is; 0: nobody has said. */
  member: MemberId = 0;
  /** Why it cannot be that member's whole log. */
  problem: Error | null = null;
  hardState: HardState = { term: 0, vote: 0, commit: 0 };
  readonly snapshot: SnapshotMeta | null;
  /** Consecutive, the first right above the snapshot. */
  #entries: Entry[] = [];
  /** Of the entry that was read last; 0: none. */
  lastIndex = 0;

  constructor(snapshot: SnapshotMeta | null) {
    this.snapshot = snapshot;
  }

  /** What follows is this member's. Of another one's records nothing is left: they were another's, however whole. */
  begin(member: MemberId): void {
    this.member = member;
    this.problem = null;
    this.hardState = { term: 0, vote: 0, commit: 0 };
    this.#entries = [];
    this.lastIndex = 0;
  }

  /** An entry replaces what was at its index and all after it. False: entries are missing before it. */
  add(entry: Entry): boolean {
    const covered = this.snapshot?.index ?? 0;
    if (!this.reaches(entry.index - 1)) return false;
    this.lastIndex = entry.index;
    this.#entries.length = Math.max(entry.index - covered - 1, 0);
    if (entry.index > covered) this.#entries.push(entry);
    return true;
  }

  /** Whether all up to `index` is there. */
  reaches(index: number): boolean {
    return index <= Math.max(this.lastIndex, this.snapshot?.index ?? 0);
  }

  /**
   * Entries of a term below the snapshot's conflict with it: the member had them when it installed the snapshot and gave them up, and
   * nothing has been written over them since. (Had they followed the snapshot's last entry, their terms would not be lower.)
   */
  entries(): readonly Entry[] {
    const first = this.#entries.at(0);
    return first !== undefined && first.term < (this.snapshot?.term ?? 0) ? [] : this.#entries;
  }
}
