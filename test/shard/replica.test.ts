import { describe, expect, it } from 'vitest';

import { sessionId } from '../../src/shard/batch.ts';
import { Refusal } from '../../src/shard/waiter.ts';
import { itemOf } from './encode.ts';
import { Answer, newRig, type Rig } from './fake-raft.ts';

const SESSION = sessionId('a'.repeat(40), 1);
let sequence = 0;

function write(rig: Rig, ...words: (string | Buffer)[]): Answer {
  const answer = new Answer();
  const { bytes, start, end } = itemOf(words, ++sequence, 1);
  rig.replica.submitWrite(answer, SESSION, bytes, start, end, rig.now);
  return answer;
}

function read(rig: Rig, how: 'alone' | 'rides', ...words: string[]): Answer {
  const answer = new Answer();
  const { bytes, start } = itemOf(words);
  if (how === 'rides') rig.replica.submitRidingRead(answer, bytes, start, rig.now);
  else rig.replica.submitRead(answer, bytes, start, rig.now);
  return answer;
}

function commit(rig: Rig, count: number): void {
  rig.replica.advance(rig.raft.log.splice(0, count), [], false, rig.now);
}

function giveLease(rig: Rig): void {
  rig.raft.leaseUntilMonotonicMs = rig.now.monotonicMs + 100;
  rig.raft.leaseRoundTimeMs = 1e9;
}

describe('reads behind writes', () => {
  it('see what was sent before them in their entry and nothing after', () => {
    const rig = newRig();
    const before = read(rig, 'rides', 'get', 'k');
    const first = write(rig, 'set', 'k', '1');
    const middle = read(rig, 'rides', 'get', 'k');
    const second = write(rig, 'append', 'k', '2');
    const last = read(rig, 'rides', 'get', 'k');
    rig.replica.seal(rig.now);
    giveLease(rig);
    const later = read(rig, 'rides', 'get', 'k');
    commit(rig, 1);
    expect(before.text).toBe(null);
    expect([first, middle, second, last, later].map(({ text }) => text)).toEqual([
      '+OK\r\n',
      '$1\r\n1\r\n',
      ':2\r\n',
      '$2\r\n12\r\n',
      '$2\r\n12\r\n',
    ]);
  });

  it('are answered, too, when a step of a move is in flight last: they take an entry of their own', () => {
    const rig = newRig();
    const first = write(rig, 'set', 'k', '1');
    rig.replica.seal(rig.now);
    const slots = [{ from: 0, to: 16383 }];
    rig.replica.moves.importBegin(7, 2, slots, { done: () => {}, refuse: () => {} }, rig.now);
    giveLease(rig);
    const last = read(rig, 'rides', 'get', 'k');
    rig.replica.seal(rig.now);
    commit(rig, 3);
    expect([first.text, last.text]).toEqual(['+OK\r\n', '$1\r\n1\r\n']);
  });

  it('join an entry in flight only under the lease: else another leader may have acknowledged writes since it was proposed', () => {
    const rig = newRig();
    const first = write(rig, 'set', 'k', 'old');
    rig.replica.seal(rig.now);
    // The leader stands still here; another leads, and acknowledges SET k new. Then the read comes, and after it the late answers.
    rig.now.monotonicMs += 5000;
    const late = read(rig, 'rides', 'get', 'k');
    commit(rig, 1);
    expect(first.text).toBe('+OK\r\n');
    expect(late.text).toBe(null);
    rig.replica.seal(rig.now);
    expect(rig.raft.log).toHaveLength(1);
    rig.raft.role = 'follower';
    rig.replica.settle();
    expect(late.refusal).toBe(Refusal.READ_LOST);
  });
});

describe('reads by ReadIndex', () => {
  it('do not see writes that were sent after them, even when both are confirmed at once', () => {
    const rig = newRig();
    const asked = read(rig, 'alone', 'get', 'k');
    const written = write(rig, 'set', 'k', 'new');
    rig.replica.seal(rig.now);
    rig.replica.advance(rig.raft.log.splice(0), [rig.raft.confirmed(1)], false, rig.now);
    expect(asked.text).toBe('$-1\r\n');
    expect(written.text).toBe('+OK\r\n');
  });

  it('keep a later read from being answered before them under a lease that has come meanwhile', () => {
    const rig = newRig();
    const first = read(rig, 'alone', 'get', 'k');
    giveLease(rig);
    expect(rig.replica.canReadNow(rig.now)).toBe(false);
    const second = read(rig, 'alone', 'get', 'k');
    expect(second.text).toBe(null);
    rig.replica.advance([], [{ id: 1, index: 1, roundTimeMs: 0 }, rig.raft.confirmed(1)], false, rig.now);
    expect([first.text, second.text]).toEqual(['$-1\r\n', '$-1\r\n']);
    expect(rig.replica.canReadNow(rig.now)).toBe(true);
  });
});

describe('the lease', () => {
  it('holds while both clocks lie within it: one that jumps, either way, ends it', () => {
    const rig = newRig();
    const { monotonicMs, wallMs } = rig.now;
    const [raft, mayRead] = [
      rig.raft,
      (byMs: number, wallByMs: number) =>
        rig.replica.canReadNow({ monotonicMs: monotonicMs + byMs, wallMs: wallMs + wallByMs }),
    ];
    [raft.leaseFromMonotonicMs, raft.leaseUntilMonotonicMs] = [monotonicMs, monotonicMs + 100];
    [raft.leaseFromWallMs, raft.leaseUntilWallMs] = [wallMs, wallMs + 100];
    expect([mayRead(0, 0), mayRead(99, 99)]).toEqual([true, true]);
    expect([mayRead(100, 99), mayRead(-1, 0), mayRead(99, 100), mayRead(50, -1)]).toEqual(
      Array(4).fill(false),
    );
  });
});

describe('time of reads', () => {
  it('is the first unapplied stamp while entries wait, and never past the round and one lease', () => {
    const rig = newRig();
    giveLease(rig);
    write(rig, 'set', 'k', 'v', 'PXAT', '1500');
    rig.replica.seal(rig.now);
    commit(rig, 1);
    write(rig, 'persist', 'k');
    rig.replica.seal(rig.now);
    rig.now.monotonicMs += 50_000;
    rig.now.wallMs += 50_000;
    giveLease(rig);
    // The PERSIST is stamped before the expiry: whoever reads now must not see the key gone, since it will be there again.
    expect(read(rig, 'alone', 'get', 'k').text).toBe('$1\r\nv\r\n');
    commit(rig, 1);
    expect(read(rig, 'alone', 'get', 'k').text).toBe('$1\r\nv\r\n');
    write(rig, 'set', 'm', 'v', 'PXAT', '70000');
    rig.replica.seal(rig.now);
    commit(rig, 1);
    rig.now.monotonicMs += 50_000;
    giveLease(rig);
    rig.raft.leaseRoundTimeMs = 60_000;
    expect(read(rig, 'alone', 'get', 'm').text).toBe('$1\r\nv\r\n');
    rig.raft.leaseRoundTimeMs = 70_000;
    expect(read(rig, 'alone', 'get', 'm').text).toBe('$-1\r\n');
  });

  it('by ReadIndex is that of the round that confirmed them, however late they are answered', () => {
    const rig = newRig();
    giveLease(rig);
    write(rig, 'set', 'k', 'v', 'PXAT', '5000');
    rig.replica.seal(rig.now);
    commit(rig, 1);
    rig.raft.leaseUntilMonotonicMs = 0;
    const early = read(rig, 'alone', 'get', 'k');
    rig.now.monotonicMs += 10_000;
    rig.replica.advance([], [rig.raft.confirmed(2, 5000)], false, rig.now);
    expect(early.text).toBe('$1\r\nv\r\n');
    const late = read(rig, 'alone', 'get', 'k');
    rig.replica.advance([], [rig.raft.confirmed(2, 5001)], false, rig.now);
    expect(late.text).toBe('$-1\r\n');
  });

  it('above the synced ceiling: neither reads nor writes are taken', () => {
    const rig = newRig();
    giveLease(rig);
    rig.ceilingMs = 10;
    expect(rig.replica.canReadNow(rig.now)).toBe(false);
    expect(read(rig, 'alone', 'get', 'k').refusal).toBe(Refusal.NOT_PROPOSED);
    expect(write(rig, 'set', 'k', 'v').refusal).toBe(Refusal.NOT_PROPOSED);
  });
});

describe('refusals', () => {
  it('come once to all who wait when leadership is lost: unproposed only for what was not proposed', () => {
    const rig = newRig();
    const asked = read(rig, 'alone', 'get', 'k');
    const rider = [write(rig, 'set', 'k', '1'), read(rig, 'rides', 'get', 'k')];
    rig.replica.seal(rig.now);
    const batched = [write(rig, 'set', 'k', '2'), read(rig, 'rides', 'get', 'k')];
    rig.raft.role = 'follower';
    rig.replica.settle();
    rig.replica.settle();
    const refusals = [asked, ...rider, ...batched].map(({ refusal }) => refusal);
    const { LOST, READ_LOST, NOT_PROPOSED } = Refusal;
    expect(refusals).toEqual([READ_LOST, LOST, READ_LOST, NOT_PROPOSED, NOT_PROPOSED]);
    expect([asked, ...rider, ...batched].map(({ times }) => times)).toEqual([1, 1, 1, 1, 1]);
    commit(rig, 1);
    expect(rider[0].times).toBe(1);
  });

  it('of a batch that is full reach also the command that made it so: it does not overtake what goes again', () => {
    for (const outcome of ['full', 'transferring'] as const) {
      const rig = newRig();
      rig.raft.outcome = outcome;
      const first = write(rig, 'set', 'k', Buffer.alloc(25_000));
      write(rig, 'set', 'k', Buffer.alloc(25_000));
      const second = write(rig, 'set', 'k', Buffer.alloc(25_000));
      expect(first.refusal).toBe(outcome === 'full' ? Refusal.LOG_FULL : Refusal.NOT_PROPOSED);
      expect(second.refusal).toBe(first.refusal);
      rig.raft.outcome = 'proposed';
      rig.replica.seal(rig.now);
      expect(rig.raft.log).toHaveLength(0);
    }
  });

  it('of a full log reach the reads of the batch as such: what is in flight need not go again for them', () => {
    const rig = newRig();
    rig.raft.outcome = 'full';
    const batched = [write(rig, 'set', 'k', '1'), read(rig, 'rides', 'get', 'k')];
    expect(rig.replica.seal(rig.now)).toBe(Refusal.LOG_FULL);
    expect(batched.map(({ refusal }) => refusal)).toEqual([Refusal.LOG_FULL, Refusal.LOG_FULL]);
  });

  it('are not told to those who went another way', () => {
    const rig = newRig();
    const gone = [write(rig, 'set', 'k', '1'), read(rig, 'rides', 'get', 'k')];
    rig.replica.seal(rig.now);
    gone.push(read(rig, 'alone', 'get', 'k'), write(rig, 'incr', 'n'));
    const stays = write(rig, 'incr', 'n');
    rig.replica.disown((waiter) => gone.includes(waiter as Answer));
    rig.replica.seal(rig.now);
    commit(rig, 2);
    rig.raft.role = 'follower';
    rig.replica.settle();
    expect(gone.map(({ times }) => times)).toEqual([0, 0, 0, 0]);
    expect(stays.text).toBe(':2\r\n');
  });
});

describe('what a peer forwards', () => {
  it('is admitted when it is a known command of its kind, of a slot that is one, with a sequence', () => {
    const { replica } = newRig();
    const admits = (words: string[], isWrite: boolean, at = 1, db = 0): boolean => {
      const { bytes, start } = itemOf(words, at, at, db);
      return replica.admits(bytes, start, isWrite);
    };
    expect(admits(['set', 'k', 'v'], true)).toBe(true);
    expect(admits(['get', 'k'], false, 0)).toBe(true);
    expect(admits(['set', 'k', 'v'], false)).toBe(false);
    expect(admits(['get', 'k'], true)).toBe(false);
    expect(admits(['set', 'k'], true)).toBe(false);
    expect(admits(['nonsense', 'k'], true)).toBe(false);
    expect(admits(['ping'], true)).toBe(false);
    expect(admits(['set', 'k', 'v'], true, 0)).toBe(false);
    const { bytes, start } = itemOf(['set', 'k', 'v'], 1, 1);
    bytes.writeDoubleLE(Number.NaN, start + 8);
    expect(replica.admits(bytes, start, true)).toBe(false);
    bytes.writeDoubleLE(1, start + 8);
    bytes.writeUInt16LE(16384, start + 6);
    expect(replica.admits(bytes, start, true)).toBe(false);
  });
});

describe('the memory policy', () => {
  it('goes into the log once, also while entries are in flight', () => {
    const rig = newRig();
    write(rig, 'set', 'k', 'v');
    rig.replica.seal(rig.now);
    rig.replica.wantedPolicy = { ...rig.machine.policy, budgetBytes: 12_345 };
    rig.replica.maintain(rig.now);
    rig.replica.seal(rig.now);
    rig.replica.maintain(rig.now);
    rig.replica.seal(rig.now);
    expect(rig.raft.log).toHaveLength(2);
    commit(rig, 2);
    expect(rig.machine.policy.budgetBytes).toBe(12_345);
  });
});
