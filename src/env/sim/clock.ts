import type { Clock, ClockReading, Timer, Timers } from '../contracts.ts';
import type { EventOwner, ScheduledEvent, Scheduler } from './scheduler.ts';

/** One node's clocks: both run at `rate`, and the wall clock may jump. */
export class SimulatedClock implements Clock {
  readonly #scheduler: Scheduler;
  #rate: number;
  #wallOffsetMs: number;
  /** Both in step at the last change of the rate. */
  #anchorSchedulerMs: number;
  #anchorMonotonicMs = 0;

  constructor(scheduler: Scheduler, init: { rate: number; wallMs: number }) {
    this.#scheduler = scheduler;
    this.#rate = init.rate;
    this.#wallOffsetMs = init.wallMs;
    this.#anchorSchedulerMs = scheduler.nowMs;
  }

  monotonicMs(): number {
    return this.#anchorMonotonicMs + (this.#scheduler.nowMs - this.#anchorSchedulerMs) * this.#rate;
  }

  wallMs(): number {
    return this.#wallOffsetMs + this.monotonicMs();
  }

  read(reading: ClockReading): void {
    reading.monotonicMs = this.monotonicMs();
    reading.wallMs = this.wallMs();
  }

  setRate(rate: number): void {
    this.#anchorMonotonicMs = this.monotonicMs();
    this.#anchorSchedulerMs = this.#scheduler.nowMs;
    this.#rate = rate;
  }

  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }
}

/** One process's timers: what it waits for dies with it, and comes late while it is paused. */
export class SimulatedTimers implements Timers, EventOwner {
  readonly #scheduler: Scheduler;
  #stopped = false;
  /** What came while paused; null when running. */
  #held: ScheduledEvent[] | null = null;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  after(delayMs: number, run: () => void): Timer {
    return this.#scheduler.after(Math.max(delayMs, 0), run, this);
  }

  /** After all that was asked for at this time before. */
  endOfTurn(run: () => void): void {
    this.#scheduler.after(0, run, this);
  }

  /** The process is gone: nothing runs any more. */
  stop(): void {
    this.#stopped = true;
  }

  pause(): void {
    this.#held ??= [];
  }

  resume(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const event of held) this.#scheduler.release(event);
  }

  deliver(event: ScheduledEvent): void {
    if (this.#stopped) return;
    if (this.#held === null) event.run();
    else this.#held.push(event);
  }
}
