/** Moves in the logs of two groups: what the scenarios do not tell. */
import { describe, expect, it, vi } from 'vitest';
import { assert } from '../../../src/assert.ts';
import { Refusal } from '../../../src/shard/waiter.ts';
import { EffectKind } from '../../../src/shard/moves/effect.ts';
import {
  MoveItemType,
  activateItem,
  areTargetItems,
  cutEndItem,
  loggedItem,
  pieceItem,
  readActivation,
  slotsItem,
} from '../../../src/shard/moves/move-item.ts';
import { sessionId } from '../../../src/shard/batch.ts';
import { rangeBytes } from '../../../src/shard/command-item.ts';
import { MoveAnswer, MoveOutcome, SlotState } from '../../../src/shard/moves/slot-state.ts';
import { SlotStates } from '../../../src/shard/moves/slot-states.ts';
import { Group, NOW } from '../../sim/moves/group.ts';
import { contentOf, slotOfKey } from '../../sim/moves/oracle.ts';
import { rangesOf } from '../../sim/moves/world.ts';

const SLOT = slotOfKey('{a}');
const OTHER = slotOfKey('{b}');

function twoGroups(): { source: Group; target: Group } {
  return {
    source: new Group(1, rangesOf([SLOT, OTHER]), 2, 1e9),
    target: new Group(2, [], 2, 1e9),
  };
}

function begin({ source, target }: { source: Group; target: Group }, move = 1, slots = [SLOT]): void {
  source.move(slotsItem(MoveItemType.EXPORT_BEGIN, move, target.shard, rangesOf(slots)));
  target.move(slotsItem(MoveItemType.IMPORT_BEGIN, move, source.shard, rangesOf(slots)));
  source.feed(move).resume(target.machine.moves.positions(move, slots));
}

/** All that there is to send; returns how many entries it took. */
function sendAll({ source, target }: { source: Group; target: Group }, move = 1, slots = [SLOT]): number {
  const feed = source.feed(move);
  let entries = 0;
  for (let items = feed.next(100_000); items !== null; items = feed.next(100_000)) {
    target.move(items);
    feed.logged(target.machine.moves.positions(move, slots));
    entries += 1;
  }
  return entries;
}

function fence({ source }: { source: Group }, move = 1, slots = [SLOT]): void {
  source.move(
    slotsItem(MoveItemType.FENCE, move, source.machine.moves.exports.endsOf(slots), rangesOf(slots)),
  );
}

function activate(
  { source, target }: { source: Group; target: Group },
  move = 1,
  slots = [SLOT],
): MoveAnswer[] {
  const activation = source.feed(move).activation(slots, NOW);
  if (activation === null) throw new Error('not all is sent');
  return target.move(activation).flatMap(({ answers }) => [...answers]);
}

function content(group: Group, slot = SLOT): string {
  const { machine, timeMs } = group;
  return contentOf(machine.keyspace, slot, Math.max(machine.timeMs, timeMs), machine.version);
}

describe('slots that come from several sources at once', () => {
  it('what one tells of a later start of a node holds for what another brought of the earlier one', () => {
    const source = new Group(1, rangesOf([SLOT]), 1, 1e9);
    const other = new Group(3, rangesOf([OTHER]), 1, 1e9);
    const target = new Group(2, [], 1, 1e9);
    expect(source.command(['incr', '{a}n'], 1, 1).text).toBe(':1\r\n');
    const { sessions } = other.machine;
    sessions.raiseFloor(sessions.open(sessionId('1'.repeat(40), 2), 0), OTHER, 5);
    begin({ source, target }, 1, [SLOT]);
    begin({ source: other, target }, 2, [OTHER]);
    sendAll({ source, target }, 1, [SLOT]);
    sendAll({ source: other, target }, 2, [OTHER]);
    fence({ source }, 1, [SLOT]);
    target.move(slotsItem(MoveItemType.IMPORT_ABORT, 2, other.shard, rangesOf([OTHER])));
    expect(activate({ source, target }, 1, [SLOT])).toEqual([MoveAnswer.WENT]);
    // Of the earlier start, and late: it ran at the source.
    expect(target.command(['incr', '{a}n'], 1, 1)).toEqual({ text: null, refusal: Refusal.OUTDATED });
    expect(content(target)).toBe(content(source));
  });
});

describe('a move', () => {
  it('takes large values, large hashes and large commands along in pieces', () => {
    const groups = twoGroups();
    const { source, target } = groups;
    source.command(['set', '{a}large', 'x'.repeat(3_000_000)], 1, 1);
    for (let i = 0; i < 40; i += 1) {
      const fields = Array.from({ length: 500 }, (_, j) => [`f${i * 500 + j}`, 'v'.repeat(40)]).flat();
      source.command(['hset', '{a}hash', ...fields], 1, 2 + i);
    }
    begin(groups);
    source.command(['append', '{a}large', 'y'.repeat(700_000)], 1, 50);
    const before = content(source);
    expect(sendAll(groups)).toBeGreaterThan(30);
    source.command(['hset', '{a}hash', 'f7', 'another'], 1, 51);
    source.command(['set', '{a}2', 'z'.repeat(300_000)], 1, 52);
    fence(groups);
    sendAll(groups);
    expect(activate(groups)).toEqual([MoveAnswer.WENT]);
    expect(content(target).length).toBe(before.length + 'another'.length - 40 + '\n{a}2 0 '.length + 300_000);
    expect(content(target)).toBe(content(source));
    expect(target.machine.keyspace.usedBytes).toBe(source.machine.keyspace.usedBytes);
  });

  it('takes along which sessions have ended: none of them opens again at the target', () => {
    const groups = twoGroups();
    const { source, target } = groups;
    const [node, later] = ['d'.repeat(40), 'e'.repeat(40)];
    for (const { sessions } of source.machines) sessions.end(node, 7);
    for (const { sessions } of source.machines) sessions.end(later, 3);
    for (const { sessions } of target.machines) sessions.end(later, 5);
    source.command(['set', '{a}', 'v'], 1, 1);
    begin(groups);
    sendAll(groups);
    fence(groups);
    sendAll(groups);
    expect(activate(groups)).toEqual([MoveAnswer.WENT]);
    expect(target.machine.sessions.endedStarts()).toEqual(
      expect.arrayContaining([
        { node, start: 7 },
        { node: later, start: 5 },
      ]),
    );
  });

  it('puts the records of sessions together once, in however many pieces they come', () => {
    const groups = twoGroups();
    const { source, target } = groups;
    // The replies to be kept for retries are most of what the slot has.
    for (let n = 1; n <= 100; n += 1)
      source.command(['getset', '{a}', String(n % 10).repeat(30_000)], 1, n, 1);
    begin(groups);
    const feed = source.feed(1);
    let [pieces, sentBytes, copiedBytes] = [0, 0, 0];
    const concat = Buffer.concat.bind(Buffer);
    for (let items = feed.next(60_000); items !== null; items = feed.next(60_000)) {
      pieces += 1;
      sentBytes += items.length;
      const spy = vi.spyOn(Buffer, 'concat').mockImplementation((list, length) => {
        const all = concat(list, length);
        copiedBytes += all.length;
        return all;
      });
      target.move(items);
      spy.mockRestore();
    }
    expect(pieces).toBeGreaterThan(40);
    expect(sentBytes).toBeGreaterThan(3_000_000);
    // Into the entry, too. A copy of all so far with each piece would be 26 times as much.
    expect(copiedBytes).toBeLessThan(4 * sentBytes);
    fence(groups);
    expect(activate(groups)).toEqual([MoveAnswer.WENT]);
    const again = target.command(['getset', '{a}', 'x'], 1, 7, 1);
    expect(again.text).toBe(`$30000\r\n${'6'.repeat(30_000)}\r\n`);
  });

  it('cuts a slot anew when a command was too large for an effect', () => {
    const groups = twoGroups();
    const { source, target } = groups;
    begin(groups);
    sendAll(groups);
    source.command(['set', '{a}1', 'x'.repeat(2_000_000)], 1, 1);
    source.command(['set', '{a}2', 'two'], 1, 2);
    expect(source.machine.moves.exports.keptBytes).toBeLessThan(1000);
    fence(groups);
    expect(source.feed(1).leftBytes([SLOT])).toBeGreaterThan(0);
    sendAll(groups);
    expect(activate(groups)).toEqual([MoveAnswer.WENT]);
    expect(content(target)).toBe(content(source));
    // A reply that is not kept is none at the target either.
    source.catchUp(1, source.log.length);
  });

  it('leaves the source without the slot, its sessions and its memory', () => {
    const groups = twoGroups();
    const { source } = groups;
    for (let i = 0; i < 300; i += 1) source.command(['set', `{a}${i}`, 'value'], 1, i + 1, 1);
    source.command(['set', '{b}1', 'stays'], 1, 1000, 1);
    begin(groups);
    sendAll(groups);
    fence(groups);
    activate(groups);
    source.move(slotsItem(MoveItemType.MOVED, 1, 0, rangesOf([SLOT])));
    expect(content(source)).toBe('');
    expect(source.machine.keyspace.totalKeyCount()).toBe(1);
    expect(source.machine.sessions.rowCount).toBe(1);
    while (source.machine.reclaim(100));
    expect(source.machine.moves.exports.isActive).toBe(false);
    source.catchUp(1, source.log.length);
  });

  it('is refused while the tail is not there, though the keys are as many', () => {
    const groups = twoGroups();
    const { source, target } = groups;
    source.command(['set', '{a}1', 'one'], 1, 1);
    begin(groups);
    sendAll(groups);
    source.command(['set', '{a}1', 'two'], 1, 2);
    fence(groups);
    const { moves } = source.machine;
    const activation = activateItem({
      move: 1,
      sourceTerm: 1,
      sourceTimeMs: 0,
      sourceVersion: 9,
      ended: [],
      slots: [
        { slot: SLOT, epoch: 1, keys: 1, usedBytes: 0, effectsSum: 0, effectsEnd: moves.exports.endOf(SLOT) },
      ],
    });
    expect(target.move(activation)[0].answers).toEqual([MoveAnswer.ABORTED]);
    expect(target.machine.moves.outcomeOf(SLOT)).toBe(MoveOutcome.ABORTED);
    expect(target.machine.moves.imports.usedBytes).toBe(0);
  });

  it('goes nowhere before its fence, nor when another move is under way', () => {
    const groups = twoGroups();
    const { source } = groups;
    begin(groups);
    const answersOf = (type: 2 | 4 | 5, move: number): readonly MoveAnswer[] =>
      source.move(slotsItem(type, move, 2, rangesOf([SLOT])))[0].answers;
    expect(answersOf(MoveItemType.MOVED, 1)).toEqual([MoveAnswer.NOT_NOW]);
    expect(answersOf(MoveItemType.EXPORT_BEGIN, 2)).toEqual([MoveAnswer.NOT_NOW]);
    expect(answersOf(MoveItemType.FENCE, 2)).toEqual([MoveAnswer.NOT_NOW]);
    expect(source.machine.moves.stateOf(SLOT)).toBe(SlotState.OWNED);
    expect(source.feed(1).activation([SLOT], NOW)).toBeNull();
  });

  it('is not fenced once a large command has come between: it would be sent while clients wait', () => {
    const groups = twoGroups();
    const { source } = groups;
    begin(groups);
    sendAll(groups);
    const { moves } = source.machine;
    const fenceItem = slotsItem(MoveItemType.FENCE, 1, moves.exports.endsOf([SLOT]), rangesOf([SLOT]));
    const answers = (): readonly MoveAnswer[] => source.move(fenceItem)[0].answers;
    source.command(['set', '{a}1', 'x'.repeat(2_000_000)], 1, 1);
    expect(answers()).toEqual([MoveAnswer.NOT_NOW]);
    expect(moves.stateOf(SLOT)).toBe(SlotState.OWNED);
    sendAll(groups);
    fence(groups);
    expect(moves.stateOf(SLOT)).toBe(SlotState.FROZEN);
    // What was frozen stays so, whatever the item says of how it was.
    expect(answers()).toEqual([MoveAnswer.DONE]);
    expect(activate(groups)).toEqual([MoveAnswer.WENT]);
  });

  it('asks for another cut when one is not what the source made, and the target goes on', () => {
    const groups = twoGroups();
    const { source, target } = groups;
    for (let i = 0; i < 50; i += 1) source.command(['set', `{a}${i}`, 'value'], 1, i + 1);
    begin(groups);
    const feed = source.feed(1);
    feed.resume(target.machine.moves.positions(1, [SLOT]));
    const items = feed.next(1_000_000);
    assert(items !== null, 'there is a cut');
    // A byte of a key, near the end.
    items[items.length - 150] ^= 1;
    expect(target.move(items).flatMap(({ answers }) => answers)).toContain(MoveAnswer.NOT_NEXT);
    expect(target.machine.moves.imports.usedBytes).toBe(0);
    feed.resume(target.machine.moves.positions(1, [SLOT]));
    sendAll(groups);
    fence(groups);
    sendAll(groups);
    expect(activate(groups)).toEqual([MoveAnswer.WENT]);
    expect(content(target)).toBe(content(source));
  });

  it('does not go over with another number of bytes than the source has', () => {
    const groups = twoGroups();
    const { source, target } = groups;
    source.command(['set', '{a}1', 'one'], 1, 1);
    begin(groups);
    sendAll(groups);
    fence(groups);
    const activation = source.feed(1).activation([SLOT], NOW);
    assert(activation !== null, 'all is given');
    const proof = readActivation(activation, 0);
    const other = activateItem({
      ...proof,
      slots: proof.slots.map((slot) => ({ ...slot, usedBytes: slot.usedBytes + 16 })),
    });
    expect(target.move(other)[0].answers).toEqual([MoveAnswer.ABORTED]);
  });

  it('fences the slot from removals too, and from commands on several slots and on all', () => {
    const groups = twoGroups();
    const { source } = groups;
    source.command(['set', '{a}1', 'one', 'px', '10'], 1, 1);
    source.command(['set', '{b}1', 'one'], 1, 2);
    const version = 2;
    begin(groups);
    fence(groups);
    source.remove({ db: 0, key: Buffer.from('{a}1'), version }, 'expired');
    source.remove({ db: 0, key: Buffer.from('{a}1'), version }, 'evicted');
    expect(source.machine.keyspace.keyCountInSlot(SLOT)).toBe(1);
    expect(source.command(['del', '{b}1', '{a}1'], 1, 3).refusal).toBe(Refusal.PARTED);
    expect(source.command(['flushall'], 1, 4, 4, 0, OTHER).refusal).toBe(Refusal.FROZEN);
    expect(source.command(['set', '{a}2', 'one'], 1, 5).refusal).toBe(Refusal.FROZEN);
    expect(source.command(['set', '{b}2', 'one'], 1, 6).refusal).toBeNull();
    expect(source.command(['set', '{c}2', 'one'], 1, 7).refusal).toBe(Refusal.MOVED);
  });

  it('lets a command on all keys run on those of the slots it names that are served, and tells which are not', () => {
    const groups = twoGroups();
    const { source, target } = groups;
    for (const [i, key] of ['{a}1', '{a}2', '{b}1'].entries()) source.command(['set', key, 'one'], 1, i + 1);
    const all = rangesOf([SLOT, OTHER].toSorted((a, b) => a - b));
    const named = (words: string[], sequence: number, slots = all): string =>
      source.command(words, 8, sequence, sequence, 0, slots).text ?? 'refused';
    expect(source.machine.keyspace.keyCount(0, all)).toBe(3);
    begin(groups);
    sendAll(groups);
    fence(groups);
    // The row lies with the first of the slots: that one is OTHER here.
    const [other] = rangesOf([OTHER]);
    const left = rangeBytes(rangesOf([SLOT])).toString('latin1');
    expect(named(['flushall'], 1, [other, ...rangesOf([SLOT])])).toBe(`+OK\r\n${left}`);
    expect(source.command(['flushall'], 8, 2, 2, 0, rangesOf([SLOT])).refusal).toBe(Refusal.FROZEN);
    expect([content(source, OTHER), content(source)]).toEqual(['', '{a}1 0 one\n{a}2 0 one']);
    expect(activate(groups)).toEqual([MoveAnswer.WENT]);
    expect(content(target)).toBe(content(source));
    expect(target.command(['flushdb'], 8, 3, 3, 0, rangesOf([SLOT])).text).toBe('+OK\r\n');
    expect(content(target)).toBe('');
    source.catchUp(1, source.log.length);
  });

  it('takes along a flush of the slots that it names, and no other', () => {
    const groups = twoGroups();
    const { source, target } = groups;
    for (const [i, key] of ['{a}1', '{b}1'].entries()) source.command(['set', key, 'one'], 1, i + 1);
    begin(groups, 1, [SLOT, OTHER]);
    sendAll(groups, 1, [SLOT, OTHER]);
    expect(source.command(['flushall'], 8, 1, 1, 0, rangesOf([OTHER])).text).toBe('+OK\r\n');
    fence(groups, 1, [SLOT, OTHER]);
    sendAll(groups, 1, [SLOT, OTHER]);
    expect(activate(groups, 1, [SLOT, OTHER])).toEqual([MoveAnswer.WENT, MoveAnswer.WENT]);
    expect([content(target), content(target, OTHER)]).toEqual(['{a}1 0 one', '']);
  });

  it('that is on its way is hidden, untouched by a flush, and counts against the budget', () => {
    const groups = twoGroups();
    const { source, target } = groups;
    for (let i = 0; i < 50; i += 1) source.command(['set', `{a}${i}`, 'value'], 1, i + 1);
    begin(groups);
    sendAll(groups);
    expect(target.machine.keyspace.totalKeyCount()).toBe(0);
    expect(target.machine.usedBytes).toBe(source.machine.usedBytes);
    target.machine.keyspace.flush(-1);
    fence(groups);
    expect(activate(groups)).toEqual([MoveAnswer.WENT]);
    expect(content(target)).toBe(content(source));
  });

  it('lets the source forget what is logged', () => {
    const groups = twoGroups();
    const { source } = groups;
    begin(groups);
    for (let i = 0; i < 50; i += 1) source.command(['set', `{a}${i}`, 'value'], 1, i + 1);
    const { exports } = source.machine.moves;
    expect(exports.keptBytes).toBeGreaterThan(1000);
    sendAll(groups);
    const logged = source.feed(1).loggedItem();
    expect(logged).not.toBeNull();
    if (logged !== null) source.move(logged);
    expect(exports.keptBytes).toBe(0);
    expect(source.feed(1).loggedItem()).toBeNull();
    source.catchUp(1, source.log.length);
    expect(source.machines[1].moves.exports.keptBytes).toBe(0);
  });

  it('keeps what limits and versions of the rules a command ran by', () => {
    expect(new Set(Object.values(EffectKind)).size).toBe(5);
    const groups = twoGroups();
    const { source, target } = groups;
    begin(groups);
    sendAll(groups);
    const limits = { hashMaxListpackEntries: 2, hashMaxListpackValueBytes: 8 };
    for (const machine of source.machines) machine.setPolicy({ ...machine.policy, limits });
    source.command(['hset', '{a}h', 'a', '1', 'b', '2', 'c', '3'], 1, 1);
    fence(groups);
    sendAll(groups);
    expect(activate(groups)).toEqual([MoveAnswer.WENT]);
    expect(target.machine.keyspace.usedBytes).toBe(source.machine.keyspace.usedBytes);
  });
});

describe('items of a move', () => {
  it('are what was put into them', () => {
    const activation = {
      move: 2 ** 33 + 7,
      sourceTerm: 3,
      sourceTimeMs: 17.25,
      sourceVersion: 2 ** 40,
      slots: [
        { slot: 16_383, epoch: 9, keys: 4, usedBytes: 5e9, effectsSum: 2 ** 32 - 1, effectsEnd: 2 ** 35 },
      ],
      ended: [{ node: 'c'.repeat(40), start: 12 }],
    };
    expect(readActivation(activateItem(activation), 0)).toEqual(activation);
  });

  it('of another node are looked at before they are logged', () => {
    const good = [
      slotsItem(MoveItemType.IMPORT_BEGIN, 1, 2, [{ from: 0, to: 5 }]),
      slotsItem(MoveItemType.IMPORT_ABORT, 1, 0, [{ from: 16_383, to: 16_383 }]),
      pieceItem(1, 1, 3, 0, 0, Buffer.from('effects')),
      pieceItem(1, 1, 3, 7, 0, Buffer.from('cut')),
      cutEndItem(1, 1, 3, 7, { cutBytes: 3, cutSum: 0, effectsFrom: 0, effectsSum: 0, keys: 0 }),
      activateItem({ move: 1, sourceTerm: 1, sourceTimeMs: 0, sourceVersion: 0, slots: [], ended: [] }),
    ];
    for (const item of good) {
      expect(areTargetItems(item)).toBe(true);
      expect(areTargetItems(item.subarray(0, -1))).toBe(false);
    }
    expect(areTargetItems(Buffer.concat(good))).toBe(true);
    expect(areTargetItems(Buffer.alloc(0))).toBe(false);
    expect(areTargetItems(loggedItem(1, [1], [1]))).toBe(false);
    expect(areTargetItems(slotsItem(MoveItemType.MOVED, 1, 0, [{ from: 0, to: 5 }]))).toBe(false);
    expect(areTargetItems(slotsItem(MoveItemType.IMPORT_BEGIN, 1, 0, [{ from: 9, to: 5 }]))).toBe(false);
    expect(areTargetItems(slotsItem(MoveItemType.IMPORT_BEGIN, 1, 0, [{ from: 0, to: 16_384 }]))).toBe(false);
    expect(areTargetItems(slotsItem(MoveItemType.IMPORT_BEGIN, 0, 0, [{ from: 0, to: 1 }]))).toBe(false);
  });
});

describe('a group', () => {
  const close = (group: Group, by = 9): MoveAnswer[] =>
    group.move(slotsItem(MoveItemType.CLOSE, by, 0, [])).flatMap(({ answers }) => [...answers]);
  const importBegin = (group: Group, move: number): MoveAnswer[] =>
    group
      .move(slotsItem(MoveItemType.IMPORT_BEGIN, move, 1, rangesOf([SLOT])))
      .flatMap(({ answers }) => [...answers]);

  it('closes only when no slot is owned, frozen or staged there, and then none comes any more', () => {
    const groups = twoGroups();
    const { source, target } = groups;
    expect(close(source)).toEqual([MoveAnswer.NOT_NOW]);
    begin(groups);
    expect(close(target)).toEqual([MoveAnswer.NOT_NOW]);
    target.move(slotsItem(MoveItemType.IMPORT_ABORT, 1, 0, rangesOf([SLOT])));
    expect(target.machine.moves.slots.closedBy).toBe(0);
    expect(close(target)).toEqual([MoveAnswer.DONE]);
    expect(close(target, 11)).toEqual([MoveAnswer.DONE]);
    expect(target.machine.moves.slots.closedBy).toBe(9);
    expect(importBegin(target, 12)).toEqual([MoveAnswer.NOT_NOW]);
    // How the move before went it says for ever.
    expect(importBegin(target, 1)).toEqual([MoveAnswer.ABORTED]);
    const copy = new SlotStates();
    copy.load(target.machine.moves.slots.image());
    expect([copy.closedBy, copy.endedMove(SLOT)]).toEqual([9, 1]);
  });
});
