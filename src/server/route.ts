/**
 * The way from this node to one shard's leader, wherever it is now. All requests that are not answered stand here in the order sent. When the
 * leader changes or its connection breaks, they go again first, in order, with the same sequences: the shard's log knows which of them ran
 * (design section 5, "Exactly once").
 *
 * A stream is a run of sends without such a break. A leader that has refused one request of a stream refuses all that follow in it, so that a
 * later command of a connection never overtakes an earlier one.
 */
import { Refusal, type Elsewhere } from '../shard/waiter.ts';
import type { ShardId } from '../topology/types.ts';
import { RequestState, type Request } from './request.ts';

/** A leader to send to: this node's own replica, or the link to the node that has it. */
export interface Target {
  /** So much is on its way to it that what comes has to wait. */
  readonly isFull: boolean;
  send(request: Request, stream: number): void;
  /** Nothing that comes back for the requests that `of` names reaches them any more. */
  abandon(of: (request: Request) => boolean): void;
}

export interface RouteHooks {
  nowMs(): number;
  /** A sequence has its answer: the floor may rise. */
  sequenceAnswered(slot: number, sequence: number): void;
  /** The route has something unsent and should be pumped soon. */
  stalled(route: Route): void;
  /** The request was set aside: its slot is on the move. */
  displaced(route: Route, request: Request, isFirst: boolean, elsewhere?: Elsewhere): void;
  /** Parts of the request, which is over several slots, go where each belongs (`addPart`): these slots are not where the others are. */
  part(route: Route, request: Request, apart: readonly number[]): void;
  /** A request has waited too long for its slot. */
  countMoveTimeout(): void;
  countIndeterminate(): void;
}

export interface RouteLimits {
  /** A request that was never sent waits this long for a leader. */
  parkTimeoutMs: number;
  /** A write that was sent and not answered is reported as of unknown outcome after this. */
  outcomeTimeoutMs: number;
  /** Bytes of requests waiting for leaders, over all routes. */
  parkLimitBytes: number;
}

/** Parked bytes, shared by all routes of the node. */
export interface Parking {
  bytes: number;
}

/** What a large command adds to the time after which its outcome counts as unknown: 4 MiB a second. */
const LARGE_BYTES_PER_MS = 4096;

/** What a shard has refused because of a move waits for the slot's owner for so long, if it came by the redirect port; else as long as for a leader. */
export const MOVE_PARK_MS = 1000;

/** A target dropped sooner than this was a stale hint. */
const BOUNCE_MS = 100;

const NO_LEADER = Buffer.from('-CLUSTERDOWN The shard has no leader now; the command was not run\r\n');
const LOG_FULL = Buffer.from("-CLUSTERDOWN The shard's log is full; the command was not run\r\n");
const PARK_FULL = Buffer.from(
  '-CLUSTERDOWN Too much waits for a leader on this node; the command was not run\r\n',
);
const TOO_SLOW = Buffer.from(
  "-CLUSTERDOWN The shard's leader takes commands too slowly; the command was not run\r\n",
);
const READ_UNANSWERED = Buffer.from(
  "-CLUSTERDOWN The shard's leader did not answer; nothing was changed\r\n",
);
/** Of one that names slots, for who has asked it: the shard has done nothing for any of them. */
export const NOTHING_DONE = Buffer.from('-MOVED\r\n');
const TRY_AGAIN = Buffer.from('-TRYAGAIN The slot is being moved for too long; the command was not run\r\n');
/** What clients of one Redis know of nothing. */
const BETWEEN_SHARDS = Buffer.from(
  '-CLUSTERDOWN The slot is between two shards for too long; the command was not run\r\n',
);
const INDETERMINATE = Buffer.from(
  '-INDETERMINATE The write may or may not have been applied; its shard did not say in time\r\n',
);

export class Route {
  readonly shard: ShardId;
  private readonly hooks: RouteHooks;
  private readonly limits: RouteLimits;
  private readonly parking: Parking;
  /** It leads nowhere: requests wait here while their slot is on the move. */
  private readonly isHold: boolean;
  private target: Target | null = null;
  private head: Request | null = null;
  private tail: Request | null = null;
  /** The first that is not sent; all after it are not sent either. */
  private unsent: Request | null = null;
  /** Slots of which requests stand here that are REFUSED, and how many. */
  private readonly refusedSlots = new Map<number, number>();
  private targetSinceMs = 0;
  private leaderlessSinceMs: number;
  private hasFoundLeader = false;
  private stream = 1;

  constructor(shard: ShardId, hooks: RouteHooks, limits: RouteLimits, parking: Parking, isHold = false) {
    this.shard = shard;
    this.isHold = isHold;
    this.hooks = hooks;
    this.limits = limits;
    this.parking = parking;
    this.leaderlessSinceMs = hooks.nowMs();
  }

  get hasTarget(): boolean {
    return this.target !== null;
  }

  /** Requests are sent, or wait for an election that should soon be over. */
  get takesRequests(): boolean {
    return this.target !== null || (this.hasFoundLeader && !this.isGivenUp);
  }

  /** There has been no leader for so long that new requests fail at once. */
  private get isGivenUp(): boolean {
    if (this.target !== null) return false;
    return this.hooks.nowMs() - this.leaderlessSinceMs >= this.limits.parkTimeoutMs;
  }

  get isIdle(): boolean {
    return this.head === null;
  }

  get hasUnsent(): boolean {
    return this.unsent !== null;
  }

  /** Takes a request: sends it, or parks it until there is a leader that takes it. */
  dispatch(request: Request): void {
    request.route = this;
    request.sinceMs = this.hooks.nowMs();
    if (this.unsent === null && this.target !== null && !this.target.isFull) {
      this.append(request);
      this.send(request, this.target);
      return;
    }
    const refusal = this.parkRefusal(request);
    if (refusal !== null) {
      this.finish(request, refusal, 0, refusal.length);
      return;
    }
    this.append(request);
    this.park(request);
    this.unsent ??= request;
    this.hooks.stalled(this);
  }

  /** The leader is another now, or another connection leads to it; null: there is none. */
  retarget(target: Target | null): void {
    if (target === this.target) return;
    this.interrupt(null, true);
    this.dropTarget();
    this.target = target;
    this.targetSinceMs = this.hooks.nowMs();
    if (target !== null) this.hasFoundLeader = true;
    this.pump();
  }

  /** Sends what is not sent. */
  pump(): void {
    const { target } = this;
    if (target === null) return;
    while (this.unsent !== null && this.target === target && !target.isFull) {
      const request = this.unsent;
      if (this.refusedSlots.size > 0 && this.isBehindRefused(request)) continue;
      this.unsent = request.routeNext;
      if (request.state === RequestState.REFUSED) continue;
      this.unpark(request);
      this.send(request, target);
    }
  }

  /** Whether the first that is not sent stays for what of its slot was refused before it: it must not overtake that. Or it is parted for the slots of which. */
  private isBehindRefused(request: Request): boolean {
    const { refusedSlots } = this;
    const { span, slot } = request;
    if (request.state !== RequestState.UNSENT || request.isOfShard) return false;
    const held = span === null ? [] : [...span.slots].filter((one) => refusedSlots.has(one));
    if (held.length > 0 && !request.mayHaveRun) {
      this.part(request, held);
      return true;
    }
    if (!refusedSlots.has(slot)) return false;
    this.unsent = request.routeNext;
    this.markRefused(request);
    return true;
  }

  answered(request: Request, bytes: Buffer, start: number, end: number): void {
    if (request.state !== RequestState.SENT) return;
    this.remove(request);
    this.finish(request, bytes, start, end);
  }

  refused(request: Request, refusal: Refusal, apart?: readonly number[], elsewhere?: Elsewhere): void {
    if (request.state !== RequestState.SENT) return;
    switch (refusal) {
      case Refusal.LOG_FULL:
        // A write that is being retried may have run when it was sent before.
        if (this.isRetried(request)) this.answerIndeterminate(request);
        else this.answered(request, LOG_FULL, 0, LOG_FULL.length);
        break;
      case Refusal.OUTDATED:
        this.answerIndeterminate(request);
        break;
      case Refusal.NOT_PROPOSED:
        if (request.isLarge) {
          // It was overtaken: of what was sent after it this says nothing.
          request.mayHaveRun = this.isRetried(request);
          this.interrupt(null, true);
          this.dropTarget();
          break;
        }
        // The leader refuses all that follow in the stream: they were not proposed either.
        this.interrupt(request, false);
        this.dropTarget();
        break;
      case Refusal.LOST:
      case Refusal.READ_LOST:
        this.interrupt(request, true);
        this.dropTarget();
        break;
      case Refusal.FROZEN:
      case Refusal.MOVED:
        // One that may have run goes whole to its first slot's owner, who knows.
        if (request.span !== null && !this.isRetried(request)) this.part(request, [request.slot]);
        else this.hooks.displaced(this, request, this.setAside(request), elsewhere);
        break;
      case Refusal.PARTED:
        this.part(request, apart ?? []);
        break;
    }
  }

  /** It has not run, nor will it: its parts do. Nothing that its connection sends after it can overtake them: that waits. */
  private part(request: Request, apart: readonly number[]): void {
    this.hooks.part(this, request, apart);
    if (this.unsent === request) this.unsent = request.routeNext;
    this.remove(request);
    if (request.state !== RequestState.SENT) this.unpark(request);
    if (request.holds) this.letGo(request);
    request.state = RequestState.PARTED;
  }

  /** Takes a part of a request of this route, or another one. It goes out with the next pump. */
  addPart(part: Request, { sinceMs, refusedMs }: Request): void {
    part.route = this;
    part.sinceMs = sinceMs;
    part.refusedMs = refusedMs;
    this.append(part);
    this.park(part);
    this.unsent ??= part;
    this.hooks.stalled(this);
  }

  /** Slots with unanswered requests; `sentOnly`: with such as a leader has, and may answer. */
  slots(sentOnly: boolean): Set<number> {
    const slots = new Set<number>();
    for (let request = this.head; request !== null; request = request.routeNext) {
      if (sentOnly && request.state !== RequestState.SENT) continue;
      if (request.span === null) slots.add(request.slot);
      else for (const slot of request.span.slots) slots.add(slot);
    }
    return slots;
  }

  get size(): number {
    let size = 0;
    for (let request = this.head; request !== null; request = request.routeNext) size += 1;
    return size;
  }

  /** Takes out all of the slot's, in order; none of them is SENT. They stay parked. */
  takeOf(slot: number): Request[] {
    this.partAt(slot);
    const taken: Request[] = [];
    for (let request = this.head; request !== null;) {
      const next: Request | null = request.routeNext;
      if (request.slot === slot) {
        if (this.unsent === request) this.unsent = next;
        this.remove(request);
        taken.push(request);
      }
      request = next;
    }
    return taken;
  }

  /** What is about the slot and others leaves the others' part here, unless only the first slot's owner knows whether it has run. */
  private partAt(slot: number): void {
    for (let request = this.head; request !== null;) {
      const next: Request | null = request.routeNext;
      const isNew = request.state === RequestState.UNSENT && !request.mayHaveRun;
      if (isNew && request.span?.slots.has(slot) === true) this.part(request, [slot]);
      request = next;
    }
  }

  /** Sends a request once more that was refused here, behind all others. */
  sendAgain(request: Request): void {
    if (this.unsent === request) this.unsent = request.routeNext;
    this.remove(request);
    this.adopt(request);
    this.pump();
  }

  /** Takes over a parked request of another route. It goes out with the next pump. */
  adopt(request: Request): void {
    request.route = this;
    request.state = RequestState.UNSENT;
    this.append(request);
    this.unsent ??= request;
  }

  /** Answers a request that was refused here, and has not run. */
  answerRefused(request: Request, bytes: Buffer): void {
    if (this.unsent === request) this.unsent = request.routeNext;
    this.remove(request);
    this.answerTaken(request, bytes);
  }

  /** Answers a request that `takeOf` has taken out, and that has not run. */
  answerTaken(request: Request, bytes: Buffer): void {
    this.unpark(request);
    this.finish(request, bytes, 0, bytes.length);
  }

  /** Answers what has waited too long. */
  expire(): void {
    const nowMs = this.hooks.nowMs();
    let request = this.head;
    const leastMs = Math.min(MOVE_PARK_MS, this.limits.parkTimeoutMs);
    if (request === null || nowMs - request.sinceMs < leastMs) return;
    this.abandonOverdue(nowMs);
    while (request !== null) {
      const next: Request | null = request.routeNext;
      if (nowMs - request.sinceMs < leastMs) break;
      const text = this.expiryText(request, nowMs);
      if (text !== null) this.giveUp(request, text);
      request = next;
    }
  }

  private answerIndeterminate(request: Request): void {
    this.hooks.countIndeterminate();
    this.answered(request, INDETERMINATE, 0, INDETERMINATE.length);
  }

  /** A write that was sent before and not refused unproposed then: while it is sent, only such a one holds its connection. */
  private isRetried(request: Request): boolean {
    return request.isWrite && request.holds;
  }

  private abandonOverdue(nowMs: number): void {
    if (this.head === null || nowMs - this.head.sinceMs < this.limits.outcomeTimeoutMs) return;
    this.target?.abandon((request) => request.route === this && this.isOverdue(request, nowMs));
  }

  /** What is large takes its time, and a reply that comes in parts is being answered. */
  private isOverdue(request: Request, nowMs: number): boolean {
    const { outcomeTimeoutMs, parkTimeoutMs } = this.limits;
    const waitedMs = nowMs - request.sinceMs;
    if (waitedMs < parkTimeoutMs || waitedMs < outcomeTimeoutMs) return false;
    const largeMs = request.isLarge ? (request.end - request.start) / LARGE_BYTES_PER_MS : 0;
    return nowMs - Math.max(request.sinceMs, request.heardMs) >= outcomeTimeoutMs + largeMs;
  }

  private expiryText(request: Request, nowMs: number): Buffer | null {
    const { limits } = this;
    if (request.state === RequestState.REFUSED && !request.mayHaveRun)
      return nowMs - request.refusedMs >= this.moveParkMs(request) ? moveText(request) : null;
    if (request.state === RequestState.UNSENT && !request.mayHaveRun) {
      const waitedMs = nowMs - request.sinceMs;
      if (this.isHold) return waitedMs >= this.moveParkMs(request) ? moveText(request) : null;
      if (this.target === null) return waitedMs >= limits.parkTimeoutMs ? NO_LEADER : null;
      return waitedMs >= limits.outcomeTimeoutMs ? TOO_SLOW : null;
    }
    if (!this.isOverdue(request, nowMs)) return null;
    return request.isWrite ? INDETERMINATE : READ_UNANSWERED;
  }

  private giveUp(request: Request, text: Buffer): void {
    if (text === INDETERMINATE) this.hooks.countIndeterminate();
    if (text === TRY_AGAIN || text === BETWEEN_SHARDS) this.hooks.countMoveTimeout();
    if (request.state !== RequestState.SENT) this.unpark(request);
    if (this.unsent === request) this.unsent = request.routeNext;
    this.remove(request);
    this.finish(request, text, 0, text.length);
  }

  private parkRefusal(request: Request): Buffer | null {
    if (this.parking.bytes + request.end - request.start > this.limits.parkLimitBytes) return PARK_FULL;
    return this.isGivenUp && !this.isHold ? NO_LEADER : null;
  }

  private moveParkMs({ owner }: Request): number {
    return owner?.redirects === true ? MOVE_PARK_MS : Math.max(MOVE_PARK_MS, this.limits.parkTimeoutMs);
  }

  private send(request: Request, target: Target): void {
    request.state = RequestState.SENT;
    request.stream = this.stream;
    const retried = request.mayHaveRun;
    if (request.isWrite) request.mayHaveRun = true;
    // A write that is being retried holds its connection until it is answered.
    if (request.holds && !retried) this.letGo(request);
    target.send(request, this.stream);
  }

  /**
   * Breaks the stream: everything sent from `from` on (all, when null) counts as unsent. `unknown`: it may have been proposed, else it
   * certainly was not.
   */
  private interrupt(from: Request | null, unknown: boolean): void {
    this.stream += 1;
    this.target?.abandon((request) => request.route === this);
    let neverProposed = false;
    for (let request = this.head; request !== null && request !== this.unsent; request = request.routeNext) {
      if (request === from && !unknown) neverProposed = true;
      if (request.state !== RequestState.SENT) continue;
      if (neverProposed) request.mayHaveRun = this.isRetried(request);
      this.park(request);
    }
    this.unsent = this.head;
    if (this.unsent !== null) this.hooks.stalled(this);
  }

  /** One that was tried and refused at once does not count as a leader found. */
  private dropTarget(): void {
    if (this.target === null) return;
    this.target = null;
    const nowMs = this.hooks.nowMs();
    if (nowMs - this.targetSinceMs > BOUNCE_MS) this.leaderlessSinceMs = nowMs;
  }

  /** It keeps its place among those of its slot. True when it does so for the first time. */
  private setAside(request: Request): boolean {
    request.mayHaveRun = this.isRetried(request);
    this.park(request);
    return this.markRefused(request);
  }

  private markRefused(request: Request): boolean {
    const { refusedSlots } = this;
    request.state = RequestState.REFUSED;
    if (!request.isOfShard) refusedSlots.set(request.slot, (refusedSlots.get(request.slot) ?? 0) + 1);
    const isFirst = Number.isNaN(request.refusedMs);
    if (isFirst) request.refusedMs = this.hooks.nowMs();
    return isFirst;
  }

  private countRefusedOut({ slot, isOfShard }: Request): void {
    if (isOfShard) return;
    const count = (this.refusedSlots.get(slot) ?? 1) - 1;
    if (count === 0) this.refusedSlots.delete(slot);
    else this.refusedSlots.set(slot, count);
  }

  private park(request: Request): void {
    request.state = RequestState.UNSENT;
    const sizeBytes = request.end - request.start;
    this.parking.bytes += sizeBytes;
    if (request.holds) return;
    request.holds = true;
    request.owner?.hold();
  }

  private unpark(request: Request): void {
    const sizeBytes = request.end - request.start;
    this.parking.bytes -= sizeBytes;
  }

  private letGo(request: Request): void {
    request.holds = false;
    request.owner?.release();
  }

  private finish(request: Request, bytes: Buffer, start: number, end: number): void {
    request.state = RequestState.DONE;
    if (request.isWrite) this.hooks.sequenceAnswered(request.slot, request.sequence);
    request.replyBytes = bytes;
    request.replyStart = start;
    request.replyEnd = end;
    if (request.holds) this.letGo(request);
    if (request.isLarge) request.owner?.release();
    request.owner?.finished(request);
  }

  private append(request: Request): void {
    request.routePrevious = this.tail;
    request.routeNext = null;
    if (this.tail === null) this.head = request;
    else this.tail.routeNext = request;
    this.tail = request;
  }

  private remove(request: Request): void {
    const { routePrevious, routeNext } = request;
    if (request.state === RequestState.REFUSED) this.countRefusedOut(request);
    if (routePrevious === null) this.head = routeNext;
    else routePrevious.routeNext = routeNext;
    if (routeNext === null) this.tail = routePrevious;
    else routeNext.routePrevious = routePrevious;
    request.routePrevious = null;
    request.routeNext = null;
  }
}

function moveText({ owner }: Request): Buffer {
  return owner?.redirects === true ? TRY_AGAIN : BETWEEN_SHARDS;
}
