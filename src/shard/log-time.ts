/**
 * A shard's log time (design section 5, "Time"): it runs with the leader's monotonic clock, slewed towards its wall clock by at most 1 %.
 * It never goes back, whoever leads, so a key that was once seen expired never comes back. Pure: clock readings are handed in.
 */
import type { Instant, Timekeeper } from '../raft/types.ts';

const MAX_SLEW = 0.01;

export interface LogTimeConfig {
  /** One lease: what a deposed leader may have served above the quorum's highest time. */
  leaseMs: number;
  /** No time above this is served or acknowledged: the node's synced ceiling. */
  ceilingMs: () => number;
}

export class LogTime implements Timekeeper {
  private readonly config: LogTimeConfig;
  private leading = false;
  private timeMs = 0;
  private lastMonotonicMs = 0;
  /** The highest that it counts as seen, and the highest that it has really seen since its start. */
  private seenMs: number;
  private livedMs = 0;
  /** Log time minus wall clock, when this member last led: far from 0 after a jump of the wall clock. */
  offsetMs = 0;

  /** `seenMs`: what a restarted member counts as seen, the synced ceiling. */
  constructor(config: LogTimeConfig, seenMs: number) {
    this.config = config;
    this.seenMs = seenMs;
  }

  leaderTimeMs(now: Instant): number {
    if (!this.leading) return this.seenMs;
    const elapsedMs = now.monotonicMs - this.lastMonotonicMs;
    if (elapsedMs <= 0) return this.timeMs;
    this.lastMonotonicMs = now.monotonicMs;
    const unslewedMs = this.timeMs + elapsedMs;
    const limitMs = elapsedMs * MAX_SLEW;
    const slewMs = Math.max(-limitMs, Math.min(limitMs, now.wallMs - unslewedMs));
    // At the ceiling time stands still until a higher one is synced: it is raised well before.
    this.timeMs = Math.max(this.timeMs, Math.min(unslewedMs + slewMs, this.config.ceilingMs()));
    this.offsetMs = this.timeMs - now.wallMs;
    this.observe(this.timeMs);
    return this.timeMs;
  }

  /** False while this leader's time is above the ceiling: it may neither serve nor acknowledge yet. */
  get isCovered(): boolean {
    return !this.leading || this.timeMs <= this.config.ceilingMs();
  }

  observe(timeMs: number): void {
    if (timeMs > this.livedMs) this.livedMs = timeMs;
    if (timeMs > this.seenMs) this.seenMs = timeMs;
  }

  /**
   * The highest time that was served or acknowledged since the start: the ceiling is kept above this. Above `highestMs` it would rise by each
   * restart, whose time starts at the ceiling of the one before.
   */
  get highestLivedMs(): number {
    return this.livedMs;
  }

  highestMs(): number {
    return this.seenMs;
  }

  lead(quorumHighestMs: number, quorumLowestWallMs: number, now: Instant): void {
    const startMs = Math.max(quorumHighestMs + this.config.leaseMs, quorumLowestWallMs, this.seenMs);
    this.leading = true;
    this.timeMs = startMs;
    this.lastMonotonicMs = now.monotonicMs;
    this.offsetMs = startMs - now.wallMs;
    this.observe(startMs);
  }

  /** The log has this time: what is served from here on has no lower one. */
  raise(timeMs: number, now: Instant): void {
    this.observe(timeMs);
    if (!this.leading || timeMs <= this.leaderTimeMs(now)) return;
    this.timeMs = Math.max(this.timeMs, Math.min(timeMs, this.config.ceilingMs()));
  }

  /** Another leads now. */
  follow(): void {
    this.leading = false;
  }
}
