/** What goes to the target's log, cuts and effects: frames, of which so many are under way, by the throttle's leave. */
import type { ExportFeed } from '../../shard/moves/types.ts';
import type { MoveThrottle } from '../../topology/move-throttle.ts';

/** One message of items. */
export const FRAME_BYTES = 64 * 1024;
/** Sent and not answered: as much may come at once, and every replica of the target applies it in one turn, 64 KiB of small fields in a millisecond. */
const WINDOW_BYTES = 256 * 1024;
/** Frames made in one turn of the event loop: each takes about a millisecond. */
const FRAMES_PER_TURN = 2;
/** The throttle lets more through after this. */
const THROTTLED_MS = 2;

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
    if (host.throttle.allowance(host.nowMs()) > 0) return false;
    host.wakeAfter(THROTTLED_MS);
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
      const items = feed.next(FRAME_BYTES, slots);
      if (items === null || !this.sendItems(items)) return true;
    }
    this.host.wake();
    return true;
  }

  /** False as of `ask`. */
  sendItems(items: Buffer): boolean {
    this.host.throttle.spend(items.length);
    this.inFlightBytes += items.length;
    return this.host.ask(items);
  }
}
