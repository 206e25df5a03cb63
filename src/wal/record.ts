import type { GroupId } from '../raft/types.ts';
import { headerChecksum } from './checksum.ts';

/**
 * One thing in the log, at a multiple of RECORD_ALIGNMENT so that recovery can scan past a damaged one. Little-endian.
 *
 * | offset | size | field |
 * | 0  | 4 | magic |
 * | 4  | 4 | checksum: CRC-32 of the header from 8 on |
 * | 8  | 4 | payloadBytes |
 * | 12 | 4 | payloadChecksum: an entry's own, made by its leader; else CRC-32 of the payload |
 * | 16 | 4 | kind |
 * | 20 | 4 | start: the number of the writer's start |
 * | 24 | 8 | group, float64 |
 * | 32 | 8 | position, float64: where this record begins in the whole log, all segments since the first |
 * | 40 | 8 | mark, float64: all of the log below was known synced when this was written |
 * | 48 |   | payload, then zeros up to the alignment |
 */
export const RECORD_HEADER_BYTES = 48;
export const RECORD_ALIGNMENT = 8;

const MAGIC = 0x4c574f54;
/** As it lies there. */
const MAGIC_BYTES = Buffer.from('TOWL');
const CHECKSUM = 4;
const PAYLOAD_BYTES = 8;
const PAYLOAD_CHECKSUM = 12;
const KIND = 16;
const START = 20;
const GROUP = 24;
const POSITION = 32;
const MARK = 40;

export const RecordKind = { ENTRY: 1, HARD_STATE: 2, TIME_CEILING: 3, MEMBER: 4, LAST_INDEX: 5 } as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

export interface RecordHeader {
  payloadBytes: number;
  payloadChecksum: number;
  kind: number;
  start: number;
  group: GroupId;
  position: number;
  mark: number;
}

export function aligned(sizeBytes: number): number {
  return Math.ceil(sizeBytes / RECORD_ALIGNMENT) * RECORD_ALIGNMENT;
}

export function recordBytes(payloadBytes: number): number {
  return aligned(RECORD_HEADER_BYTES + payloadBytes);
}

/** Writes what is known when a record is staged, and its padding; `sealRecords` fills in the rest. */
export function stageRecordHeader(
  view: DataView,
  offset: number,
  kind: RecordKind,
  group: GroupId,
  payloadBytes: number,
  payloadChecksum: number,
): void {
  view.setUint32(offset, MAGIC, true);
  view.setUint32(offset + PAYLOAD_BYTES, payloadBytes, true);
  view.setUint32(offset + PAYLOAD_CHECKSUM, payloadChecksum, true);
  view.setUint32(offset + KIND, kind, true);
  view.setFloat64(offset + GROUP, group, true);
  const end = offset + recordBytes(payloadBytes);
  for (let i = offset + RECORD_HEADER_BYTES + payloadBytes; i < end; i += 1) view.setUint8(i, 0);
}

/** Gives the staged records in [from, to) their places in the log: the one at `from` begins at `position`. */
export function sealRecords(
  bytes: Uint8Array,
  view: DataView,
  from: number,
  to: number,
  position: number,
  start: number,
  mark: number,
): void {
  let offset = from;
  while (offset < to) {
    view.setUint32(offset + START, start, true);
    view.setFloat64(offset + POSITION, position + offset - from, true);
    view.setFloat64(offset + MARK, mark, true);
    const checksum = headerChecksum(bytes, offset + PAYLOAD_BYTES, offset + RECORD_HEADER_BYTES);
    view.setUint32(offset + CHECKSUM, checksum, true);
    offset += recordBytes(view.getUint32(offset + PAYLOAD_BYTES, true));
  }
}

/** The header at `offset`, or null when there is none or a damaged one. Says nothing of the payload. */
export function readRecordHeader(bytes: Buffer, view: DataView, offset: number): RecordHeader | null {
  if (offset + RECORD_HEADER_BYTES > bytes.length || !looksLikeRecord(view, offset)) return null;
  const checksum = headerChecksum(bytes, offset + PAYLOAD_BYTES, offset + RECORD_HEADER_BYTES);
  if (checksum !== view.getUint32(offset + CHECKSUM, true)) return null;
  return {
    payloadBytes: view.getUint32(offset + PAYLOAD_BYTES, true),
    payloadChecksum: view.getUint32(offset + PAYLOAD_CHECKSUM, true),
    kind: view.getUint32(offset + KIND, true),
    start: view.getUint32(offset + START, true),
    group: view.getFloat64(offset + GROUP, true),
    position: view.getFloat64(offset + POSITION, true),
    mark: view.getFloat64(offset + MARK, true),
  };
}

/** The next place from `offset` on, which is aligned, where something like a record begins; -1 when there is none. */
export function nextLikelyRecord(bytes: Buffer, offset: number): number {
  // Most of a file that was made ahead is zeros: the search for bytes passes over them ten times faster than a loop.
  let at = bytes.indexOf(MAGIC_BYTES, offset);
  while (at % RECORD_ALIGNMENT !== 0 && at >= 0) at = bytes.indexOf(MAGIC_BYTES, at + 1);
  return at;
}

function looksLikeRecord(view: DataView, offset: number): boolean {
  return view.getUint32(offset, true) === MAGIC;
}
