/**
 * How fast a node sends slots that move: at most at `rebalance.maxBytesPerSecond`, and slower while clients feel it. Additive increase,
 * multiplicative decrease: the rate is halved when the node's commands are slower than they were, or fewer, its event loop or the target's comes
 * late, or slots are frozen for long; it rises by steps while all is well. Fewer, since whoever waits for one answer before it asks again is held back
 * by a slow node and shows no long latency there. Where commands come it begins slowly: moving takes CPU and disk that they wait for, code that was
 * made fast for commands alone has to be made anew, and all might have moved before it shows. Where none come it begins fast.
 */
import type { LatencyReading } from '../metrics/latency-window.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
/** While nobody asks for anything. */
const START_BYTES_PER_SECOND = 128 * MIB;
const STEP_BYTES_PER_SECOND = 8 * MIB;
/** While some ask. */
const EASY_START_BYTES_PER_SECOND = MIB;
const EASY_STEP_BYTES_PER_SECOND = MIB / 4;
/** While many commands come: for each time that it is looked at. */
export const CAREFUL_STEP_BYTES_PER_SECOND = 16 * KIB;
/** So slow that no client feels it, and moves end all the same; where many commands come it begins with it. */
export const SLOWEST_BYTES_PER_SECOND = 128 * KIB;
/** When the setting names no limit. */
const FASTEST_BYTES_PER_SECOND = 1024 * MIB;
/** A percentile of fewer commands says nothing. */
const TELLING_COMMANDS = 50;
/** After so many looks without a command nobody asks for anything. */
const SILENT_LOOKS = 10;
/** Below this nobody complains, however fast the node was before: clients see about twice what the node does. */
const GOOD_LATENCY_MS = 2.5;
const BASELINE_FACTOR = 2;
/** Slots should not be frozen for longer, where commands come. */
const GOOD_PAUSE_MS = 15;
/** An event loop that comes later than this, on average of its latest looks, has too much to do. */
const GOOD_LATE_MS = 3;
const LATE_WEIGHT = 1 / 4;
/** How much of the baselines the latest quiet reading is. */
const BASELINE_WEIGHT = 1 / 16;
/** Commands below this share of the usual number are held back; the latest look is so much of what counts as their number now. */
const HELD_BACK_SHARE = 0.85;
const NUMBER_WEIGHT = 1 / 8;
/** Fewer commands a look are few: their number says nothing. */
const MANY_COMMANDS = 50;
/** Fewer may be asked for than before: while slots move that becomes usual within half a minute. */
const FORGETTING = 1 / 256;
/** A slower rate shows in the latency only after a while: it is not halved again before. */
const DECREASE_AGAIN_MS = 300;
/** What was not sent in time may be made up for this long. */
const BURST_MS = 50;
const BURST_LEAST_BYTES = 16 * KIB;
/** Who waits looks again after a time between these. */
const WAIT_LEAST_MS = 2;
const WAIT_MOST_MS = 50;

/** What is felt of moves, since the last look. */
export interface MoveStrain {
  isMoving: boolean;
  /** The longest time that a slot was frozen. */
  pauseMs: number;
  /** How late the event loop came, here or at a target. */
  lateMs: number;
}

export class MoveThrottle {
  /** The setting; 0: none. */
  private readonly limitBytesPerSecond: () => number;
  private adaptiveBytesPerSecond = START_BYTES_PER_SECOND;
  private quietP99Ms: number | null = null;
  /** Commands a look: usual, and now. */
  private usualNumber = 0;
  private number = 0;
  private lateMs = 0;
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

  /** Told now and then of the commands since the last time, and of what else is felt. */
  look(reading: LatencyReading, strain: MoveStrain, nowMs: number): void {
    const { isMoving } = strain;
    this.silentLooks = reading.count === 0 ? this.silentLooks + 1 : 0;
    const isSilent = this.isAtRest;
    const p99 = this.gather(reading);
    this.number += (reading.count - this.number) * NUMBER_WEIGHT;
    this.lateMs += (strain.lateMs - this.lateMs) * LATE_WEIGHT;
    if (!isMoving) {
      // What was sent just before may be felt still.
      if (!this.wasMoving) this.learn(p99);
      this.adaptiveBytesPerSecond = isSilent ? START_BYTES_PER_SECOND : this.startBytesPerSecond;
    } else if (isSilent) this.increase(STEP_BYTES_PER_SECOND);
    // The first commands come while slots move.
    else if (this.wasSilent) this.adaptiveBytesPerSecond = this.startBytesPerSecond;
    else if (this.isFelt(p99, strain)) this.decrease(nowMs);
    else if (p99 !== null)
      this.increase(this.areMany ? CAREFUL_STEP_BYTES_PER_SECOND : EASY_STEP_BYTES_PER_SECOND);
    this.usualNumber += (this.number - this.usualNumber) * (isMoving ? FORGETTING : BASELINE_WEIGHT);
    this.wasMoving = isMoving;
    this.wasSilent = isSilent;
  }

  /** Nobody asks for anything. */
  get isAtRest(): boolean {
    return this.silentLooks >= SILENT_LOOKS;
  }

  private get areMany(): boolean {
    return Math.max(this.number, this.usualNumber) > MANY_COMMANDS;
  }

  /** Where commands come. */
  private get startBytesPerSecond(): number {
    return this.areMany ? SLOWEST_BYTES_PER_SECOND : EASY_START_BYTES_PER_SECOND;
  }

  private isFelt(p99: number | null, { pauseMs }: MoveStrain): boolean {
    const isSlow = p99 !== null && p99 > this.slowFromMs;
    const areHeldBack = this.usualNumber > MANY_COMMANDS && this.number < this.usualNumber * HELD_BACK_SHARE;
    return isSlow || areHeldBack || this.lateMs > GOOD_LATE_MS || pauseMs > GOOD_PAUSE_MS;
  }

  /** As much may be sent at once. */
  get burstBytes(): number {
    return Math.max(BURST_LEAST_BYTES, (this.bytesPerSecond * BURST_MS) / 1000);
  }

  /** Bytes that may be sent now; at most 0 when it must wait. */
  allowance(nowMs: number): number {
    const { burstBytes, bytesPerSecond } = this;
    const filledBytes = (bytesPerSecond * Math.max(0, nowMs - this.filledAtMs)) / 1000;
    this.filledAtMs = nowMs;
    this.allowanceBytes = Math.min(burstBytes, this.allowanceBytes + filledBytes);
    return this.allowanceBytes;
  }

  /** Until something may be sent. */
  waitMs(nowMs: number): number {
    const waitMs = (-this.allowance(nowMs) * 1000) / this.bytesPerSecond;
    return Math.min(WAIT_MOST_MS, Math.max(WAIT_LEAST_MS, waitMs));
  }

  /** What is sent whole may be more than was allowed; the next waits for longer. */
  spend(bytes: number): void {
    this.allowanceBytes -= bytes;
  }

  /** Work that sends little: it takes as long as so many bytes would, were it not for the setting's limit, which is one of bytes. */
  spendWork(bytes: number): void {
    this.allowanceBytes -= (bytes * this.bytesPerSecond) / this.adaptiveBytesPerSecond;
  }

  private learn(p99Ms: number | null): void {
    const { quietP99Ms } = this;
    if (p99Ms === null) return;
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
