import { crc32 } from 'node:zlib';

import type { SnapshotMeta } from '../raft/types.ts';
import { DamagedError } from './errors.ts';
import { formatWord, readFormatWord } from './format-word.ts';

/**
 * A snapshot's file: a header, zeros up to a page, then the content in chunks of CHUNK_BYTES (the last one shorter), each behind its
 * checksum. A chunk's checksum begins with that of the header and the chunk's number: no chunk of another file or place fits.
 * The header is written last. Little-endian.
 *
 * | offset | size | field |
 * | 0  | 4 | magic |
 * | 4  | 4 | format, with its complement |
 * | 8  | 4 | checksum: CRC-32 of the header from 12 on |
 * | 12 | 4 | metaBytes |
 * | 16 | 8 | totalBytes of the content, float64 |
 * | 24 | 4 | salt: the chunks' checksums begin with it |
 * | 28 |   | the SnapshotMeta as JSON |
 */
export const CHUNK_BYTES = 64 * 1024;
export const CHUNK_HEADER_BYTES = 4;
export const CHUNK_STRIDE = CHUNK_BYTES + CHUNK_HEADER_BYTES;
const SNAPSHOT_FORMAT = 1;

const MAGIC = 0x50534f54;
const FORMAT = 4;
const CHECKSUM = 8;
const META_BYTES = 12;
const TOTAL_BYTES = 16;
const SALT = 24;
const FIXED_BYTES = 28;
const PAGE_BYTES = 4096;

export interface SnapshotHeader {
  meta: SnapshotMeta;
  totalBytes: number;
  salt: number;
  /** Where the first chunk begins. */
  contentStart: number;
}

/** All that names a file before its content is there. */
export interface SnapshotPlan {
  metaJson: Buffer;
  salt: number;
  contentStart: number;
}

export function planSnapshot(meta: SnapshotMeta, salt: number): SnapshotPlan {
  const metaJson = Buffer.from(JSON.stringify(meta));
  return { metaJson, salt, contentStart: contentStartOf(metaJson.length) };
}

export function encodeSnapshotHeader(plan: SnapshotPlan, totalBytes: number): Buffer {
  const bytes = Buffer.alloc(FIXED_BYTES + plan.metaJson.length);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(formatWord(SNAPSHOT_FORMAT), FORMAT);
  bytes.writeUInt32LE(plan.metaJson.length, META_BYTES);
  bytes.writeDoubleLE(totalBytes, TOTAL_BYTES);
  bytes.writeUInt32LE(plan.salt, SALT);
  plan.metaJson.copy(bytes, FIXED_BYTES);
  bytes.writeUInt32LE(crc32(bytes.subarray(META_BYTES)), CHECKSUM);
  return bytes;
}

/** `head`: the beginning of the file, all of it or at least a page; `sizeBytes`: the file's. Throws when damaged. */
export function decodeSnapshotHeader(path: string, head: Buffer, sizeBytes: number): SnapshotHeader {
  if (head.length < FIXED_BYTES || head.readUInt32LE(0) !== MAGIC) {
    throw new DamagedError(path, 0, 'it does not begin as a snapshot');
  }
  readFormatWord(path, FORMAT, head.readUInt32LE(FORMAT), SNAPSHOT_FORMAT);
  const end = FIXED_BYTES + head.readUInt32LE(META_BYTES);
  if (end > head.length || crc32(head.subarray(META_BYTES, end)) !== head.readUInt32LE(CHECKSUM)) {
    throw new DamagedError(path, 0, "the checksum of the snapshot's header is wrong");
  }
  const contentStart = contentStartOf(end - FIXED_BYTES);
  const totalBytes = head.readDoubleLE(TOTAL_BYTES);
  const neededBytes = contentStart + totalBytes + Math.ceil(totalBytes / CHUNK_BYTES) * CHUNK_HEADER_BYTES;
  if (totalBytes > 0 && sizeBytes < neededBytes) {
    throw new DamagedError(path, sizeBytes, `the snapshot ends before its ${neededBytes} bytes`);
  }
  const meta = JSON.parse(head.toString('utf8', FIXED_BYTES, end)) as SnapshotMeta;
  return { meta, totalBytes, salt: head.readUInt32LE(SALT), contentStart };
}

/** The header's length is limited by the members that a group can have; this is far more. */
export const SNAPSHOT_HEAD_BYTES = 1024 * 1024;

export function chunkChecksum(content: Uint8Array, salt: number, chunk: number): number {
  const place = Buffer.allocUnsafe(8);
  place.writeDoubleLE(chunk, 0);
  return crc32(content, crc32(place, salt));
}

function contentStartOf(metaBytes: number): number {
  return Math.ceil((FIXED_BYTES + metaBytes) / PAGE_BYTES) * PAGE_BYTES;
}
