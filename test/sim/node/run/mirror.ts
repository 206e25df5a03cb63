import type { Entry } from '../../../../src/raft/entry.ts';
import { entryChecksum } from '../../../../src/raft/entry.ts';
import type { HardState, PersistMark, Ready, SnapshotMeta } from '../../../../src/raft/types.ts';
import type { RecoveredGroup } from '../../../../src/wal/types.ts';

type Vote = Pick<HardState, 'term' | 'vote'>;

/** A log as it is known from outside: by what its member hands to the disk, and what the disk says is done. It outlives the process. */
export class Mirror {
  /** All up to here is in a snapshot. */
  base = 0;
  baseTerm = 0;
  private terms: number[] = [];
  private checksums: number[] = [];
  /** The last index that is durable. */
  durableTo = 0;
  /** What was handed to the disk, and is not durable yet. */
  private pending: { sequence: number; to: number; vote: Vote }[] = [];
  /** Term and vote as they were handed to the disk, and as they are there. */
  handedVote: Vote = { term: 0, vote: 0 };
  durableVote: Vote = { term: 0, vote: 0 };
  private installing: SnapshotMeta | null = null;

  get last(): number {
    return this.base + this.terms.length;
  }

  /** Undefined: in a snapshot, or not there. */
  term(index: number): number | undefined {
    return index === this.base ? this.baseTerm : this.terms[index - this.base - 1];
  }

  checksum(index: number): number | undefined {
    return this.checksums[index - this.base - 1];
  }

  /** An entry of this checksum, or a snapshot that covers it, would be there after any crash. */
  keeps(index: number, checksum: number): boolean {
    return index <= this.base || (index <= this.durableTo && this.checksum(index) === checksum);
  }

  holds(index: number, term: number): boolean {
    return index < this.base || this.term(index) === term;
  }

  /** Returns how many entries it had to give up for these. */
  take(ready: Ready): number {
    const { entries, mark, hardState } = ready;
    if (hardState !== null) this.handedVote = hardState;
    let truncated = 0;
    if (entries.length > 0) truncated = this.append(entries);
    if (mark !== null) this.pending.push({ sequence: mark.sequence, to: this.last, vote: this.handedVote });
    if (ready.snapshotInstall !== null) this.installing = ready.snapshotInstall.snapshot;
    return truncated;
  }

  private append(entries: readonly Entry[]): number {
    const keep = entries[0].index - this.base - 1;
    const truncated = Math.max(0, this.terms.length - keep);
    this.terms.length = Math.min(this.terms.length, Math.max(keep, 0));
    this.checksums.length = this.terms.length;
    this.durableTo = Math.min(this.durableTo, entries[0].index - 1);
    for (const one of this.pending) one.to = Math.min(one.to, entries[0].index - 1);
    for (const entry of entries) {
      if (entry.index <= this.base) continue;
      this.terms.push(entry.term);
      this.checksums.push(entryChecksum(entry));
    }
    return truncated;
  }

  persisted({ sequence }: PersistMark): void {
    while (this.pending.length > 0 && this.pending[0].sequence <= sequence) {
      this.durableTo = Math.max(this.durableTo, this.pending[0].to);
      this.durableVote = this.pending[0].vote;
      this.pending.shift();
    }
  }

  /** `last`: of the member's log afterwards. */
  installed(last: number): void {
    if (this.installing === null) return;
    const { index, term } = this.installing;
    this.installing = null;
    this.rebase(index, term);
    this.terms.length = Math.min(this.terms.length, Math.max(0, last - index));
    this.checksums.length = this.terms.length;
    this.durableTo = Math.max(index, Math.min(this.durableTo, this.last));
  }

  private rebase(index: number, term: number): void {
    const dropped = Math.max(0, index - this.base);
    this.terms = this.terms.slice(dropped);
    this.checksums = this.checksums.slice(dropped);
    this.base = index;
    this.baseTerm = term;
  }

  /** A process has begun with what was on the disk. Returns what it lacks of what was durable; null: nothing. */
  restart(recovered: RecoveredGroup | undefined): string | null {
    const { snapshot = null, entries = [], hardState = { term: 0, vote: 0 } } = recovered ?? {};
    const next = new Mirror();
    if (snapshot !== null) next.rebase(snapshot.index, snapshot.term);
    const above = entries.filter(({ index }) => index > next.base);
    if (above.length > 0) next.append(above);
    next.durableTo = next.last;
    next.handedVote = hardState;
    next.durableVote = hardState;
    const lost = this.lostIn(next);
    Object.assign(this, next);
    return lost;
  }

  private lostIn(next: Mirror): string | null {
    const { term, vote } = this.durableVote;
    if (
      next.durableVote.term < term ||
      (next.durableVote.term === term && vote !== 0 && next.durableVote.vote !== vote)
    )
      return `it has voted for ${next.durableVote.vote} in term ${next.durableVote.term}, and for ${vote} in term ${term} before`;
    if (next.last < this.durableTo)
      return `its log ends at ${next.last}, and was durable to ${this.durableTo}`;
    for (let index = Math.max(this.base, next.base) + 1; index <= this.durableTo; index++)
      if (this.checksum(index) !== next.checksum(index))
        return `entry ${index} is another than the durable one`;
    return null;
  }
}
