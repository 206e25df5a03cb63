import { array, assert, integer, nat, property, uniqueArray } from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Membership } from '../../src/raft/types.ts';
import { departedMembers, nextStep, type WalkStep } from '../../src/topology/configuration-walk.ts';
import type { ReplicaEntry } from '../../src/topology/types.ts';

const NONE: Membership = { voters: [], votersOld: [], learners: [] };

function rowOf(stays: readonly number[], leaving: readonly number[] = []): ReplicaEntry[] {
  const entry = (member: number): ReplicaEntry => ({ member, node: `${member}` });
  return [...stays.map(entry), ...leaving.map((member) => ({ ...entry(member), leaving: true }))];
}

function step(
  self: number,
  row: ReplicaEntry[],
  voters: number[],
  learners: number[] = [],
  caughtUp: number[] = learners,
  dead: number[] = [],
): WalkStep {
  const membership = { ...NONE, voters, learners };
  return nextStep({
    self,
    row,
    membership,
    hasCaughtUp: (member) => caughtUp.includes(member),
    isFollowing: (member) => !dead.includes(member),
  });
}

const to = (voters: number[], learners: number[] = []): WalkStep => ({
  kind: 'change',
  target: { voters, learners },
});

describe('a configuration walks towards its row', () => {
  it('rests when it is there, and waits while it is joint', () => {
    expect(step(1, rowOf([1, 2, 3]), [1, 2, 3])).toEqual({ kind: 'rest' });
    const membership = { voters: [1, 2, 4], votersOld: [1, 2, 3], learners: [] };
    const view = {
      self: 1,
      row: rowOf([1, 2, 4], [3]),
      membership,
      hasCaughtUp: () => true,
      isFollowing: () => true,
    };
    expect(nextStep(view)).toEqual({ kind: 'wait' });
  });

  it('takes who enters as a learner until it has caught up, then in the place of one that leaves', () => {
    const row = rowOf([1, 2, 4], [3]);
    expect(step(1, row, [1, 2, 3])).toEqual(to([1, 2, 3], [4]));
    expect(step(1, row, [1, 2, 3], [4], [])).toEqual({ kind: 'wait' });
    expect(step(1, row, [1, 2, 3], [4])).toEqual(to([1, 2, 4]));
    expect(step(1, rowOf([1, 4, 5], [2, 3]), [1, 2, 3], [4, 5])).toEqual(to([1, 3, 4], [5]));
  });

  it('has a leader that leaves hand over to one that stays, when the others are replaced', () => {
    const row = rowOf([3, 4, 5], [1, 2]);
    expect(step(1, row, [1, 2, 3], [4, 5])).toEqual(to([1, 3, 4], [5]));
    expect(step(1, row, [1, 3, 4], [5])).toEqual({ kind: 'hand-over', to: [3, 4] });
    expect(step(3, row, [1, 3, 4], [5])).toEqual(to([3, 4, 5]));
  });

  it('lets nobody go before who is to enter has caught up', () => {
    expect(step(1, rowOf([4], [1, 2, 3]), [1, 2, 3], [4], [])).toEqual({ kind: 'wait' });
    expect(step(1, rowOf([4, 5], [1, 2, 3]), [1, 2, 3], [4, 5], [])).toEqual({ kind: 'wait' });
    expect(step(1, rowOf([4], [1, 2, 3]), [1, 2, 3], [4])).toEqual(to([1], [4]));
  });

  it('has the dead go first', () => {
    expect(step(1, rowOf([1, 4, 5], [2, 3]), [1, 2, 3], [4, 5], [4, 5], [3])).toEqual(to([1, 2, 4], [5]));
    expect(step(1, rowOf([1, 2, 3, 4], [5]), [1, 2, 3, 4, 5], [], [], [3])).toEqual(to([1, 2, 4], [3]));
  });

  it('changes nothing that too few of the new voters could decide', () => {
    const row = rowOf([1, 2, 4], [3, 5]);
    expect(step(1, row, [1, 2, 3, 4, 5], [], [], [2, 4])).toEqual({ kind: 'wait' });
    expect(step(1, row, [1, 2, 3, 4, 5], [], [], [2])).toEqual(to([1, 2, 4]));
  });

  it('has a voter alone go with the change that replaces it', () => {
    expect(step(1, rowOf([2], [1]), [1], [2])).toEqual(to([2]));
  });

  it('steps between odd sizes, both ways', () => {
    expect(step(1, rowOf([1, 2, 3]), [1], [2, 3], [2])).toEqual({ kind: 'wait' });
    expect(step(1, rowOf([1, 2, 3]), [1], [2, 3])).toEqual(to([1, 2, 3]));
    expect(step(2, rowOf([1, 2, 3]), [1, 2, 3, 4, 5])).toEqual(to([1, 2, 3]));
    expect(step(2, rowOf([2], [1, 3]), [1, 2, 3])).toEqual(to([2]));
    expect(step(1, rowOf([2], [1, 3]), [1, 2, 3])).toEqual({ kind: 'hand-over', to: [2] });
  });

  it('keeps one of an even number as a learner', () => {
    expect(step(1, rowOf([1, 2]), [1], [2])).toEqual({ kind: 'rest' });
    expect(step(1, rowOf([1, 2, 3, 4]), [1, 2, 3])).toEqual(to([1, 2, 3], [4]));
    expect(step(1, rowOf([1, 2, 3, 4]), [1, 2, 3], [4])).toEqual({ kind: 'rest' });
    expect(step(1, rowOf([1, 2], [3]), [1, 2, 3])).toEqual(to([1], [2]));
  });

  it('goes on without those that do not catch up, where it can', () => {
    expect(step(1, rowOf([1, 2, 4, 5, 6], [3]), [1, 2, 3], [4, 5, 6], [4])).toEqual(to([1, 2, 4], [5, 6]));
  });

  it('ends at the row from anywhere, one voter replaced or two more or fewer at a time', () => {
    const members = uniqueArray(integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 7 });
    assert(
      property(members, members, array(nat(6)), (first, wanted, choices) => {
        const voters = first.length % 2 === 1 ? first : first.slice(1);
        const row = rowOf(
          wanted,
          first.filter((member) => !wanted.includes(member)),
        );
        walk(row, voters, choices, wanted);
      }),
    );
  });

  it('notes who has left once neither log nor configuration name it', () => {
    const row = rowOf([1, 2, 4], [3, 5]);
    const joint = { voters: [1, 2, 4], votersOld: [1, 2, 3], learners: [] };
    const done = { ...NONE, voters: [1, 2, 4] };
    expect(departedMembers(row, joint, done)).toEqual([5]);
    expect(departedMembers(row, done, { ...done, learners: [5] })).toEqual([3]);
    expect(departedMembers(row, done, done)).toEqual([3, 5]);
  });
});

function walk(row: ReplicaEntry[], first: number[], choices: number[], wanted: number[]): void {
  let voters: readonly number[] = first;
  let learners: readonly number[] = [];
  let self = first[0];
  for (let steps = 0; steps < 40; steps++) {
    const next = step(self, row, [...voters], [...learners]);
    if (next.kind === 'rest') {
      expect(new Set([...voters, ...learners])).toEqual(new Set(wanted));
      expect(voters.length % 2).toBe(1);
      return;
    }
    if (next.kind === 'hand-over') {
      expect(next.to.every((member) => voters.includes(member) && wanted.includes(member))).toBe(true);
      self = next.to[(choices[steps] ?? 0) % next.to.length];
    } else if (next.kind === 'change') {
      const { target } = next;
      const entered = target.voters.filter((member) => !voters.includes(member));
      const left = voters.filter((member) => !target.voters.includes(member));
      expect([`0-0`, '1-1', '2-0', '0-2']).toContain(`${entered.length}-${left.length}`);
      expect(entered.every((member) => learners.includes(member))).toBe(true);
      expect(target.voters.includes(self) || voters.length === 1).toBe(true);
      ({ voters, learners } = target);
      if (!voters.includes(self)) self = voters[0];
    } else throw new Error('it waits although all have caught up');
  }
  throw new Error('it does not come to an end');
}
