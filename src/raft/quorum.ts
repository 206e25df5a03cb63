import type { MemberId, Membership } from './types.ts';

/**
 * Decisions of a configuration: a majority of its voters and, while it is joint (§6), a majority of the old voters too.
 */

/** The greatest value that a quorum has reached. */
export function quorumValue(membership: Membership, valueOf: (member: MemberId) => number): number {
  const value = majorityValue(membership.voters, valueOf);
  if (membership.votersOld.length === 0) return value;
  return Math.min(value, majorityValue(membership.votersOld, valueOf));
}

/** Whether the members that satisfy the condition are a quorum. */
export function isQuorum(membership: Membership, satisfies: (member: MemberId) => boolean): boolean {
  return quorumValue(membership, (member) => (satisfies(member) ? 1 : 0)) === 1;
}

export function isVoter(membership: Membership, member: MemberId): boolean {
  return membership.voters.includes(member) || membership.votersOld.includes(member);
}

export function isOnlyVoter({ voters, votersOld }: Membership, member: MemberId): boolean {
  return voters.length === 1 && voters[0] === member && votersOld.length === 0;
}

/** All members but `self`, each once. */
export function peersOf(membership: Membership, self: MemberId): MemberId[] {
  const all = new Set([...membership.voters, ...membership.votersOld, ...membership.learners]);
  all.delete(self);
  return [...all];
}

/** Those but `self` whose votes are asked for. */
export function otherVoters(membership: Membership, self: MemberId): MemberId[] {
  return peersOf(membership, self).filter((member) => isVoter(membership, member));
}

/** From high to low; used again and again, since every acknowledgement asks. */
const reached: number[] = [];

/** Sorted from high to low, the value at half the length has been reached by more than half. Without voters nothing is ever decided. */
function majorityValue(voters: readonly MemberId[], valueOf: (member: MemberId) => number): number {
  const count = voters.length;
  if (count === 0) return -Infinity;
  for (let i = 0; i < count; i++) {
    const value = valueOf(voters[i]);
    let at = i;
    for (; at > 0 && reached[at - 1] < value; at--) reached[at] = reached[at - 1];
    reached[at] = value;
  }
  return reached[count >> 1];
}
