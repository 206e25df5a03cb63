import type { Clock, Timers } from '../contracts.ts';
import { Pipe } from './pipe.ts';
import type { Route } from './pipe.ts';

/** What one end of a connection hears. */
export interface EndEvents {
  /** The first `sizeBytes` of `buffer`; they may be read during the call only. */
  data(buffer: Buffer, sizeBytes: number): void;
  /** Bytes of this end have come out at the other one. */
  taken(): void;
  /** The other end sends no more, and still hears. */
  ended?(): void;
  /** Once, last. */
  closed(code: number, reason: string): void;
}

export const CODE_ABNORMAL = 1006;

/** Where an end is attached, and what it hears once it is. */
export class SimEnd {
  readonly node: string;
  events: EndEvents | null = null;
  /** Toward the other end. */
  pipe!: Pipe;
  closed = false;
  /** It sends no more. */
  finished = false;

  constructor(node: string) {
    this.node = node;
  }

  hear(buffer: Buffer, sizeBytes: number): void {
    if (!this.closed) this.events?.data(buffer, sizeBytes);
  }

  hearEnd(): void {
    if (!this.closed) this.events?.ended?.();
  }

  hearClose(code: number, reason: string): void {
    if (this.closed) return;
    this.closed = true;
    this.events?.closed(code, reason);
  }
}

/** A connection between two simulated nodes: a pipe each way, and the ways in which it ends. */
export class SimConnection {
  readonly dialer: SimEnd;
  readonly acceptor: SimEnd;
  private readonly time: Clock & Timers;
  private readonly routes = new Map<SimEnd, Route>();

  constructor(time: Clock & Timers, from: string, to: string, routeOf: (from: string, to: string) => Route) {
    this.time = time;
    this.dialer = new SimEnd(from);
    this.acceptor = new SimEnd(to);
    this.dialer.pipe = this.pipeTo(this.acceptor, this.dialer, routeOf(from, to));
    this.acceptor.pipe = this.pipeTo(this.dialer, this.acceptor, routeOf(to, from));
  }

  get over(): boolean {
    return this.dialer.closed && this.acceptor.closed;
  }

  other(end: SimEnd): SimEnd {
    return end === this.dialer ? this.acceptor : this.dialer;
  }

  /** One way alone: what was sent arrives, then the other end hears that this was all. It may go on by itself. */
  finish(end: SimEnd): void {
    if (end.closed || end.finished) return;
    end.finished = true;
    end.pipe.afterAll(() => this.other(end).hearEnd());
  }

  /** In good order: what was sent arrives, then the other end hears of it. */
  close(end: SimEnd, code: number, reason: string): void {
    if (end.closed) return;
    const other = this.other(end);
    end.pipe.afterAll(() => other.hearClose(code, reason));
    other.pipe.break();
    this.time.after(0, () => end.hearClose(code, reason));
  }

  /** At once, as a reset does: what is under way is lost; the other end hears of it when its way is free. */
  abort(end: SimEnd, reason: string): void {
    if (end.closed) return;
    const other = this.other(end);
    end.pipe.break();
    other.pipe.break();
    const news = new Pipe(this.time, this.routes.get(end)!, () => {});
    end.pipe = news;
    news.afterAll(() => other.hearClose(CODE_ABNORMAL, reason));
    this.time.after(0, () => end.hearClose(CODE_ABNORMAL, reason));
  }

  /** One end is gone without a word: the other believes in it until it finds out by itself. */
  forget(end: SimEnd): void {
    end.closed = true;
    end.events = null;
    end.pipe.break();
  }

  unblocked(): void {
    this.dialer.pipe.unblocked();
    this.acceptor.pipe.unblocked();
  }

  private pipeTo(target: SimEnd, source: SimEnd, route: Route): Pipe {
    this.routes.set(source, route);
    return new Pipe(this.time, route, (buffer, sizeBytes) => {
      target.hear(buffer, sizeBytes);
      if (!source.closed) source.events?.taken();
    });
  }
}
