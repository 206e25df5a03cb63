/**
 * Lifeguard's local health: how much this member should doubt itself before it doubts others. 0 is well; each point makes its probes wait one
 * interval longer.
 */
export class Awareness {
  score = 0;
  private readonly max: number;

  /** The score stays below `max`. */
  constructor(max: number) {
    this.max = max;
  }

  change(by: number): void {
    this.score = Math.min(this.max - 1, Math.max(0, this.score + by));
  }

  scaled(durationMs: number): number {
    return durationMs * (this.score + 1);
  }
}
