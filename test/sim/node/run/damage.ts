/** Places on a disk where a flipped bit must be found: below the highest mark that tells what was synced. */
import type { SimulatedDisk } from '../../../../src/env/sim/disk.ts';
import { readRecordHeader, RECORD_ALIGNMENT, recordBytes } from '../../../../src/wal/record.ts';
import { SEGMENT_HEADER_BYTES } from '../../../../src/wal/segment.ts';

interface Place {
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
