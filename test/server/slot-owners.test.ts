import { describe, expect, it } from 'vitest';

import { SlotOwners } from '../../src/server/slot-owners.ts';
import { moveIdOf } from '../../src/topology/move-change.ts';
import { SLOT_COUNT } from '../../src/topology/types.ts';
import { after, cluster } from '../topology/clusters.ts';

const SLOTS = [{ from: 100, to: 103 }];
const FOUNDED = cluster(
  [1, 1],
  Int32Array.from({ length: SLOT_COUNT }, (_, slot) => (slot < SLOT_COUNT / 2 ? 1 : 2)),
);
const MOVING = after(FOUNDED, { kind: 'begin-move', source: 1, target: 2, slots: SLOTS });
const MOVE = moveIdOf(MOVING);

function ownersOf(owners: SlotOwners): number[] {
  return Array.from({ length: SLOT_COUNT }, (_, slot) => owners.of(slot));
}

describe('owners of slots', () => {
  it('are those of the topology, which tells what has another one by it', () => {
    const owners = new SlotOwners(FOUNDED);
    expect(owners.runs()).toEqual(FOUNDED.slots);
    expect(owners.setTopology(MOVING)).toEqual([]);
    expect(owners.hasMoves).toBe(true);
    expect([99, 100, 103, 104].map((slot) => owners.isMoving(slot))).toEqual([false, true, true, false]);
    const ended = after(MOVING, { kind: 'end-move', move: MOVE, moved: [{ from: 101, to: 103 }] });
    expect(owners.setTopology(ended)).toEqual([101, 102, 103]);
    expect(ownersOf(owners)).toEqual(ownersOf(new SlotOwners(ended)));
    expect(owners.hasMoves).toBe(false);
    expect(owners.isMoving(101)).toBe(false);
  });

  it('are what was learnt of a move, until the topology has ended it', () => {
    const owners = new SlotOwners(MOVING);
    for (const slot of [100, 101, 102]) expect(owners.learn(slot, 2, MOVE)).toBe(true);
    expect(owners.learn(100, 2, MOVE)).toBe(false);
    expect([100, 102, 103].map((slot) => owners.of(slot))).toEqual([2, 2, 1]);
    // Learnt of before this node knows of it.
    expect(owners.learn(5, 2, MOVE + 3)).toBe(true);
    expect(owners.setTopology(MOVING)).toEqual([]);
    const ended = after(MOVING, { kind: 'end-move', move: MOVE, moved: [{ from: 101, to: 102 }] });
    // What it had been told of slot 100 was not so, in the end.
    expect(owners.setTopology(ended)).toEqual([100]);
    expect([5, 100, 101, 102, 103].map((slot) => owners.of(slot))).toEqual([2, 1, 2, 2, 1]);
    expect(owners.learn(103, 2, MOVE)).toBe(false);
  });
});
