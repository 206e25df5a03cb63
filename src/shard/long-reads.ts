/** The reads of a replica that take more than a turn: each turn does some steps of them, in rotation. */
import type { LongRead } from '../commands/long-read.ts';
import { ReplyWriter } from '../resp/reply-writer.ts';
import { NOBODY, PROGRESS_INTERVAL_MS, Refusal, type Waiter } from './waiter.ts';

/** More at a time are done at once: what they keep is memory. */
const LONG_READS_MOST = 64;
/** While their replies so far take more than this, the first is brought to its end before the others go on. */
const REPLIES_MAX_BYTES = 64 * 1024 * 1024;
/** For those who are gone: something must be the reply. */
const NO_ELEMENTS = Buffer.from('*0\r\n');

interface Running {
  waiter: Waiter;
  read: LongRead;
  protocol: 2 | 3;
  timeMs: number;
  /** The reply's elements so far. */
  pieces: Buffer[];
}

export class LongReads {
  private running: Running[] = [];
  private readonly reply = new ReplyWriter();
  /** Sets the keyspace to this time, for reading. */
  private readonly at: (timeMs: number) => void;
  /** Of the pieces of all. */
  private keptBytes = 0;
  private toldMs = 0;

  constructor(at: (timeMs: number) => void) {
    this.at = at;
  }

  get isIdle(): boolean {
    return this.running.length === 0;
  }

  get isFull(): boolean {
    return this.running.length >= LONG_READS_MOST;
  }

  begin(waiter: Waiter, read: LongRead, protocol: 2 | 3, timeMs: number): void {
    this.running.push({ waiter, read, protocol, timeMs, pieces: [] });
  }

  /** Does one step; false when nothing is left to do. */
  step(nowMs: number): boolean {
    const one = this.running.shift();
    if (one === undefined) return false;
    this.at(one.timeMs);
    if (one.waiter.isGone === true) this.drop(one);
    else this.goOn(one);
    this.tellProgress(nowMs);
    return this.running.length > 0;
  }

  disown(of: (waiter: Waiter) => boolean): void {
    for (const one of this.running) if (of(one.waiter)) one.waiter = NOBODY;
  }

  /** The state is about to be replaced by a snapshot: whoever reads it as it is now would miss what is not loaded yet. */
  interrupt(): void {
    const { running } = this;
    this.running = running.filter(({ read }) => read.isPinned);
    for (const one of running) {
      if (one.read.isPinned) continue;
      this.forget(one);
      one.waiter.refuse(Refusal.READ_LOST);
    }
  }

  private goOn(one: Running): void {
    let isDone = this.take(one);
    while (!isDone && one.read.isUrgent) isDone = this.take(one);
    if (isDone) this.finish(one);
    else if (this.keptBytes > REPLIES_MAX_BYTES) this.running.unshift(one);
    else this.running.push(one);
  }

  private take({ read, protocol, pieces }: Running): boolean {
    const { reply } = this;
    reply.reset();
    reply.protocol = protocol;
    const isDone = read.step(reply);
    if (reply.size > 0) {
      pieces.push(this.written());
      this.keptBytes += reply.size;
    }
    return isDone;
  }

  private finish(one: Running): void {
    const { reply } = this;
    reply.reset();
    reply.protocol = one.protocol;
    one.read.head(reply);
    this.forget(one);
    one.waiter.replyLong([this.written(), ...one.pieces]);
  }

  private drop(one: Running): void {
    this.forget(one);
    one.waiter.replyLong([NO_ELEMENTS]);
  }

  private forget({ read, pieces }: Running): void {
    for (const piece of pieces) this.keptBytes -= piece.length;
    read.end();
  }

  private tellProgress(nowMs: number): void {
    if (nowMs - this.toldMs < PROGRESS_INTERVAL_MS) return;
    this.toldMs = nowMs;
    for (const { waiter } of this.running) waiter.progress?.(nowMs);
  }

  private written(): Buffer {
    return Buffer.from(this.reply.buffer.subarray(0, this.reply.size));
  }
}
