/**
 * Slots between two shards. What a shard refuses because of a move keeps its place in the shard's route; what comes for the slot meanwhile is parked
 * behind it. Once nothing of the slot is under way at that shard, all of it goes to the owner, in the order sent: the one that was learnt of, or,
 * after a while without news, the one that refused, which may have the slot back.
 */
import { RequestState, type Request } from './request.ts';
import { Route, type Parking, type RouteHooks, type RouteLimits } from './route.ts';
import type { ShardWay } from './router.ts';
import type { SlotOwners } from './slot-owners.ts';

/** Without news of another owner, the shard that refused is asked again after this. */
const ASK_AGAIN_MS = 20;

export interface HoldsHost {
  readonly owners: SlotOwners;
  readonly hooks: RouteHooks;
  readonly limits: RouteLimits;
  readonly parking: Parking;
  ownerOf(slot: number): ShardWay;
  /** From here on what comes for the slot goes this way. */
  lead(slot: number, way: ShardWay): void;
  /** What a client of the redirect port is told instead of running the command; null: run it. */
  redirection(slot: number, way: ShardWay): Buffer | null;
  wakeAfter(delayMs: number): void;
}

/** What goes on after a while, or when there is news of an owner. */
interface Waiting {
  run(): void;
  atMs: number;
}

interface Hold {
  slot: number;
  /** In whose route those that came first stand. */
  source: ShardWay;
  /** Where those that come later are parked. */
  way: ShardWay;
  sinceMs: number;
}

export interface HoldCounters {
  /** Requests that waited because of a move, those that then went to another shard, were told where to go, or waited in vain. */
  parked: number;
  forwarded: number;
  redirected: number;
  timedOut: number;
}

export class SlotHolds {
  readonly counters: HoldCounters = { parked: 0, forwarded: 0, redirected: 0, timedOut: 0 };
  private readonly host: HoldsHost;
  private readonly holds = new Map<number, Hold>();
  private waiting: Waiting[] = [];

  constructor(host: HoldsHost) {
    this.host = host;
  }

  get isEmpty(): boolean {
    return this.holds.size === 0 && this.waiting.length === 0;
  }

  /** Requests that wait. */
  get parked(): number {
    return [...this.holds.values()].reduce((sum, { way }) => sum + way.route.size, 0);
  }

  /** Something of the slot stands in `source`'s route that must not be overtaken. */
  hold(slot: number, source: ShardWay): void {
    if (this.holds.has(slot)) return;
    const { host } = this;
    const { hooks, limits, parking } = host;
    const quiet: RouteHooks = { ...hooks, stalled: () => {} };
    const route = new Route(source.shard, quiet, limits, parking, true);
    // As if it were the source, but that nothing is sent there, or read.
    const way: ShardWay = { ...source, route, replica: undefined, local: null };
    this.holds.set(slot, { slot, source, way, sinceMs: hooks.nowMs() });
    host.lead(slot, way);
    host.wakeAfter(ASK_AGAIN_MS);
  }

  /** What is about many slots of a shard stays with it, and is asked again. */
  askAgain(request: Request, { route }: ShardWay): void {
    this.later(() => {
      // It may have been given up meanwhile.
      const isThere = request.route === route && request.isOfShard;
      if (isThere && request.state === RequestState.REFUSED) route.sendAgain(request);
    });
  }

  later(run: () => void): void {
    this.waiting.push({ run, atMs: this.host.hooks.nowMs() + ASK_AGAIN_MS });
    this.host.wakeAfter(ASK_AGAIN_MS);
  }

  /** Lets go of the slots whose owner is known, or worth another try. Called each turn. */
  settle(): void {
    const nowMs = this.host.hooks.nowMs();
    this.runWaiting(nowMs);
    const sent = new Map<ShardWay, Set<number>>();
    const released = new Set<ShardWay>();
    for (const hold of this.holds.values()) {
      const owner = this.host.ownerOf(hold.slot);
      if (owner === hold.source && nowMs - hold.sinceMs < ASK_AGAIN_MS) continue;
      let slots = sent.get(hold.source);
      if (slots === undefined) sent.set(hold.source, (slots = hold.source.route.slots(true)));
      if (slots.has(hold.slot)) continue;
      this.release(hold, owner);
      released.add(owner);
    }
    // Only now: what is sent cannot be taken.
    for (const { route } of released) route.pump();
  }

  private runWaiting(nowMs: number): void {
    const { waiting } = this;
    if (waiting.length === 0) return;
    this.waiting = waiting.filter(({ atMs }) => atMs > nowMs);
    for (const one of waiting) if (one.atMs <= nowMs) one.run();
  }

  expire(): void {
    for (const { way } of this.holds.values()) if (!way.route.isIdle) way.route.expire();
  }

  private release({ slot, source, way }: Hold, owner: ShardWay): void {
    const refused = source.route.takeOf(slot);
    const late = way.route.takeOf(slot);
    this.holds.delete(slot);
    this.host.lead(slot, owner);
    for (const request of late) request.refusedMs = request.sinceMs;
    this.counters.parked += late.length;
    const redirection = this.host.redirection(slot, owner);
    for (const request of [...refused, ...late]) this.pass(request, source, owner, redirection);
  }

  private pass(request: Request, from: ShardWay, owner: ShardWay, redirection: Buffer | null): void {
    if (redirection !== null && request.owner?.redirects === true && !request.mayHaveRun) {
      this.counters.redirected += 1;
      from.route.answerTaken(request, redirection);
      return;
    }
    if (owner.index !== from.index) {
      this.counters.forwarded += 1;
      request.owner?.rerouted(request, owner.index);
      request.way = owner.index;
    }
    owner.route.adopt(request);
  }
}
