import type { Clock, DiskFile, Timer, Timers } from '../env/contracts.ts';
import type { Entry } from '../raft/entry.ts';
import type { GroupId, HardState, MemberId } from '../raft/types.ts';
import { Batch } from './batch.ts';
import { diskErrorOf } from './errors.ts';
import type { SegmentFiles } from './segment-files.ts';
import { SEGMENT_HEADER_BYTES, writeSegmentHeader, type Segment } from './segment.ts';
import type { Durability, Wal, WalObserver, WalStats } from './types.ts';

/** A write into the page cache of up to this size costs less than handing it to another thread and back. */
const WRITE_NOW_BYTES = 256 * 1024;

export interface LogComponents {
  clock: Pick<Clock, 'monotonicMs'>;
  timers: Timers;
  files: SegmentFiles;
}

export interface LogInit {
  durability: Durability;
  bufferedSyncDelayMs: number;
  start: number;
  /** Where the log ends; all below is synced. */
  end: number;
  hardStates: ReadonlyMap<GroupId, HardState>;
  /** Whose records they are, where that was said. */
  members: ReadonlyMap<GroupId, MemberId>;
  /** Of each group the entry that was written last. */
  lastIndexes: ReadonlyMap<GroupId, number>;
  timeCeilingMs: number;
  observe: WalObserver;
  /** The first failure; nothing is durable any more from here on. */
  onFailure: (error: Error) => void;
  /** Marks the clean stop, if it is one (not null), and lets go of the directory. */
  onClosed: (stop: { mark: number; timeMs: number } | null) => Promise<void>;
}

/** The log of all groups: one batch is written and synced while the next one gathers. */
export class SegmentedLog implements Wal {
  readonly durability: Durability;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #timers: Timers;
  readonly #files: SegmentFiles;
  readonly #init: LogInit;
  readonly #hardStates: Map<GroupId, HardState>;
  readonly #members: Map<GroupId, MemberId>;
  /** Of what lies in the files. */
  readonly #lastIndexes: Map<GroupId, number>;
  #timeCeilingMs: number;

  #gathering = new Batch();
  #idle = new Batch();
  /** The batch that is being written or synced, in `fsync`. */
  #inFlight: Batch | null = null;
  readonly #restated = new Batch();
  #end: number;
  #mark: number;
  #writtenAtMs = 0;

  /** In `buffered`: files with bytes that are not synced, and who waits for it. */
  readonly #unsynced = new Set<Segment>();
  #awaitingSync: (() => void)[] = [];
  #syncTimer: Timer | null = null;
  #syncing = false;

  #failure: Error | null = null;
  #onIdle: (() => void) | null = null;
  #bytesWritten = 0;
  #batches = 0;
  #syncs = 0;

  constructor(components: LogComponents, init: LogInit) {
    this.durability = init.durability;
    this.#clock = components.clock;
    this.#timers = components.timers;
    this.#files = components.files;
    this.#init = init;
    this.#hardStates = new Map(init.hardStates);
    this.#members = new Map(init.members);
    this.#lastIndexes = new Map(init.lastIndexes);
    this.#timeCeilingMs = init.timeCeilingMs;
    this.#end = init.end;
    this.#mark = init.end;
    this.#restate(this.#gathering);
  }

  get stats(): WalStats {
    return {
      segments: this.#files.segments.length,
      segmentsFreed: this.#files.freed,
      bytesOnDisk: this.#files.sizeBytes,
      bytesWritten: this.#bytesWritten,
      batches: this.#batches,
      syncs: this.#syncs,
      syncedEnd: this.#mark,
    };
  }

  stageEntries(group: GroupId, entries: readonly Entry[]): void {
    if (this.#failure !== null || entries.length === 0) return;
    const batch = this.#gathering;
    for (let i = 0; i < entries.length; i += 1) batch.addEntry(group, entries[i]);
    batch.raiseHighest(group, entries[entries.length - 1].index);
  }

  stageHardState(group: GroupId, hardState: HardState): void {
    if (this.#failure !== null) return;
    this.#hardStates.set(group, hardState);
    this.#gathering.addHardState(group, hardState);
  }

  stageTimeCeiling(timeMs: number, synced?: () => void): void {
    if (this.#failure !== null) return;
    this.#timeCeilingMs = Math.max(this.#timeCeilingMs, timeMs);
    this.#gathering.addTimeCeiling(timeMs);
    if (synced !== undefined) this.#gathering.awaitSync.push(synced);
  }

  beginGroup(group: GroupId, member: MemberId, synced: () => void): void {
    if (this.#failure !== null) return;
    this.forgetGroup(group);
    this.#members.set(group, member);
    this.#gathering.addMember(group, member);
    this.#gathering.awaitSync.push(synced);
  }

  forgetGroup(group: GroupId): void {
    this.#hardStates.delete(group);
    this.#members.delete(group);
    this.#lastIndexes.delete(group);
    this.#gathering.forget(group);
    this.#files.forget(group);
  }

  flush(durable: () => void): void {
    if (this.#failure !== null) return;
    if (this.durability === 'buffered') this.#flushBuffered(durable);
    else this.#flushSynced(durable);
  }

  release(group: GroupId, index: number): void {
    this.#files.release(group, index);
  }

  oldestSegmentGroups(): GroupId[] {
    return this.#files.oldestGroups();
  }

  async close(timeMs: number): Promise<void> {
    await this.#settle();
    await this.#files.close();
    await this.#init.onClosed(this.#failure === null ? { mark: this.#end, timeMs } : null);
    if (this.#failure !== null) throw this.#failure;
  }

  #flushSynced(durable: () => void): void {
    const batch = this.#gathering;
    if (batch.lengthBytes > 0) {
      batch.callbacks.push(durable);
      batch.flushed = true;
      if (this.#inFlight === null) this.#startBatch();
    } else if (this.#inFlight !== null) {
      this.#inFlight.callbacks.push(durable);
    } else {
      durable();
    }
  }

  /** Written now, by the same call, unless the batch is large; synced by another thread. */
  #startBatch(): void {
    const batch = this.#gathering;
    this.#gathering = this.#idle;
    this.#inFlight = batch;
    this.#writtenAtMs = this.#clock.monotonicMs();
    try {
      const segment = this.#place(batch);
      const { file } = segment;
      const bytes = batch.seal(this.#end, this.#init.start, this.#mark);
      const offset = this.#end - segment.base;
      const { lengthBytes } = batch;
      this.#end += lengthBytes;
      if (lengthBytes > WRITE_NOW_BYTES) {
        file.write(bytes.subarray(0, lengthBytes), offset, (error) => this.#onWritten(file, error));
        return;
      }
      file.writeNow(bytes, offset, lengthBytes);
      this.#onWritten(file, null);
    } catch (error) {
      this.#fail(diskErrorOf('cannot write the log', error));
    }
  }

  #onWritten(file: DiskFile, error: Error | null): void {
    if (error !== null) this.#fail(diskErrorOf(`cannot write ${file.path}`, error));
    else file.sync((syncError) => this.#onSynced(file, syncError));
  }

  #onSynced(file: DiskFile, error: Error | null): void {
    if (error !== null) this.#fail(diskErrorOf(`cannot sync ${file.path}`, error));
    const batch = this.#inFlight;
    if (this.#failure !== null || batch === null) return;
    this.#mark = this.#end;
    this.#syncs += 1;
    this.#init.observe(batch.lengthBytes, this.#clock.monotonicMs() - this.#writtenAtMs);
    this.#files.synced(this.#mark);
    this.#inFlight = null;
    const finished = batch.takeCallbacks();
    batch.clear();
    this.#idle = batch;
    // The disk works on the next batch while this one is answered.
    if (this.#gathering.flushed) this.#startBatch();
    for (const run of finished) run();
    if (this.#inFlight === null) this.#onIdle?.();
  }

  #flushBuffered(durable: () => void): void {
    const batch = this.#gathering;
    if (batch.lengthBytes > 0 && !this.#writeBuffered(batch)) return;
    durable();
  }

  #writeBuffered(batch: Batch): boolean {
    const writtenAtMs = this.#clock.monotonicMs();
    try {
      const segment = this.#place(batch);
      const bytes = batch.seal(this.#end, this.#init.start, this.#mark);
      segment.file.writeNow(bytes, this.#end - segment.base, batch.lengthBytes);
      this.#end += batch.lengthBytes;
      this.#unsynced.add(segment);
    } catch (error) {
      this.#fail(diskErrorOf('cannot write the log', error));
      return false;
    }
    this.#init.observe(batch.lengthBytes, this.#clock.monotonicMs() - writtenAtMs);
    const urgent = batch.awaitSync.length > 0;
    if (urgent) this.#awaitingSync.push(...batch.awaitSync);
    batch.clear();
    if (urgent) this.#syncBehind();
    else this.#syncTimer ??= this.#timers.after(this.#init.bufferedSyncDelayMs, this.#syncBehind);
    return true;
  }

  /** In `buffered`: syncs what has been written up to now, file by file. */
  readonly #syncBehind = (): void => {
    this.#syncTimer?.cancel();
    this.#syncTimer = null;
    if (this.#syncing || this.#failure !== null || this.#unsynced.size === 0) return;
    this.#syncing = true;
    const end = this.#end;
    const segments = [...this.#unsynced];
    const waiting = this.#awaitingSync;
    this.#unsynced.clear();
    this.#awaitingSync = [];
    const syncNext = (): void => {
      const segment = segments.shift();
      if (segment === undefined) this.#onSyncedBehind(end, waiting);
      else segment.file.sync((error) => (error === null ? syncNext() : this.#failSync(segment.file, error)));
    };
    syncNext();
  };

  #onSyncedBehind(end: number, waiting: readonly (() => void)[]): void {
    if (this.#failure !== null) return;
    this.#syncing = false;
    this.#syncs += 1;
    this.#mark = end;
    this.#files.synced(end);
    if (this.#awaitingSync.length > 0 || this.#onIdle !== null) this.#syncBehind();
    else if (this.#unsynced.size > 0) {
      this.#syncTimer ??= this.#timers.after(this.#init.bufferedSyncDelayMs, this.#syncBehind);
    }
    for (const run of waiting) run();
    if (!this.#syncing && this.#unsynced.size === 0) this.#onIdle?.();
  }

  #failSync(file: DiskFile, error: Error): void {
    this.#fail(diskErrorOf(`cannot sync ${file.path}`, error));
  }

  /** Finds the file for the batch. A new one begins with its header, and with all that older files must not be needed for. */
  #place(batch: Batch): Segment {
    const next = this.#files.advance(this.#end, batch.lengthBytes);
    if (next !== null) this.#beginSegment(next);
    const segment = next ?? this.#files.segments[this.#files.segments.length - 1];
    const batchEnd = this.#end + batch.lengthBytes;
    segment.sizeBytes = Math.max(segment.sizeBytes, batchEnd - segment.base);
    if (segment.restatedEnd === Infinity) segment.restatedEnd = batchEnd;
    const { groups, groupCount, highest, last } = batch;
    for (let i = 0; i < groupCount; i += 1) {
      if (last[i] > 0) this.#lastIndexes.set(groups[i], last[i]);
      if (highest[i] > (segment.highest.get(groups[i]) ?? 0)) segment.highest.set(groups[i], highest[i]);
    }
    this.#batches += 1;
    this.#bytesWritten += batch.lengthBytes;
    return segment;
  }

  #beginSegment(segment: Segment): void {
    const { start } = this.#init;
    const { sequence, sizeBytes, base, file } = segment;
    const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
    const view = new DataView(header.buffer, header.byteOffset, header.length);
    const previousEnd = this.#end;
    writeSegmentHeader(header, view, { start, sequence, sizeBytes, base, previousEnd, mark: this.#mark });
    file.writeNow(header, 0);
    this.#end = base + SEGMENT_HEADER_BYTES;
    this.#restated.clear();
    this.#restate(this.#restated);
    const restated = this.#restated.seal(this.#end, start, this.#mark);
    file.writeNow(restated, SEGMENT_HEADER_BYTES, this.#restated.lengthBytes);
    this.#end += this.#restated.lengthBytes;
    this.#bytesWritten += SEGMENT_HEADER_BYTES + this.#restated.lengthBytes;
  }

  #restate(batch: Batch): void {
    for (const [group, member] of this.#members) batch.addMember(group, member);
    for (const [group, hardState] of this.#hardStates) batch.addHardState(group, hardState);
    for (const [group, index] of this.#lastIndexes) batch.addLastIndex(group, index);
    if (this.#timeCeilingMs > 0) batch.addTimeCeiling(this.#timeCeilingMs);
  }

  /** Writes and syncs all that was staged, or fails. */
  #settle(): Promise<void> {
    return new Promise((resolve) => {
      const settled = (): void => {
        this.#onIdle = null;
        resolve();
      };
      this.#onIdle = settled;
      this.flush(() => {
        if (this.durability === 'buffered') this.#syncBehind();
      });
      const atRest = this.#inFlight === null && !this.#syncing && this.#unsynced.size === 0;
      if (atRest || this.#failure !== null) settled();
    });
  }

  /** Called by whatever fails first: nothing is answered from here on. */
  readonly fail = (error: Error): void => this.#fail(error);

  #fail(error: Error): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#syncTimer?.cancel();
    this.#init.onFailure(error);
    this.#onIdle?.();
  }
}
