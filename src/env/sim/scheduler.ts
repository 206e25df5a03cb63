import { assert } from '../../assert.ts';
import type { Timer } from '../contracts.ts';
import { promiseActivity, watchPromises } from './promise-activity.ts';

interface Event {
  timeMs: number;
  sequence: number;
  /** Null once run or cancelled. */
  run: (() => void) | null;
}

/** Virtual time for everything simulated: events run in order of time, and those of one time in the order in which they were asked for. */
export class Scheduler {
  /** A binary heap. */
  readonly #events: Event[] = [];
  #nowMs = 0;
  #sequence = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events that wait, cancelled ones included. */
  get pending(): number {
    return this.#events.length;
  }

  after(delayMs: number, run: () => void): Timer {
    assert(delayMs >= 0, 'an event lies in the future');
    this.#sequence += 1;
    const event: Event = { timeMs: this.#nowMs + delayMs, sequence: this.#sequence, run };
    this.#push(event);
    return {
      cancel: () => {
        event.run = null;
      },
    };
  }

  /** Runs the next event; false when there is none up to `untilMs`. */
  step(untilMs = Infinity): boolean {
    for (;;) {
      const event = this.#events.at(0);
      if (event === undefined || event.timeMs > untilMs) return false;
      this.#pop();
      if (event.run === null) continue;
      this.#nowMs = event.timeMs;
      const run = event.run;
      event.run = null;
      run();
      return true;
    }
  }

  /** Runs all events of the next `durationMs`. */
  advance(durationMs: number): void {
    const untilMs = this.#nowMs + durationMs;
    while (this.step(untilMs));
    this.#nowMs = untilMs;
  }

  /**
   * Runs events, and what promises wait for between them, until `done`; false when nothing is left to run before. For code whose start
   * and end are asynchronous; deterministic as long as nothing in it waits for the real world.
   */
  async runUntil(done: () => boolean): Promise<boolean> {
    watchPromises();
    await settleMicrotasks();
    while (!done()) {
      const activity = promiseActivity();
      if (!this.step()) return false;
      // Most of what runs has no promises: then nothing can wait for them.
      if (promiseActivity() !== activity) await settleMicrotasks();
    }
    return true;
  }

  async settle<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    promise.then(done, done);
    assert(await this.runUntil(() => settled), 'something waits for an event that never comes');
    return promise;
  }

  #push(event: Event): void {
    const heap = this.#events;
    let index = heap.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!comesBefore(event, heap[parent])) break;
      heap[index] = heap[parent];
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): void {
    const heap = this.#events;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && comesBefore(heap[child + 1], heap[child])) child += 1;
      if (!comesBefore(heap[child], last)) break;
      heap[index] = heap[child];
      index = child;
    }
    heap[index] = last;
  }
}

function comesBefore(left: Event, right: Event): boolean {
  return left.timeMs < right.timeMs || (left.timeMs === right.timeMs && left.sequence < right.sequence);
}

/** The real setImmediate comes after every promise that can be settled now. */
function settleMicrotasks(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
