import { describe, expect, it } from 'vitest';

import type { SnapshotChunk, SnapshotMeta, SnapshotWanted } from '../../src/raft/types.ts';
import { accepted, append, heard, heartbeat, ofKind, vote, voteResponse } from './messages.ts';
import { ELECTION_MS, HEARTBEAT_MS, Rig, entriesOf, restoredWith } from './rig.ts';

/** §7: member 1 receives, or sends, a snapshot of twelve bytes in chunks of four. */
const SNAPSHOT: SnapshotMeta = {
  index: 3,
  term: 2,
  membership: { voters: [1, 2, 3], votersOld: [], learners: [] },
};
const BYTES = Buffer.from('abcdefghijkl');

function chunk(offset: number, fields: Partial<SnapshotChunk> = {}): SnapshotChunk {
  return {
    kind: 'snapshot',
    group: 1,
    from: 2,
    to: 1,
    term: 2,
    session: 9,
    round: 1 + offset,
    timeMs: 0,
    snapshot: SNAPSHOT,
    snapshotId: 5,
    offset,
    totalBytes: BYTES.length,
    data: BYTES.subarray(offset, offset + 4),
    ...fields,
  };
}

function receiver(terms: readonly number[] = []): Rig {
  return new Rig({ self: 1, voters: [1, 2, 3] }, restoredWith(terms, terms.at(-1) ?? 0));
}

const answers = (rig: Rig) =>
  ofKind(rig.takeSent(), 'snapshot-response').map(({ nextOffset, installed, index }) => [
    nextOffset,
    installed,
    index,
  ]);

describe('§7 a follower that receives a snapshot', () => {
  it('stores the chunks in order and installs it when it has all', () => {
    const rig = receiver();
    for (const offset of [0, 4, 8]) rig.step(chunk(offset));
    expect(answers(rig)).toEqual([
      [4, false, 0],
      [8, false, 0],
      [12, true, 3],
    ]);
    expect(rig.disk.snapshot?.data.toString()).toBe('abcdefghijkl');
    expect([rig.core.commitIndex, rig.core.firstIndex, rig.core.lastIndex]).toEqual([3, 4, 3]);
  });

  it('says where to go on after a loss, also to another leader that sends the same one', () => {
    const rig = receiver();
    rig.step(chunk(0));
    rig.step(chunk(8));
    rig.step(chunk(0, { from: 3, term: 3, session: 4 }));
    rig.step(chunk(4, { from: 3, term: 3, session: 4 }));
    expect(answers(rig).map(([nextOffset]) => nextOffset)).toEqual([4, 4, 4, 8]);
  });

  it('starts anew with another snapshot, and asks for the start of one that it does not know', () => {
    const rig = receiver();
    rig.step(chunk(0));
    rig.step(chunk(0, { snapshotId: 6 }));
    rig.step(chunk(4, { snapshotId: 7 }));
    rig.restart();
    rig.step(chunk(4));
    expect(answers(rig).map(([nextOffset]) => nextOffset)).toEqual([0]);
  });

  it('discards its whole log when that does not agree, and keeps it when it has the last entry included', () => {
    const other = receiver([1, 1, 1, 1]);
    for (const offset of [0, 4, 8]) other.step(chunk(offset));
    expect([other.core.lastIndex, other.core.commitIndex]).toEqual([3, 3]);

    const same = receiver([1, 2, 2, 2]);
    same.step(chunk(0));
    expect(answers(same)).toEqual([[12, true, 3]]);
    expect([same.core.lastIndex, same.core.commitIndex]).toEqual([4, 3]);
    expect(same.disk.snapshot).toBe(null);
  });

  it('does not install it when its log has come further while the last of it was stored', () => {
    const rig = receiver([1]);
    for (const offset of [0, 4]) rig.step(chunk(offset));
    rig.isStoreFast = false;
    rig.step(chunk(8));
    rig.step(append({ term: 2, prevIndex: 1, prevTerm: 1, commit: 4, entries: entriesOf([2, 2, 2], 2) }));
    rig.store();
    expect(rig.disk.snapshot).toBe(null);
    expect([rig.core.firstIndex, rig.core.lastIndex, rig.core.commitIndex]).toEqual([1, 4, 4]);
  });

  it('an answer about a log that the snapshot replaced counts for nothing', () => {
    const rig = receiver();
    rig.isDiskFast = false;
    rig.step(append({ term: 1, entries: entriesOf([1, 1, 1, 1, 1]) }));
    for (const offset of [0, 4, 8]) rig.step(chunk(offset));
    rig.step({ kind: 'timeout-now', group: 1, from: 2, to: 1, term: 2, lastIndex: 3, lastTerm: 2 });
    rig.step(voteResponse({ from: 3, term: 3 }));
    rig.step(voteResponse({ from: 2, term: 3 }));
    expect(rig.core.role).toBe('leader');
    const noop = ofKind(rig.takeSent(), 'append').find(({ to }) => to === 3);
    if (noop === undefined) expect.fail('the no-op goes out');
    rig.step(accepted(noop));
    const commits: number[] = [];
    for (let i = 0; i < 4; i++) {
      rig.persist();
      commits.push(rig.core.commitIndex);
    }
    expect(commits).toEqual([3, 3, 3, 4]);
  });

  it('an answer about a log that the snapshot replaced makes nothing durable beyond it, before anything follows it', () => {
    const rig = receiver();
    rig.isDiskFast = false;
    rig.step(append({ term: 1, entries: entriesOf([1, 1, 1, 1, 1]) }));
    for (const offset of [0, 4, 8]) rig.step(chunk(offset));
    for (let i = 0; i < 3; i++) rig.persist();
    expect([rig.core.lastIndex, rig.core.commitIndex]).toEqual([3, 3]);
    rig.step(append({ term: 2, prevIndex: 3, prevTerm: 2, entries: entriesOf([2, 2], 4), commit: 5 }));
    rig.restart();
    // The write of 4 and 5 was lost: no hint on the disk says that they are committed.
    expect([rig.core.lastIndex, rig.core.commitIndex]).toEqual([3, 3]);
  });

  it('while it is being installed nothing is appended or applied; heartbeats are answered', () => {
    const rig = receiver([1, 1]);
    rig.isInstallFast = false;
    for (const offset of [0, 4, 8]) rig.step(chunk(offset));
    rig.takeSent();
    rig.step(append({ term: 2, prevIndex: 2, prevTerm: 1, entries: entriesOf([2], 3), commit: 2 }));
    rig.step(heartbeat({ term: 2, commit: 2 }));
    rig.step(chunk(8));
    expect(rig.takeSent().map(({ kind }) => kind)).toEqual(['heartbeat-response']);
    expect([rig.core.lastIndex, rig.applied]).toEqual([2, []]);
    rig.install();
    expect(answers(rig)).toEqual([[12, true, 3]]);
    expect([rig.core.lastIndex, rig.core.commitIndex, rig.applied]).toEqual([3, 3, []]);
    rig.step(append({ term: 2, prevIndex: 3, prevTerm: 2, entries: entriesOf([2], 4), commit: 4 }));
    expect(rig.applied.map(({ index }) => index)).toEqual([4]);
  });

  it('#23: a candidate follows the leader that sends it one', () => {
    const rig = receiver([1]);
    rig.pass(ELECTION_MS);
    rig.step(voteResponse({ from: 3, term: 2, pre: true }));
    expect(rig.core.role).toBe('candidate');
    for (const offset of [0, 4, 8]) rig.step(chunk(offset));
    expect([rig.core.role, rig.core.leader, rig.core.commitIndex]).toEqual(['follower', 2, 3]);
  });

  it('a snapshot that reached the disk before the term that its entries came in restores that term', () => {
    const rig = receiver([1]);
    rig.isDiskFast = false;
    rig.step(append({ term: 5, prevIndex: 1, prevTerm: 1, entries: entriesOf([5], 2), commit: 2 }));
    rig.snapshot();
    rig.restart();
    expect([rig.core.term, rig.core.commitIndex, rig.core.lastIndex]).toEqual([5, 2, 2]);
    // It is on disk before anything is answered in it, and the vote of it was never given.
    rig.nowMs += ELECTION_MS;
    rig.step(vote({ from: 3, term: 5, lastIndex: 2, lastTerm: 5 }));
    expect(ofKind(rig.takeSent(), 'vote-response')).toEqual([]);
    rig.persist();
    rig.persist();
    expect(ofKind(rig.takeSent(), 'vote-response')).toMatchObject([{ granted: true, term: 5 }]);
  });

  it('after a restart the log goes on above it, whatever the disk still holds at its index', () => {
    const rig = receiver([1, 1, 1, 1]);
    for (const offset of [0, 4, 8]) rig.step(chunk(offset));
    rig.restart();
    // What followed in the old log is of an earlier term than the snapshot: void.
    expect([rig.core.lastIndex, rig.core.commitIndex]).toEqual([3, 3]);
    rig.step(append({ term: 2, prevIndex: 3, prevTerm: 2, entries: entriesOf([2, 2], 4), commit: 5 }));
    rig.restart();
    expect([rig.core.lastIndex, rig.core.firstIndex]).toEqual([5, 4]);
  });
});

describe('§7 a leader whose follower lags behind its log', () => {
  function leaderWithSnapshot(): { rig: Rig; session: number } {
    const rig = new Rig({ self: 1, voters: [1, 2, 3], maxSnapshotChunkBytes: 1 });
    rig.pass(ELECTION_MS);
    rig.step(voteResponse({ from: 2, term: 1, pre: true }));
    rig.step(voteResponse({ from: 2, term: 1 }));
    const probe = ofKind(rig.takeSent(), 'append').find(({ to }) => to === 2);
    if (probe === undefined) expect.fail('the leader probes');
    rig.step(accepted(probe));
    rig.propose('x');
    const [next] = ofKind(rig.takeSent(), 'append');
    rig.step(accepted(next));
    expect(rig.core.commitIndex).toBe(2);
    rig.snapshot();
    rig.pass(HEARTBEAT_MS);
    const beat = ofKind(rig.takeSent(), 'heartbeat').find(({ to }) => to === 3);
    if (beat === undefined) expect.fail('a heartbeat goes out');
    rig.step(heard(beat));
    return { rig, session: beat.session };
  }

  it('sends what it has compacted as a snapshot, a chunk at a time, and nothing else but heartbeats', () => {
    const { rig } = leaderWithSnapshot();
    const sent = rig.takeSent();
    expect(sent.map(({ kind, to }) => [kind, to])).toEqual([['snapshot', 3]]);
    expect(rig.core.progress()[1].state).toBe('snapshot');
  });

  it('goes on from where the receiver says, and replicates from there once it is installed', () => {
    const { rig, session } = leaderWithSnapshot();
    const [first] = ofKind(rig.takeSent(), 'snapshot');
    const response = {
      kind: 'snapshot-response',
      group: 1,
      from: 3,
      to: 1,
      term: 1,
      session,
      round: first.round,
      promiseMs: ELECTION_MS,
      snapshotId: first.snapshotId,
      nextOffset: 2,
      installed: false,
      index: 0,
    } as const;
    rig.step(response);
    expect(ofKind(rig.takeSent(), 'snapshot').map(({ offset }) => offset)).toEqual([2]);
    rig.step({ ...response, nextOffset: first.totalBytes, installed: true, index: 2 });
    expect(ofKind(rig.takeSent(), 'append').map(({ prevIndex, to }) => [prevIndex, to])).toEqual([[2, 3]]);
  });

  it('asks again when the one offered is older than what was compacted meanwhile', () => {
    const { rig } = leaderWithSnapshot();
    const meta = rig.disk.snapshot?.meta;
    if (meta === undefined) expect.fail('there is a snapshot');
    rig.takeSent();
    const { core } = rig;
    core.snapshotFailed(3, rig.now());
    const wanted: SnapshotWanted[] = [];
    for (let i = 0; i < 8; i++) {
      rig.nowMs += HEARTBEAT_MS;
      core.tick(rig.now());
      const { messages, snapshotsWanted } = core.takeReady();
      wanted.push(...snapshotsWanted);
      for (const beat of ofKind(messages, 'heartbeat')) core.step(heard(beat), rig.now());
    }
    expect(wanted).toEqual([{ to: 3, minIndex: 2 }]);
    core.offerSnapshot(3, { ...meta, index: 1 }, 77, 4, rig.now());
    const ready = core.takeReady();
    expect([ready.snapshotReads, ready.snapshotsWanted]).toEqual([[], [{ to: 3, minIndex: 2 }]]);
  });

  it('sends a chunk that is not answered again', () => {
    const { rig, session } = leaderWithSnapshot();
    const [first] = ofKind(rig.takeSent(), 'snapshot');
    const again: number[] = [];
    for (let i = 0; i < 8; i++) {
      rig.pass(HEARTBEAT_MS);
      const sent = rig.takeSent();
      again.push(...ofKind(sent, 'snapshot').map(({ offset }) => offset));
      for (const beat of ofKind(sent, 'heartbeat')) rig.step(heard(beat));
    }
    expect(again).toEqual([0]);
    expect(first.session).toBe(session);
  });
});
