import type { Round } from './rounds.ts';

/**
 * The leader's lease (§6.4.1): until it ends no other leader can be elected, since a quorum has promised to vote for no other.
 * It starts when the acknowledged round was sent, not when the acknowledgement came, and is shorter than the promise by what clock
 * rates may differ. Both clocks must lie between `from` and `until` when a read is answered.
 */
export class Lease {
  readonly leaseMs: number;
  fromMonotonicMs = 0;
  untilMonotonicMs = 0;
  fromWallMs = 0;
  untilWallMs = 0;
  roundTimeMs = 0;
  private isDropped = false;
  private readonly ratio: number;

  constructor(promiseMs: number, ratio: number) {
    this.leaseMs = promiseMs * ratio;
    this.ratio = ratio;
  }

  /** `promiseMs`: the least promise among the quorum that has acknowledged the round. */
  renew(round: Round, promiseMs: number): void {
    if (this.isDropped) return;
    const durationMs = Math.min(promiseMs * this.ratio, this.leaseMs);
    this.fromMonotonicMs = round.sentMonotonicMs;
    this.untilMonotonicMs = round.sentMonotonicMs + durationMs;
    this.fromWallMs = round.sentWallMs;
    this.untilWallMs = round.sentWallMs + durationMs;
    this.roundTimeMs = round.timeMs;
  }

  /** The only voter needs nobody's promise. */
  holdForever(): void {
    if (this.isDropped) return;
    this.fromMonotonicMs = -Infinity;
    this.untilMonotonicMs = Infinity;
    this.fromWallMs = -Infinity;
    this.untilWallMs = Infinity;
    this.roundTimeMs = Infinity;
  }

  /** For good in this term: TimeoutNow frees voters of their promise, and may arrive late (correctness.md 1.2, #5). */
  drop(): void {
    this.isDropped = true;
    this.revoke();
  }

  /** Until it is renewed: it was held by a right that is gone. */
  revoke(): void {
    this.fromMonotonicMs = 0;
    this.untilMonotonicMs = 0;
    this.fromWallMs = 0;
    this.untilWallMs = 0;
    this.roundTimeMs = 0;
  }
}
