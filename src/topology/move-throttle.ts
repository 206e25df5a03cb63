/**
 * How fast a node sends slots that move: at most at `rebalance.maxBytesPerSecond`, and slower while clients feel it. Additive increase,
 * multiplicative decrease: the rate is halved while the 99th percentile of the node's commands is above twice what it was before, and rises
 * again by steps once it is not.
 */
import type { LatencyReading } from '../metrics/latency-window.ts';

const MIB = 1024 * 1024;
const START_BYTES_PER_SECOND = 16 * MIB;
const STEP_BYTES_PER_SECOND = 2 * MIB;
/** So slow that no client feels it, and moves end all the same. */
export const SLOWEST_BYTES_PER_SECOND = MIB;
/** When the setting names no limit. */
const FASTEST_BYTES_PER_SECOND = 1024 * MIB;
/** A percentile of fewer commands says nothing. */
const TELLING_COMMANDS = 50;
/** Below this nobody complains, however fast the node was before. */
const GOOD_LATENCY_MS = 5;
const BASELINE_FACTOR = 2;
/** How much of the baseline the latest quiet reading is. */
const BASELINE_WEIGHT = 1 / 16;
/** A slower rate shows in the latency only after a while: it is not halved again before. */
const DECREASE_AGAIN_MS = 300;
/** What was not sent in time may be made up for this long. */
const BURST_MS = 50;
const BURST_LEAST_BYTES = 64 * 1024;

export class MoveThrottle {
  /** The setting; 0: none. */
  private readonly limitBytesPerSecond: () => number;
  private adaptiveBytesPerSecond = START_BYTES_PER_SECOND;
  private quietP99Ms: number | null = null;
  private allowanceBytes = BURST_LEAST_BYTES;
  private filledAtMs: number;
  private nextDecreaseMs = 0;
  private wasMoving = false;
  /** How often it was halved. */
  decreases = 0;

  constructor(limitBytesPerSecond: () => number, nowMs: number) {
    this.limitBytesPerSecond = limitBytesPerSecond;
    this.filledAtMs = nowMs;
  }

  /** What may be sent now: the lower of the limit and of what the commands' latency lets through. */
  get bytesPerSecond(): number {
    const limit = this.limitBytesPerSecond();
    const most = limit === 0 ? FASTEST_BYTES_PER_SECOND : limit;
    return Math.min(most, this.adaptiveBytesPerSecond);
  }

  /** Above this the commands are too slow for more. */
  get slowFromMs(): number {
    return Math.max(GOOD_LATENCY_MS, BASELINE_FACTOR * (this.quietP99Ms ?? 0));
  }

  /** Told now and then of the commands since the last time. */
  look({ count, p99 }: LatencyReading, isMoving: boolean, nowMs: number): void {
    const isTelling = count >= TELLING_COMMANDS;
    if (!isMoving) {
      // What was sent just before may be felt still.
      if (isTelling && !this.wasMoving) this.learn(p99);
    } else if (!this.wasMoving) this.adaptiveBytesPerSecond = START_BYTES_PER_SECOND;
    else if (isTelling && p99 > this.slowFromMs) this.decrease(nowMs);
    else this.increase();
    this.wasMoving = isMoving;
  }

  /** Bytes that may be sent now; at most 0 when it must wait. */
  allowance(nowMs: number): number {
    const { bytesPerSecond } = this;
    const burstBytes = Math.max(BURST_LEAST_BYTES, (bytesPerSecond * BURST_MS) / 1000);
    const filledBytes = (bytesPerSecond * Math.max(0, nowMs - this.filledAtMs)) / 1000;
    this.filledAtMs = nowMs;
    this.allowanceBytes = Math.min(burstBytes, this.allowanceBytes + filledBytes);
    return this.allowanceBytes;
  }

  /** What is sent whole may be more than was allowed; the next waits for longer. */
  spend(bytes: number): void {
    this.allowanceBytes -= bytes;
  }

  private learn(p99Ms: number): void {
    const { quietP99Ms } = this;
    this.quietP99Ms = quietP99Ms === null ? p99Ms : quietP99Ms + (p99Ms - quietP99Ms) * BASELINE_WEIGHT;
  }

  private decrease(nowMs: number): void {
    if (nowMs < this.nextDecreaseMs) return;
    this.nextDecreaseMs = nowMs + DECREASE_AGAIN_MS;
    this.decreases += 1;
    this.adaptiveBytesPerSecond = Math.max(SLOWEST_BYTES_PER_SECOND, this.bytesPerSecond / 2);
  }

  /** Not beyond the limit: the way down would be as long as the one that was never used. */
  private increase(): void {
    const most = this.limitBytesPerSecond() || FASTEST_BYTES_PER_SECOND;
    this.adaptiveBytesPerSecond = Math.min(
      Math.max(most, SLOWEST_BYTES_PER_SECOND),
      this.adaptiveBytesPerSecond + STEP_BYTES_PER_SECOND,
    );
  }
}
