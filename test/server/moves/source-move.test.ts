import { describe, expect, it } from 'vitest';

import { slotOf } from '../../../ring/index.ts';
import { MoveItemType, slotsItem } from '../../../src/shard/moves/move-item.ts';
import { SlotState } from '../../../src/shard/moves/slot-state.ts';
import { FAREWELL_MS } from '../../../src/server/moves/farewell.ts';
import { Refusal } from '../../../src/shard/waiter.ts';
import { slotsOf } from '../../../src/topology/slot-ranges.ts';
import { MOVE, SELF, TwoShards } from './two-shards.ts';

const { NONE, OWNED, FROZEN } = SlotState;
/** Of turns: a batch takes about eight. */
const STEP = 3;
/** Frozen at once: of a batch, and of all of one. */
const FENCED = 32;
const FENCED_AT_REST = 256;
/** The throttle holds back what goes beside commands. */
const MANY_TURNS = 10_000;
const KEYS = Array.from({ length: 300 }, (_, n) => `key:${n}`);

function slotOfKey(key: string): number {
  return slotOf(Buffer.from(key), 0, key.length);
}

/** Those that the move is about, and others. */
function keysOf(shards: TwoShards): { gone: string[]; stay: string[] } {
  const slots = new Set(slotsOf(shards.entry.slots));
  return {
    gone: KEYS.filter((key) => slots.has(slotOfKey(key))),
    stay: KEYS.filter((key) => !slots.has(slotOfKey(key))),
  };
}

function filled(): TwoShards {
  const shards = new TwoShards([{ from: 0, to: 1199 }]);
  for (const key of KEYS) shards.set(key, `value of ${key}`);
  shards.commit();
  return shards;
}

function expectGone(shards: TwoShards): void {
  const { gone, stay } = keysOf(shards);
  shards.pass(1);
  for (const key of gone) {
    expect(shards.get(key, shards.target).text).toContain(`value of ${key}`);
    expect(shards.get(key, shards.source).refusal).toBe(Refusal.MOVED);
  }
  for (const key of stay) expect(shards.get(key, shards.source).text).toContain(`value of ${key}`);
  const slots = slotsOf(shards.entry.slots);
  expect(new Set(shards.states(shards.source, slots))).toEqual(new Set([NONE]));
  expect(new Set(shards.states(shards.target, slots))).toEqual(new Set([OWNED]));
}

describe('the driver of a move', () => {
  it('takes all slots over, batch by batch, with what is in them', () => {
    const shards = filled();
    shards.turns(() => shards.move.phase === 'ended');
    expectGone(shards);
    expect(shards.move.slotsGone()).toEqual([{ from: 0, to: 1199 }]);
    const { told } = shards;
    expect(told.filter((line) => line.includes('went')).length).toBe(Math.ceil(1200 / FENCED_AT_REST));
    expect(told[0]).toBe(`${MOVE}: 0-${FENCED_AT_REST - 1} at 2`);
    expect(
      told.filter((line) => line.includes('paused')).every((line) => / paused [1-5] ms/.test(line)),
    ).toBe(true);
  });

  it('freezes few slots at once where commands come', () => {
    const shards = filled();
    shards.commandsCome();
    shards.turns(() => shards.move.phase === 'ended', MANY_TURNS);
    expectGone(shards);
    expect(shards.told.filter((line) => line.includes('went')).length).toBe(Math.ceil(1200 / FENCED));
    expect(shards.told[0]).toBe(`${MOVE}: 0-${FENCED - 1} at 2`);
  });

  it('begins no batch while an operator has paused it, ends the one that is begun, and goes on later', () => {
    const shards = filled();
    shards.commandsCome();
    const went = (): number => shards.told.filter((line) => line.includes('went')).length;
    shards.turns(() => went() === 2);
    shards.isPaused = true;
    shards.turns(() => shards.move.phase === 'paused', MANY_TURNS);
    const wentMeanwhile = went();
    for (let turn = 0; turn < 20; turn++) shards.pass(1);
    expect(went()).toBe(wentMeanwhile);
    expect(wentMeanwhile).toBeLessThan(Math.ceil(1200 / FENCED) / 2);
    const states = shards.states(shards.source, slotsOf(shards.entry.slots));
    expect(states).not.toContain(FROZEN);
    expect(states.filter((state) => state === NONE)).toHaveLength(went() * FENCED);
    shards.isPaused = false;
    shards.turns(() => shards.move.phase === 'ended', MANY_TURNS);
    expectGone(shards);
  });

  it('takes along what is written meanwhile, and refuses what comes after the fence', () => {
    const shards = filled();
    const { gone } = keysOf(shards);
    let written = 0;
    const outcomes: string[] = [];
    shards.turns(() => {
      const key = gone[written++ % gone.length];
      const answer = shards.set(key, `value of ${key} ${written}`);
      shards.commit();
      outcomes.push(answer.text ?? String(answer.refusal));
      return shards.move.phase === 'ended';
    });
    expect(new Set(outcomes)).toEqual(new Set(['+OK\r\n', String(Refusal.FROZEN), String(Refusal.MOVED)]));
    expectGone(shards);
    const last = new Map<string, number>();
    for (const [at, outcome] of outcomes.entries())
      if (outcome === '+OK\r\n') last.set(gone[at % gone.length], at + 1);
    for (const [key, count] of last)
      expect(shards.get(key, shards.target).text).toBe(
        `$${`value of ${key} ${count}`.length}\r\nvalue of ${key} ${count}\r\n`,
      );
  });

  it('ends even where clients write to its slots faster than it may send', () => {
    const shards = filled();
    shards.maxBytesPerSecond = 64 * 1024;
    const { gone } = keysOf(shards);
    const large = 'x'.repeat(2000);
    let written = 0;
    // 2 MB a second, of turns of a millisecond.
    shards.turns(() => {
      shards.set(gone[written++ % gone.length], `${large} ${written}`);
      return shards.move.phase === 'ended';
    }, 60_000);
    const slots = slotsOf(shards.entry.slots);
    expect(new Set(shards.states(shards.target, slots))).toEqual(new Set([OWNED]));
    expect(new Set(shards.states(shards.source, slots))).toEqual(new Set([NONE]));
  }, 60_000);

  it('goes on where another stood, at whatever step that was', () => {
    for (let stop = 1; stop < 36; stop += STEP) {
      const shards = filled();
      let turns = 0;
      shards.turns(() => ++turns > stop);
      shards.move.stop();
      // Its feed ends with the leadership.
      shards.source.raft.term += 1;
      shards.source.machine.appliedTerm = shards.source.raft.term;
      shards.source.replica.settle();
      shards.move = shards.driver();
      shards.turns(() => shards.move.phase === 'ended');
      expectGone(shards);
    }
  });

  it('does nothing more when all of it is done', () => {
    const shards = filled();
    shards.turns(() => shards.move.phase === 'ended');
    shards.move = shards.driver();
    const { lastIndex } = shards.source.raft;
    shards.turns(() => shards.move.phase === 'ended');
    expect(shards.source.raft.lastIndex).toBe(lastIndex);
  });

  it('waits for the leader of the target, and says so', () => {
    const shards = filled();
    shards.targetLeader = null;
    let turns = 0;
    shards.turns(() => ++turns > 200);
    expect(shards.move.problem).toBe('the target is not reached');
    expect(shards.states(shards.source, [0])).toEqual([OWNED]);
    shards.targetLeader = SELF;
    shards.turns(() => shards.move.phase === 'ended');
    expectGone(shards);
  });

  it('gives back what an operator wants back: each slot is where the log of the target says', () => {
    for (let stop = 1; stop < 36; stop += STEP) {
      const shards = filled();
      let turns = 0;
      shards.turns(() => ++turns > stop);
      shards.move.entry = { ...shards.entry, aborting: true };
      shards.turns(() => shards.move.phase === 'ended');
      const gone = new Set(slotsOf(shards.move.slotsGone()));
      for (const slot of slotsOf(shards.entry.slots)) {
        const isGone = gone.has(slot);
        expect(shards.states(shards.source, [slot])).toEqual([isGone ? NONE : OWNED]);
        expect(shards.states(shards.target, [slot])).toEqual([isGone ? OWNED : NONE]);
      }
      shards.pass(1);
      for (const key of KEYS) {
        const { target, source } = shards;
        const at = gone.has(slotOfKey(key)) ? target : source;
        expect(shards.get(key, at).text).toContain(`value of ${key}`);
      }
    }
  });

  it('thaws what the target has given up, and ends without it', () => {
    const shards = filled();
    const waiter = { done: () => {}, refuse: () => {} };
    const some = [{ from: 100, to: 199 }];
    shards.target.replica.moves.propose(
      slotsItem(MoveItemType.IMPORT_ABORT, MOVE, 0, some),
      waiter,
      shards.now,
    );
    shards.commit();
    shards.turns(() => shards.move.phase === 'ended');
    expect(shards.move.slotsGone()).toEqual([
      { from: 0, to: 99 },
      { from: 200, to: 1199 },
    ]);
    expect(new Set(shards.states(shards.source, slotsOf(some)))).toEqual(new Set([OWNED]));
  });

  it('leaves no slot frozen that the target has not decided on, while it is reached', () => {
    const shards = filled();
    shards.turns(() => shards.states(shards.source, [0])[0] === FROZEN);
    shards.targetLeader = null;
    let turns = 0;
    shards.turns(() => ++turns > 300);
    expect(shards.states(shards.source, [0])).toEqual([FROZEN]);
    shards.targetLeader = SELF;
    turns = 0;
    shards.turns(() => shards.states(shards.source, [0])[0] === NONE);
    expect(shards.states(shards.target, [0])).toEqual([OWNED]);
  });
});

/** The source gives away all that it has. */
describe('the last slot of a shard', () => {
  const SLOTS = [{ from: 100, to: 399 }];
  const all = slotsOf(SLOTS);

  function emptied(quiet: number): TwoShards {
    const shards = new TwoShards(SLOTS, SLOTS);
    const { counts } = shards.source.machine.operations;
    for (const slot of all) counts[slot] = slot === quiet ? 3 : 7;
    return shards;
  }

  function owned(shards: TwoShards): number[] {
    const states = shards.states(shards.source, all);
    return all.filter((_, at) => states[at] === OWNED);
  }

  it('is the quietest, and goes when the others have been gone for a while', () => {
    const shards = emptied(150);
    shards.turns(() => shards.move.phase === 'farewell');
    expect(owned(shards)).toEqual([150]);
    const sinceMs = shards.now.monotonicMs;
    shards.turns(() => shards.move.phase !== 'farewell');
    expect(shards.now.monotonicMs - sinceMs).toBe(FAREWELL_MS);
    shards.turns(() => shards.move.phase === 'ended');
    expect(owned(shards)).toEqual([]);
    expect(shards.told.filter((line) => line.includes(' at ')).at(-1)).toBe(`${MOVE}: 150-150 at 2`);
  });

  it('is not waited for where slots stay, nor by a move that is called back', () => {
    const some = new TwoShards([{ from: 100, to: 398 }], SLOTS);
    some.turns(() => {
      expect(some.move.phase).not.toBe('farewell');
      return some.move.phase === 'ended';
    });
    const shards = emptied(150);
    shards.turns(() => shards.move.phase === 'farewell');
    shards.move.entry = { ...shards.entry, aborting: true };
    shards.turns(() => shards.move.phase === 'ended', 50);
    expect(owned(shards)).toEqual([150]);
  });

  it('waits at a new leader, too, who takes up what another had begun', () => {
    const shards = emptied(150);
    const waiter = { done: () => {}, refuse: () => {} };
    shards.source.replica.moves.exportBegin(MOVE, 2, SLOTS, waiter, shards.now);
    shards.commit();
    shards.turns(() => shards.move.phase === 'farewell');
    expect(owned(shards)).toEqual([150]);
    shards.move.stop();
    shards.move = shards.driver();
    const sinceMs = shards.now.monotonicMs;
    shards.turns(() => shards.move.phase === 'ended');
    expect(shards.now.monotonicMs - sinceMs).toBeGreaterThan(FAREWELL_MS);
    expect(new Set(shards.states(shards.target, all))).toEqual(new Set([OWNED]));
  });
});
