/**
 * How fast a node sends slots that move: at most at `rebalance.maxBytesPerSecond`, and slower while clients feel it. Additive increase,
 * multiplicative decrease: the rate is halved while the 99th percentile of the node's commands is above twice what it was before, or slots are
 * frozen for long, and rises again by steps once that is over. Where commands come it begins slowly: moving takes CPU and disk that they wait for, and
 * all might have moved before it shows. Where none come it begins fast.
 */
import type { LatencyReading } from '../metrics/latency-window.ts';

const MIB = 1024 * 1024;
/** While nobody asks for anything. */
const START_BYTES_PER_SECOND = 32 * MIB;
const STEP_BYTES_PER_SECOND = 8 * MIB;
/** While commands come: for each time that it is looked at. */
export const CAREFUL_STEP_BYTES_PER_SECOND = MIB / 4;
/** So slow that no client feels it, and moves end all the same; where commands come it begins with it. */
export const SLOWEST_BYTES_PER_SECOND = MIB;
/** When the setting names no limit. */
const FASTEST_BYTES_PER_SECOND = 1024 * MIB;
/** A percentile of fewer commands says nothing. */
const TELLING_COMMANDS = 50;
/** After so many looks without a command nobody asks for anything. */
const SILENT_LOOKS = 10;
/** Below this nobody complains, however fast the node was before. */
const GOOD_LATENCY_MS = 5;
const BASELINE_FACTOR = 2;
/** Slots should not be frozen for longer, where commands come. */
const GOOD_PAUSE_MS = 15;
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
  /** Looks one after the other in which no command had come. */
  private silentLooks = SILENT_LOOKS;
  private wasSilent = true;
  private gathered: LatencyReading = { count: 0, p99: 0 };
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

  /** Told now and then of the commands since the last time, and of the longest time that a slot was frozen. */
  look(reading: LatencyReading, isMoving: boolean, longestPauseMs: number, nowMs: number): void {
    this.silentLooks = reading.count === 0 ? this.silentLooks + 1 : 0;
    const isSilent = this.silentLooks >= SILENT_LOOKS;
    const p99 = this.gather(reading);
    if (!isMoving) {
      // What was sent just before may be felt still.
      if (p99 !== null && !this.wasMoving) this.learn(p99);
      this.adaptiveBytesPerSecond = isSilent ? START_BYTES_PER_SECOND : SLOWEST_BYTES_PER_SECOND;
    } else if (isSilent) this.increase(STEP_BYTES_PER_SECOND);
    // The first commands come while slots move.
    else if (this.wasSilent) this.adaptiveBytesPerSecond = SLOWEST_BYTES_PER_SECOND;
    else if (longestPauseMs > GOOD_PAUSE_MS || (p99 !== null && p99 > this.slowFromMs)) this.decrease(nowMs);
    else if (p99 !== null) this.increase(CAREFUL_STEP_BYTES_PER_SECOND);
    this.wasMoving = isMoving;
    this.wasSilent = isSilent;
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

  /** Null while too few have come: slow commands are few, which must not be taken for rest. */
  private gather({ count, p99 }: LatencyReading): number | null {
    const { gathered } = this;
    gathered.count += count;
    if (count > 0) gathered.p99 = Math.max(gathered.p99, p99);
    if (gathered.count < TELLING_COMMANDS) return null;
    this.gathered = { count: 0, p99: 0 };
    return gathered.p99;
  }

  private decrease(nowMs: number): void {
    if (nowMs < this.nextDecreaseMs) return;
    this.nextDecreaseMs = nowMs + DECREASE_AGAIN_MS;
    this.decreases += 1;
    this.adaptiveBytesPerSecond = Math.max(SLOWEST_BYTES_PER_SECOND, this.bytesPerSecond / 2);
  }

  /** Not beyond the limit: the way down would be as long as the one that was never used. */
  private increase(stepBytesPerSecond: number): void {
    const most = this.limitBytesPerSecond() || FASTEST_BYTES_PER_SECOND;
    this.adaptiveBytesPerSecond = Math.min(
      Math.max(most, SLOWEST_BYTES_PER_SECOND),
      this.adaptiveBytesPerSecond + stepBytesPerSecond,
    );
  }
}
