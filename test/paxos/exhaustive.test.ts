import { describe, expect, it } from 'vitest';

import { explore } from './explorer.ts';

const VOTERS = { acceptors: ['a', 'b', 'c'], proposers: ['p', 'q'], rounds: 1, slow: [] };

/** All that can happen to 2 proposers and 3 acceptors: `npm run sim -- --paxos --exhaustive` goes through every crash at once. */
describe('two proposers and three acceptors, in all interleavings', () => {
  it('choose one value at most, without a crash', () => {
    const { chosen, states } = explore({ ...VOTERS, crashing: [] });
    expect([...chosen].toSorted()).toEqual(['p1', 'q1']);
    expect(states).toBeGreaterThan(100);
  });

  it('choose one value at most, with a crash of each acceptor before it has synced', () => {
    const { chosen } = explore({ ...VOTERS, crashing: ['a', 'b', 'c'] });
    expect([...chosen].toSorted()).toEqual(['p1', 'q1']);
  });

  it('choose one value at most, while an acceptor syncs slowly, answers much with one sync, and crashes in it', () => {
    const { chosen } = explore({ ...VOTERS, crashing: ['a'], slow: ['a'] });
    expect([...chosen].toSorted()).toEqual(['p1', 'q1']);
  });

  it('choose one value at most, with a proposer that comes back with another value', () => {
    const { chosen } = explore({ ...VOTERS, crashing: ['p'] });
    expect([...chosen].toSorted()).toEqual(['p1', 'p2', 'q1']);
  });
});
