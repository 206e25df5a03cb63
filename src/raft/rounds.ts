import { assert } from '../assert.ts';

/** One sending of requests to the peers, at one instant. */
export interface Round {
  number: number;
  sentMonotonicMs: number;
  sentWallMs: number;
  /** The leader's log time that went out with it. */
  timeMs: number;
}

/** So many that are passed are forgotten in one go. */
const FORGET_AT = 64;

/**
 * The rounds of a leader's term, numbered from 1. A peer that acknowledges a round followed this leader after the round was sent:
 * that is what leases and ReadIndex live by (§6.4).
 */
export class Rounds {
  private readonly rounds: Round[] = [];
  private lastNumber = 0;

  get last(): number {
    return this.lastNumber;
  }

  start(monotonicMs: number, wallMs: number, timeMs: number): Round {
    const round = {
      number: ++this.lastNumber,
      sentMonotonicMs: monotonicMs,
      sentWallMs: wallMs,
      timeMs,
    };
    this.rounds.push(round);
    return round;
  }

  get(number: number): Round {
    const round = this.rounds[number - this.rounds[0]?.number];
    assert(round !== undefined, 'the round is remembered');
    return round;
  }

  /** A quorum has acknowledged `number`: nobody asks for an earlier one again. */
  forgetBefore(number: number): void {
    if (this.rounds.length === 0) return;
    const passed = number - this.rounds[0].number;
    if (passed >= FORGET_AT) this.rounds.splice(0, passed);
  }
}
