/** Moves at a replica: who may propose, who is told, and what reads meet. */
import { describe, expect, it } from 'vitest';
import { slotOf } from '../../../ring/index.ts';
import { sessionId } from '../../../src/shard/batch.ts';
import { LogTime } from '../../../src/shard/log-time.ts';
import { Replica } from '../../../src/shard/replica.ts';
import { Refusal } from '../../../src/shard/waiter.ts';
import { MoveAnswer, SlotState } from '../../../src/shard/moves/slot-state.ts';
import type { ItemAnswers, MoveWaiter } from '../../../src/shard/moves/types.ts';
import { EntryKind } from '../../../src/raft/entry.ts';
import type { RaftCore } from '../../../src/raft/types.ts';
import { argsOf, itemOf } from '../encode.ts';
import { Answer, lookup, newRig, type Rig } from '../fake-raft.ts';

const KEY = '{a}1';
const SLOT = slotOf(Buffer.from(KEY), 0, KEY.length);
const SLOTS = [{ from: SLOT, to: SLOT }];
const SESSION = sessionId('a'.repeat(40), 1);

class Told implements MoveWaiter {
  answers: readonly MoveAnswer[] | null = null;
  refusal: Refusal | null = null;

  done(answers: readonly ItemAnswers[]): void {
    this.answers = answers.flatMap((each) => [...each.answers]);
  }

  refuse(refusal: Refusal): void {
    this.refusal = refusal;
  }
}

function commit({ raft, replica, machine, now }: Rig): void {
  const entries = raft.log.filter(({ index }) => index > machine.appliedIndex);
  replica.advance(entries, [], false, now);
}

function export1(rig: Rig): void {
  const told = new Told();
  rig.replica.moves.exportBegin(1, 2, SLOTS, told, rig.now);
  commit(rig);
  expect(told.answers).toEqual([MoveAnswer.DONE]);
}

function fence1(rig: Rig): Told {
  const told = new Told();
  rig.replica.moves.fence(1, SLOTS, told, rig.now);
  commit(rig);
  return told;
}

describe('a replica', () => {
  it('logs what its group was made with before anything else, once', () => {
    const rig = newRig();
    const { raft, machine, now, replica: other } = rig;
    const time = new LogTime({ leaseMs: 900, ceilingMs: () => 1e12 }, 0);
    time.lead(0, 1000, now);
    const founded = [{ from: SLOT, to: SLOT }];
    const replica = new Replica(
      1,
      raft as unknown as RaftCore,
      machine,
      time,
      lookup,
      () => 1,
      () => founded,
    );
    expect(other.isLeader).toBe(true);
    const { bytes, start, end } = itemOf(['set', KEY, 'v'], 1);
    replica.submitWrite(new Answer(), SESSION, bytes, start, end, now);
    const told = new Told();
    replica.moves.importBegin(1, 2, SLOTS, told, now);
    expect(told.refusal).toBe(Refusal.NOT_PROPOSED);
    replica.seal(now);
    expect(raft.log.map(({ kind }) => kind)).toEqual([EntryKind.MOVE, EntryKind.COMMANDS]);
    replica.advance(raft.log, [], false, now);
    expect(machine.moves.ownedCount).toBe(1);
    replica.seal(now);
    expect(raft.log).toHaveLength(2);
  });

  it('tells who proposes what became of it, or that it may be in the log', () => {
    const rig = newRig();
    export1(rig);
    const lost = new Told();
    rig.replica.moves.fence(1, SLOTS, lost, rig.now);
    rig.raft.role = 'follower';
    rig.replica.settle();
    expect(lost.refusal).toBe(Refusal.LOST);
    const refused = new Told();
    rig.replica.moves.fence(1, SLOTS, refused, rig.now);
    expect(refused.refusal).toBe(Refusal.NOT_PROPOSED);
    expect(rig.replica.moves.feed(1)).toBeNull();
  });

  it('refuses what comes after the fence in the log, and runs what came before', () => {
    const rig = newRig();
    export1(rig);
    const [before, after] = [new Answer(), new Answer()];
    const first = itemOf(['set', KEY, 'v'], 1);
    rig.replica.submitWrite(before, SESSION, first.bytes, first.start, first.end, rig.now);
    const told = new Told();
    rig.replica.moves.fence(1, SLOTS, told, rig.now);
    const second = itemOf(['set', KEY, 'w'], 2);
    rig.replica.submitWrite(after, SESSION, second.bytes, second.start, second.end, rig.now);
    rig.replica.seal(rig.now);
    commit(rig);
    expect(before.text).toBe('+OK\r\n');
    expect(told.answers).toEqual([MoveAnswer.DONE]);
    expect(after.refusal).toBe(Refusal.FROZEN);
    expect(rig.machine.moves.stateOf(SLOT)).toBe(SlotState.FROZEN);
  });

  it('looks at the slot when a read runs, not when it was asked', () => {
    const rig = newRig();
    const { replica, raft, now, machine } = rig;
    export1(rig);
    const read = itemOf(['get', KEY]);
    const asked = new Answer();
    replica.submitRead(asked, read.bytes, read.start, now);
    const confirmed = raft.confirmed(raft.lastIndex);
    // It rides behind a write that stands behind the fence.
    const told = new Told();
    replica.moves.fence(1, SLOTS, told, now);
    const write = itemOf(['set', KEY, 'v'], 1);
    replica.submitWrite(new Answer(), SESSION, write.bytes, write.start, write.end, now);
    const riding = new Answer();
    replica.submitRidingRead(riding, read.bytes, read.start, now);
    replica.seal(now);
    replica.advance(
      raft.log.filter(({ index }) => index > machine.appliedIndex),
      [confirmed],
      false,
      now,
    );
    // That one was asked before the fence was proposed.
    expect(asked.text).toBe('$-1\r\n');
    expect(riding.refusal).toBe(Refusal.FROZEN);
    const command = lookup(argsOf('get', KEY));
    if (command !== null) expect(replica.serves(command, argsOf('get', KEY), SLOT)).toBe(false);
    raft.leaseUntilMonotonicMs = Infinity;
    const late = new Answer();
    replica.submitRead(late, read.bytes, read.start, now);
    expect(late.refusal).toBe(Refusal.FROZEN);
    const size = lookup(argsOf('dbsize'));
    if (size !== null) expect(replica.serves(size, argsOf('dbsize'), SLOT)).toBe(false);
  });

  it("serves nothing below the source's time once a slot has come", () => {
    const rig = newRig();
    expect(fence1(rig).answers).toEqual([MoveAnswer.NOT_NOW]);
    const time = new LogTime({ leaseMs: 900, ceilingMs: () => 5000 }, 0);
    const now = { monotonicMs: 0, wallMs: 1000 };
    time.lead(0, 1000, now);
    time.raise(3000, now);
    expect(time.leaderTimeMs(now)).toBe(3000);
    time.raise(2000, now);
    expect(time.leaderTimeMs(now)).toBe(3000);
    time.raise(9000, now);
    expect(time.leaderTimeMs(now)).toBe(5000);
    expect(time.highestMs()).toBe(9000);
  });
});
