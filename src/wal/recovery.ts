import { crc32 } from 'node:zlib';

import type { Disk, DiskFile } from '../env/contracts.ts';
import { entryChecksum, parseEntry } from '../raft/entry.ts';
import type { GroupId, MemberId, SnapshotMeta } from '../raft/types.ts';
import { DamagedError } from './errors.ts';
import { GroupLog } from './group-log.ts';
import {
  HARD_STATE_BYTES,
  LAST_INDEX_BYTES,
  MEMBER_BYTES,
  readHardState,
  readLastIndex,
  readMember,
  readTimeCeiling,
  TIME_CEILING_BYTES,
} from './payloads.ts';
import {
  nextLikelyRecord,
  readRecordHeader,
  RECORD_ALIGNMENT,
  RECORD_HEADER_BYTES,
  recordBytes,
  RecordKind,
  type RecordHeader,
} from './record.ts';
import {
  readSegmentHeader,
  SEGMENT_HEADER_BYTES,
  segmentName,
  segmentSequence,
  type Segment,
  type SegmentHeader,
} from './segment.ts';
import type { StartFile } from './start-file.ts';

/** Whether this node still has this member of the group (0: one of the first members): else its records count for nothing. */
export type IsOurs = (group: GroupId, member: MemberId) => boolean;

/** The log as far as it can be believed. */
export interface LogContent {
  /** The files that hold it, oldest first; the last one is to be written on. */
  readonly segments: readonly Segment[];
  /** Files above them, whose content counts for nothing. */
  readonly leftovers: readonly string[];
  readonly groups: Map<GroupId, GroupLog>;
  /** The position at which the log ends. */
  readonly end: number;
  /** The highest position below which all was known synced. */
  readonly mark: number;
  readonly ceilingMs: number;
  readonly tornBytes: number;
}

/**
 * Reads all segments. The log ends at the first record that cannot be believed; if a mark found anywhere says that what lies there had
 * been synced, the disk is damaged, and that is refused. Else it is a torn tail: written, never synced, and counted by nobody.
 */
export async function readLog(
  disk: Disk,
  directory: string,
  snapshots: ReadonlyMap<GroupId, SnapshotMeta>,
  startFile: StartFile | null,
  isOurs: IsOurs,
): Promise<LogContent> {
  const reader = new LogReader(snapshots, startFile, isOurs);
  try {
    let previous: number | null = null;
    for (const name of await disk.list(directory)) {
      const sequence = segmentSequence(name);
      if (sequence === null) continue;
      if (previous !== null && sequence !== previous + 1)
        throw new DamagedError(`${directory}/${segmentName(previous + 1)}`, 0, 'the file is missing');
      previous = sequence;
      await reader.readSegment(disk, `${directory}/${name}`, sequence);
    }
    return reader.finish(directory);
  } catch (error) {
    await reader.close();
    throw error;
  }
}

class LogReader {
  readonly #segments: Segment[] = [];
  readonly #leftovers: string[] = [];
  readonly #groups = new Map<GroupId, GroupLog>();
  readonly #snapshots: ReadonlyMap<GroupId, SnapshotMeta>;
  readonly #isOurs: IsOurs;
  readonly #startsKnown: number;
  #ceilingMs = 0;
  #mark: number;
  /** Where the next record has to begin, and the least start number that it may have. */
  #end = 0;
  #lastStart = 0;
  /** Where the log stops being believable: the file and offset of `#end`. */
  #brokenPath = '';
  #brokenOffset = 0;
  /** No later file can go on with the log. */
  #ended = false;
  /** The end of the last trace of a record above `#end`. */
  #tornEnd = 0;

  constructor(snapshots: ReadonlyMap<GroupId, SnapshotMeta>, startFile: StartFile | null, isOurs: IsOurs) {
    this.#isOurs = isOurs;
    this.#snapshots = snapshots;
    this.#startsKnown = startFile?.start ?? 0;
    this.#mark = startFile?.mark ?? 0;
    for (const [group, meta] of snapshots) this.#groups.set(group, new GroupLog(meta));
  }

  async readSegment(disk: Disk, path: string, sequence: number): Promise<void> {
    const file = await disk.open(path, { create: false });
    const bytes = await readWhole(file);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const header = readSegmentHeader(path, bytes, view);
    if (header === null || !this.#continues(header, sequence)) {
      this.#scanLeftover(path, bytes, view, header);
      await file.close();
      return;
    }
    if (bytes.length < header.sizeBytes)
      throw new DamagedError(path, bytes.length, `the file ends before its ${header.sizeBytes} bytes`);
    // The one before was left for this one in good order. Of the last one nobody knows how far its first batch came.
    const previous = this.#segments.at(-1);
    if (previous !== undefined) previous.restatedEnd = this.#end;
    const segment: Segment = {
      sequence,
      base: header.base,
      file,
      sizeBytes: bytes.length,
      restatedEnd: Infinity,
      highest: new Map(),
    };
    this.#segments.push(segment);
    this.#see(header.start, header.mark);
    this.#end = header.base + SEGMENT_HEADER_BYTES;
    const offset = this.#readRecords(segment, bytes, view);
    this.#brokenPath = path;
    this.#brokenOffset = offset;
    this.#scanForMarks(bytes, view, header, offset);
  }

  async close(): Promise<void> {
    for (const segment of this.#segments) await segment.file.close();
  }

  finish(directory: string): LogContent {
    if (this.#mark > this.#end) {
      const path = this.#brokenPath === '' ? `${directory}/${segmentName(1)}` : this.#brokenPath;
      throw new DamagedError(
        path,
        this.#brokenOffset,
        `the log was synced up to ${this.#mark} and can be read up to ${this.#end}`,
      );
    }
    if (this.#lastStart > this.#startsKnown) {
      throw new DamagedError(
        directory,
        0,
        `the log knows of start ${this.#lastStart}, its start file only of ${this.#startsKnown}`,
      );
    }
    this.#dropOthers();
    return {
      segments: this.#segments,
      leftovers: this.#leftovers,
      groups: this.#groups,
      end: this.#end,
      mark: this.#mark,
      ceilingMs: this.#ceilingMs,
      tornBytes: Math.max(this.#tornEnd - this.#end, 0),
    };
  }

  /** Of members that this node has no more, or not yet. What is missing of another's log is damage. */
  #dropOthers(): void {
    for (const [group, log] of this.#groups) {
      if (this.#isOurs(group, log.member)) {
        if (log.problem !== null) throw log.problem;
        if (!log.reaches(log.hardState.commit))
          throw new DamagedError(
            this.#brokenPath,
            this.#brokenOffset,
            `entries of group ${group} up to ${log.hardState.commit} are missing`,
          );
        continue;
      }
      this.#groups.delete(group);
      this.#forget(group);
    }
  }

  #forget(group: GroupId): void {
    for (const { highest } of this.#segments) highest.delete(group);
  }

  /** The oldest file has no predecessor to fit to: those before it were recycled. */
  #continues(header: SegmentHeader, sequence: number): boolean {
    if (this.#ended || header.sequence !== sequence || header.start < this.#lastStart) return false;
    const previous = this.#segments.at(-1);
    if (previous === undefined) return true;
    return sequence === previous.sequence + 1 && header.previousEnd === this.#end && header.base >= this.#end;
  }

  /** Reads on while records can be believed; returns the offset of the first that cannot. */
  #readRecords(segment: Segment, bytes: Buffer, view: DataView): number {
    let offset = SEGMENT_HEADER_BYTES;
    for (;;) {
      const header = readRecordHeader(bytes, view, offset);
      if (header === null || header.position !== segment.base + offset) break;
      if (header.start < this.#lastStart || !this.#apply(segment, header, bytes, offset)) break;
      this.#see(header.start, header.mark);
      offset += recordBytes(header.payloadBytes);
    }
    this.#end = segment.base + offset;
    return offset;
  }

  /** False when the payload is damaged. */
  #apply(segment: Segment, header: RecordHeader, bytes: Buffer, offset: number): boolean {
    const start = offset + RECORD_HEADER_BYTES;
    const end = start + header.payloadBytes;
    if (end > bytes.length) return false;
    const payload = bytes.subarray(start, end);
    if (header.kind === RecordKind.ENTRY) return this.#applyEntry(segment, header, payload, offset);
    if (crc32(payload) !== header.payloadChecksum) return false;
    if (header.kind === RecordKind.HARD_STATE && payload.length === HARD_STATE_BYTES) {
      this.#group(header.group).hardState = readHardState(payload);
    } else if (header.kind === RecordKind.MEMBER && payload.length === MEMBER_BYTES) {
      this.#begin(header.group, readMember(payload));
    } else if (header.kind === RecordKind.LAST_INDEX && payload.length === LAST_INDEX_BYTES) {
      this.#expect(header.group, readLastIndex(payload), segment.file.path, offset);
    } else if (header.kind === RecordKind.TIME_CEILING && payload.length === TIME_CEILING_BYTES) {
      this.#ceilingMs = Math.max(this.#ceilingMs, readTimeCeiling(payload));
    } else {
      throw new DamagedError(segment.file.path, offset, `a record of unknown kind ${header.kind}`);
    }
    return true;
  }

  #applyEntry(segment: Segment, header: RecordHeader, payload: Buffer, offset: number): boolean {
    // A copy: the entry must not keep the whole segment in memory.
    const entry = parseEntry(Buffer.from(payload));
    if (entry === null || entryChecksum(entry) !== header.payloadChecksum) return false;
    const log = this.#group(header.group);
    if (log.problem === null && !log.add(entry)) {
      const missing = `entries of group ${header.group} before ${entry.index} are missing`;
      log.problem = new DamagedError(segment.file.path, offset, missing);
    }
    const highest = segment.highest.get(header.group) ?? 0;
    if (entry.index > highest) segment.highest.set(header.group, entry.index);
    return true;
  }

  #expect(group: GroupId, lastIndex: number, path: string, offset: number): void {
    const log = this.#group(group);
    if (log.problem !== null || log.reaches(lastIndex)) return;
    log.problem = new DamagedError(path, offset, `entries of group ${group} up to ${lastIndex} are missing`);
  }

  #begin(group: GroupId, member: MemberId): void {
    const log = this.#group(group);
    if (log.member === member) return;
    log.begin(member);
    this.#forget(group);
  }

  #group(group: GroupId): GroupLog {
    let log = this.#groups.get(group);
    if (log === undefined) {
      log = new GroupLog(this.#snapshots.get(group) ?? null);
      this.#groups.set(group, log);
    }
    return log;
  }

  /** A file that does not go on with the log. If it tells of a later mark and lacks its header, the damage is there. */
  #scanLeftover(path: string, bytes: Buffer, view: DataView, header: SegmentHeader | null): void {
    const found = this.#scanForMarks(bytes, view, header, 0);
    if (found && header === null && !this.#ended) {
      this.#brokenPath = path;
      this.#brokenOffset = 0;
    }
    this.#ended = true;
    this.#leftovers.push(path);
  }

  #see(start: number, mark: number): void {
    this.#lastStart = start;
    if (mark > this.#mark) this.#mark = mark;
  }

  /**
   * Looks beyond the end for records of this life of the log: what they say was synced, was. Records of an earlier life lie elsewhere
   * than they say, or below the end, or are of an earlier start than what comes before them. True when there are any.
   */
  #scanForMarks(bytes: Buffer, view: DataView, segment: SegmentHeader | null, from: number): boolean {
    let found = false;
    let offset = nextLikelyRecord(bytes, from);
    for (; offset >= 0; offset = nextLikelyRecord(bytes, offset + RECORD_ALIGNMENT)) {
      const header = readRecordHeader(bytes, view, offset);
      if (header === null || header.start < this.#lastStart || header.position < this.#end) continue;
      if (segment !== null && header.position !== segment.base + offset) continue;
      found = true;
      if (header.mark > this.#mark) this.#mark = header.mark;
      this.#tornEnd = Math.max(this.#tornEnd, header.position + recordBytes(header.payloadBytes));
    }
    return found;
  }
}

async function readWhole(file: DiskFile): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(await file.sizeBytes());
  let length = 0;
  while (length < bytes.length) {
    const count = await file.read(bytes.subarray(length), length);
    if (count === 0) break;
    length += count;
  }
  return bytes.subarray(0, length);
}
