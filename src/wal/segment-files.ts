import { assert } from '../assert.ts';
import type { Disk, DiskFile } from '../env/contracts.ts';
import type { GroupId } from '../raft/types.ts';
import { aligned } from './record.ts';
import { segmentName, type Segment, type Spare } from './segment.ts';

/** A spare file is made ahead, so that a batch never waits for one; more are kept when old files become free: that costs no zeros. */
const SPARES_MADE = 1;
const SPARES_KEPT = 2;
const ZEROS = new Uint8Array(256 * 1024);
/** Zeros are synced bit by bit, so that no sync of the log has to wait behind a whole file of them. */
const SLICES_PER_SYNC = 4;

/** The files of the log: which ones hold it, and spares, made and recycled in the background. */
export class SegmentFiles {
  readonly segments: Segment[];
  readonly #spares: Spare[] = [];
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #segmentBytes: number;
  /** Segments let go since the start. */
  freed = 0;
  /** The highest index of each group that its snapshot covers. */
  readonly #released = new Map<GroupId, number>();
  #nextSequence: number;
  /** Below this position all is synced. */
  #mark = 0;
  #closing = false;
  #upkeep: Promise<void> | null = null;
  readonly #onFailure: (error: unknown) => void;

  constructor(
    disk: Disk,
    directory: string,
    segmentBytes: number,
    segments: readonly Segment[],
    onFailure: (error: unknown) => void,
  ) {
    this.#disk = disk;
    this.#directory = directory;
    this.#segmentBytes = segmentBytes;
    this.segments = [...segments];
    this.#nextSequence = (segments.at(-1)?.sequence ?? 0) + 1;
    this.#onFailure = onFailure;
  }

  get active(): Segment | undefined {
    return this.segments.at(-1);
  }

  get sizeBytes(): number {
    let sizeBytes = 0;
    for (const segment of this.segments) sizeBytes += segment.sizeBytes;
    for (const spare of this.#spares) sizeBytes += spare.sizeBytes;
    return sizeBytes;
  }

  /**
   * Goes on to a spare file when the batch does not fit into what is left of the active one. Without a spare at hand the active file
   * grows: slower, but nobody waits. Null: the active file is the right one.
   */
  advance(end: number, batchBytes: number): Segment | null {
    const active = this.active;
    if (active !== undefined && end - active.base + batchBytes <= this.#segmentBytes) return null;
    const spare = this.#spares.shift();
    assert(active !== undefined || spare !== undefined, 'the first batch finds a spare file');
    if (spare === undefined) return null;
    const base = active === undefined ? 0 : aligned(Math.max(active.base + active.sizeBytes, end));
    const segment = { ...spare, base, restatedEnd: Infinity, highest: new Map<GroupId, number>() };
    this.segments.push(segment);
    this.keepUp();
    return segment;
  }

  /** All below `mark` is synced. */
  synced(mark: number): void {
    this.#mark = mark;
    if (this.#oldestIsFree()) this.keepUp();
  }

  release(group: GroupId, index: number): void {
    if (index <= (this.#released.get(group) ?? 0)) return;
    this.#released.set(group, index);
    if (this.#oldestIsFree()) this.keepUp();
  }

  /** Nothing that was written of the group is needed any more. */
  forget(group: GroupId): void {
    this.#released.delete(group);
    for (const segment of this.segments) segment.highest.delete(group);
    if (this.#oldestIsFree()) this.keepUp();
  }

  /** The groups that need the oldest file. */
  oldestGroups(): GroupId[] {
    if (this.segments.length < 2) return [];
    return [...this.segments[0].highest.keys()].filter((group) => this.#needs(this.segments[0], group));
  }

  /** Makes and recycles spares until there is no more to do. Failures go to `onFailure`. */
  keepUp(): void {
    if (this.#upkeep !== null || this.#closing) return;
    this.#upkeep = this.#doUpkeep().finally(() => {
      this.#upkeep = null;
      if (this.#oldestIsFree() && !this.#closing) this.keepUp();
    });
  }

  /** Resolves when a spare is at hand. */
  async firstSpare(): Promise<void> {
    if (this.#spares.length === 0) await this.#makeSpare();
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#upkeep;
    for (const { file } of [...this.segments, ...this.#spares]) await file.close();
  }

  async #doUpkeep(): Promise<void> {
    try {
      while (!this.#closing) {
        if (this.#oldestIsFree()) await this.#recycleOldest();
        else if (this.#spares.length < SPARES_MADE) await this.#makeSpare();
        else return;
      }
    } catch (error) {
      this.#closing = true;
      this.#onFailure(error);
    }
  }

  /** A file is free when all that it says is said again in a later one, synced, or is covered by snapshots. */
  #oldestIsFree(): boolean {
    const oldest = this.segments[0];
    if (this.segments.length < 2) return false;
    for (const group of oldest.highest.keys()) if (this.#needs(oldest, group)) return false;
    return this.segments.some((segment) => segment !== oldest && segment.restatedEnd <= this.#mark);
  }

  #needs(segment: Segment, group: GroupId): boolean {
    return (segment.highest.get(group) ?? 0) > (this.#released.get(group) ?? 0);
  }

  /** One after the other, each durable before the next: the files that remain after a crash are always consecutive. */
  async #recycleOldest(): Promise<void> {
    const oldest = this.segments[0];
    this.segments.shift();
    this.freed += 1;
    if (this.#spares.length >= SPARES_KEPT || oldest.sizeBytes < this.#segmentBytes) {
      await oldest.file.close();
      await this.#disk.remove(oldest.file.path);
      await this.#disk.syncDirectory(this.#directory);
      return;
    }
    const sequence = this.#takeSequence();
    const path = this.#pathOf(sequence);
    await oldest.file.close();
    await this.#disk.rename(oldest.file.path, path);
    const file = await this.#disk.open(path, { create: false });
    // Only now: cut under its old name it would be a part of the log that lost its end.
    if (oldest.sizeBytes > this.#segmentBytes) await file.truncate(this.#segmentBytes);
    this.#spares.push({ sequence, file, sizeBytes: this.#segmentBytes });
  }

  async #makeSpare(): Promise<void> {
    const sequence = this.#takeSequence();
    const file = await this.#disk.open(this.#pathOf(sequence), { create: true });
    let slices = 0;
    for (let position = 0; position < this.#segmentBytes && !this.#closing; position += ZEROS.length) {
      await writeTo(file, ZEROS.subarray(0, Math.min(ZEROS.length, this.#segmentBytes - position)), position);
      slices += 1;
      if (slices % SLICES_PER_SYNC === 0) await syncOf(file);
    }
    await syncOf(file);
    await this.#disk.syncDirectory(this.#directory);
    this.#spares.push({ sequence, file, sizeBytes: this.#segmentBytes });
  }

  #takeSequence(): number {
    const sequence = this.#nextSequence;
    this.#nextSequence += 1;
    return sequence;
  }

  #pathOf(sequence: number): string {
    return `${this.#directory}/${segmentName(sequence)}`;
  }
}

export function writeTo(file: DiskFile, bytes: Uint8Array, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    file.write(bytes, position, (error) => (error === null ? resolve() : reject(error)));
  });
}

export function syncOf(file: DiskFile): Promise<void> {
  return new Promise((resolve, reject) => {
    file.sync((error) => (error === null ? resolve() : reject(error)));
  });
}
