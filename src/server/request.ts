/**
 * One command of a client on its way to its shard's leader and back. It stands in two orders: its connection's (replies go out in the order
 * sent) and its route's (what is unanswered goes again first, in order). Requests are pooled.
 */
import { sizeOf } from './long-replies.ts';
import { LARGE_REPLY_BYTES, type Elsewhere, type Refusal, type Waiter } from '../shard/waiter.ts';
import type { SlotRange } from '../topology/types.ts';
import type { Parcel } from '../transport/types.ts';
import type { CompiledCommand } from './compiled-command.ts';
import type { Route } from './route.ts';

/** Where a finished request goes: a connection, or the gathering of a command that was cut into parts. */
export interface RequestOwner {
  /** The reply is at hand: `request.replyBytes[replyStart, replyEnd)`; valid during the call, a large one for good. */
  finished(request: Request): void;
  /** The request is parked, or a write is being retried: nothing more of the owner's connection may be sent. */
  hold(): void;
  release(): void;
  /** The request goes to another shard than it was counted for. */
  rerouted(request: Request, way: number): void;
  /** A request of the owner was parted: this is one of those in its place. */
  countPart(part: Request): void;
  /** It is answered, and can go. */
  partFinished(part: Request): void;
  /** A client of the redirect port: it is told where its command belongs, if that has not run. */
  readonly redirects?: boolean;
  /** Its client has gone: it keeps no reply. */
  readonly isGone?: boolean;
}

/** Which later writes of its connection wait for a read: those to its slot, or, when it has read in several, to its shard. */
export const ReadScope = { NONE: 0, SLOT: 1, SHARD: 2 } as const;
export type ReadScope = (typeof ReadScope)[keyof typeof ReadScope];

/**
 * REFUSED: its slot is on the move; it waits in its place among those of its slot until it is known where to. PARTED: others stand in its place, and it
 * is done when they are.
 */
export const RequestState = { FREE: 0, UNSENT: 1, SENT: 2, DONE: 3, REFUSED: 4, PARTED: 5 } as const;
export type RequestState = (typeof RequestState)[keyof typeof RequestState];

/** Of a request over several slots. */
export interface Span {
  command: CompiledCommand;
  slots: ReadonlySet<number>;
}

const NO_BYTES = Buffer.alloc(0);
const NO_TAIL: readonly Buffer[] = [];

export class Request implements Waiter {
  owner: RequestOwner | null = null;
  /** The next one of the same connection. */
  next: Request | null = null;
  /** CLIENT REPLY OFF or SKIP: nobody wants the reply. */
  silent = false;
  /** The index of its shard; -1 for what is answered here. */
  way = -1;
  /** Which part of a gathered command it is. */
  part = 0;

  route: Route | null = null;
  routePrevious: Request | null = null;
  routeNext: Request | null = null;
  state: RequestState = RequestState.FREE;

  isWrite = false;
  /** A read behind earlier writes of its connection to the same shard. */
  rides = false;
  /** Of a read that its connection has counted as unanswered. */
  scope: ReadScope = ReadScope.NONE;
  /** A write that was handed to a leader and not refused unproposed: it may have run. */
  mayHaveRun = false;
  /** It keeps its connection from sending more. */
  holds = false;
  /** It travels in parts, so that what is sent after it may overtake it: it keeps its connection from sending more until it is answered. */
  isLarge = false;
  /** A large one that is on its way to another node. */
  parcel: Parcel | null = null;
  /** It is about many slots, and asked of that shard alone. */
  isOfShard = false;
  /** Those that it names (shard/command-item.ts); null: none. */
  slots: readonly SlotRange[] | null = null;
  /** Of its first key. */
  slot = 0;
  /** Null: its keys lie in one slot. */
  span: Span | null = null;
  sequence = 0;
  /** The command item. */
  bytes: Buffer = NO_BYTES;
  start = 0;
  end = 0;
  /** The route's stream in which it was sent last, and its place there when it was forwarded. */
  stream = 0;
  correlation = 0;
  sinceMs = 0;
  /** When it was first refused because of a move; NaN: never. */
  refusedMs = Number.NaN;
  /** When a part of its reply, or word that it is being made, came last; 0: none has. */
  heardMs = 0;
  /** What it takes of its connection's queue, and what its reply does that waits for those before it. */
  queuedBytes = 0;
  keptBytes = 0;
  /** The command's number in the statistics; -1: counted elsewhere. */
  command = -1;

  replyBytes: Buffer = NO_BYTES;
  replyStart = 0;
  replyEnd = 0;
  /** What follows of a long reply: its own, to be sent as it is. */
  tail: readonly Buffer[] = NO_TAIL;
  tailBytes = 0;

  get isGone(): boolean {
    return this.owner?.isGone === true;
  }

  reply(bytes: Buffer, start: number, end: number): void {
    this.route?.answered(this, bytes, start, end);
  }

  replyLong([first, ...tail]: readonly Buffer[]): void {
    if (this.state !== RequestState.SENT) return;
    this.setTail(tail);
    this.reply(first, 0, first.length);
  }

  progress(nowMs: number): void {
    this.heardMs = nowMs;
  }

  setTail(tail: readonly Buffer[]): void {
    this.tail = tail;
    this.tailBytes = sizeOf(tail);
  }

  refuse(refusal: Refusal, apart?: readonly number[], elsewhere?: Elsewhere): void {
    this.route?.refused(this, refusal, apart, elsewhere);
  }
}

/** The reply of a finished request, to be kept: a large one is not copied. */
export function keptReply({ replyBytes, replyStart, replyEnd }: Request): Buffer {
  const reply = replyBytes.subarray(replyStart, replyEnd);
  return reply.length >= LARGE_REPLY_BYTES ? reply : Buffer.from(reply);
}

const POOL_MAX = 8192;

export class RequestPool {
  private readonly free: Request[] = [];

  take(): Request {
    return this.free.pop() ?? new Request();
  }

  give(request: Request): void {
    request.owner = null;
    request.next = null;
    request.route = null;
    request.routePrevious = null;
    request.routeNext = null;
    request.state = RequestState.FREE;
    request.isWrite = false;
    request.silent = false;
    request.way = -1;
    request.command = -1;
    request.rides = false;
    request.scope = ReadScope.NONE;
    request.mayHaveRun = false;
    request.holds = false;
    request.isLarge = false;
    request.isOfShard = false;
    request.slots = null;
    request.span = null;
    request.parcel = null;
    request.heardMs = 0;
    request.refusedMs = Number.NaN;
    request.keptBytes = 0;
    request.bytes = NO_BYTES;
    request.start = 0;
    request.end = 0;
    request.replyBytes = NO_BYTES;
    request.tail = NO_TAIL;
    request.tailBytes = 0;
    if (this.free.length < POOL_MAX) this.free.push(request);
  }
}
