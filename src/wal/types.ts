/** The log on disk that all groups of a node share, and the files of their snapshots. */
import type { Entry } from '../raft/entry.ts';
import type { GroupId, HardState, MemberId, SnapshotMeta } from '../raft/types.ts';

export type Durability = 'fsync' | 'buffered';

/** A group as recovery found it; all of it is durable when `openWal` returns. */
export interface RecoveredGroup {
  group: GroupId;
  /** Whose records these are; 0: nobody said, as for a group's first members. */
  member: MemberId;
  hardState: HardState;
  /** The newest whole snapshot; null when there is none. */
  snapshot: SnapshotMeta | null;
  /** Consecutive entries above the snapshot. */
  entries: readonly Entry[];
}

export interface WalRecovery {
  groups: ReadonlyMap<GroupId, RecoveredGroup>;
  /** Counts the starts of this data directory, from 1: synced before the first answer. */
  start: number;
  /** The start in which this log began: a later one when what was there before was set aside. */
  logBorn: number;
  /** Where the log ended when it was opened. */
  logEnd: number;
  /** The log time below which everything may have been served: the synced ceiling, or the exact time of a clean stop. */
  timeCeilingMs: number;
  /** The longest for which members of earlier starts may have promised to vote for no other; 0 when there was none. */
  promiseMs: number;
  /** Bytes that a torn tail lost; 0 mostly. */
  tornBytes: number;
}

export interface WalStats {
  segments: number;
  /** Let go since the start: snapshots cover what they held. */
  segmentsFreed: number;
  bytesOnDisk: number;
  bytesWritten: number;
  batches: number;
  syncs: number;
  /** All of the log below this position is synced: it is never shorter again. */
  syncedEnd: number;
}

/** Called with the length of a finished sync, or of a write in `buffered`. */
export type WalObserver = (batchBytes: number, syncMs: number) => void;

/**
 * Stage, then flush: everything staged since the last flush is one batch, one write and (in `fsync`) one sync. While a sync is under
 * way, later flushes gather into the next batch. A failure is handed to `onFailure`, and no callback of the batch or of a later one runs.
 */
export interface Wal {
  readonly durability: Durability;
  readonly stats: WalStats;
  stageEntries(group: GroupId, entries: readonly Entry[]): void;
  stageHardState(group: GroupId, hardState: HardState): void;
  /** `synced` runs once the ceiling is on disk, synced also in `buffered`: only then may time rise above the ceiling before. */
  stageTimeCeiling(timeMs: number, synced?: () => void): void;
  /** From here on the group's records are this member's; what is there of an older one does not exist for it. `synced` as above. */
  beginGroup(group: GroupId, member: MemberId, synced: () => void): void;
  /** Nothing of the group is needed any more. */
  forgetGroup(group: GroupId): void;
  /** `durable` runs when all that was staged up to now counts as durable; in order of the calls; in `buffered` before flush returns. */
  flush(durable: () => void): void;
  /** A durable snapshot covers the group's entries up to `index`: segments that nobody needs are recycled. */
  release(group: GroupId, index: number): void;
  /** The groups whose entries keep the oldest segment from being recycled: a snapshot of theirs would free it. */
  oldestSegmentGroups(): GroupId[];
  /** Syncs all, writes the mark of a clean stop with the exact log time, closes, lets go of the lock. */
  close(timeMs: number): Promise<void>;
}

/** Writes a snapshot beside the current one; it counts only once `commit` has returned. */
export interface SnapshotFileWriter {
  append(bytes: Uint8Array): Promise<void>;
  readonly sizeBytes: number;
  commit(): Promise<void>;
  abandon(): Promise<void>;
}

/** A committed snapshot's content, as it was appended; checksums are verified while reading. */
export interface SnapshotFileReader {
  readonly meta: SnapshotMeta;
  readonly totalBytes: number;
  read(offset: number, maxBytes: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface SnapshotFiles {
  create(group: GroupId, meta: SnapshotMeta): Promise<SnapshotFileWriter>;
  /** The newest committed snapshot; null when there is none. */
  open(group: GroupId): Promise<SnapshotFileReader | null>;
  /** Removes the group's snapshot, durably. None of it may be open. */
  remove(group: GroupId): Promise<void>;
}
