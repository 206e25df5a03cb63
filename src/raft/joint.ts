import type { MemberId, Membership, MembershipTarget } from './types.ts';

/**
 * Joint consensus (§6): between two sets of voters stands a membership in which both decide, so that there is no moment at which two majorities
 * can be found that have nobody in common.
 */

export function isJoint(membership: Membership): boolean {
  return membership.votersOld.length > 0;
}

/** Some voters, and nobody named twice. */
export function isLegal({ voters, learners }: MembershipTarget): boolean {
  const all = [...voters, ...learners];
  return (
    voters.length > 0 &&
    new Set(all).size === all.length &&
    all.every((member) => Number.isSafeInteger(member) && member > 0)
  );
}

/** The first step from a membership that is not joint to the target: the joint one, or the target itself when the voters stay. */
export function firstStep(from: Membership, { voters, learners }: MembershipTarget): Membership {
  const votersOld = haveSameMembers(from.voters, voters) ? [] : [...from.voters];
  return { voters: [...voters], votersOld, learners: [...learners] };
}

/** The last step: the new voters decide alone. */
export function leftJoint({ voters, learners }: Membership): Membership {
  return { voters, votersOld: [], learners };
}

/** Whether the target is what is in force already. */
export function isAt(membership: Membership, { voters, learners }: MembershipTarget): boolean {
  return haveSameMembers(membership.voters, voters) && haveSameMembers(membership.learners, learners);
}

function haveSameMembers(a: readonly MemberId[], b: readonly MemberId[]): boolean {
  return a.length === b.length && a.every((member) => b.includes(member));
}
