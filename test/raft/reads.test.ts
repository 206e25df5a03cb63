import { describe, expect, it } from 'vitest';

import { agree, heard, ofKind } from './messages.ts';
import { ELECTION_MS, HEARTBEAT_MS, Rig } from './rig.ts';

/** §6.4 of Ongaro's thesis, "Processing read-only queries more efficiently". */
function newLeader(voters: readonly number[] = [1, 2, 3]): Rig {
  const rig = new Rig({ self: 1, voters });
  rig.pass(ELECTION_MS);
  for (let i = 0; i < 2; i++) {
    const sent = rig.takeSent();
    for (const voter of voters) agree(rig, voter, sent);
  }
  expect(rig.core.role).toBe('leader');
  return rig;
}

function readableLeader(): Rig {
  const rig = newLeader();
  agree(rig, 2, rig.takeSent());
  rig.takeSent();
  return rig;
}

function beats(rig: Rig, to: number) {
  return ofKind(rig.takeSent(), 'heartbeat').filter((message) => message.to === to);
}

describe('committed entries that are taken in slices', () => {
  function behind(): { rig: Rig; id: number } {
    const rig = readableLeader();
    for (const text of ['one', 'two', 'three']) rig.propose(text);
    const appends = rig.takeSent();
    rig.applyBytes = 0;
    agree(rig, 2, appends);
    expect(rig.core.commitIndex).toBe(4);
    const id = rig.read();
    const [beat] = beats(rig, 2);
    rig.step(heard(beat));
    return { rig, id };
  }

  it('come one at least at a time, in order, and there is something to take until all are', () => {
    const { rig } = behind();
    expect([rig.core.hasReady(), rig.core.hasReady(false)]).toEqual([true, false]);
    const taken: number[][] = [];
    while (rig.core.hasReady()) taken.push(rig.core.takeReady(1).committed.map(({ index }) => index));
    expect(taken).toEqual([[2], [3], [4]]);
  });

  it('hold back the reads that see more than what is applied', () => {
    const { rig, id } = behind();
    expect(rig.reads).toEqual([]);
    const reads = (): number[] => rig.core.takeReady(1).reads.map((read) => read.id);
    expect([reads(), reads(), reads()]).toEqual([[], [], [id]]);
    expect(rig.core.hasReady()).toBe(false);
  });
});

describe('§6.4 ReadIndex', () => {
  it('if the leader has not yet committed an entry from its current term, it waits until it has done so', () => {
    const rig = newLeader();
    expect(rig.core.readable).toBe(false);
    const first = rig.takeSent();
    const id = rig.read();
    const [beat] = beats(rig, 2);
    rig.step(heard(beat));
    expect(rig.reads).toEqual([]);
    agree(rig, 2, first);
    expect(rig.reads).toEqual([{ id, index: 1, roundTimeMs: ELECTION_MS }]);
  });

  it('the leader saves its current commit index when the read is asked, not when it is answered', () => {
    const rig = readableLeader();
    const id = rig.read();
    const [beat] = beats(rig, 2);
    rig.propose('later');
    agree(rig, 2, rig.takeSent());
    expect(rig.core.commitIndex).toBe(2);
    expect(rig.reads.map(({ index }) => index)).toEqual([1]);
    expect(rig.reads[0].id).toBe(id);
    rig.step(heard(beat));
    expect(rig.reads.length).toBe(1);
  });

  it('the leader issues a new round of heartbeats and waits for their acknowledgements from a majority', () => {
    const rig = new Rig({ self: 1, voters: [1, 2, 3, 4, 5] });
    rig.pass(ELECTION_MS);
    for (let i = 0; i < 3; i++) {
      const sent = rig.takeSent();
      for (const voter of [2, 3]) agree(rig, voter, sent);
    }
    expect(rig.core.readable).toBe(true);
    rig.takeSent();
    rig.read();
    const sent = rig.takeSent();
    agree(rig, 2, sent);
    expect(rig.reads).toEqual([]);
    agree(rig, 2, sent);
    expect(rig.reads).toEqual([]);
    agree(rig, 3, sent);
    expect(rig.reads.length).toBe(1);
  });

  it('acknowledgements of a round that was sent before the asking confirm nothing, however often they come', () => {
    const rig = readableLeader();
    rig.pass(HEARTBEAT_MS);
    const [old] = beats(rig, 2);
    rig.read();
    const [own] = beats(rig, 2);
    expect(own.round).toBeGreaterThan(old.round);
    for (let i = 0; i < 3; i++) rig.step(heard(old));
    expect(rig.reads).toEqual([]);
    rig.step(heard(own));
    expect(rig.reads.length).toBe(1);
  });

  it('a round sent later confirms it as well', () => {
    const rig = readableLeader();
    rig.read();
    rig.takeSent();
    rig.pass(HEARTBEAT_MS);
    const [later] = beats(rig, 2);
    rig.step(heard(later));
    expect(rig.reads.map(({ roundTimeMs }) => roundTimeMs)).toEqual([rig.nowMs]);
  });

  it('the leader can use one round for any number of reads that it has accumulated; each gathering has an id of its own', () => {
    const rig = readableLeader();
    const ids = [rig.core.requestRead(rig.now()), rig.core.requestRead(rig.now())];
    rig.turn();
    expect(ids[0]).toBe(ids[1]);
    expect(beats(rig, 2).length).toBe(1);
    expect(rig.read()).not.toBe(ids[0]);
  });

  it('a leader that was deposed meanwhile answers none of them', () => {
    const rig = readableLeader();
    rig.read();
    const [beat] = beats(rig, 2);
    rig.step(heard(beat, { term: 9 }));
    expect([rig.reads.length, rig.readsLost]).toEqual([0, 1]);
    expect(rig.read()).toBe(0);
  });

  it('a leader that is cut off never answers (correctness.md 1.2, #4)', () => {
    const rig = readableLeader();
    rig.read();
    rig.pass(10 * ELECTION_MS);
    expect([rig.reads.length, rig.readsLost]).toEqual([0, 1]);
    expect(rig.core.role).not.toBe('leader');
  });

  it('the only voter answers by itself, once its no-op is on its disk', () => {
    const rig = new Rig({ self: 1, voters: [1] });
    rig.isDiskFast = false;
    rig.pass(ELECTION_MS);
    rig.persist();
    rig.read();
    expect(rig.reads).toEqual([]);
    rig.persist();
    expect(rig.reads.map(({ index }) => index)).toEqual([1]);
  });
});

describe('§6.4.1 Using clocks to reduce messaging', () => {
  it('the lease runs from the send time of the round that a majority acknowledged, less what clocks may differ', () => {
    const rig = readableLeader();
    rig.pass(HEARTBEAT_MS);
    const sentMs = rig.nowMs;
    const [beat] = beats(rig, 2);
    rig.nowMs += 150;
    rig.step(heard(beat));
    const { core } = rig;
    expect([core.leaseFromMonotonicMs, core.leaseUntilMonotonicMs]).toEqual([sentMs, sentMs + 360]);
    expect([core.leaseFromWallMs, core.leaseUntilWallMs]).toEqual([sentMs, sentMs + 360]);
    expect(core.leaseRoundTimeMs).toBe(sentMs);
    expect(core.leaseMs).toBe(360);
  });

  it('it is no longer than the least promise among those who acknowledged', () => {
    const rig = readableLeader();
    rig.pass(HEARTBEAT_MS);
    const [beat] = beats(rig, 2);
    rig.step(heard(beat, { promiseMs: 100 }));
    expect(rig.core.leaseUntilMonotonicMs - rig.core.leaseFromMonotonicMs).toBe(90);
  });

  it('there is none before the own-term no-op is committed and handed over, though a majority follows', () => {
    const rig = newLeader();
    const [beat] = beats(rig, 2);
    rig.step(heard(beat));
    expect(rig.core.leaseUntilMonotonicMs).toBe(0);
  });

  it('there is none for a leader that steps down', () => {
    const rig = readableLeader();
    expect(rig.hasLease()).toBe(true);
    rig.pass(HEARTBEAT_MS);
    const [beat] = beats(rig, 2);
    rig.step(heard(beat, { term: 9 }));
    expect(rig.core.leaseUntilMonotonicMs).toBe(0);
  });

  it('leadership transfer drops it for good, before TimeoutNow leaves', () => {
    const rig = readableLeader();
    expect(rig.hasLease()).toBe(true);
    expect(rig.transfer(2)).toBe(true);
    expect(ofKind(rig.takeSent(), 'timeout-now').length).toBe(1);
    expect(rig.hasLease()).toBe(false);
    rig.pass(HEARTBEAT_MS);
    agree(rig, 2, rig.takeSent());
    expect(rig.core.role).toBe('leader');
    expect(rig.hasLease()).toBe(false);
  });

  it('the only voter holds it as long as it leads', () => {
    const rig = new Rig({ self: 1, voters: [1] });
    rig.pass(ELECTION_MS);
    expect(rig.core.leaseUntilMonotonicMs).toBe(Infinity);
  });
});
