import { describe, expect, it } from 'vitest';

import { accepted, agree, append, heard, heartbeat, ofKind, vote, voteResponse } from './messages.ts';
import { ELECTION_MS, HEARTBEAT_MS, Rig, entriesOf, restoredWith, textOf } from './rig.ts';

/** Each test takes a sentence of "In Search of an Understandable Consensus Algorithm", extended version. Member 1 is the one tested. */
const THREE = [1, 2, 3];

function member(terms: readonly number[] = [], term = terms.at(-1) ?? 0, commit = 0): Rig {
  const rig = new Rig({ self: 1, voters: THREE }, restoredWith(terms, term, 0, commit));
  rig.nowMs = ELECTION_MS - 1;
  rig.takeSent();
  return rig;
}

/** Member 1 as a candidate, its requests sent. */
function candidate(terms: readonly number[] = [], term = terms.at(-1) ?? 0): Rig {
  const rig = member(terms, term);
  rig.pass(1);
  agree(rig, 2, rig.takeSent());
  expect(rig.core.role).toBe('candidate');
  return rig;
}

function leader(terms: readonly number[] = [], term = terms.at(-1) ?? 0): Rig {
  const rig = candidate(terms, term);
  agree(rig, 2, rig.takeSent());
  expect(rig.core.role).toBe('leader');
  return rig;
}

/** A leader whose no-op is committed by 2's answer. */
function readyLeader(): Rig {
  const rig = leader();
  agree(rig, 2, rig.takeSent());
  expect(rig.core.readable).toBe(true);
  return rig;
}

/** A member that starts at 0 may vote from ELECTION_MS on. */
function voter(terms: readonly number[] = [], term = terms.at(-1) ?? 0): Rig {
  const rig = member(terms, term);
  rig.nowMs = ELECTION_MS;
  return rig;
}

describe('§5.1 Raft basics', () => {
  it("if one server's current term is smaller than the other's, it updates its current term to the larger value", () => {
    const rig = voter([1]);
    rig.step(heartbeat({ term: 5 }));
    expect(rig.core.term).toBe(5);
    rig.step(append({ term: 7, prevIndex: 1, prevTerm: 1 }));
    expect(rig.core.term).toBe(7);
  });

  it('a vote request of a later term updates the term, granted or not', () => {
    const rig = voter([1, 3]);
    rig.step(vote({ term: 9, lastIndex: 1, lastTerm: 1 }));
    expect(rig.core.term).toBe(9);
    expect(ofKind(rig.takeSent(), 'vote-response')[0]).toMatchObject({ granted: false, term: 9 });
  });

  it('if a candidate discovers that its term is out of date, it immediately reverts to follower state', () => {
    const rig = candidate();
    rig.step(voteResponse({ term: 4, granted: false }));
    expect([rig.core.role, rig.core.term]).toEqual(['follower', 4]);
  });

  it('if a leader discovers that its term is out of date, it immediately reverts to follower state', () => {
    const rig = leader();
    const [request] = ofKind(rig.takeSent(), 'heartbeat');
    rig.step(heard(request, { term: 4 }));
    expect([rig.core.role, rig.core.term, rig.core.leader]).toEqual(['follower', 4, 0]);
  });

  it('if a server receives a request with a stale term number, it rejects the request', () => {
    const rig = voter([1], 3);
    rig.step(append({ term: 2, prevIndex: 1, prevTerm: 1, entries: entriesOf([2], 2) }));
    rig.step(vote({ term: 2, lastIndex: 9, lastTerm: 2 }));
    const sent = rig.takeSent();
    expect(sent.map(({ kind, term }) => [kind, term])).toEqual([
      ['heartbeat-response', 3],
      ['vote-response', 3],
    ]);
    expect(ofKind(sent, 'vote-response')[0].granted).toBe(false);
    expect(rig.core.lastIndex).toBe(1);
  });

  it('current terms survive: they are on disk before anything is answered (figure 2)', () => {
    const rig = voter();
    rig.isDiskFast = false;
    rig.step(heartbeat({ term: 5 }));
    expect(rig.takeSent()).toEqual([]);
    rig.persist();
    expect(ofKind(rig.takeSent(), 'heartbeat-response')[0].term).toBe(5);
    rig.restart();
    expect(rig.core.term).toBe(5);
  });
});

describe('§5.2 Leader election', () => {
  it('when servers start up, they begin as followers', () => {
    expect(member([1, 2]).core.role).toBe('follower');
  });

  it('a server remains in follower state as long as it receives valid RPCs from a leader', () => {
    const rig = voter();
    for (let i = 0; i < 20; i++) {
      rig.step(heartbeat({}));
      rig.pass(ELECTION_MS - 1);
    }
    expect([rig.core.role, rig.core.term]).toEqual(['follower', 1]);
  });

  it('leaders send periodic heartbeats to all followers', () => {
    const rig = readyLeader();
    rig.takeSent();
    rig.pass(HEARTBEAT_MS);
    expect(ofKind(rig.takeSent(), 'heartbeat').map(({ to }) => to)).toEqual([2, 3]);
    rig.pass(HEARTBEAT_MS);
    expect(ofKind(rig.takeSent(), 'heartbeat').length).toBe(2);
  });

  it('if a follower receives no communication over the election timeout, it begins an election', () => {
    const rig = voter();
    rig.step(heartbeat({}));
    rig.pass(ELECTION_MS - 1);
    expect(rig.core.role).toBe('follower');
    rig.pass(1);
    expect(rig.core.role).toBe('pre-candidate');
  });

  it('to begin an election, a follower increments its term, votes for itself, and asks all others', () => {
    const rig = candidate([1, 1, 2]);
    expect(rig.core.term).toBe(3);
    expect(ofKind(rig.takeSent(), 'vote')).toEqual([
      vote({ from: 1, to: 2, term: 3, lastIndex: 3, lastTerm: 2 }),
      vote({ from: 1, to: 3, term: 3, lastIndex: 3, lastTerm: 2 }),
    ]);
    rig.step(vote({ from: 3, term: 3, lastIndex: 9, lastTerm: 2 }));
    expect(ofKind(rig.takeSent(), 'vote-response')[0].granted).toBe(false);
  });

  it('a candidate wins an election if it receives votes from a majority in the full cluster for the same term', () => {
    const rig = new Rig({ self: 1, voters: [1, 2, 3, 4, 5] });
    rig.pass(ELECTION_MS);
    const sent = rig.takeSent();
    agree(rig, 2, sent);
    agree(rig, 3, sent);
    rig.step(voteResponse({ from: 2, term: 1 }));
    rig.step(voteResponse({ from: 2, term: 1 }));
    rig.step(voteResponse({ from: 4, term: 1, granted: false }));
    expect(rig.core.role).toBe('candidate');
    rig.step(voteResponse({ from: 3, term: 1 }));
    expect(rig.core.role).toBe('leader');
  });

  it('votes of another term do not count', () => {
    const rig = candidate([], 4);
    rig.step(voteResponse({ term: 4 }));
    expect(rig.core.role).toBe('candidate');
  });

  it('each server will vote for at most one candidate in a given term, first-come-first-served', () => {
    const rig = voter();
    rig.step(vote({ from: 2, term: 1 }));
    rig.step(vote({ from: 3, term: 1 }));
    rig.step(vote({ from: 2, term: 1 }));
    expect(ofKind(rig.takeSent(), 'vote-response').map((r) => r.granted)).toEqual([true, false, true]);
  });

  it('the vote survives a restart', () => {
    const rig = voter();
    rig.step(vote({ from: 2, term: 1 }));
    rig.restart();
    rig.nowMs += ELECTION_MS;
    rig.step(vote({ from: 3, term: 1 }));
    expect(ofKind(rig.takeSent(), 'vote-response')[0].granted).toBe(false);
  });

  it('so does one in a term that was known before', () => {
    const rig = voter([1]);
    rig.step(vote({ from: 3, term: 2 }));
    expect([rig.core.term, ofKind(rig.takeSent(), 'vote-response')[0].granted]).toEqual([2, false]);
    rig.step(vote({ from: 2, term: 2, lastIndex: 1, lastTerm: 1 }));
    expect(ofKind(rig.takeSent(), 'vote-response')[0].granted).toBe(true);
    rig.restart();
    rig.nowMs += ELECTION_MS;
    rig.step(vote({ from: 3, term: 2, lastIndex: 9, lastTerm: 1 }));
    expect(ofKind(rig.takeSent(), 'vote-response')[0].granted).toBe(false);
  });

  it('no vote leaves before it is on disk, nor does the own one count (figure 2)', () => {
    const rig = voter();
    rig.isDiskFast = false;
    rig.step(vote({ from: 2, term: 1 }));
    expect(rig.takeSent()).toEqual([]);
    rig.persist();
    expect(ofKind(rig.takeSent(), 'vote-response')[0].granted).toBe(true);
  });

  it('the requests of a candidate wait for its own vote to be on disk', () => {
    const rig = member();
    rig.isDiskFast = false;
    rig.pass(1);
    agree(rig, 2, rig.takeSent());
    expect(rig.core.role).toBe('candidate');
    expect(rig.takeSent()).toEqual([]);
    rig.step(voteResponse({ from: 2, term: 1 }));
    expect(rig.core.role).toBe('candidate');
    rig.persist();
    expect(rig.core.role).toBe('leader');
    expect(ofKind(rig.takeSent(), 'vote').length).toBe(2);
  });

  it('once a candidate wins an election, it sends heartbeat messages to all of the other servers', () => {
    const rig = leader();
    expect(ofKind(rig.takeSent(), 'heartbeat').map(({ to }) => to)).toEqual([2, 3]);
  });

  it("if the leader's term is at least as large as the candidate's, the candidate returns to follower state", () => {
    const rig = candidate();
    rig.step(append({ from: 3, term: 1 }));
    expect([rig.core.role, rig.core.leader]).toEqual(['follower', 3]);
  });

  it("if the term in the RPC is smaller than the candidate's, the candidate rejects it and continues", () => {
    const rig = candidate([], 3);
    rig.takeSent();
    rig.step(append({ from: 3, term: 3 }));
    expect([rig.core.role, rig.core.term]).toEqual(['candidate', 4]);
    expect(rig.takeSent()[0]).toMatchObject({ kind: 'heartbeat-response', term: 4, promiseMs: 0 });
  });

  it('when votes are split, each candidate times out and starts a new election', () => {
    const rig = candidate();
    rig.takeSent();
    rig.pass(ELECTION_MS);
    agree(rig, 3, rig.takeSent());
    expect([rig.core.role, rig.core.term]).toEqual(['candidate', 2]);
  });

  it('election timeouts are chosen randomly from a fixed interval, each member in a part of its own', () => {
    for (const draw of [0, 0.25, 0.999]) {
      const waits = THREE.map((self) => {
        const rig = new Rig({ self, voters: THREE, electionSpreadMs: 300, random: () => draw });
        return rig.core.nextDeadlineMs();
      });
      expect(waits).toEqual([0, 100, 200].map((turnMs) => ELECTION_MS + turnMs + draw * 50));
    }
  });
});

describe('§5.3 Log replication', () => {
  it('the leader appends the command to its log, then sends AppendEntries in parallel to each of the others', () => {
    const rig = leader();
    const first = rig.takeSent();
    agree(rig, 2, first);
    agree(rig, 3, first);
    rig.takeSent();
    // In parallel with its own disk, too (§10.2.1 of the thesis).
    rig.isDiskFast = false;
    expect(rig.propose('x')).toBe('proposed');
    expect(ofKind(rig.takeSent(), 'append').map(({ to, entries }) => [to, ...entries.map(textOf)])).toEqual([
      [2, 'x'],
      [3, 'x'],
    ]);
    expect(rig.core.lastIndex).toBe(2);
  });

  it('an entry is committed once the leader that created it has replicated it on a majority', () => {
    const rig = readyLeader();
    rig.takeSent();
    rig.propose('x');
    expect(rig.core.commitIndex).toBe(1);
    agree(rig, 2, rig.takeSent());
    expect(rig.core.commitIndex).toBe(2);
    expect(rig.applied.map(textOf)).toEqual(['-', 'x']);
  });

  it("the leader's own copy counts only once it is on disk", () => {
    const rig = readyLeader();
    rig.takeSent();
    rig.isDiskFast = false;
    rig.propose('x');
    agree(rig, 2, rig.takeSent());
    expect(rig.core.commitIndex).toBe(1);
    rig.persist();
    expect(rig.core.commitIndex).toBe(2);
  });

  it('followers that have it on disk are a majority without the leader', () => {
    const rig = leader();
    const first = rig.takeSent();
    agree(rig, 2, first);
    agree(rig, 3, first);
    rig.takeSent();
    rig.isDiskFast = false;
    rig.propose('x');
    const sent = rig.takeSent();
    agree(rig, 2, sent);
    expect(rig.core.commitIndex).toBe(1);
    agree(rig, 3, sent);
    expect(rig.core.commitIndex).toBe(2);
  });

  it("this also commits all preceding entries in the leader's log", () => {
    const rig = leader([1, 1, 2]);
    expect(rig.core.commitIndex).toBe(0);
    agree(rig, 2, rig.takeSent());
    expect(rig.core.commitIndex).toBe(4);
    expect(rig.applied.map(({ index }) => index)).toEqual([1, 2, 3, 4]);
  });

  it('the leader includes the highest committed index in future AppendEntries RPCs', () => {
    const rig = readyLeader();
    rig.takeSent();
    rig.propose('x');
    expect(ofKind(rig.takeSent(), 'append')[0].commit).toBe(1);
    rig.pass(HEARTBEAT_MS);
    expect(ofKind(rig.takeSent(), 'heartbeat').map(({ to, commit }) => [to, commit])).toEqual([
      [2, 1],
      [3, 0],
    ]);
  });

  it('once a follower learns that an entry is committed, it applies it in log order', () => {
    const rig = member();
    rig.step(append({ entries: entriesOf([1, 1, 1]), commit: 2 }));
    expect(rig.applied.map(({ index }) => index)).toEqual([1, 2]);
    rig.step(heartbeat({ commit: 3, round: 2 }));
    expect(rig.applied.map(({ index }) => index)).toEqual([1, 2, 3]);
  });

  it('if leaderCommit > commitIndex, set commitIndex = min(leaderCommit, index of last new entry) (figure 2)', () => {
    const rig = member([1, 1, 1]);
    rig.step(append({ term: 2, prevIndex: 1, prevTerm: 1, commit: 3 }));
    expect(rig.core.commitIndex).toBe(1);
  });

  it('followers answer once the entries are on disk, not before', () => {
    const rig = member();
    rig.isDiskFast = false;
    rig.step(append({ entries: entriesOf([1]) }));
    rig.step(append({ entries: entriesOf([1]), round: 2 }));
    expect(rig.takeSent()).toEqual([]);
    rig.persist();
    expect(ofKind(rig.takeSent(), 'append-response').map((r) => [r.accepted, r.index])).toEqual([
      [true, 1],
      [true, 1],
    ]);
  });

  it('retries indefinitely: a heartbeat that is answered after a lost append sends again', () => {
    const rig = readyLeader();
    rig.takeSent();
    rig.propose('lost');
    rig.takeSent();
    rig.pass(HEARTBEAT_MS);
    const [beat] = ofKind(rig.takeSent(), 'heartbeat');
    rig.step(heard(beat));
    const [probe] = ofKind(rig.takeSent(), 'append');
    expect([probe.prevIndex, probe.entries.length]).toEqual([2, 0]);
    rig.step({ ...accepted(probe), accepted: false, index: 2, hintIndex: 1, hintTerm: 1 });
    expect(ofKind(rig.takeSent(), 'append')[0].entries.map(textOf)).toEqual(['lost']);
  });

  it('if the follower does not find an entry in its log with the same index and term, it refuses the new entries', () => {
    const rig = member([1, 1]);
    rig.step(append({ term: 3, prevIndex: 3, prevTerm: 2, entries: entriesOf([3], 4) }));
    rig.step(append({ term: 3, prevIndex: 2, prevTerm: 2, entries: entriesOf([3], 3) }));
    expect(ofKind(rig.takeSent(), 'append-response').map((r) => [r.accepted, r.index])).toEqual([
      [false, 3],
      [false, 2],
    ]);
    expect(rig.core.lastIndex).toBe(2);
  });

  it("the leader forces the followers' logs to duplicate its own: conflicting entries are overwritten (figure 7)", () => {
    const logs = {
      a: [1, 1, 1, 4, 4, 5, 5, 6, 6],
      b: [1, 1, 1, 4],
      c: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
      d: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
      e: [1, 1, 1, 4, 4, 4, 4],
      f: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    };
    const own = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 8];
    for (const terms of Object.values(logs)) {
      const rig = member(terms);
      let prevIndex = 10;
      for (let tries = 0; tries < 5; tries++) {
        rig.step(
          append({
            term: 8,
            prevIndex,
            prevTerm: own[prevIndex - 1],
            entries: entriesOf(own).slice(prevIndex),
          }),
        );
        const [response] = ofKind(rig.takeSent(), 'append-response');
        if (response.accepted) break;
        prevIndex = Math.min(response.hintIndex, prevIndex - 1);
        while (own[prevIndex - 1] > response.hintTerm) prevIndex--;
      }
      expect(rig.disk.recover().entries.map(({ term }) => term)).toEqual(own);
    }
  });

  it('the follower names the conflicting term, so that one refusal a term suffices', () => {
    const rig = member([1, 1, 1, 4, 4, 4, 4]);
    rig.step(append({ term: 8, prevIndex: 6, prevTerm: 5 }));
    expect(ofKind(rig.takeSent(), 'append-response')[0]).toMatchObject({ hintIndex: 6, hintTerm: 4 });
    rig.step(append({ term: 8, prevIndex: 6, prevTerm: 3, round: 2 }));
    expect(ofKind(rig.takeSent(), 'append-response')[0]).toMatchObject({ hintIndex: 3, hintTerm: 1 });
  });

  it('a leader never overwrites or deletes entries in its own log (Leader Append-Only, figure 3)', () => {
    const rig = leader([1, 2]);
    rig.step(append({ from: 3, term: 2, prevIndex: 1, prevTerm: 1, entries: entriesOf([1], 2) }));
    expect(rig.disk.recover().entries.map(({ term }) => term)).toEqual([1, 2, 3]);
  });

  it('entries that are there already are kept, and so are those after them: appends are idempotent (§5.5)', () => {
    const rig = member();
    rig.step(append({ entries: entriesOf([1, 1, 1]) }));
    rig.step(append({ entries: entriesOf([1]), round: 2 }));
    expect(rig.core.lastIndex).toBe(3);
    expect(ofKind(rig.takeSent(), 'append-response').map((r) => r.index)).toEqual([3, 1]);
  });
});

describe('§5.4 Safety', () => {
  const requests: [string, number, number, boolean][] = [
    ['an earlier last term, and a longer log', 9, 2, false],
    ['the same last term, and a shorter log', 2, 3, false],
    ['the same last term and length', 3, 3, true],
    ['the same last term, and a longer log', 4, 3, true],
    ['a later last term, and a shorter log', 1, 4, true],
  ];
  for (const [what, lastIndex, lastTerm, granted] of requests) {
    it(`§5.4.1: the voter denies its vote if its own log is more up-to-date: ${what}`, () => {
      for (const pre of [false, true]) {
        const rig = voter([1, 3, 3]);
        rig.step(vote({ term: 9, pre, lastIndex, lastTerm }));
        expect(ofKind(rig.takeSent(), 'vote-response')[0]).toMatchObject({ granted, pre });
      }
    });
  }

  it('§5.4.2: only log entries from the current term are committed by counting replicas (figure 8)', () => {
    const rig = leader([1, 2], 3);
    const [first] = ofKind(rig.takeSent(), 'append');
    expect([first.prevIndex, first.entries.length]).toEqual([2, 1]);
    rig.step({ ...accepted(first), index: 2 });
    expect(rig.core.progress()[0].match).toBe(2);
    expect(rig.core.commitIndex).toBe(0);
    rig.step(accepted(first));
    expect(rig.core.commitIndex).toBe(3);
  });

  it('a member that is told of another leader in its term stops: two leaders a term cannot be', () => {
    const rig = voter();
    rig.step(heartbeat({ from: 2, term: 1 }));
    expect(() => rig.step(heartbeat({ from: 3, term: 1 }))).toThrow('one leader a term');
  });

  it('a committed entry is never replaced: a leader that tries is a bug, and stops the node', () => {
    const rig = member([1, 1], 1, 2);
    const step = () => rig.step(append({ term: 2, prevIndex: 0, prevTerm: 0, entries: entriesOf([2, 2]) }));
    step();
    expect(rig.disk.recover().entries.map(({ term }) => term)).toEqual([1, 1]);
    expect(() => rig.step(heartbeat({ term: 2, commit: 9, round: 2 }))).toThrow('committed');
    expect(() =>
      rig.step(append({ term: 2, prevIndex: 2, prevTerm: 1, entries: entriesOf([2], 4) })),
    ).toThrow('consecutive');
  });
});
