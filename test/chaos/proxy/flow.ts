/** One direction of a connection through the proxy. What is cut is held, as TCP does, and arrives when the line is healed. */
import type { Socket } from 'node:net';

import type { LineFault } from '../network.ts';

/** Above it nothing more is read: the sender's own buffers fill. */
const HELD_LIMIT_BYTES = 256 * 1024;
/** A slow line gives its bytes in portions of so much time. */
const TICK_MS = 20;

export type LineState = Pick<LineFault, 'cut' | 'delayMs' | 'bytesPerS'>;

interface Held {
  bytes: Buffer;
  arrivedMs: number;
}

export class Flow {
  private readonly source: Socket;
  private readonly sink: Socket;
  private readonly state: () => LineState;
  private readonly held: Held[] = [];
  private heldBytes = 0;
  private ended = false;
  private blocked = false;
  private timer: NodeJS.Timeout | null = null;

  constructor(source: Socket, sink: Socket, state: () => LineState) {
    this.source = source;
    this.sink = sink;
    this.state = state;
    source.on('data', (bytes: Buffer) => this.hold(bytes));
    source.on('end', () => this.end());
    source.on('close', () => this.end());
    sink.on('drain', () => {
      this.blocked = false;
      this.pump();
    });
  }

  /** The line's state is another. */
  review(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.pump();
  }

  private hold(bytes: Buffer): void {
    this.held.push({ bytes, arrivedMs: performance.now() });
    this.heldBytes += bytes.length;
    if (this.heldBytes > HELD_LIMIT_BYTES) this.source.pause();
    this.pump();
  }

  private end(): void {
    this.ended = true;
    this.pump();
  }

  private pump(): void {
    const { cut = false, delayMs = 0, bytesPerS } = this.state();
    if (this.timer !== null || cut) return;
    while (this.held.length > 0 && !this.blocked) {
      const waitMs = this.held[0].arrivedMs + delayMs - performance.now();
      if (waitMs > 0) {
        this.pumpAfter(waitMs);
        return;
      }
      this.pass(bytesPerS === undefined ? Infinity : Math.ceil((bytesPerS * TICK_MS) / 1000));
      if (bytesPerS !== undefined) {
        this.pumpAfter(TICK_MS);
        return;
      }
    }
    if (this.ended && this.held.length === 0) this.sink.destroySoon();
  }

  private pumpAfter(delayMs: number): void {
    this.timer = setTimeout(() => this.review(), delayMs);
  }

  /** The first chunk, or as much of it. */
  private pass(limitBytes: number): void {
    const [first] = this.held;
    const bytes = first.bytes.subarray(0, limitBytes);
    if (bytes.length === first.bytes.length) this.held.shift();
    else first.bytes = first.bytes.subarray(bytes.length);
    this.heldBytes -= bytes.length;
    if (this.heldBytes <= HELD_LIMIT_BYTES) this.source.resume();
    if (!this.sink.destroyed) this.blocked = !this.sink.write(bytes);
  }
}
