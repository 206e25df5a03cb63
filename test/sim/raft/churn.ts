import type { MemberId, Membership, MembershipTarget } from '../../../src/raft/types.ts';
import { every, restart } from './faults.ts';
import type { SimMember } from './member.ts';
import type { World } from './world.ts';

const MEMBERS_MAX = 7;
const SIZES = [1, 3, 5];
const BIRTH_MS = 80;

type Draw = (churn: Churn, membership: Membership) => MembershipTarget;

/** Asks leaders for changes of membership, sensible ones and rude ones, and takes those away that have been left out. */
export function startChurn(world: World): void {
  const churn = new Churn(world);
  every(world, world.options.churnEveryMs, () => churn.strike());
}

class Churn {
  readonly world: World;
  /** Of those that are gone. */
  private readonly places: SimMember[] = [];

  constructor(world: World) {
    this.world = world;
  }

  strike(): void {
    const { random, members } = this.world;
    if (random.chance(0.2)) this.retire();
    const isLost = random.chance(0.02);
    const leaders = members.filter(
      ({ isPaused, membership, role }) =>
        !isPaused && (role === 'leader' || (isLost && membership.voters.length > 0)),
    );
    if (leaders.length === 0) return;
    const leader = random.pick(leaders);
    const { membership } = leader;
    const target = random.pick(DRAWS)(this, membership);
    leader.changeMembership(target, () => this.proposed(leader, target));
  }

  /** Those that are to come are started; now and then the leader does not live to see its change through. */
  private proposed(leader: SimMember, target: MembershipTarget): void {
    const { random, schedule } = this.world;
    for (const id of [...target.voters, ...target.learners]) {
      const member = this.world.member(id);
      member.isNamed = true;
      if (member.isLeft) member.isBack = true;
      if (!member.isBorn) schedule.after(random.between(0, BIRTH_MS), () => member.isBorn || member.start());
    }
    if (random.chance(0.2)) {
      schedule.after(random.between(0, 4) * this.world.options.syncMs, () => {
        if (!this.world.isHealed) restart(this.world, leader, random.between(1, 700));
      });
    }
  }

  /** The files of one that a committed membership has left out are removed. */
  private retire(): void {
    const { random, members, coverage } = this.world;
    const left = members.filter(({ isLeft, isBack, isGone }) => isLeft && !isBack && !isGone);
    if (left.length === 0) return;
    const gone = random.pick(left);
    gone.destroy();
    this.places.push(gone);
    coverage.retired++;
  }

  /** A member that was never named; it comes with an empty disk. */
  newcomer(): MemberId {
    const member = this.world.members.find(({ isNamed }) => !isNamed) ?? this.world.addMember();
    const place = this.places.shift();
    if (place !== undefined) place.heir = member;
    return member.id;
  }

  /** One that was left out, and comes back with the log that it had. */
  returning({ voters, learners }: Membership): MemberId {
    const out = this.world.members.filter(
      ({ id, isNamed, isGone }) => isNamed && !isGone && !voters.includes(id) && !learners.includes(id),
    );
    return out.length === 0 ? this.newcomer() : this.world.random.pick(out).id;
  }

  pick(from: readonly MemberId[]): MemberId {
    return this.world.random.pick(from);
  }

  chance(probability: number): boolean {
    return this.world.random.chance(probability);
  }
}

const without = (from: readonly MemberId[], member: MemberId): MemberId[] =>
  from.filter((other) => other !== member);

const addLearner: Draw = (churn, { voters, learners, votersOld }) => {
  if (voters.length + learners.length >= MEMBERS_MAX) return { voters, learners: learners.slice(1) };
  const id = churn.chance(0.7) ? churn.newcomer() : churn.returning({ voters, learners, votersOld });
  return { voters, learners: [...learners, id] };
};

const promote: Draw = (_, { voters, learners }) => ({
  voters: [...voters, ...learners.slice(0, 2)],
  learners: learners.slice(2),
});

const remove: Draw = (churn, { voters, learners }) => ({
  voters: voters.length === 1 ? voters : without(voters, churn.pick(voters)),
  learners: churn.chance(0.3) ? [] : learners,
});

const demote: Draw = (churn, { voters, learners }) => {
  const out = churn.pick(voters);
  return voters.length === 1
    ? { voters, learners }
    : { voters: without(voters, out), learners: [...learners, out] };
};

/** As the register does it: one that has been learning takes the place of a voter. */
const replace: Draw = (churn, { voters, learners, votersOld }) => {
  const out = churn.pick(voters);
  const into = learners.length > 0 ? churn.pick(learners) : churn.returning({ voters, learners, votersOld });
  return { voters: [...without(voters, out), into], learners: without(learners, into) };
};

/** Anybody, all at once: 1 to 3 to 5 and back, or none of those that were. */
const resize: Draw = (churn, { voters, learners }) => {
  const size = churn.pick(SIZES);
  const pool = [...voters, ...learners, churn.newcomer()];
  const chosen: MemberId[] = [];
  while (chosen.length < size && chosen.length < pool.length) {
    const next = churn.pick(pool);
    if (!chosen.includes(next)) chosen.push(next);
  }
  return { voters: chosen, learners: learners.filter((member) => !chosen.includes(member)) };
};

const DRAWS: readonly Draw[] = [addLearner, addLearner, promote, promote, remove, demote, replace, resize];
