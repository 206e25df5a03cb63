import type { DiskFile } from '../env/contracts.ts';
import type { GroupId } from '../raft/types.ts';
import { headerChecksum } from './checksum.ts';
import { formatWord, isFormatWord, readFormatWord } from './format-word.ts';

/**
 * A file of the log. It begins with this header, which is written together with its first batch: before, the file is a spare, and what
 * lies in it (zeros, or the records of an earlier life) is not part of the log. Little-endian.
 *
 * | offset | size | field |
 * | 0  | 4 | magic |
 * | 4  | 4 | format, with its complement |
 * | 8  | 4 | checksum: CRC-32 of the header from 12 on |
 * | 12 | 4 | start: the number of the writer's start |
 * | 16 | 4 | sequence: as in the file's name |
 * | 20 | 4 | sizeBytes: the file had them when it was written, and never has fewer (in format 1 not told: a float64 is the sequence) |
 * | 24 | 8 | base, float64: the position in the whole log at which this file begins |
 * | 32 | 8 | previousEnd, float64: the position at which the records of the file before end |
 * | 40 | 8 | mark, float64: as in a record |
 */
export const SEGMENT_HEADER_BYTES = 48;
const SEGMENT_FORMAT = 2;

const MAGIC = 0x53574f54;
const FORMAT = 4;
const CHECKSUM = 8;
const START = 12;
const SEQUENCE = 16;
const SIZE = 20;
const BASE = 24;
const PREVIOUS_END = 32;
const MARK = 40;

const NAME_DIGITS = 16;
const NAME = /^(\d{16})\.wal$/;

export interface SegmentHeader {
  start: number;
  sequence: number;
  sizeBytes: number;
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
  view.setUint32(FORMAT, formatWord(SEGMENT_FORMAT), true);
  view.setUint32(START, header.start, true);
  view.setUint32(SEQUENCE, header.sequence, true);
  view.setUint32(SIZE, header.sizeBytes, true);
  view.setFloat64(BASE, header.base, true);
  view.setFloat64(PREVIOUS_END, header.previousEnd, true);
  view.setFloat64(MARK, header.mark, true);
  view.setUint32(CHECKSUM, headerChecksum(bytes, START, SEGMENT_HEADER_BYTES), true);
}

/** The header, null when there is none or a damaged one. Throws when it is not of a known format. */
export function readSegmentHeader(path: string, bytes: Uint8Array, view: DataView): SegmentHeader | null {
  if (bytes.length < SEGMENT_HEADER_BYTES || view.getUint32(0, true) !== MAGIC) return null;
  // Torn while it was written, or damaged: the marks tell which.
  if (!isFormatWord(view.getUint32(FORMAT, true))) return null;
  const format = readFormatWord(path, FORMAT, view.getUint32(FORMAT, true), SEGMENT_FORMAT);
  if (view.getUint32(CHECKSUM, true) !== headerChecksum(bytes, START, SEGMENT_HEADER_BYTES)) return null;
  return {
    start: view.getUint32(START, true),
    sequence: format === 1 ? view.getFloat64(SEQUENCE, true) : view.getUint32(SEQUENCE, true),
    sizeBytes: format === 1 ? 0 : view.getUint32(SIZE, true),
    base: view.getFloat64(BASE, true),
    previousEnd: view.getFloat64(PREVIOUS_END, true),
    mark: view.getFloat64(MARK, true),
  };
}
