/** Places on a disk where a flipped bit must be found: below the highest mark that tells what was synced. And whether it was found there. */
import type { SimulatedDisk } from '../../../../src/env/sim/disk.ts';
import { DamagedError } from '../../../../src/wal/errors.ts';
import { readRecordHeader, RECORD_ALIGNMENT, recordBytes } from '../../../../src/wal/record.ts';
import { SEGMENT_HEADER_BYTES } from '../../../../src/wal/segment.ts';
import { CHUNK_STRIDE, decodeSnapshotHeader } from '../../../../src/wal/snapshot-format.ts';

const NAMED = /^(\S+) is damaged at offset (\d+): /;

export interface Place {
  path: string;
  offset: number;
  sizeBytes: number;
}

/** Records that were known synced when a later one was written; a tail above that may be cut by a start. */
export function syncedRecords(disk: SimulatedDisk): Place[] {
  const records: (Place & { end: number })[] = [];
  let mark = 0;
  for (const path of disk.paths().filter((name) => name.endsWith('.wal'))) {
    const bytes = Buffer.from(disk.content(path) ?? []);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let offset = SEGMENT_HEADER_BYTES; offset < bytes.length;) {
      const header = readRecordHeader(bytes, view, offset);
      if (header === null) {
        offset += RECORD_ALIGNMENT;
        continue;
      }
      const sizeBytes = recordBytes(header.payloadBytes);
      mark = Math.max(mark, header.mark);
      records.push({ path, offset, sizeBytes, end: header.position + sizeBytes });
      offset += sizeBytes;
    }
  }
  return records.filter(({ end }) => end <= mark);
}

export function snapshotFiles(disk: SimulatedDisk): Place[] {
  return disk
    .paths()
    .filter((path) => path.endsWith('.snapshot'))
    .map((path) => ({ path, offset: 0, sizeBytes: disk.content(path)?.length ?? 0 }));
}

/** What is verified at once of what lies there in a snapshot: its header, or a chunk. */
export function snapshotPiece(disk: SimulatedDisk, path: string, offset: number): Place {
  const bytes = Buffer.from(disk.content(path) ?? []);
  const start = contentStart(path, bytes);
  if (offset < start) return { path, offset: 0, sizeBytes: start };
  const chunk = Math.floor((offset - start) / CHUNK_STRIDE);
  return { path, offset: start + chunk * CHUNK_STRIDE, sizeBytes: CHUNK_STRIDE };
}

/** Of one that was never finished all is its header, which is written last. */
function contentStart(path: string, bytes: Buffer): number {
  try {
    return decodeSnapshotHeader(path, bytes, bytes.length).contentStart;
  } catch (error) {
    if (error instanceof DamagedError) return bytes.length;
    throw error;
  }
}

/** A refusal names the record, or the piece of a snapshot, in which the bit was flipped, and no other. */
export function namesPiece(message: string, { path, offset, sizeBytes }: Place): boolean {
  const named = NAMED.exec(message);
  if (named === null || named[1] !== path) return false;
  const at = Number(named[2]);
  return at >= offset && at < offset + sizeBytes;
}
