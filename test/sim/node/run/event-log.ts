import { crc32 } from 'node:zlib';

import type { Scheduler } from '../../../../src/env/sim/scheduler.ts';

/** One line an event. Not kept: who wants them is told; the sum of all lines says whether two runs were the same. */
export class EventLog {
  lines = 0;
  private sum = 0;
  private readonly scheduler: Scheduler;
  private readonly told: ((line: string) => void) | null;

  constructor(scheduler: Scheduler, told: ((line: string) => void) | null) {
    this.scheduler = scheduler;
    this.told = told;
  }

  say(text: string): void {
    const line = `${this.scheduler.nowMs.toFixed(3).padStart(11)} ${text}`;
    this.lines += 1;
    this.sum = crc32(line, this.sum);
    this.told?.(line);
  }

  get digest(): string {
    return this.sum.toString(16).padStart(8, '0');
  }
}
