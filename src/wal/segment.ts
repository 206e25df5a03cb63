import type { DiskFile } from '../env/contracts.ts';
import type { GroupId } from '../raft/types.ts';
import { headerChecksum } from './checksum.ts';

/**
 * A file of the log. It begins with this header, which is written together with its first batch: before, the file is a spare, and what
 * lies in it (zeros, or the records of an earlier life) is not part of the log. Little-endian.
 *
 * | offset | size | field |
 * | 0  | 4 | magic |
 * | 4  | 4 | format |
 * | 8  | 4 | checksum: CRC-32 of the header from 12 on |
 * | 12 | 4 | start: the number of the writer's start |
 * | 16 | 8 | sequence, float64: as in the file's name |
 * | 24 | 8 | base, float64: the position in the whole log at which this file begins |
 * | 32 | 8 | previousEnd, float64: the position at which the records of the file before end |
 * | 40 | 8 | mark, float64: as in a record |
 */
export const SEGMENT_HEADER_BYTES = 48;
export const SEGMENT_FORMAT = 1;

const MAGIC = 0x53574f54;
const FORMAT = 4;
const CHECKSUM = 8;
const START = 12;
const SEQUENCE = 16;
const BASE = 24;
const PREVIOUS_END = 32;
const MARK = 40;

const NAME_DIGITS = 16;
const NAME = /^(\d{16})\.wal$/;

export interface SegmentHeader {
  start: number;
  sequence: number;
  base: number;
  previousEnd: number;
  mark: number;
}

/** A file that is part of the log. */
export interface Segment {
  readonly sequence: number;
  readonly base: number;
  readonly file: DiskFile;
  sizeBytes: number;
  /** Below this position, all hard states and the time ceiling stand in this file (again): older files are not needed for them. */
  restatedEnd: number;
  /** The highest index of each group that has entries here. */
  readonly highest: Map<GroupId, number>;
}

/** A file that is ready to become part of the log. */
export interface Spare {
  readonly sequence: number;
  readonly file: DiskFile;
  readonly sizeBytes: number;
}

export function segmentName(sequence: number): string {
  return `${String(sequence).padStart(NAME_DIGITS, '0')}.wal`;
}

/** The sequence that a file's name tells, or null when it is no segment's. */
export function segmentSequence(name: string): number | null {
  const match = NAME.exec(name);
  return match === null ? null : Number(match[1]);
}

export function writeSegmentHeader(bytes: Uint8Array, view: DataView, header: SegmentHeader): void {
  view.setUint32(0, MAGIC, true);
  view.setUint32(FORMAT, SEGMENT_FORMAT, true);
  view.setUint32(START, header.start, true);
  view.setFloat64(SEQUENCE, header.sequence, true);
  view.setFloat64(BASE, header.base, true);
  view.setFloat64(PREVIOUS_END, header.previousEnd, true);
  view.setFloat64(MARK, header.mark, true);
  view.setUint32(CHECKSUM, headerChecksum(bytes, START, SEGMENT_HEADER_BYTES), true);
}

/** The header, null when there is none or a damaged one, or the number of a format that is newer than this program. */
export function readSegmentHeader(bytes: Uint8Array, view: DataView): SegmentHeader | number | null {
  if (bytes.length < SEGMENT_HEADER_BYTES || view.getUint32(0, true) !== MAGIC) return null;
  const format = view.getUint32(FORMAT, true);
  if (format > SEGMENT_FORMAT) return format;
  if (view.getUint32(CHECKSUM, true) !== headerChecksum(bytes, START, SEGMENT_HEADER_BYTES)) return null;
  return {
    start: view.getUint32(START, true),
    sequence: view.getFloat64(SEQUENCE, true),
    base: view.getFloat64(BASE, true),
    previousEnd: view.getFloat64(PREVIOUS_END, true),
    mark: view.getFloat64(MARK, true),
  };
}
