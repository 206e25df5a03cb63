/** Entries go at once to as many as a commit needs, and to the others in arrears. */
import { describe, expect, it } from 'vitest';

import type { AppendRequest, MemberId } from '../../src/raft/types.ts';
import { agree } from './messages.ts';
import { ELECTION_MS, Rig, type RigOptions } from './rig.ts';

const ARREARS_MS = 2;

/** Leads term 1; all others hold all that it holds. */
function leaderOf(voters: readonly MemberId[], options: Partial<RigOptions> = {}): Rig {
  const rig = new Rig({ self: 1, voters, arrearsMs: ARREARS_MS, ...options });
  rig.pass(2 * ELECTION_MS);
  for (;;) {
    const sent = rig.takeSent();
    if (sent.length === 0) break;
    for (const voter of voters) agree(rig, voter, sent);
  }
  expect(rig.core.role).toBe('leader');
  return rig;
}

function appendsOf(rig: Rig): AppendRequest[] {
  return rig.takeSent().filter((message) => message.kind === 'append');
}

function receivers(rig: Rig): MemberId[] {
  return appendsOf(rig).map(({ to }) => to);
}

describe('a thrifty leader', () => {
  it('of two voters sends at once to one', () => {
    const rig = leaderOf([1, 2, 3]);
    rig.propose('x');
    expect(receivers(rig)).toEqual([3]);
    rig.pass(ARREARS_MS);
    expect(receivers(rig)).toEqual([2]);
  });

  it('of four voters sends at once to two: with itself they are a majority', () => {
    const rig = leaderOf([1, 2, 3, 4, 5]);
    rig.propose('x');
    expect(receivers(rig)).toEqual([3, 4]);
    rig.pass(ARREARS_MS);
    expect(receivers(rig)).toEqual([2, 5]);
  });

  it('sends at once to the member that leadership is to go to', () => {
    const rig = leaderOf([1, 2, 3], { preferredLeader: 2 });
    rig.core.transferLeadership(1, rig.now());
    rig.takeSent();
    rig.propose('x');
    expect(receivers(rig)).toContain(2);
  });

  it('sends to all at once when told so', () => {
    const rig = leaderOf([1, 2, 3], { arrearsMs: 0 });
    rig.propose('x');
    expect(receivers(rig)).toEqual([2, 3]);
  });

  it('sends a spared member all that came meanwhile in one append, and none twice', () => {
    const rig = leaderOf([1, 2, 3]);
    const firstMs = rig.nowMs;
    for (const text of ['x', 'y', 'z']) {
      rig.propose(text);
      const sent = appendsOf(rig);
      expect(sent.map(({ to }) => to)).toEqual([3]);
      agree(rig, 3, sent);
      rig.pass(0.5);
    }
    rig.pass(firstMs + ARREARS_MS - rig.nowMs);
    const [arrears, ...more] = appendsOf(rig);
    expect(more).toEqual([]);
    expect([arrears.to, arrears.entries.length]).toEqual([2, 3]);
    expect(rig.core.nextDeadlineMs()).toBeGreaterThan(rig.nowMs + ARREARS_MS);
  });

  it('sends to all at once while an entry is under way: they are awake, and the fastest decides', () => {
    const rig = leaderOf([1, 2, 3]);
    rig.propose('x');
    expect(receivers(rig)).toEqual([3]);
    rig.propose('y');
    const sent = appendsOf(rig);
    expect(sent.map(({ to, entries }) => [to, entries.length])).toEqual([
      [2, 2],
      [3, 1],
    ]);
    agree(rig, 2, sent);
    expect(rig.core.commitIndex).toBe(rig.core.lastIndex);
  });

  it('lets a spared member that lags catch up as fast as it can', () => {
    const rig = leaderOf([1, 2, 3], { maxEntriesPerMessage: 1, maxMessagesInFlight: 2 });
    for (const text of ['x', 'y', 'z', 'u', 'v']) rig.propose(text);
    const first = appendsOf(rig).filter(({ to }) => to === 2);
    expect(first.length).toBe(2);
    // Nothing can be sent, and nothing is due, until it answers.
    expect(rig.core.nextDeadlineMs()).toBeGreaterThan(rig.nowMs);
    agree(rig, 2, first.slice(0, 1));
    expect(receivers(rig)).toEqual([2]);
  });

  it('commits by a spared member as by any other, and makes it the prompt one when the other stays behind', () => {
    const rig = leaderOf([1, 2, 3]);
    rig.propose('w');
    agree(rig, 3, appendsOf(rig));
    rig.pass(ARREARS_MS);
    agree(rig, 2, appendsOf(rig));
    const { commitIndex } = rig.core;
    for (let times = 1; times <= 8; times++) {
      rig.propose('x');
      expect(receivers(rig)).not.toContain(2);
      rig.pass(ARREARS_MS);
      agree(rig, 2, appendsOf(rig));
      expect(rig.core.commitIndex).toBe(commitIndex + times);
    }
    rig.propose('x');
    expect(receivers(rig)).toEqual([2]);
  });

  it('keeps its prompt member when that is behind now and then', () => {
    const rig = leaderOf([1, 2, 3]);
    for (let times = 1; times <= 20; times++) {
      rig.propose('x');
      const prompt = rig.takeSent();
      rig.pass(ARREARS_MS);
      const spared = rig.takeSent();
      const isLate = times % 4 !== 0;
      if (!isLate) agree(rig, 3, prompt);
      agree(rig, 2, spared);
      if (isLate) agree(rig, 3, prompt);
    }
    rig.takeSent();
    rig.propose('x');
    expect(receivers(rig)).toEqual([3]);
  });
});
