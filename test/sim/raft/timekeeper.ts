import type { Instant, Timekeeper } from '../../../src/raft/types.ts';

const CEILING_STEP_MS = 500;

/** Log time as the design's section 5 has it, without the slewing; the ceiling of a restarted member comes from `ceilingMs`. */
export class SimTimekeeper implements Timekeeper {
  private seenMs: number;
  private baseMs = 0;
  private baseMonotonicMs = 0;
  private readonly leaseMs: number;
  private readonly onLead: (startMs: number) => void;

  constructor(ceilingMs: number, leaseMs: number, onLead: (startMs: number) => void) {
    this.seenMs = ceilingMs;
    this.leaseMs = leaseMs;
    this.onLead = onLead;
  }

  leaderTimeMs(now: Instant): number {
    const timeMs = this.baseMs + (now.monotonicMs - this.baseMonotonicMs);
    this.observe(timeMs);
    return timeMs;
  }

  observe(timeMs: number): void {
    this.seenMs = Math.max(this.seenMs, timeMs);
  }

  highestMs(): number {
    return this.seenMs;
  }

  /** What the disk would have synced as an upper bound. */
  ceilingMs(): number {
    return (Math.ceil(this.seenMs / CEILING_STEP_MS) + 1) * CEILING_STEP_MS;
  }

  lead(quorumHighestMs: number, quorumLowestWallMs: number, now: Instant): void {
    this.baseMs = Math.max(quorumHighestMs + this.leaseMs, quorumLowestWallMs);
    this.baseMonotonicMs = now.monotonicMs;
    this.observe(this.baseMs);
    this.onLead(this.baseMs);
  }
}
