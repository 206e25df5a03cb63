import { describe, expect, it } from 'vitest';

import { accepted, agree, append, heard, heartbeat, ofKind, vote, voteResponse } from './messages.ts';
import { ELECTION_MS, HEARTBEAT_MS, Rig, entriesOf, restoredWith } from './rig.ts';

/** Classes of bugs that Raft implementations really had (correctness.md 1.2), and the histories' rules. Member 1 is the one tested. */
function follower(terms: readonly number[] = []): Rig {
  return new Rig({ self: 1, voters: [1, 2, 3], startMs: 0 }, restoredWith(terms, terms.at(-1) ?? 0));
}

function leader(
  options: { voters?: number[]; preferredLeader?: number; maxUncommittedBytes?: number } = {},
): Rig {
  const rig = new Rig({ self: 1, voters: [1, 2, 3], ...options });
  rig.pass(ELECTION_MS);
  for (let i = 0; i < 3; i++) agree(rig, 2, rig.takeSent());
  expect(rig.core.readable).toBe(true);
  rig.takeSent();
  return rig;
}

function agreeAll(rig: Rig): void {
  const sent = rig.takeSent();
  for (const voter of [2, 3]) agree(rig, voter, sent);
}

/** All that there is lies on all three disks. */
function ledByAll(options: { maxUncommittedBytes: number }): Rig {
  const rig = leader(options);
  rig.pass(HEARTBEAT_MS);
  for (let i = 0; i < 3; i++) agreeAll(rig);
  return rig;
}

const grants = (rig: Rig) => ofKind(rig.takeSent(), 'vote-response').map(({ granted }) => granted);

describe('promises to a leader', () => {
  it('§4.2.3: a member that heard a leader within the election timeout refuses votes and pre-votes, and keeps its term', () => {
    const rig = follower();
    rig.nowMs = 1000;
    rig.step(heartbeat({ from: 2 }));
    rig.takeSent();
    rig.nowMs += ELECTION_MS - 1;
    rig.step(vote({ from: 3, term: 5, pre: true, lastIndex: 9, lastTerm: 4 }));
    rig.step(vote({ from: 3, term: 5, lastIndex: 9, lastTerm: 4 }));
    expect(grants(rig)).toEqual([false, false]);
    expect(rig.core.term).toBe(1);
    rig.nowMs += 1;
    rig.step(vote({ from: 3, term: 5, lastIndex: 9, lastTerm: 4 }));
    expect(grants(rig)).toEqual([true]);
  });

  it('a leader refuses them too', () => {
    const rig = leader();
    rig.step(vote({ from: 3, term: 5, lastIndex: 9, lastTerm: 4 }));
    expect([rig.core.role, rig.core.term]).toEqual(['leader', 1]);
  });

  it('a vote that a transfer asks for is not bound by them', () => {
    const rig = follower();
    rig.nowMs = 1000;
    rig.step(heartbeat({ from: 2 }));
    rig.takeSent();
    rig.step(vote({ from: 3, term: 2, transfer: true }));
    expect(grants(rig)).toEqual([true]);
  });

  it('histories, 7: a member that has just started grants nothing for an election timeout, a transfer excepted', () => {
    const rig = follower();
    rig.nowMs = ELECTION_MS - 1;
    rig.step(vote({ from: 3, term: 2, pre: true }));
    rig.step(vote({ from: 3, term: 2 }));
    expect(grants(rig)).toEqual([false, false]);
    rig.step(vote({ from: 3, term: 2, transfer: true }));
    expect(grants(rig)).toEqual([true]);
  });

  it('a member that has just started does not vote for itself either, TimeoutNow excepted', () => {
    const rig = follower();
    rig.pass(ELECTION_MS - 1);
    expect(rig.core.role).toBe('follower');
    rig.step(heartbeat({ from: 2 }));
    rig.step({ kind: 'timeout-now', group: 1, from: 2, to: 1, term: 1, lastIndex: 0, lastTerm: 0 });
    expect([rig.core.role, rig.core.term]).toEqual(['candidate', 2]);
  });
});

describe('a start after the election timeout was made shorter (histories, 7)', () => {
  const HOLD_MS = 5 * ELECTION_MS;

  it('is bound by the longer promise that it may have given before: no vote, not for itself either', () => {
    const rig = new Rig({ self: 1, voters: [1, 2, 3], startMs: 0, startHoldMs: HOLD_MS });
    rig.pass(HOLD_MS / 2);
    rig.step(heartbeat({ from: 2 }));
    rig.takeSent();
    rig.pass(HOLD_MS / 2 - 1);
    rig.step(vote({ from: 3, term: 2, pre: true }));
    expect([grants(rig), rig.core.role]).toEqual([[false], 'follower']);
    rig.pass(1);
    expect(rig.core.role).toBe('pre-candidate');
  });
});

describe('PreVote (§9.6)', () => {
  it('raises no term by asking', () => {
    const rig = follower([1]);
    rig.pass(20 * ELECTION_MS);
    expect([rig.core.role, rig.core.term]).toEqual(['pre-candidate', 1]);
  });

  it('a pre-vote binds nobody: another may be granted, and the vote itself is free', () => {
    const rig = follower();
    rig.nowMs = ELECTION_MS;
    rig.step(vote({ from: 2, term: 1, pre: true }));
    rig.step(vote({ from: 3, term: 1, pre: true }));
    rig.step(vote({ from: 3, term: 1 }));
    expect(grants(rig)).toEqual([true, true, true]);
    expect(rig.core.term).toBe(1);
  });

  it('is granted only for a later term than the own', () => {
    const rig = follower([3]);
    rig.nowMs = ELECTION_MS;
    rig.step(vote({ from: 2, term: 3, pre: true, lastIndex: 9, lastTerm: 3 }));
    expect(grants(rig)).toEqual([false]);
  });
});

describe('CheckQuorum', () => {
  it('a leader that hears no quorum within an election timeout steps down, and says that its reads are lost', () => {
    const rig = leader();
    rig.read();
    rig.pass(ELECTION_MS + HEARTBEAT_MS);
    expect([rig.core.role, rig.core.term, rig.readsLost]).toEqual(['follower', 1, 1]);
    expect(rig.propose('x')).toBe('not-leader');
  });

  it('a leader that a quorum answers goes on', () => {
    const rig = leader();
    for (let i = 0; i < 30; i++) {
      rig.pass(HEARTBEAT_MS);
      agree(rig, 2, rig.takeSent());
    }
    expect(rig.core.role).toBe('leader');
  });
});

describe('leadership transfer (#5)', () => {
  it('TimeoutNow is obeyed only in its term, from its leader, and with the whole log', () => {
    const told = {
      kind: 'timeout-now',
      group: 1,
      from: 2,
      to: 1,
      term: 1,
      lastIndex: 1,
      lastTerm: 1,
    } as const;
    const rig = follower();
    rig.step(append({ from: 2, entries: entriesOf([1]) }));
    rig.step({ ...told, from: 3 });
    rig.step({ ...told, lastIndex: 2 });
    rig.step({ ...told, term: 0 });
    rig.step({ ...told, to: 3 });
    expect(rig.core.role).toBe('follower');
    rig.step(told);
    expect(rig.core.role).toBe('candidate');
  });

  it('waits until the target has everything; proposals are refused meanwhile, for an election timeout at most', () => {
    const rig = leader();
    rig.propose('x');
    const sent = rig.takeSent();
    expect(rig.transfer(2)).toBe(true);
    expect(rig.propose('y')).toBe('transferring');
    expect(ofKind(rig.takeSent(), 'timeout-now')).toEqual([]);
    agree(rig, 2, sent);
    expect(ofKind(rig.takeSent(), 'timeout-now')).toMatchObject([{ to: 2, lastIndex: 2, lastTerm: 1 }]);
    for (let i = 0; i < 7; i++) {
      rig.pass(HEARTBEAT_MS);
      agree(rig, 3, rig.takeSent());
    }
    expect(rig.propose('y')).toBe('proposed');
  });

  it('refuses who is no voter, and members that do not lead', () => {
    expect(leader().transfer(9)).toBe(false);
    expect(follower().transfer(2)).toBe(false);
  });

  it('goes to the preferred member when it is caught up and lately heard, and not again at once', () => {
    const rig = leader({ preferredLeader: 2 });
    const toldAt: number[] = [];
    for (let i = 0; i < 100; i++) {
      rig.pass(HEARTBEAT_MS);
      const sent = rig.takeSent();
      if (ofKind(sent, 'timeout-now').length > 0) toldAt.push(rig.nowMs);
      agree(rig, 2, sent);
    }
    expect(toldAt.length).toBeGreaterThan(1);
    const waits = toldAt.slice(1).map((atMs, i) => atMs - toldAt[i]);
    expect(waits[0]).toBeGreaterThanOrEqual(2 * ELECTION_MS);
    for (let i = 1; i < waits.length; i++) expect(waits[i]).toBeGreaterThan(1.5 * waits[i - 1]);
  });

  it('does not go back at once to a preferred member that has handed it over: it is stopping', () => {
    const rig = new Rig({ self: 1, voters: [1, 2, 3], preferredLeader: 2 }, restoredWith([1], 1));
    rig.pass(10);
    rig.step(heartbeat({ from: 2 }));
    rig.step({ kind: 'timeout-now', group: 1, from: 2, to: 1, term: 1, lastIndex: 1, lastTerm: 1 });
    for (let i = 0; i < 3; i++) agree(rig, 3, rig.takeSent());
    expect(rig.core.readable).toBe(true);
    const ledSinceMs = rig.nowMs;
    let toldMs = 0;
    for (let i = 0; i < 100 && toldMs === 0; i++) {
      const sent = rig.takeSent();
      if (ofKind(sent, 'timeout-now').length > 0) toldMs = rig.nowMs;
      agree(rig, 2, sent);
      agree(rig, 3, sent);
      rig.pass(HEARTBEAT_MS);
    }
    expect(toldMs - ledSinceMs).toBeGreaterThanOrEqual(8 * ELECTION_MS);
  });

  it('does not go to a preferred member that is silent', () => {
    const rig = leader({ preferredLeader: 3 });
    for (let i = 0; i < 20; i++) {
      rig.pass(HEARTBEAT_MS);
      const sent = rig.takeSent();
      expect(ofKind(sent, 'timeout-now')).toEqual([]);
      agree(rig, 2, sent);
    }
  });
});

describe('turns: members stand one after the other', () => {
  const SPREAD_MS = 200;
  const TURN_MS = SPREAD_MS / 2;
  const pre = (fields: object) => vote({ from: 3, term: 1, pre: true, ...fields });

  function preCandidate(self: number): Rig {
    const rig = new Rig({ self, voters: [1, 2, 3], electionSpreadMs: 0 });
    rig.pass(ELECTION_MS);
    expect(rig.core.role).toBe('pre-candidate');
    rig.takeSent();
    return rig;
  }

  it('the silent leader has none, the preferred member the first; who is first of the others changes with the term', () => {
    const waitsOf = (term: number, leader: number, preferredLeader: number) =>
      [1, 2, 3]
        .filter((self) => self !== leader)
        .map((self) => {
          const rig = new Rig({ self, voters: [1, 2, 3], electionSpreadMs: SPREAD_MS, preferredLeader });
          rig.step(heartbeat({ from: leader, to: self, term }));
          return rig.core.nextDeadlineMs() - ELECTION_MS;
        });
    expect(waitsOf(4, 1, 0)).toEqual([0, TURN_MS]);
    expect(waitsOf(5, 1, 0)).toEqual([TURN_MS, 0]);
    expect(waitsOf(4, 1, 3)).toEqual([TURN_MS, 0]);
    expect(waitsOf(5, 3, 3)).toEqual([TURN_MS, 0]);
  });

  it('who grants a pre-vote waits for the vote to be asked, once: its sender may be unable to win', () => {
    const rig = follower();
    rig.pass(ELECTION_MS - 1);
    rig.nowMs += 1;
    rig.step(pre({}));
    expect(rig.core.nextDeadlineMs()).toBe(rig.nowMs + 1.5 * HEARTBEAT_MS);
    rig.nowMs += HEARTBEAT_MS;
    rig.step(pre({}));
    expect(rig.core.nextDeadlineMs()).toBe(rig.nowMs + 0.5 * HEARTBEAT_MS);
    expect(grants(rig)).toEqual([true, true]);
  });

  it('of those that ask at once the first goes on, in its first try, and the others give way', () => {
    const first = preCandidate(1);
    first.step(pre({ from: 2 }));
    first.step(pre({ from: 3 }));
    first.pass(HEARTBEAT_MS / 2);
    first.step(pre({ from: 3 }));
    expect(grants(first)).toEqual([false, false, true]);
    const second = preCandidate(2);
    second.step(pre({ from: 1, to: 2 }));
    expect([grants(second), second.core.role]).toEqual([[true], 'follower']);
  });

  it('but never to who has the longer log', () => {
    const rig = preCandidate(1);
    rig.step(pre({ lastIndex: 1, lastTerm: 0 }));
    expect(grants(rig)).toEqual([true]);
  });

  it('a candidate that is refused a vote tries again soon, in its turn, and waits for longer if that fails, too', () => {
    const rig = follower();
    const waits: number[] = [];
    rig.pass(ELECTION_MS);
    for (let attempt = 0; attempt < 3; attempt++) {
      expect(rig.core.role).toBe('pre-candidate');
      rig.step(voteResponse({ from: 3, term: rig.core.term + 1, pre: true }));
      expect(rig.core.role).toBe('candidate');
      rig.step(voteResponse({ from: 3, term: rig.core.term, granted: false }));
      waits.push(rig.core.nextDeadlineMs() - rig.nowMs);
      rig.pass(waits[attempt]);
    }
    expect(waits).toEqual([HEARTBEAT_MS, ELECTION_MS, ELECTION_MS]);
  });

  it('a candidate that nobody answers yet waits a whole election timeout: disks may be slow', () => {
    const rig = follower();
    rig.pass(ELECTION_MS);
    rig.step(voteResponse({ from: 3, term: 1, pre: true }));
    expect(rig.core.nextDeadlineMs() - rig.nowMs).toBe(ELECTION_MS);
  });

  it('a refused pre-vote is asked again soon, many times, then less often', () => {
    const rig = new Rig({ self: 1, voters: [1, 2, 3], electionSpreadMs: SPREAD_MS, random: () => 0.5 });
    const waits: number[] = [];
    rig.pass(rig.core.nextDeadlineMs());
    for (let attempt = 0; attempt < 20; attempt++) {
      const waitMs = rig.core.nextDeadlineMs() - rig.nowMs;
      waits.push(waitMs);
      rig.pass(waitMs);
    }
    expect(new Set(waits.slice(0, 16).map(Math.round))).toEqual(new Set([0.75 * HEARTBEAT_MS]));
    expect(Math.round(waits[19])).toBe(HEARTBEAT_MS + SPREAD_MS / 2);
  });
});

describe('whose message it is', () => {
  it('#13: a response with another session is dropped, whatever it says', () => {
    const rig = leader();
    rig.propose('x');
    const [request] = ofKind(rig.takeSent(), 'append');
    rig.step({ ...accepted(request), session: request.session + 1 });
    rig.step({ ...accepted(request), session: request.session + 1, term: 9 });
    expect([rig.core.commitIndex, rig.core.role]).toEqual([1, 'leader']);
    rig.step(accepted(request));
    expect(rig.core.commitIndex).toBe(2);
  });

  it('sessions are drawn for each peer and term', () => {
    let draws = 0;
    const random = () => (draws++ % 100) / 100;
    const rig = new Rig({ self: 1, voters: [1, 2, 3], random });
    rig.pass(2 * ELECTION_MS);
    for (let i = 0; i < 2; i++) agree(rig, 2, rig.takeSent());
    const beats = ofKind(rig.takeSent(), 'heartbeat');
    expect(new Set(beats.map(({ session }) => session)).size).toBe(2);
  });

  it('histories, 9: a message to another group or member is dropped; a stranger may ask for a vote', () => {
    const rig = follower();
    rig.nowMs = ELECTION_MS;
    rig.step(vote({ from: 2, term: 1, group: 2 }));
    rig.step(vote({ from: 2, term: 1, to: 3 }));
    expect(rig.takeSent()).toEqual([]);
    rig.step(vote({ from: 77, term: 1 }));
    expect(grants(rig)).toEqual([true]);
  });

  it("a stranger's vote does not count", () => {
    const rig = follower();
    rig.pass(ELECTION_MS);
    rig.step(voteResponse({ from: 77, term: 1, pre: true }));
    expect(rig.core.role).toBe('pre-candidate');
  });
});

describe('what is durable', () => {
  it('#8: the only voter acknowledges nothing before its disk has it', () => {
    const rig = new Rig({ self: 1, voters: [1] });
    rig.pass(ELECTION_MS);
    rig.isDiskFast = false;
    rig.propose('x');
    expect(rig.core.commitIndex).toBe(1);
    rig.persist();
    expect(rig.core.commitIndex).toBe(2);
  });

  it('#12: a late answer about an entry that was rewritten since says nothing (the ABA race)', () => {
    const rig = follower();
    rig.isDiskFast = false;
    const first = entriesOf([1, 1]);
    rig.step(append({ from: 2, term: 1, entries: first }));
    // Replaced in term 2, and written a third time, the same as at first, in term 3.
    rig.step(append({ from: 3, term: 2, entries: entriesOf([2, 2]) }));
    rig.step(append({ from: 2, term: 3, entries: first }));
    rig.persist();
    rig.step({ kind: 'timeout-now', group: 1, from: 2, to: 1, term: 3, lastIndex: 2, lastTerm: 1 });
    expect(rig.core.role).toBe('candidate');
    // Only the third write's answer frees the acknowledgement in term 3.
    expect(ofKind(rig.takeSent(), 'append-response').map(({ term }) => term)).toEqual([1]);
    rig.persist();
    expect(ofKind(rig.takeSent(), 'append-response').map(({ term }) => term)).toEqual([2]);
    rig.persist();
    expect(ofKind(rig.takeSent(), 'append-response').map(({ term, index }) => [term, index])).toEqual([
      [3, 2],
    ]);
  });

  it('what a majority committed may be compacted before the own disk has it, and is neither lost nor counted', () => {
    const rig = leader();
    rig.isDiskFast = false;
    rig.propose('x');
    rig.propose('y');
    for (let i = 0; i < 4; i++) {
      rig.pass(HEARTBEAT_MS);
      const sent = rig.takeSent();
      agree(rig, 2, sent);
      agree(rig, 3, sent);
    }
    expect([rig.core.commitIndex, rig.disk.recover().entries.length]).toEqual([3, 1]);
    rig.core.compact(3);
    expect([rig.core.firstIndex, rig.core.lastIndex]).toEqual([4, 3]);
    rig.propose('z');
    for (let i = 0; i < 3; i++) rig.persist();
    expect(rig.disk.recover().entries.map(({ index }) => index)).toEqual([1, 2, 3, 4]);
    rig.restart();
    expect([rig.core.lastIndex, rig.core.firstIndex]).toEqual([4, 1]);
  });

  it('#12: nor does the leader count itself by it', () => {
    const rig = new Rig({ self: 1, voters: [1, 2, 3] }, restoredWith([1], 1));
    rig.isDiskFast = false;
    rig.step(append({ from: 2, term: 1, prevIndex: 1, prevTerm: 1, entries: entriesOf([1, 1, 1], 2) }));
    rig.step(append({ from: 3, term: 2, prevIndex: 1, prevTerm: 1, entries: entriesOf([2], 2) }));
    rig.step({ kind: 'timeout-now', group: 1, from: 3, to: 1, term: 2, lastIndex: 2, lastTerm: 2 });
    rig.step(voteResponse({ from: 3, term: 3 }));
    rig.step(voteResponse({ from: 2, term: 3 }));
    expect(rig.core.role).toBe('leader');
    const noop = ofKind(rig.takeSent(), 'append').find(({ to }) => to === 3);
    if (noop === undefined) expect.fail('the no-op goes out');
    rig.step(accepted(noop));
    for (const commit of [0, 0, 0, 3]) {
      rig.persist();
      expect(rig.core.commitIndex).toBe(commit);
    }
  });

  it('#9: an earlier write that is done does not make the own vote durable', () => {
    const rig = follower();
    rig.isDiskFast = false;
    rig.step(append({ from: 2, entries: entriesOf([1]) }));
    rig.step({ kind: 'timeout-now', group: 1, from: 2, to: 1, term: 1, lastIndex: 1, lastTerm: 1 });
    rig.step(voteResponse({ from: 2, term: 2 }));
    rig.persist();
    expect(rig.core.role).toBe('candidate');
    rig.persist();
    expect(rig.core.role).toBe('leader');
  });

  it('#7: after a restart no read before the own-term commit', () => {
    const rig = leader({ voters: [1] });
    expect(rig.hasLease()).toBe(true);
    rig.restart();
    expect([rig.read(), rig.hasLease(), rig.core.readable]).toEqual([0, false, false]);
  });

  it('the commit index on disk never points beyond what is durable', () => {
    const rig = follower();
    rig.isDiskFast = false;
    rig.step(append({ from: 2, entries: entriesOf([1, 1]), commit: 2 }));
    rig.persist();
    rig.restart();
    expect([rig.core.lastIndex, rig.core.commitIndex]).toEqual([2, 0]);
  });

  it('#19: a disk that contradicts itself stops the member', () => {
    const config = { ...restoredWith([1, 1], 1), hardState: { term: 1, vote: 0, commit: 3 } };
    expect(() => new Rig({ self: 1, voters: [1] }, config)).toThrow('within the log');
    expect(() => new Rig({ self: 1, voters: [1] }, restoredWith([3], 2))).toThrow('later term');
  });
});

describe('limits', () => {
  it('a full uncommitted log refuses proposals until entries commit', () => {
    const rig = leader({ maxUncommittedBytes: 150 });
    const outcomes = [
      rig.propose('aaaaaaaaaa'),
      rig.propose('bbbbbbbbbb'),
      rig.propose('cccccccccc'),
      rig.propose('d'),
    ];
    expect(outcomes).toEqual(['proposed', 'proposed', 'proposed', 'full']);
    agree(rig, 2, rig.takeSent());
    expect(rig.propose('d')).toBe('proposed');
  });

  it('what the own disk has not taken counts, too: followers commit without it', () => {
    const rig = ledByAll({ maxUncommittedBytes: 150 });
    rig.isDiskFast = false;
    const outcomes = ['aaaaaaaaaa', 'bbbbbbbbbb', 'cccccccccc', 'd'].map((text) => {
      const outcome = rig.propose(text);
      agreeAll(rig);
      return outcome;
    });
    expect(rig.core.commitIndex).toBe(rig.core.lastIndex);
    expect(outcomes).toEqual(['proposed', 'proposed', 'proposed', 'full']);
    rig.persist();
    expect(rig.propose('d')).toBe('proposed');
  });

  it('a leader whose disk is behind that of a majority hands over, before it is full', () => {
    const rig = ledByAll({ maxUncommittedBytes: 150 });
    rig.isDiskFast = false;
    rig.propose('aaaaaaaaaa');
    agreeAll(rig);
    rig.pass(HEARTBEAT_MS);
    expect(ofKind(rig.takeSent(), 'timeout-now')).toEqual([]);
    rig.propose('bbbbbbbbbb');
    agreeAll(rig);
    rig.pass(HEARTBEAT_MS);
    expect(ofKind(rig.takeSent(), 'timeout-now').map(({ to }) => to)).toEqual([2]);
  });

  it('one whose disk goes on stays, however much waits for it', () => {
    const rig = ledByAll({ maxUncommittedBytes: 150 });
    rig.isDiskFast = false;
    for (let beat = 0; beat < 4; beat++) {
      for (const text of ['aaaaaaaaaa', 'bbbbbbbbbb']) expect(rig.propose(text)).toBe('proposed');
      agreeAll(rig);
      rig.pass(HEARTBEAT_MS);
      expect(ofKind(rig.sent, 'timeout-now')).toEqual([]);
      for (let write = 0; write < 2; write++) rig.persist();
    }
  });

  it('one that the others cannot commit without stays', () => {
    const rig = leader({ maxUncommittedBytes: 150 });
    rig.isDiskFast = false;
    rig.propose('aaaaaaaaaa');
    rig.propose('bbbbbbbbbb');
    agree(rig, 2, rig.takeSent());
    rig.pass(HEARTBEAT_MS);
    expect(ofKind(rig.takeSent(), 'timeout-now')).toEqual([]);
  });

  it('#25: appends ahead of their answers are limited by number, and gathered into batches', () => {
    const rig = leader();
    for (let i = 0; i < 10; i++) rig.propose(`${i}`);
    const sent = ofKind(rig.takeSent(), 'append').filter(({ to }) => to === 2);
    expect(sent.map(({ entries }) => entries.length)).toEqual([1, 1, 1, 1]);
    rig.step(accepted(sent[0]));
    expect(ofKind(rig.takeSent(), 'append')[0].entries.length).toBe(6);
  });

  it('a heartbeat never tells a commit beyond what its receiver is known to hold', () => {
    const rig = leader();
    rig.pass(HEARTBEAT_MS);
    const beats = ofKind(rig.takeSent(), 'heartbeat');
    expect(beats.map(({ to, commit }) => [to, commit])).toEqual([
      [2, 1],
      [3, 0],
    ]);
    rig.step(heard(beats[0]));
  });
});

describe('log time (histories, 12)', () => {
  it("a new leader leads from its quorum's highest time and lowest wall clock, its own included", () => {
    const rig = follower();
    rig.timekeeper.observe(70);
    rig.pass(ELECTION_MS);
    agree(rig, 2, rig.takeSent());
    rig.step(voteResponse({ from: 2, term: 1, timeSeenMs: 5000, wallMs: 300 }));
    expect(rig.core.role).toBe('leader');
    expect(rig.timekeeper.led).toEqual({ highestMs: 5000, lowestWallMs: 300 });
  });

  it('votes carry the highest time seen; times are seen in heartbeats', () => {
    const rig = follower();
    rig.nowMs = 1000;
    rig.step(heartbeat({ timeMs: 777 }));
    rig.nowMs += ELECTION_MS;
    rig.step(vote({ from: 3, term: 2 }));
    expect(ofKind(rig.takeSent(), 'vote-response')[0]).toMatchObject({ timeSeenMs: 777, wallMs: rig.nowMs });
  });
});
