import { describe, expect, it } from 'vitest';

import { CatchingUp } from '../../src/observe/catching-up.ts';
import type { Replica } from '../../src/shard/replica.ts';

interface State {
  self: number;
  voters: number[];
  learners: number[];
  commit: number;
  applied: number;
  last?: number;
}

function replicaOf(shard: number, state: State): Replica {
  return {
    shard,
    raft: {
      self: state.self,
      lastIndex: state.last ?? 0,
      get commitIndex() {
        return state.commit;
      },
      get committedMembership() {
        return { index: 1, membership: { voters: state.voters, learners: state.learners, votersOld: [] } };
      },
    },
    machine: {
      get appliedIndex() {
        return state.applied;
      },
    },
  } as unknown as Replica;
}

const all = (): boolean => true;

describe('what keeps a node from being ready', () => {
  it('is, when it begins, a replica that does not vote yet, as after a repair', () => {
    const state: State = { self: 4, voters: [1, 2, 3], learners: [], commit: 0, applied: 0 };
    const replica = replicaOf(1, state);
    const catchingUp = new CatchingUp([]);
    expect(catchingUp.of([replica], all)).toEqual([replica]);
    expect(catchingUp.of([replica], () => false)).toEqual([]);
    Object.assign(state, { learners: [4], commit: 5000, applied: 100 });
    expect(catchingUp.of([replica], all)).toEqual([replica]);
    Object.assign(state, { voters: [1, 2, 4], learners: [], commit: 5000, applied: 3000 });
    expect(catchingUp.of([replica], all)).toEqual([replica]);
    Object.assign(state, { applied: 4500 });
    expect(catchingUp.of([replica], all)).toEqual([]);
  });

  it('is no learner that was one before the start, whoever is to be a voter with it', () => {
    const state: State = { self: 4, voters: [1, 2, 3], learners: [4, 5], commit: 90, applied: 90, last: 95 };
    const replica = replicaOf(1, state);
    expect(new CatchingUp([replica]).of([replica], all)).toEqual([]);
    expect(new CatchingUp([]).of([replica], all)).toEqual([replica]);
    const empty = replicaOf(1, { ...state, last: 0 });
    expect(new CatchingUp([empty]).of([empty], all)).toEqual([empty]);
  });

  it('is no learner that is to stay one, once it has begun', () => {
    const state: State = { self: 2, voters: [1], learners: [2], commit: 0, applied: 0 };
    const catchingUp = new CatchingUp([]);
    expect(catchingUp.of([replicaOf(1, state)], all)).toHaveLength(1);
    state.applied = 1;
    expect(catchingUp.of([replicaOf(1, state)], all)).toEqual([]);
  });

  it('is no replica that a node which serves is given, until that has caught up, nor one that is taken from it', () => {
    const old: State = { self: 1, voters: [1, 2, 3], learners: [], commit: 10, applied: 10 };
    const added: State = { self: 4, voters: [1, 2, 3], learners: [4], commit: 0, applied: 0 };
    const catchingUp = new CatchingUp([]);
    const [first, second] = [replicaOf(1, old), replicaOf(2, added)];
    expect(catchingUp.of([first], all)).toEqual([]);
    catchingUp.served();
    Object.assign(added, { commit: 50_000, applied: 1 });
    expect(catchingUp.of([first, second], all)).toEqual([]);
    Object.assign(added, { voters: [1, 2, 4], learners: [], applied: 49_999 });
    expect(catchingUp.of([first, second], all)).toEqual([]);
    Object.assign(added, { commit: 60_000 });
    expect(catchingUp.of([first, second], all)).toEqual([second]);
    Object.assign(old, { voters: [2, 3, 4] });
    Object.assign(added, { applied: 60_000 });
    expect(catchingUp.of([first, second], all)).toEqual([]);
  });
});
