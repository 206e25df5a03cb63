/** The reads of a replica that take more than a turn: each turn does some steps of them, in rotation. */
import type { LongRead } from '../commands/long-read.ts';
import { ReplyWriter } from '../resp/reply-writer.ts';
import { NOBODY, Refusal, type Waiter } from './waiter.ts';

/** More at a time are done at once: what they keep is memory. */
const LONG_READS_MOST = 64;

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
  step(): boolean {
    const one = this.running.shift();
    if (one === undefined) return false;
    this.at(one.timeMs);
    let isDone = one.waiter === NOBODY;
    do isDone ||= this.take(one);
    while (!isDone && one.read.isUrgent);
    if (isDone) this.finish(one);
    else this.running.push(one);
    return this.running.length > 0;
  }

  disown(of: (waiter: Waiter) => boolean): void {
    for (const one of this.running) if (of(one.waiter)) one.waiter = NOBODY;
  }

  /** The state is about to be replaced by a snapshot: whoever reads it as it is now would miss what is not loaded yet. */
  interrupt(): void {
    const lost = this.running.filter(({ read }) => !read.isPinned);
    this.running = this.running.filter(({ read }) => read.isPinned);
    for (const { read, waiter } of lost) {
      read.end();
      waiter.refuse(Refusal.READ_LOST);
    }
  }

  private take({ read, protocol, pieces }: Running): boolean {
    const { reply } = this;
    reply.reset();
    reply.protocol = protocol;
    const isDone = read.step(reply);
    if (reply.size > 0) pieces.push(this.written());
    return isDone;
  }

  private finish({ waiter, read, protocol, pieces }: Running): void {
    const { reply } = this;
    reply.reset();
    reply.protocol = protocol;
    read.head(reply);
    read.end();
    waiter.replyLong([this.written(), ...pieces]);
  }

  private written(): Buffer {
    return Buffer.from(this.reply.buffer.subarray(0, this.reply.size));
  }
}
