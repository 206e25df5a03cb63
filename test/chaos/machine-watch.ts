/** How long the machine itself stood still, disk or processor: all nodes and all clients did so, too, whatever fault there was. */
import { monitorEventLoopDelay } from 'node:perf_hooks';

import { DiskProbe } from './disk-probe.ts';

const NANOSECONDS_PER_MS = 1_000_000;
const RESOLUTION_MS = 10;

export class MachineWatch {
  private readonly loopDelay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  private readonly disk: DiskProbe;

  private constructor(disk: DiskProbe) {
    this.disk = disk;
    this.loopDelay.enable();
  }

  static async begin(directory: string): Promise<MachineWatch> {
    return new MachineWatch(await DiskProbe.begin(directory));
  }

  /** The longest since it was asked last: of this process' own loop, and of a small synced write. */
  takeLongestMs(): { stalledMs: number; diskStalledMs: number } {
    const stalledMs = this.loopDelay.max / NANOSECONDS_PER_MS;
    this.loopDelay.reset();
    return { stalledMs, diskStalledMs: this.disk.takeLongestMs() };
  }

  async stop(): Promise<void> {
    this.loopDelay.disable();
    await this.disk.stop();
  }
}
