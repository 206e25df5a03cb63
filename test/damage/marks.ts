/** The places of a log, read from its bytes: where records begin, and below which of them all was known synced. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readRecordHeader, RECORD_ALIGNMENT, recordBytes } from '../../src/wal/record.ts';
import { readSegmentHeader, segmentSequence } from '../../src/wal/segment.ts';

export interface LogPlaces {
  /** The highest mark that can be read, in the log or its start file. */
  readonly mark: number;
  /** Positions at which a log may be cut: records' and files' beginnings, ascending. */
  readonly cuts: readonly number[];
}

interface File {
  path: string;
  base: number;
  bytes: Buffer;
}

async function filesOf(directory: string): Promise<File[]> {
  const files: File[] = [];
  const log = join(directory, 'log/log');
  for (const name of (await readdir(log)).sort()) {
    if (segmentSequence(name) === null) continue;
    const path = join(log, name);
    const bytes = await readFile(path);
    const header = readSegmentHeader(path, bytes, viewOf(bytes));
    if (header !== null) files.push({ path, base: header.base, bytes });
  }
  return files;
}

export async function placesOf(directory: string): Promise<LogPlaces> {
  const cuts: number[] = [];
  let mark = 0;
  let start = 0;
  const file = await readFile(join(directory, 'log/start'), 'utf8').catch(() => '');
  const found = /"mark":(\d+)/.exec(file);
  if (found !== null) mark = Number(found[1]);
  for (const { base, bytes } of await filesOf(directory)) {
    const view = viewOf(bytes);
    for (let offset = 0; offset < bytes.length; offset += RECORD_ALIGNMENT) {
      const header = readRecordHeader(bytes, view, offset);
      if (header === null || header.position !== base + offset || header.start < start) continue;
      if (cuts.length === 0 || header.position > cuts[cuts.length - 1]) cuts.push(header.position);
      ({ start } = header);
      mark = Math.max(mark, header.mark);
      offset += recordBytes(header.payloadBytes) - RECORD_ALIGNMENT;
    }
    const first = cuts.findIndex((cut) => cut > base);
    if (first >= 0) cuts.splice(first, 0, base);
  }
  return { mark, cuts };
}

/** Makes the log end at the position, as if nothing had been written there. */
export async function cutAt(directory: string, position: number): Promise<void> {
  for (const { path, base, bytes } of await filesOf(directory)) {
    if (base + bytes.length <= position) continue;
    bytes.fill(0, Math.max(0, position - base));
    await writeFile(path, bytes);
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
