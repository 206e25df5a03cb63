import { assert } from '../../assert.ts';
import type { Timer } from '../contracts.ts';
import { promiseActivity, watchPromises } from './promise-activity.ts';

/** Whose events do not simply run: those of a process that is paused wait, those of a dead one do nothing. */
export interface EventOwner {
  deliver(event: ScheduledEvent): void;
}

export class ScheduledEvent implements Timer {
  timeMs: number;
  sequence: number;
  readonly owner: EventOwner | null;
  /** Null once run or cancelled. */
  #run: (() => void) | null;

  constructor(timeMs: number, sequence: number, run: () => void, owner: EventOwner | null) {
    this.timeMs = timeMs;
    this.sequence = sequence;
    this.#run = run;
    this.owner = owner;
  }

  get isOver(): boolean {
    return this.#run === null;
  }

  cancel(): void {
    this.#run = null;
  }

  run(): void {
    const run = this.#run;
    this.#run = null;
    if (run !== null) run();
  }
}

/** Virtual time for everything simulated: events run in order of time, and those of one time in the order in which they were asked for. */
export class Scheduler {
  /** A binary heap of what lies ahead. */
  readonly #heap: ScheduledEvent[] = [];
  /** What was asked for at the present time: in order as it comes, from `#first` up to `#last`. */
  readonly #present: (ScheduledEvent | null)[] = [];
  #first = 0;
  #last = 0;
  #nowMs = 0;
  #sequence = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events that wait, cancelled ones included. */
  get pending(): number {
    return this.#heap.length + this.#last - this.#first;
  }

  after(delayMs: number, run: () => void, owner: EventOwner | null = null): Timer {
    assert(delayMs >= 0, 'an event lies in the future');
    const event = new ScheduledEvent(0, 0, run, owner);
    this.#add(event, delayMs);
    return event;
  }

  /** An event that was held back runs at the present time, after all that was asked for. */
  release(event: ScheduledEvent): void {
    this.#add(event, 0);
  }

  /** Runs the next event; false when there is none up to `untilMs`. */
  step(untilMs = Infinity): boolean {
    for (;;) {
      const event = this.#takeNext(untilMs);
      if (event === null) return false;
      if (event.isOver) continue;
      this.#nowMs = event.timeMs;
      if (event.owner === null) event.run();
      else event.owner.deliver(event);
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

  #add(event: ScheduledEvent, delayMs: number): void {
    this.#sequence += 1;
    event.sequence = this.#sequence;
    event.timeMs = this.#nowMs + delayMs;
    if (event.timeMs > this.#nowMs) this.#push(event);
    else {
      this.#present[this.#last] = event;
      this.#last += 1;
    }
  }

  /** Null: none up to `untilMs`. */
  #takeNext(untilMs: number): ScheduledEvent | null {
    const top = this.#heap.length === 0 ? null : this.#heap[0];
    const present = this.#first === this.#last ? null : this.#present[this.#first];
    if (present === null || (top !== null && comesBefore(top, present))) {
      if (top === null || top.timeMs > untilMs) return null;
      this.#pop();
      return top;
    }
    if (present.timeMs > untilMs) return null;
    this.#present[this.#first] = null;
    this.#first += 1;
    if (this.#first === this.#last) {
      this.#first = 0;
      this.#last = 0;
    }
    return present;
  }

  #push(event: ScheduledEvent): void {
    const heap = this.#heap;
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
    const heap = this.#heap;
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

function comesBefore(left: ScheduledEvent, right: ScheduledEvent): boolean {
  return left.timeMs < right.timeMs || (left.timeMs === right.timeMs && left.sequence < right.sequence);
}

/** The real setImmediate comes after every promise that can be settled now. */
function settleMicrotasks(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
