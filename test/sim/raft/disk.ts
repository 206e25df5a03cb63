import type { Entry } from '../../../src/raft/entry.ts';
import type { HardState, RaftRestored, SnapshotMeta } from '../../../src/raft/types.ts';
import type { SeededRandom } from './random.ts';

type Write = { hardState: HardState } | { entry: Entry };

export interface StoredSnapshot {
  meta: SnapshotMeta;
  data: Buffer;
}

const NO_SNAPSHOT: SnapshotMeta = {
  index: 0,
  term: 0,
  membership: { voters: [], votersOld: [], learners: [] },
};

/** One member's disk: what is synced survives a crash; of what is written and not yet synced, a prefix does. */
export class SimDisk {
  snapshot: StoredSnapshot | null = null;
  private hardState: HardState = { term: 0, vote: 0, commit: 0 };
  /** Consecutive. */
  private entries: Entry[] = [];
  private unsynced: Write[] = [];
  private written = 0;
  private synced = 0;

  /** Returns the position to be handed to `sync`. */
  write(hardState: HardState | null, entries: readonly Entry[]): number {
    if (hardState !== null) this.unsynced.push({ hardState });
    for (const entry of entries) this.unsynced.push({ entry });
    this.written = this.synced + this.unsynced.length;
    return this.written;
  }

  sync(position: number): void {
    const count = position - this.synced;
    for (const write of this.unsynced.splice(0, count)) this.keep(write);
    this.synced = position;
  }

  /** Returns how many writes were lost. */
  crash(random: Pick<SeededRandom, 'below'>): number {
    const kept = random.below(this.unsynced.length + 1);
    const lost = this.unsynced.length - kept;
    this.sync(this.synced + kept);
    this.unsynced = [];
    this.written = this.synced;
    return lost;
  }

  recover(): RaftRestored {
    const snapshot = this.snapshot?.meta ?? NO_SNAPSHOT;
    const last = this.entries.at(-1)?.index ?? 0;
    const isConnected = last > snapshot.index;
    return {
      hardState: this.hardState,
      snapshot,
      entries: isConnected ? [...this.entries] : [],
    };
  }

  /** What would be known of the last vote after any crash. */
  get durableVote(): Pick<HardState, 'term' | 'vote'> {
    return this.hardState;
  }

  /** What it would be if all that was written were synced. */
  get handedVote(): Pick<HardState, 'term' | 'vote'> {
    for (let i = this.unsynced.length - 1; i >= 0; i--) {
      const write = this.unsynced[i];
      if ('hardState' in write) return write.hardState;
    }
    return this.hardState;
  }

  /** Recycles what the snapshot covers. */
  release(index: number): void {
    const first = this.entries[0]?.index ?? 0;
    if (index >= first) this.entries.splice(0, index - first + 1);
  }

  /** Whether the entry is durable; what the snapshot covers is. */
  holds(index: number, term: number): boolean {
    if (this.snapshot !== null && index <= this.snapshot.meta.index) return true;
    const first = this.entries[0]?.index ?? 0;
    return this.entries[index - first]?.term === term;
  }

  private keep(write: Write): void {
    if ('hardState' in write) {
      this.hardState = write.hardState;
      return;
    }
    const { entry } = write;
    const first = this.entries[0]?.index ?? entry.index;
    const last = first + this.entries.length - 1;
    if (entry.index > last + 1 || entry.index < first) this.entries = [entry];
    else {
      this.entries.length = entry.index - first;
      this.entries.push(entry);
    }
  }
}
