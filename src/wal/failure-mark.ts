import type { Disk, DiskFile } from '../env/contracts.ts';
import { DamagedError, UncleanStopError } from './errors.ts';
import { syncOf, writeTo } from './segment-files.ts';

export const FAILURE_MARK_NAME = 'failure';
const UNHARMED = new Uint8Array(8);
const FAILED = new Uint8Array(8).fill(0xff);
/** What was written before: one byte. */
const FAILED_BEFORE = 1;

/**
 * In `buffered`, a failed write or sync is an unclean stop: acknowledged bytes may be gone though the machine runs on. A few bytes in a file
 * of their own, made beforehand so that a full disk cannot prevent it, tells the next start. It need not be synced: when the machine stops
 * too, the boot id tells.
 */
export class FailureMark {
  readonly #file: DiskFile;

  private constructor(file: DiskFile) {
    this.#file = file;
  }

  static async open(disk: Disk, directory: string): Promise<FailureMark> {
    const path = `${directory}/${FAILURE_MARK_NAME}`;
    const content = await disk.readFile(path);
    if (content !== null) refuseFailure(directory, path, content);
    const file = await disk.open(path, { create: true });
    await writeTo(file, UNHARMED, 0);
    await syncOf(file);
    await disk.syncDirectory(directory);
    return new FailureMark(file);
  }

  /** False when the disk takes nothing at all any more: the node stops for the first failure, which is reported. */
  set(): boolean {
    try {
      this.#file.writeNow(FAILED, 0);
      return true;
    } catch {
      return false;
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

function refuseFailure(directory: string, path: string, content: Uint8Array): void {
  const changedAt = content.findIndex((byte) => byte !== 0);
  if (changedAt < 0) return;
  const isWhole = content.length === FAILED.length && content.every((byte) => byte === FAILED[0]);
  if (isWhole || (content.length === 1 && content[0] === FAILED_BEFORE))
    throw new UncleanStopError(directory, `a write or sync of it failed (noted in ${path})`);
  throw new DamagedError(path, changedAt, 'it says neither that a write failed nor that none did');
}
