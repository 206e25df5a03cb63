import { describe, expect, it } from 'vitest';

import type { Entry } from '../../src/raft/entry.ts';
import { EntryKind, sealEntry } from '../../src/raft/entry.ts';
import { encodeMembership } from '../../src/raft/membership.ts';
import type { MemberId, Membership, Message, SnapshotChunk } from '../../src/raft/types.ts';
import { accepted, agree, append, heartbeat, ofKind, vote, voteResponse } from './messages.ts';
import { ELECTION_MS, HEARTBEAT_MS, Rig, entriesOf } from './rig.ts';

/** §6 of the Raft paper, and chapter 4 of the thesis, a sentence each. Member 1 is the one tested; the first voters are 1, 2 and 3. */
const OLD: Membership = { voters: [1, 2, 3], votersOld: [], learners: [] };
const JOINT: Membership = { voters: [1, 4, 5], votersOld: [1, 2, 3], learners: [] };
const NEW: Membership = { voters: [1, 4, 5], votersOld: [], learners: [] };
const WITHOUT_US: Membership = { voters: [4, 5], votersOld: [], learners: [] };

const entry = (index: number, membership: Membership, term = 1): Entry =>
  sealEntry(encodeMembership(membership, 1, 0), term, index);

function follower(voters: readonly MemberId[] = [1, 2, 3]): Rig {
  const rig = new Rig({ self: 1, voters });
  rig.nowMs = ELECTION_MS;
  return rig;
}

/** Leads; all have its no-op, at index 1. */
function leader(voters: readonly MemberId[] = [1, 2, 3], preferredLeader = 0): Rig {
  let draws = 0;
  const rig = new Rig({ self: 1, voters, preferredLeader, random: () => (draws++ % 100) / 100 });
  rig.pass(ELECTION_MS);
  settle(
    rig,
    voters.filter((member) => member !== 1),
  );
  expect(rig.core.readable).toBe(true);
  rig.takeSent();
  return rig;
}

/** The answers of several, to all that was sent to them until nothing more is. */
function settle(rig: Rig, members: readonly MemberId[]): void {
  for (let i = 0; i < 6; i++) {
    const sent = rig.takeSent();
    for (const member of members) agree(rig, member, sent);
  }
}

const appendsTo = (sent: readonly Message[], to: MemberId) =>
  ofKind(sent, 'append').filter((message) => message.to === to);

const receiversOf = (sent: readonly Message[]) =>
  [...new Set(sent.map(({ to }) => to))].sort((a, b) => a - b);

const grants = (rig: Rig) => ofKind(rig.takeSent(), 'vote-response').map(({ granted }) => granted);

describe('§6 the configuration in the log', () => {
  it('a server always uses the latest configuration in its log, regardless of whether the entry is committed', () => {
    const rig = follower();
    rig.step(append({ prevIndex: 0, entries: [...entriesOf([1]), entry(2, JOINT)], commit: 0 }));
    expect([rig.core.membership, rig.core.commitIndex]).toEqual([JOINT, 0]);
    expect(rig.core.committedMembership).toEqual({ index: 0, membership: OLD });
  });

  it('thesis 4.1: a server must be prepared to fall back to the previous configuration in its log', () => {
    const rig = follower();
    rig.step(append({ entries: [...entriesOf([1]), entry(2, JOINT)] }));
    rig.step(append({ from: 3, term: 2, prevIndex: 1, prevTerm: 1, entries: entriesOf([2], 2) }));
    expect(rig.core.membership).toEqual(OLD);
  });

  it('it falls back past several at once', () => {
    const rig = follower();
    rig.step(append({ entries: [entry(1, { ...OLD, learners: [4] }), entry(2, JOINT), entry(3, NEW)] }));
    expect(rig.core.membership).toEqual(NEW);
    rig.step(append({ from: 3, term: 2, prevIndex: 1, prevTerm: 1, entries: entriesOf([2], 2) }));
    expect(rig.core.membership).toEqual({ ...OLD, learners: [4] });
  });

  it('a restart finds it, and so does a compacted log', () => {
    const rig = follower();
    rig.step(append({ entries: [entry(1, { ...OLD, learners: [4] }), ...entriesOf([1], 2)], commit: 2 }));
    rig.step(append({ prevIndex: 2, prevTerm: 1, entries: [entry(3, JOINT)], commit: 2 }));
    expect(rig.snapshot().membership).toEqual({ ...OLD, learners: [4] });
    expect(rig.core.firstIndex).toBe(3);
    expect(rig.core.committedMembership.membership).toEqual({ ...OLD, learners: [4] });
    rig.restart();
    expect(rig.core.membership).toEqual(JOINT);
    rig.step(append({ from: 3, term: 2, prevIndex: 2, prevTerm: 1, entries: entriesOf([2], 3) }));
    expect(rig.core.membership).toEqual({ ...OLD, learners: [4] });
  });

  it('the one at an index below the last compaction is not known', () => {
    const rig = follower();
    rig.step(append({ entries: [entry(1, JOINT), entry(2, NEW), ...entriesOf([1], 3)], commit: 3 }));
    expect([rig.core.membershipAt(0), rig.core.membershipAt(1)]).toEqual([OLD, JOINT]);
    rig.snapshot();
    expect(rig.core.membershipAt(3)).toEqual(NEW);
    expect(() => rig.core.membershipAt(1)).toThrow('compacted');
  });

  it('an entry that is none is refused loudly', () => {
    for (const change of [
      (bytes: Buffer) => bytes.subarray(0, bytes.length - 8),
      (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(8)]),
    ]) {
      const bytes = Buffer.from(change(encodeMembership(JOINT, 1, 0)));
      bytes.writeUInt32LE(bytes.length, 0);
      const broken = sealEntry(bytes, 1, 1);
      expect(broken.kind).toBe(EntryKind.MEMBERSHIP);
      expect(() => follower().step(append({ entries: [broken] }))).toThrow('list');
    }
  });
});

describe('§6 joint consensus', () => {
  it('log entries are replicated to all servers in both configurations', () => {
    const rig = leader();
    expect(rig.change({ voters: [1, 4, 5], learners: [] })).toBe('proposed');
    expect(rig.core.membership).toEqual(JOINT);
    expect(receiversOf(rig.takeSent())).toEqual([2, 3, 4, 5]);
  });

  it('agreement requires separate majorities from both the old and new configurations', () => {
    for (const [members, index] of [
      [[2, 3], 1],
      [[4, 5], 1],
      [[3, 4], 2],
    ] as const) {
      const rig = leader();
      rig.change({ voters: [1, 4, 5], learners: [] });
      const sent = rig.takeSent();
      for (const member of members) {
        for (const request of appendsTo(sent, member))
          rig.step(accepted({ ...request, entries: [], prevIndex: 2 }));
      }
      expect(rig.core.commitIndex).toBe(index);
    }
  });

  it('elections, too', () => {
    for (const [members, role] of [
      [[2, 3], 'pre-candidate'],
      [[4, 5], 'pre-candidate'],
      [[3, 4], 'candidate'],
    ] as const) {
      const rig = follower();
      rig.step(append({ entries: [entry(1, JOINT)] }));
      rig.pass(2 * ELECTION_MS);
      const votes = ofKind(rig.takeSent(), 'vote');
      expect(receiversOf(votes)).toEqual([2, 3, 4, 5]);
      for (const from of members) rig.step(voteResponse({ from, term: 2, pre: true }));
      expect(rig.core.role).toBe(role);
    }
  });

  it('any server from either configuration may serve as leader', () => {
    for (const joint of [JOINT, { ...JOINT, voters: [4, 5] }, { ...JOINT, votersOld: [2, 3] }]) {
      const rig = follower();
      rig.step(append({ entries: [entry(1, joint)] }));
      rig.pass(2 * ELECTION_MS);
      expect(rig.core.role).toBe('pre-candidate');
    }
  });

  it('once the joint configuration is committed, the leader creates an entry with the new one; from then on its quorum suffices', () => {
    const rig = leader();
    rig.change({ voters: [1, 4, 5], learners: [] });
    rig.pass(HEARTBEAT_MS);
    expect(rig.core.membership).toEqual(JOINT);
    settle(rig, [2, 3, 4, 5]);
    expect([rig.core.membership, rig.core.lastIndex, rig.core.commitIndex]).toEqual([NEW, 3, 3]);
    rig.propose('x');
    settle(rig, [5]);
    expect(rig.core.commitIndex).toBe(4);
  });

  it('it takes effect as soon as it is there: the old ones alone commit nothing after it', () => {
    const rig = leader();
    rig.change({ voters: [1, 4, 5], learners: [] });
    rig.propose('x');
    settle(rig, [2, 3]);
    expect(rig.core.commitIndex).toBe(1);
  });

  it('when the voters stay, one entry does it', () => {
    const rig = leader();
    rig.change({ voters: [3, 2, 1], learners: [4] });
    settle(rig, [2]);
    expect(rig.core.committedMembership).toEqual({
      index: 2,
      membership: { voters: [3, 2, 1], votersOld: [], learners: [4] },
    });
  });

  it('one at a time: the next waits until this one is committed', () => {
    const rig = leader();
    expect(rig.change({ voters: [1, 2], learners: [] })).toBe('proposed');
    expect(rig.change({ voters: [1, 2, 3], learners: [] })).toBe('busy');
    settle(rig, [2]);
    expect(rig.core.membership.voters).toEqual([1, 2]);
    expect(rig.change({ voters: [1, 2, 3], learners: [] })).toBe('proposed');
  });

  it('correctness.md 1.2, #14: none before an entry of the own term is committed', () => {
    const rig = new Rig({ self: 1, voters: [1, 2, 3] });
    rig.pass(ELECTION_MS);
    for (let i = 0; i < 2; i++) agree(rig, 2, rig.takeSent());
    expect([rig.core.role, rig.core.readable]).toEqual(['leader', false]);
    expect(rig.change({ voters: [1, 2], learners: [] })).toBe('busy');
    settle(rig, [2]);
    expect(rig.change({ voters: [1, 2], learners: [] })).toBe('proposed');
  });

  it('#17: one that was taken over is committed in the own term before it is left', () => {
    const rig = follower();
    rig.step(append({ entries: [entry(1, JOINT)] }));
    rig.pass(2 * ELECTION_MS);
    for (let i = 0; i < 2; i++) {
      const sent = rig.takeSent();
      for (const member of [2, 4]) agree(rig, member, sent);
    }
    expect([rig.core.role, rig.core.lastIndex]).toEqual(['leader', 2]);
    const kinds = () => rig.disk.recover().entries.map(({ kind, term }) => `${kind}/${term}`);
    let sent = rig.takeSent();
    for (const member of [2, 4]) agree(rig, member, sent);
    expect(kinds()).toEqual(['2/1', '0/2', '2/2']);
    expect(rig.core.membership).toEqual(JOINT);
    sent = rig.takeSent();
    for (const member of [2, 4]) agree(rig, member, sent);
    expect(rig.core.membership).toEqual(NEW);
  });

  it('a change waits with everything else while leadership is handed over, and goes on when that fails', () => {
    const rig = leader();
    rig.change({ voters: [1, 4, 5], learners: [] });
    const sent = rig.takeSent();
    expect(rig.transfer(5)).toBe(true);
    for (const member of [2, 3, 4]) agree(rig, member, sent);
    expect([rig.core.commitIndex, rig.core.lastIndex]).toEqual([2, 2]);
    rig.pass(ELECTION_MS - 1);
    settle(rig, [2, 3, 4]);
    rig.pass(HEARTBEAT_MS);
    expect(rig.core.membership).toEqual(NEW);
  });

  it('a full log takes no change', () => {
    const rig = leader();
    expect(rig.propose('x'.repeat(5000))).toBe('proposed');
    expect(rig.change({ voters: [1, 2], learners: [] })).toBe('full');
  });
});

describe('§6 new servers join as non-voting members', () => {
  it('the leader replicates to them, but they are not considered for majorities', () => {
    const rig = leader();
    rig.change({ voters: [1, 2, 3], learners: [4, 5] });
    settle(rig, [2, 3, 4, 5]);
    rig.propose('x');
    const sent = rig.takeSent();
    expect(receiversOf(sent)).toEqual([2, 3, 4, 5]);
    for (const member of [4, 5]) {
      for (const request of appendsTo(sent, member))
        rig.step(accepted({ ...request, prevIndex: 3, entries: [] }));
    }
    expect(rig.core.commitIndex).toBe(2);
    expect(rig.core.progress().map(({ member, match }) => [member, match])).toContainEqual([4, 3]);
  });

  it('they confirm no read, renew no lease and count for no CheckQuorum', () => {
    const rig = leader();
    rig.change({ voters: [1, 2, 3], learners: [4, 5] });
    settle(rig, [2]);
    const until = rig.core.leaseUntilMonotonicMs;
    rig.read();
    settle(rig, [4, 5]);
    expect(rig.reads).toEqual([]);
    for (let i = 0; i < 8; i++) {
      rig.pass(HEARTBEAT_MS);
      settle(rig, [4, 5]);
    }
    expect(rig.core.leaseUntilMonotonicMs === until || rig.core.leaseUntilMonotonicMs === 0).toBe(true);
    expect(rig.core.role).toBe('follower');
  });

  it('a learner does not stand, nor does a member that opened empty, until its own log names it a voter', () => {
    const rig = follower([]);
    rig.pass(20 * ELECTION_MS);
    rig.step(append({ entries: [entry(1, { ...OLD, voters: [2, 3], learners: [1] })] }));
    rig.pass(20 * ELECTION_MS);
    rig.step({ kind: 'timeout-now', group: 1, from: 2, to: 1, term: 1, lastIndex: 1, lastTerm: 1 });
    expect(rig.core.electionsStarted).toBe(0);
    expect(rig.core.role).toBe('follower');
    rig.step(append({ prevIndex: 1, prevTerm: 1, entries: [entry(2, { ...OLD, votersOld: [2, 3] })] }));
    rig.pass(2 * ELECTION_MS);
    expect(rig.core.role).toBe('pre-candidate');
  });

  it('leadership is handed to no learner', () => {
    const rig = leader();
    rig.change({ voters: [1, 2, 3], learners: [4] });
    settle(rig, [2, 4]);
    expect([rig.transfer(4), rig.transfer(2)]).toEqual([false, true]);
  });

  it('not even home: the preferred leader gets leadership once it votes', () => {
    const rig = leader([1, 2, 3], 4);
    rig.change({ voters: [1, 2, 3], learners: [4] });
    const beat = (): Message[] => {
      rig.pass(HEARTBEAT_MS);
      const sent = rig.takeSent();
      for (const member of [2, 3, 4]) agree(rig, member, sent);
      return sent;
    };
    settle(rig, [2, 3, 4]);
    for (let i = 0; i < 5; i++) expect(ofKind(beat(), 'timeout-now')).toEqual([]);
    rig.change({ voters: [1, 2, 3, 4], learners: [] });
    settle(rig, [2, 3, 4]);
    const later = [...beat(), ...beat()];
    expect(ofKind(later, 'timeout-now').map(({ to }) => to)).toEqual([4]);
  });

  it('while joint, leadership is handed to the new voters alone', () => {
    const rig = leader();
    rig.change({ voters: [1, 4, 5], learners: [] });
    expect([rig.transfer(2), rig.transfer(4)]).toEqual([false, true]);
  });

  it('what a learner has acknowledged counts from the moment it votes', () => {
    const rig = leader();
    rig.change({ voters: [1, 2, 3], learners: [4, 5] });
    settle(rig, [2, 4, 5]);
    rig.change({ voters: [1, 4, 5], learners: [] });
    settle(rig, [2, 4]);
    expect(rig.core.committedMembership.membership).toEqual(NEW);
  });

  it('a voter can become a learner: it votes until the joint membership is left', () => {
    const rig = leader();
    rig.change({ voters: [1, 2], learners: [3] });
    expect(rig.core.membership).toEqual({ voters: [1, 2], votersOld: [1, 2, 3], learners: [3] });
    settle(rig, [2, 3]);
    expect(rig.core.membership).toEqual({ voters: [1, 2], votersOld: [], learners: [3] });
  });
});

describe('§6 the leader may not be part of the new configuration', () => {
  const leaving = (): Rig => {
    const rig = leader();
    rig.change({ voters: [2, 3], learners: [] });
    const sent = rig.takeSent();
    agree(rig, 2, sent);
    agree(rig, 3, sent);
    expect(rig.core.membership).toEqual({ voters: [2, 3], votersOld: [], learners: [] });
    return rig;
  };

  it('it does not count itself in majorities', () => {
    const rig = leaving();
    agree(rig, 2, rig.takeSent());
    expect([rig.core.role, rig.core.commitIndex]).toEqual(['leader', 2]);
  });

  it('it steps down once it has committed the new one, after it told the others, and one of them goes ahead', () => {
    const rig = leaving();
    const sent = rig.takeSent();
    agree(rig, 2, sent);
    agree(rig, 3, sent);
    expect([rig.core.role, rig.core.commitIndex, rig.core.term]).toEqual(['follower', 3, 1]);
    const last = rig.takeSent();
    expect(ofKind(last, 'append').map(({ to, commit }) => [to, commit])).toEqual([
      [2, 3],
      [3, 3],
    ]);
    expect(last.at(-1)?.kind).toBe('timeout-now');
    rig.pass(20 * ELECTION_MS);
    expect(rig.takeSent()).toEqual([]);
  });

  it('with entries that its heir lacks, it waits for those, at most an election timeout, and takes no more', () => {
    const rig = leaving();
    const sent = rig.takeSent();
    rig.propose('late');
    agree(rig, 2, sent);
    agree(rig, 3, sent);
    expect([rig.core.role, rig.core.commitIndex, rig.core.lastIndex]).toEqual(['leader', 3, 4]);
    expect([rig.propose('later'), rig.change({ voters: [1], learners: [] })]).toEqual([
      'transferring',
      'transferring',
    ]);
    for (let i = 0; i < ELECTION_MS / HEARTBEAT_MS; i++) {
      const beats = rig.takeSent().filter(({ kind }) => kind === 'heartbeat');
      for (const member of [2, 3]) agree(rig, member, beats);
      rig.pass(HEARTBEAT_MS);
    }
    rig.pass(HEARTBEAT_MS);
    expect(rig.core.role).toBe('follower');
  });

  it('thesis 4.2.2: one that only its uncommitted, newest configuration leaves out still stands', () => {
    const rig = follower();
    rig.step(append({ entries: [entry(1, { ...JOINT, voters: [4, 5] }), entry(2, WITHOUT_US)], commit: 1 }));
    rig.pass(2 * ELECTION_MS);
    expect(receiversOf(ofKind(rig.takeSent(), 'vote'))).toEqual([4, 5]);
    rig.step(voteResponse({ from: 4, term: 2, pre: true }));
    expect(rig.core.role).toBe('pre-candidate');
    rig.step(voteResponse({ from: 5, term: 2, pre: true }));
    expect(rig.core.role).toBe('candidate');
  });

  it('and no more once it knows that to be committed', () => {
    const rig = follower();
    rig.step(append({ entries: [entry(1, { ...JOINT, voters: [4, 5] }), entry(2, WITHOUT_US)], commit: 2 }));
    rig.pass(20 * ELECTION_MS);
    expect([rig.core.role, rig.core.nextDeadlineMs()]).toEqual(['follower', Infinity]);
  });

  it('those left out get the last entry, and are told of its commit', () => {
    const rig = leader();
    rig.change({ voters: [1, 2], learners: [] });
    let sent = rig.takeSent();
    agree(rig, 2, sent);
    agree(rig, 3, sent);
    sent = rig.takeSent();
    expect(
      appendsTo(sent, 3)
        .at(-1)
        ?.entries.map(({ index }) => index),
    ).toEqual([3]);
    agree(rig, 2, sent);
    expect(appendsTo(rig.takeSent(), 3).at(-1)?.commit).toBe(3);
    expect(rig.core.progress().map(({ member }) => member)).toEqual([2]);
  });
});

describe('thesis 4.1: messages are taken whatever the own configuration says', () => {
  it('a server accepts entries from a leader that is not part of its configuration', () => {
    const rig = follower();
    rig.step(append({ from: 9, entries: entriesOf([1]) }));
    expect([rig.core.leader, rig.core.lastIndex]).toEqual([9, 1]);
  });

  it('a server grants its vote to a candidate that is not part of its configuration', () => {
    const rig = follower();
    rig.nowMs = 2 * ELECTION_MS;
    rig.step(vote({ from: 9, term: 2 }));
    expect(grants(rig)).toEqual([true]);
  });

  it('a learner grants its vote: whoever asks knows more', () => {
    const rig = follower([]);
    rig.step(append({ entries: [entry(1, { ...OLD, voters: [2, 3], learners: [1] })] }));
    rig.nowMs = 3 * ELECTION_MS;
    rig.takeSent();
    rig.step(vote({ from: 3, term: 2, lastIndex: 2, lastTerm: 1 }));
    expect(grants(rig)).toEqual([true]);
  });

  it('but the answers that count are those of voters', () => {
    const rig = follower();
    rig.pass(ELECTION_MS);
    for (const from of [4, 5]) rig.step(voteResponse({ from, term: 1, pre: true }));
    expect(rig.core.role).toBe('pre-candidate');
  });

  it('§4.2.3: a server that hears its leader is not disturbed by one that was removed', () => {
    const rig = follower();
    rig.step(append({ entries: [entry(1, { ...OLD, voters: [1, 2] })] }));
    rig.takeSent();
    rig.step(vote({ from: 3, term: 9, lastIndex: 9, lastTerm: 1 }));
    expect([rig.core.term, grants(rig)]).toEqual([1, [false]]);
  });
});

describe('one voter and many', () => {
  const alone = (): Rig => {
    let draws = 0;
    const rig = new Rig({ self: 1, voters: [1], random: () => (draws++ % 100) / 100 });
    rig.pass(ELECTION_MS);
    expect(rig.core.leaseUntilMonotonicMs).toBe(Infinity);
    return rig;
  };

  it('the lease of the only voter ends with the entry that gives it company', () => {
    const rig = alone();
    rig.change({ voters: [1], learners: [2, 3] });
    expect(rig.core.leaseUntilMonotonicMs).toBe(Infinity);
    rig.change({ voters: [1, 2, 3], learners: [] });
    expect(rig.core.leaseUntilMonotonicMs).toBe(0);
    settle(rig, [2]);
    expect(rig.core.leaseUntilMonotonicMs).toBe(ELECTION_MS + 0.9 * ELECTION_MS);
  });

  it('it reads by ReadIndex meanwhile, confirmed by both configurations', () => {
    const rig = alone();
    rig.change({ voters: [1, 2, 3], learners: [] });
    rig.read();
    expect(rig.reads).toEqual([]);
    settle(rig, [2]);
    expect(rig.reads).toHaveLength(1);
  });

  it('the last voter needs nobody, and holds its lease for ever', () => {
    const rig = leader();
    rig.change({ voters: [1], learners: [] });
    settle(rig, [2]);
    expect([rig.core.membership.voters, rig.core.leaseUntilMonotonicMs]).toEqual([[1], Infinity]);
    rig.propose('x');
    expect(rig.core.commitIndex).toBe(4);
    rig.pass(20 * ELECTION_MS);
    expect(rig.core.role).toBe('leader');
  });

  it('not even the last voter gets a lease again in a term in which TimeoutNow was sent', () => {
    const rig = leader();
    expect(rig.transfer(2)).toBe(true);
    rig.pass(ELECTION_MS - 1);
    settle(rig, [2, 3]);
    rig.pass(HEARTBEAT_MS);
    settle(rig, [2, 3]);
    expect(rig.change({ voters: [1], learners: [] })).toBe('proposed');
    settle(rig, [2]);
    expect([rig.core.membership.voters, rig.core.leaseUntilMonotonicMs]).toEqual([[1], 0]);
  });
});

describe('leases and reads across changes', () => {
  it('the lease goes on over the change; rounds acknowledged by too few do not renew it', () => {
    const rig = leader();
    rig.pass(HEARTBEAT_MS);
    settle(rig, [2]);
    const until = rig.core.leaseUntilMonotonicMs;
    rig.change({ voters: [1, 4, 5], learners: [] });
    expect(rig.core.leaseUntilMonotonicMs).toBe(until);
    rig.pass(HEARTBEAT_MS);
    for (const beat of ofKind(rig.takeSent(), 'heartbeat')) if (beat.to === 2) agree(rig, 2, [beat]);
    expect(rig.core.leaseUntilMonotonicMs).toBe(until);
    rig.pass(HEARTBEAT_MS);
    for (const beat of ofKind(rig.takeSent(), 'heartbeat')) agree(rig, beat.to, [beat]);
    expect(rig.core.leaseUntilMonotonicMs).toBeGreaterThan(until);
  });

  it('a member that comes, and has acknowledged no round for long, takes nothing back', () => {
    const rig = leader();
    rig.change({ voters: [1, 2, 3], learners: [4] });
    const sent = rig.takeSent();
    for (const member of [2, 3, 4]) agree(rig, member, sent);
    // So many rounds that early ones are forgotten.
    for (let i = 0; i < 100; i++) {
      rig.pass(HEARTBEAT_MS);
      settle(rig, [2, 3]);
    }
    const until = rig.core.leaseUntilMonotonicMs;
    rig.change({ voters: [1, 4], learners: [] });
    settle(rig, [2, 3]);
    expect(rig.core.leaseUntilMonotonicMs).toBe(until);
    settle(rig, [4]);
    expect(rig.core.membership.voters).toEqual([1, 4]);
  });

  it('CheckQuorum asks for both while joint', () => {
    const rig = leader();
    rig.change({ voters: [1, 4, 5], learners: [] });
    for (let i = 0; i <= ELECTION_MS / HEARTBEAT_MS; i++) {
      const beats = ofKind(rig.takeSent(), 'heartbeat');
      for (const member of [2, 3]) agree(rig, member, beats);
      rig.pass(HEARTBEAT_MS);
    }
    expect(rig.core.role).toBe('follower');
  });
});

describe('sessions (correctness.md 1.2, #13)', () => {
  it('a member that is removed and comes back has another: what it answered before says nothing', () => {
    const rig = leader();
    rig.propose('x');
    const late = appendsTo(rig.takeSent(), 3)[0];
    rig.change({ voters: [1, 2], learners: [] });
    settle(rig, [2]);
    expect(rig.core.progress().map(({ member }) => member)).toEqual([2]);
    rig.change({ voters: [1, 2], learners: [3] });
    rig.step(accepted(late));
    expect(rig.core.progress().find(({ member }) => member === 3)).toMatchObject({
      state: 'probe',
      match: 0,
    });
  });

  it('a member that stays keeps its own', () => {
    const rig = leader();
    rig.propose('x');
    const late = appendsTo(rig.takeSent(), 3)[0];
    rig.change({ voters: [1, 2, 3], learners: [4] });
    rig.step(accepted(late));
    expect(rig.core.progress().find(({ member }) => member === 3)?.match).toBe(2);
  });

  it('answers of those who are no members count for nothing', () => {
    const rig = leader();
    rig.propose('x');
    const sent = rig.takeSent();
    rig.step({ ...accepted(appendsTo(sent, 3)[0]), from: 4 });
    rig.step({ ...accepted(appendsTo(sent, 3)[0]), from: 4, term: 7 });
    expect([rig.core.commitIndex, rig.core.role]).toEqual([1, 'leader']);
  });
});

describe('§7 the configuration in snapshots', () => {
  const chunk = (membership: Membership): SnapshotChunk => ({
    kind: 'snapshot',
    group: 1,
    from: 2,
    to: 1,
    term: 2,
    session: 9,
    round: 1,
    timeMs: 0,
    snapshot: { index: 5, term: 2, membership },
    snapshotId: 5,
    offset: 0,
    totalBytes: 4,
    data: Buffer.from('abcd'),
  });

  it('#18: it wins over what the log said that it takes the place of', () => {
    const rig = follower();
    rig.step(append({ entries: [entry(1, JOINT)] }));
    rig.step(chunk({ ...OLD, learners: [4] }));
    expect([rig.core.membership, rig.core.lastIndex]).toEqual([{ ...OLD, learners: [4] }, 5]);
    expect(rig.core.committedMembership).toEqual({ index: 5, membership: { ...OLD, learners: [4] } });
    rig.restart();
    expect(rig.core.membership).toEqual({ ...OLD, learners: [4] });
  });

  it('a member that opened empty learns it from there', () => {
    const rig = follower([]);
    rig.step(chunk(OLD));
    expect(rig.core.membership).toEqual(OLD);
    rig.step(heartbeat({ term: 2 }));
    rig.pass(2 * ELECTION_MS);
    expect(rig.core.role).toBe('pre-candidate');
  });

  it('one that the log holds already leaves the log, and what it says later, in place', () => {
    const rig = follower();
    rig.step(append({ term: 2, entries: [...entriesOf([2, 2, 2, 2, 2]), entry(6, JOINT, 2)] }));
    rig.step(chunk(OLD));
    expect([rig.core.membership, rig.core.lastIndex]).toEqual([JOINT, 6]);
  });
});
