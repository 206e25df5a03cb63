/** How long the machine's own disk makes a small synced write wait: where it stands still, so does every node, whatever the fault. */
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const PROBE_EVERY_MS = 100;
const PROBE_BYTES = Buffer.alloc(512, 1);

export class DiskProbe {
  private readonly file: FileHandle;
  private longestMs = 0;
  private sinceMs: number | null = null;
  private isStopped = false;
  private readonly running: Promise<void>;

  private constructor(file: FileHandle) {
    this.file = file;
    this.running = this.run();
  }

  /** Writes a file of its own in the directory, beside what the nodes' disks are. */
  static async begin(directory: string): Promise<DiskProbe> {
    return new DiskProbe(await open(join(directory, 'disk-probe'), 'w'));
  }

  /** The longest wait since it was asked last, one under way among them. */
  takeLongestMs(): number {
    const nowMs = performance.now();
    const longestMs = Math.max(this.longestMs, nowMs - (this.sinceMs ?? nowMs));
    this.longestMs = 0;
    return longestMs;
  }

  /** Rejects when a write failed. */
  async stop(): Promise<void> {
    this.isStopped = true;
    await this.running;
    await this.file.close();
  }

  private async run(): Promise<void> {
    while (!this.isStopped) {
      this.sinceMs = performance.now();
      await this.file.write(PROBE_BYTES, 0, PROBE_BYTES.length, 0);
      await this.file.datasync();
      this.longestMs = Math.max(this.longestMs, performance.now() - this.sinceMs);
      this.sinceMs = null;
      await pause(PROBE_EVERY_MS);
    }
  }
}
