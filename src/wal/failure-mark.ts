import type { Disk, DiskFile } from '../env/contracts.ts';
import { UncleanStopError } from './errors.ts';
import { syncOf, writeTo } from './segment-files.ts';

const UNHARMED = Uint8Array.of(0);
const FAILED = Uint8Array.of(1);

/**
 * In `buffered`, a failed write or sync is an unclean stop: acknowledged bytes may be gone though the machine runs on. One byte in a file
 * of its own, made beforehand so that a full disk cannot prevent it, tells the next start. It need not be synced: when the machine stops
 * too, the boot id tells.
 */
export class FailureMark {
  readonly #file: DiskFile;

  private constructor(file: DiskFile) {
    this.#file = file;
  }

  static async open(disk: Disk, directory: string): Promise<FailureMark> {
    const path = `${directory}/failure`;
    const content = await disk.readFile(path);
    if (content !== null && content.some((byte) => byte !== 0)) {
      throw new UncleanStopError(directory, `a write or sync of it failed (noted in ${path})`);
    }
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
