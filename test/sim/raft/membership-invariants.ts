import { isJoint } from '../../../src/raft/joint.ts';
import { isVoter, peersOf } from '../../../src/raft/quorum.ts';
import type { MemberId, Membership, MembershipRecord, VoteRequest } from '../../../src/raft/types.ts';
import { check } from './check.ts';
import { describeMembership } from './describe-message.ts';
import type { SimMember } from './member.ts';
import type { World } from './world.ts';

const NOBODY = 0;

/** What must hold of memberships, told from outside: from logs and disks. */
export class MembershipInvariants {
  /** The newest that a leader has taken as committed. */
  decided: Membership;
  private readonly world: World;
  /** The terms of the entries that leaders have taken as committed. */
  private readonly decidedTerms: number[] = [0];
  private readonly termsWithCommit = new Set<number>();

  constructor(world: World) {
    this.world = world;
    this.decided = world.membership;
  }

  get decidedIndex(): number {
    return this.decidedTerms.length - 1;
  }

  /** Commit is never above the durable quorum of the membership in force, of both lists while it is joint (§6); `membership`: before the step. */
  onLeaderCommit(leader: SimMember, membership: Membership): void {
    const { commitIndex: index, mirror, term } = leader;
    check(
      mirror.termAt(index) === term,
      () => `own-term-commits: member ${leader.id} commits an entry of an earlier term`,
    );
    check(membership.voters.length > 0, () => `durable-quorum: member ${leader.id} commits without voters`);
    for (const voters of [membership.voters, membership.votersOld]) {
      const holders = voters.filter((id) => this.world.member(id).disk.holds(index, term)).length;
      check(
        voters.length === 0 || holders * 2 > voters.length,
        () => `durable-quorum: entry ${index} is committed, and durable on ${holders} of ${voters.join(' ')}`,
      );
    }
    this.termsWithCommit.add(term);
    const isNews = index > this.decidedIndex;
    while (this.decidedIndex < index) this.decidedTerms.push(mirror.termAt(this.decidedIndex + 1));
    check(
      this.isDecided(index, term),
      () => `committed-prefix: entry ${index} was committed in another term than ${term}`,
    );
    if (isNews) this.decide(mirror.at(index).membership);
  }

  isDecided(index: number, term: number): boolean {
    return this.decidedTerms[index] === term;
  }

  /** Each membership in a log follows from the one before it; the leader of the term makes a step only when the one before is committed. */
  onWritten(member: SimMember, from: number): void {
    const { mirror } = member;
    const records = mirror.membershipsFrom(from - 1);
    for (let i = 1; i < records.length; i++) {
      const before = records[i - 1];
      const { index, membership } = records[i];
      if (index < from) continue;
      check(
        follows(before.membership, membership),
        () =>
          `membership-steps: member ${member.id} holds ${describeMembership(membership)} at ${index}, after ${describeMembership(before.membership)}`,
      );
      if (member.role === 'leader' && mirror.termAt(index) === member.term)
        this.checkStep(member, before, records[i]);
    }
  }

  private checkStep(
    leader: SimMember,
    before: MembershipRecord,
    { index, membership }: MembershipRecord,
  ): void {
    const { coverage } = this.world;
    const { mirror, term } = leader;
    check(
      before.index <= this.decidedIndex && this.termsWithCommit.has(term),
      () =>
        `membership-steps: member ${leader.id} changes the membership at ${index} before that at ${before.index} is committed in its term`,
    );
    if (!isJoint(before.membership)) coverage.changesBegun++;
    else if (isJoint(membership)) coverage.jointsTakenOver++;
    else {
      check(
        mirror.termAt(before.index) === term,
        () =>
          `membership-steps: member ${leader.id} leaves the joint membership at ${before.index}, which is of an earlier term`,
      );
    }
  }

  /** After every event: the newest membership in the log is in force, committed or not. */
  onStep(member: SimMember): void {
    const { membership, mirror } = member;
    check(
      isSame(membership, mirror.last.membership),
      () =>
        `membership-of-log: member ${member.id} goes by ${describeMembership(membership)}, its log says ${describeMembership(mirror.last.membership)}`,
    );
  }

  /** Learners and those left out are not asked for votes; nor do they stand, but for one whom only an uncommitted membership leaves out. */
  onVoteRequest({ from, to, pre }: VoteRequest): void {
    const { commitIndex, membership, mirror, role } = this.world.member(from);
    // It waited for the disk, and a leader has been heard meanwhile.
    if (role === 'follower') return;
    check(
      isVoter(membership, to),
      () => `only-voters-vote: member ${from} asks ${to} for its vote, in ${describeMembership(membership)}`,
    );
    const isLeftOut = !isVoter(membership, from);
    check(
      !isLeftOut || (mirror.last.index > commitIndex && isVoter(mirror.previous, from)),
      () => `only-voters-vote: member ${from} stands for election, in ${describeMembership(membership)}`,
    );
    if (isLeftOut && !pre) this.world.coverage.candidaciesLeftOut++;
  }

  private decide(membership: Membership): void {
    const { decided, world } = this;
    if (isSame(decided, membership)) return;
    const { coverage } = world;
    coverage.membershipsCommitted++;
    if (isJoint(membership)) coverage.jointsCommitted++;
    if (membership.learners.some((member) => !decided.learners.includes(member))) coverage.learnersAdded++;
    if (decided.learners.some((member) => membership.voters.includes(member))) coverage.learnersPromoted++;
    if (!isJoint(membership) && isJoint(decided)) {
      if (membership.voters.length === 1) coverage.shrunkToOne++;
      if (decided.votersOld.length === 1 && membership.voters.length > 1) coverage.grownFromOne++;
    }
    const members = new Set(peersOf(membership, NOBODY));
    for (const id of peersOf(decided, NOBODY)) if (!members.has(id)) world.member(id).isLeft = true;
    for (const id of members) world.member(id).isLeft = false;
    this.decided = membership;
  }
}

/** §6: from voters to a joint membership with them as the old ones, from there to the new ones alone; learners come and go in one step. */
function follows(before: Membership, after: Membership): boolean {
  // A member that opened empty does not know what the log began with.
  if (before.voters.length === 0) return true;
  if (isJoint(before)) return isSame(after, before) || isSame(after, { ...before, votersOld: [] });
  if (isJoint(after)) return hasSame(after.votersOld, before.voters) && !hasSame(after.voters, before.voters);
  return hasSame(after.voters, before.voters);
}

function isSame(a: Membership, b: Membership): boolean {
  return hasSame(a.voters, b.voters) && hasSame(a.votersOld, b.votersOld) && hasSame(a.learners, b.learners);
}

function hasSame(a: readonly MemberId[], b: readonly MemberId[]): boolean {
  return a.length === b.length && a.every((member) => b.includes(member));
}
