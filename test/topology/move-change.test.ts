import { describe, expect, it } from 'vitest';

import { applyChange, type TopologyChange } from '../../src/topology/change.ts';
import { moveIdOf } from '../../src/topology/move-change.ts';
import { decodeTopology, encodeTopology } from '../../src/topology/topology-codec.ts';
import type { SlotRun, Topology } from '../../src/topology/types.ts';
import { oneNode } from './one-node.ts';

const SLOTS: readonly SlotRun[] = [
  { from: 0, to: 99, shard: 1 },
  { from: 100, to: 16_383, shard: 2 },
];

function topology(): Topology {
  const base = oneNode(1, 5);
  const [shard] = base.shards;
  if (shard === undefined) throw new Error('it has a shard');
  return { ...base, shards: [shard, { ...shard, id: 2, group: 2 }], slots: SLOTS };
}

function after(current: Topology, ...changes: TopologyChange[]): Topology {
  return changes.reduce((now, change) => {
    const changed = applyChange(now, change);
    if (typeof changed === 'string') throw new Error(changed);
    return { ...changed, epoch: now.epoch + 1 };
  }, current);
}

const begin = (from: number, to: number): TopologyChange => ({
  kind: 'begin-move',
  source: 1,
  target: 2,
  slots: [{ from, to }],
});

describe('a move in the register', () => {
  it('has the id of the epoch that records it, over generations too', () => {
    const begun = after(topology(), begin(10, 19));
    expect(begun.moves).toEqual([
      { id: moveIdOf(begun), source: 1, target: 2, slots: [{ from: 10, to: 19 }] },
    ]);
    expect(moveIdOf({ generation: 2, epoch: 1 })).toBeGreaterThan(
      moveIdOf({ generation: 1, epoch: 2 ** 31 }),
    );
    expect(decodeTopology(encodeTopology(begun))).toEqual(begun);
  });

  it('leaves the owners as they are until it has ended, and then gives the slots that went over to the target', () => {
    const begun = after(topology(), begin(10, 19));
    expect(begun.slots).toEqual(SLOTS);
    const move = moveIdOf(begun);
    const ended = after(begun, { kind: 'end-move', move, moved: [{ from: 12, to: 19 }] });
    expect(ended.moves).toEqual([]);
    expect(ended.slots).toEqual([
      { from: 0, to: 11, shard: 1 },
      { from: 12, to: 19, shard: 2 },
      { from: 20, to: 99, shard: 1 },
      { from: 100, to: 16_383, shard: 2 },
    ]);
    const aborted = after(begun, { kind: 'abort-move', move }, { kind: 'end-move', move, moved: [] });
    expect(aborted).toMatchObject({ slots: SLOTS, moves: [] });
  });

  it("is refused when a slot is not the source's, is on its way already, or is named badly", () => {
    const begun = after(topology(), begin(10, 19));
    const refusal = (change: TopologyChange): unknown => applyChange(begun, change);
    expect(refusal(begin(90, 100))).toBe('slot 100 is not of shard 1');
    expect(refusal(begin(19, 20))).toBe('slot 19 is being moved already');
    expect(refusal(begin(30, 29))).toContain('ranges');
    expect(refusal({ kind: 'begin-move', source: 1, target: 1, slots: [] })).toContain('to itself');
    expect(refusal({ kind: 'begin-move', source: 1, target: 3, slots: [] })).toBe('there is no shard 3');
    const [move] = begun.moves;
    const end: TopologyChange = { kind: 'end-move', move: move?.id ?? 0, moved: [{ from: 9, to: 9 }] };
    expect(refusal(end)).toContain('slot 9 is not of move');
    expect(refusal({ kind: 'abort-move', move: 1 })).toBe('there is no move 0.1 under way');
  });
});
