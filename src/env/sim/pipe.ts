import type { Clock, Timer, Timers } from '../contracts.ts';
import { giveBack, wireCopy } from './wire-buffers.ts';

/** When bytes travel, and whether they may: asked of the simulated network for each direction of a connection. */
export interface Route {
  /** How long the next message is under way. */
  delayMs(): number;
  /** Nothing gets through now. What is under way waits, as TCP sends it again and again. */
  blocked(): boolean;
}

interface Parcel {
  readonly buffer: Buffer;
  readonly sizeBytes: number;
  readonly dueMs: number;
}

/** One direction of a connection: what goes in comes out later, in order, unless the connection breaks first. */
export class Pipe {
  private readonly time: Clock & Timers;
  private readonly route: Route;
  /** The first `sizeBytes` of `buffer` have come out: they may be read during the call only. */
  private readonly deliver: (buffer: Buffer, sizeBytes: number) => void;
  private readonly queue: Parcel[] = [];
  private timer: Timer | null = null;
  private lastDueMs = 0;
  private queued = 0;
  private paused = false;
  private broken = false;
  private whenEmpty: (() => void) | null = null;

  constructor(time: Clock & Timers, route: Route, deliver: (buffer: Buffer, sizeBytes: number) => void) {
    this.time = time;
    this.route = route;
    this.deliver = deliver;
  }

  /** Bytes that are under way. */
  get queuedBytes(): number {
    return this.queued;
  }

  /** The bytes are copied, as by a real wire. */
  send(bytes: Uint8Array): void {
    if (this.broken) return;
    this.lastDueMs = Math.max(this.lastDueMs, this.time.monotonicMs() + this.route.delayMs());
    this.queue.push({ buffer: wireCopy(bytes), sizeBytes: bytes.length, dueMs: this.lastDueMs });
    this.queued += bytes.length;
    this.plan();
  }

  /** Runs once all that was sent before has come out; never when the pipe breaks first. */
  afterAll(run: () => void): void {
    this.whenEmpty = run;
    this.plan();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.plan();
  }

  /** The way may have become free. */
  unblocked(): void {
    this.plan();
  }

  /** What is under way is lost. */
  break(): void {
    this.broken = true;
    this.queue.length = 0;
    this.queued = 0;
    this.whenEmpty = null;
    this.timer?.cancel();
    this.timer = null;
  }

  private plan(): void {
    if (this.timer !== null || this.broken || this.paused || this.route.blocked()) return;
    if (this.queue.length === 0 && this.whenEmpty === null) return;
    const dueMs = this.queue[0]?.dueMs ?? this.lastDueMs;
    this.timer = this.time.after(Math.max(0, dueMs - this.time.monotonicMs()), this.onDue);
  }

  private readonly onDue = (): void => {
    this.timer = null;
    this.take();
  };

  private take(): void {
    if (this.paused || this.route.blocked()) return;
    const next = this.queue.shift();
    if (next === undefined) {
      const run = this.whenEmpty;
      this.whenEmpty = null;
      run?.();
      return;
    }
    const { buffer, sizeBytes } = next;
    this.queued -= sizeBytes;
    this.deliver(buffer, sizeBytes);
    giveBack(buffer, sizeBytes);
    this.plan();
  }
}
