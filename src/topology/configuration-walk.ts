/**
 * How a group's leader walks its configuration towards the register's row, one step at a time (design section 6): who enters is a learner
 * until it has caught up, each joint change replaces one voter or steps between odd sizes, and who stays includes the leader. Pure.
 */
import type { MemberId, Membership, MembershipTarget } from '../raft/types.ts';
import type { ReplicaEntry } from './types.ts';

export interface WalkView {
  /** The leader, which asks. */
  self: MemberId;
  row: readonly ReplicaEntry[];
  /** The one in force. */
  membership: Membership;
  /** Whether a learner has what a voter should have. */
  hasCaughtUp: (member: MemberId) => boolean;
  /** Whether a member was heard lately. */
  isFollowing: (member: MemberId) => boolean;
}

export type WalkStep =
  /** The group has the members that it should have. */
  | { kind: 'rest' }
  /** Nothing can be done before somebody has caught up, or a change that is under way is done. */
  | { kind: 'wait' }
  | { kind: 'change'; target: MembershipTarget }
  /** The leader has to go: one of these takes its place first. */
  | { kind: 'hand-over'; to: readonly MemberId[] };

const REST: WalkStep = { kind: 'rest' };
const WAIT: WalkStep = { kind: 'wait' };

export function nextStep(view: WalkView): WalkStep {
  const step = wantedStep(view);
  if (step.kind !== 'change') return step;
  // It is in force at once: without a majority of the new voters nothing would be decided again.
  const { voters } = step.target;
  const living = voters.filter((member) => member === view.self || view.isFollowing(member));
  return living.length * 2 > voters.length ? step : WAIT;
}

function wantedStep(view: WalkView): WalkStep {
  const { self, row, membership, hasCaughtUp, isFollowing } = view;
  const { voters, votersOld, learners } = membership;
  const stays = row.filter(({ leaving }) => leaving !== true).map(({ member }) => member);
  if (votersOld.length > 0) return WAIT;
  if (stays.length === 0) return REST;
  const kept = learners.filter((member) => stays.includes(member));
  const entering = stays.filter((member) => !voters.includes(member) && !learners.includes(member));
  if (entering.length > 0 || kept.length < learners.length) return change(voters, [...kept, ...entering]);

  const size = oddAtMost(stays.length);
  const leaving = voters.filter((member) => !stays.includes(member));
  const ready = learners.filter(hasCaughtUp);
  if (voters.length > size) {
    // Who is to enter has caught up before anybody goes.
    const remaining = voters.filter((member) => stays.includes(member)).length + ready.length;
    return remaining < size ? WAIT : shrink(view, stays);
  }
  if (voters.length < size && ready.length >= 2) return promote(voters, learners, ready.slice(0, 2), []);
  if (leaving.length === 0) return voters.length < size ? WAIT : REST;
  if (ready.length === 0) return WAIT;
  const others = leaving.filter((member) => member !== self);
  // A dead one first: with it the group can bear one death less.
  const going = others.find((member) => !isFollowing(member)) ?? others.at(0);
  if (going !== undefined) return promote(voters, learners, [ready[0]], [going]);
  const heirs = voters.filter((member) => member !== self);
  // A voter alone has nobody to hand over to: it goes with the change.
  return heirs.length > 0 ? { kind: 'hand-over', to: heirs } : promote(voters, learners, [ready[0]], [self]);
}

/** Whether a group has the members of its row, as what they are to be, and nothing is on its way. */
export function isArrived(
  row: readonly ReplicaEntry[],
  { voters, votersOld, learners }: Membership,
): boolean {
  if (votersOld.length > 0 || row.some(({ leaving }) => leaving === true)) return false;
  const isThere = row.every(({ member }) => voters.includes(member) || learners.includes(member));
  return isThere && voters.length + learners.length === row.length && voters.length === oddAtMost(row.length);
}

/** Leaving members that the log does not name any more. */
export function departedMembers(
  row: readonly ReplicaEntry[],
  committed: Membership,
  inForce: Membership,
): MemberId[] {
  const isNamed = (member: MemberId): boolean => names(committed, member) || names(inForce, member);
  return row
    .filter(({ leaving, member }) => leaving === true && !isNamed(member))
    .map(({ member }) => member);
}

/** Two fewer voters: those that leave first, then the newest of those that stay, as learners; of either the dead before the living. */
function shrink(
  { self, membership: { voters, learners }, isFollowing }: WalkView,
  stays: readonly MemberId[],
): WalkStep {
  const heirs = voters.filter((member) => member !== self && stays.includes(member));
  if (!stays.includes(self) && heirs.length > 0) return { kind: 'hand-over', to: heirs };
  const others = voters.filter((member) => member !== self);
  const rank = (member: MemberId): number => (stays.includes(member) ? 2 : 0) + (isFollowing(member) ? 1 : 0);
  const going = others.toSorted((a, b) => rank(a) - rank(b) || b - a).slice(0, 2);
  const demoted = going.filter((member) => stays.includes(member));
  return change(
    voters.filter((member) => !going.includes(member)),
    [...learners, ...demoted],
  );
}

function promote(
  voters: readonly MemberId[],
  learners: readonly MemberId[],
  entering: readonly MemberId[],
  going: readonly MemberId[],
): WalkStep {
  return change(
    [...voters.filter((member) => !going.includes(member)), ...entering],
    learners.filter((member) => !entering.includes(member)),
  );
}

function change(voters: readonly MemberId[], learners: readonly MemberId[]): WalkStep {
  return { kind: 'change', target: { voters, learners } };
}

/** How many of so many replicas vote. */
export function oddAtMost(count: number): number {
  return count % 2 === 1 ? count : count - 1;
}

function names({ voters, votersOld, learners }: Membership, member: MemberId): boolean {
  return voters.includes(member) || votersOld.includes(member) || learners.includes(member);
}
