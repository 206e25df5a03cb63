import { crc32 } from 'node:zlib';

import type { Disk } from '../env/contracts.ts';
import { DamagedError, NewerFormatError } from './errors.ts';
import type { Durability } from './types.ts';

export const START_FILE_NAME = 'start';
const FORMAT = 1;
const FIRST_LINE = /^torc-start (\d+) ([0-9a-f]{8})$/;

/** What a start leaves behind for the next one; replaced as a whole. One line names format and checksum, the next is JSON. */
export interface StartFile {
  start: number;
  /** The start in which the log began. */
  logBorn: number;
  durability: Durability;
  bootId: string;
  /** All of the log below this position was synced when the file was written. */
  mark: number;
  /** The log time is at or above this. */
  timeMs: number;
  /** Everything up to `mark` was synced, nothing was written after, and `timeMs` is exact. */
  cleanStop: boolean;
  /** The longest for which members of this start, or of those before it, may have promised to vote for no other. */
  promiseMs: number;
}

/** Null when there is none: the directory was never started. */
export async function readStartFile(disk: Disk, path: string): Promise<StartFile | null> {
  const bytes = await disk.readFile(path);
  if (bytes === null) return null;
  const text = Buffer.from(bytes).toString('utf8');
  const lineEnd = text.indexOf('\n');
  const match = FIRST_LINE.exec(text.slice(0, lineEnd));
  if (match === null) throw new DamagedError(path, 0, 'it does not begin as a start file');
  const format = Number(match[1]);
  const body = text.slice(lineEnd + 1);
  // First: the number of the format is covered, too.
  if (checksumOf(format, body) !== match[2])
    throw new DamagedError(path, lineEnd + 1, 'its checksum is wrong');
  if (format > FORMAT) throw new NewerFormatError(path, format, FORMAT);
  return { promiseMs: 0, logBorn: 1, ...(JSON.parse(body) as Omit<StartFile, 'promiseMs' | 'logBorn'>) };
}

export function writeStartFile(disk: Disk, path: string, content: StartFile): Promise<void> {
  const body = `${JSON.stringify(content)}\n`;
  return disk.replaceFile(path, Buffer.from(`torc-start ${FORMAT} ${checksumOf(FORMAT, body)}\n${body}`));
}

function checksumOf(format: number, body: string): string {
  return crc32(`${format}\n${body}`).toString(16).padStart(8, '0');
}
