import type { Timer, Timers } from './contracts.ts';

/** What setTimeout takes; it runs at once when given more. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

export class SystemTimers implements Timers {
  after(delayMs: number, run: () => void): Timer {
    const wholeMs = Math.min(Math.max(Math.ceil(delayMs), 0), LONGEST_DELAY_MS);
    const handle = setTimeout(run, wholeMs);
    return { cancel: () => clearTimeout(handle) };
  }

  endOfTurn(run: () => void): void {
    setImmediate(run);
  }
}
