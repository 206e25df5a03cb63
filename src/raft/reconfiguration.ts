import { firstStep, isAt, isJoint, isLegal, leftJoint } from './joint.ts';
import { isVoter } from './quorum.ts';
import type { MemberState } from './state.ts';
import type { Membership, MembershipTarget } from './types.ts';

const NOTHING_AWAITED = Infinity;

/** The leader's side of a change of membership (§6): one at a time, each step once the one before is committed in the leader's own term. */
export class Reconfiguration {
  /** The next step comes when this is committed; at first the own no-op: before that the membership may be rolled back by others. */
  awaitedIndex: number;
  private readonly state: MemberState;
  private readonly append: (membership: Membership) => void;

  constructor(state: MemberState, noopIndex: number, append: (membership: Membership) => void) {
    this.state = state;
    this.awaitedIndex = noopIndex;
    this.append = append;
  }

  get isUnderWay(): boolean {
    return this.awaitedIndex !== NOTHING_AWAITED;
  }

  start(target: MembershipTarget): 'proposed' | 'busy' | 'illegal' {
    const { membership } = this.state;
    if (this.isUnderWay) return 'busy';
    if (!isLegal(target) || isAt(membership, target)) return 'illegal';
    this.take(firstStep(membership, target));
    return 'proposed';
  }

  /** What was awaited is committed. Returns whether the change is done. */
  advance(): boolean {
    const { log, membership, memberships, term } = this.state;
    if (!isJoint(membership)) {
      this.awaitedIndex = NOTHING_AWAITED;
      return true;
    }
    // One that was taken over is committed anew first: by an entry of this term (correctness.md 1.2, #17).
    const isOwn = log.termAt(memberships.last.index) === term;
    this.take(isOwn ? leftJoint(membership) : membership);
    return false;
  }

  /** This leader has no part in what its group has become. */
  get leavesOut(): boolean {
    return !this.isUnderWay && !isVoter(this.state.membership, this.state.self);
  }

  private take(membership: Membership): void {
    this.append(membership);
    this.awaitedIndex = this.state.memberships.last.index;
  }
}
