import type { Lease } from './lease.ts';
import type { Progress } from './progress.ts';
import type { MemberState } from './state.ts';
import type { MemberId } from './types.ts';

/**
 * Leadership transfer (§3.10 of the thesis): stop taking proposals, bring the target up to date, tell it TimeoutNow. If no new leader
 * has shown up within an election timeout, proposals are taken again.
 */
export class Transfer {
  private readonly state: MemberState;
  private readonly lease: Lease;
  private to: MemberId = 0;
  private isToldNow = false;
  private untilMs = Infinity;

  constructor(state: MemberState, lease: Lease) {
    this.state = state;
    this.lease = lease;
  }

  get isUnderWay(): boolean {
    return this.to !== 0;
  }

  /** The target was told to go ahead. */
  get isTold(): boolean {
    return this.isToldNow;
  }

  get deadlineMs(): number {
    return this.untilMs;
  }

  start(to: MemberId): void {
    if (this.to === to) return;
    this.to = to;
    this.isToldNow = false;
    this.untilMs = this.state.nowMonotonicMs + this.state.config.electionTimeoutMs;
  }

  /** Tells the target once it holds the whole log. */
  advance(peerOf: (member: MemberId) => Progress | undefined): void {
    const { config, log, outbox, self, term } = this.state;
    if (this.to === 0 || this.isToldNow || peerOf(this.to)?.match !== log.lastIndex) return;
    this.isToldNow = true;
    this.lease.drop();
    outbox.send({
      kind: 'timeout-now',
      group: config.group,
      from: self,
      to: this.to,
      term,
      lastIndex: log.lastIndex,
      lastTerm: log.lastTerm,
    });
  }

  tick(): void {
    if (this.to === 0 || this.state.nowMonotonicMs < this.untilMs) return;
    this.to = 0;
    this.untilMs = Infinity;
  }
}
