/** What goes to the target's log, cuts and effects: frames, of which so many are under way, by the throttle's leave. */
import type { ExportFeed } from '../../shard/moves/types.ts';
import type { MoveThrottle } from '../../topology/move-throttle.ts';

/** One message of items: no more, and where it is sent slowly so much at once that it takes its turn among commands. */
export const FRAME_BYTES = 64 * 1024;
/** Sent and not answered. As much may come at once, behind which the target's commands wait to be applied: 64 KiB of small fields take a millisecond. */
const WINDOW_BYTES = 256 * 1024;
/** Frames made in one turn of the event loop: each takes about a millisecond. */
const FRAMES_PER_TURN = 2;
/** Effects are sent once they are as much as this, looked at so often: what is less goes with the decision. */
const EFFECTS_BYTES = FRAME_BYTES;
const EFFECTS_LOOK_MS = 20;

export interface ItemSenderHost {
  readonly throttle: MoveThrottle;
  nowMs(): number;
  /** Another turn, soon. */
  wake(): void;
  wakeAfter(delayMs: number): void;
  /** Asks the target to log these; false: it was given up, and all begins anew. */
  ask(items: Buffer): boolean;
}

export class ItemSender {
  /** Not answered. */
  inFlightBytes = 0;
  private readonly host: ItemSenderHost;
  private nextEffectsLookMs = 0;

  constructor(host: ItemSenderHost) {
    this.host = host;
  }

  reset(): void {
    this.inFlightBytes = 0;
  }

  answered(items: Buffer): void {
    this.inFlightBytes -= items.length;
  }

  /** Waits until the throttle lets something through; false: it does so now. */
  isThrottled(): boolean {
    const { host } = this;
    const nowMs = host.nowMs();
    if (host.throttle.allowance(nowMs) > 0) return false;
    host.wakeAfter(host.throttle.waitMs(nowMs));
    return true;
  }

  /**
   * Some frames of the feed; `slots`: of these alone. `isUrgent`: clients wait, and the throttle counts what is sent without holding it back. False:
   * the throttle does.
   */
  send(feed: ExportFeed, isUrgent: boolean, slots?: readonly number[]): boolean {
    for (let made = 0; made < FRAMES_PER_TURN; made++) {
      if (this.inFlightBytes >= WINDOW_BYTES) return true;
      if (!isUrgent && this.isThrottled()) return false;
      const items = isUrgent ? feed.next(FRAME_BYTES, slots) : this.nextSlowly(feed);
      if (items === null || !this.sendItems(items)) return true;
    }
    this.host.wake();
    return true;
  }

  /** Cuts first: what clients write might fill all frames. */
  private nextSlowly(feed: ExportFeed): Buffer | null {
    const frameBytes = Math.min(FRAME_BYTES, this.host.throttle.burstBytes);
    return feed.nextCuts(frameBytes) ?? feed.next(frameBytes);
  }

  /**
   * What clients do to the slots meanwhile is not held back, nor counted: it comes as fast as they write, and held back it would never end. It goes in
   * frames, since an entry of the target's log for each would cost more than the commands.
   */
  sendEffects(feed: ExportFeed): void {
    const nowMs = this.host.nowMs();
    if (nowMs < this.nextEffectsLookMs) return;
    this.nextEffectsLookMs = nowMs + EFFECTS_LOOK_MS;
    while (this.inFlightBytes < WINDOW_BYTES && feed.effectsLeft() >= EFFECTS_BYTES) {
      const items = feed.nextEffects(FRAME_BYTES);
      if (items === null || !this.ask(items)) return;
    }
  }

  /** False as of `ask`. */
  sendItems(items: Buffer): boolean {
    this.host.throttle.spend(items.length);
    return this.ask(items);
  }

  private ask(items: Buffer): boolean {
    this.inFlightBytes += items.length;
    return this.host.ask(items);
  }
}
