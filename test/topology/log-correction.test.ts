import { describe, expect, it } from 'vitest';

import { applyChange } from '../../src/topology/change.ts';
import { correctionFor, unconfirmed, type SlotLog } from '../../src/topology/log-correction.ts';
import { moveIdOf, moveName } from '../../src/topology/move-change.ts';
import { decodeTopology, encodeTopology } from '../../src/topology/topology-codec.ts';
import { topologyDiff } from '../../src/topology/topology-diff.ts';
import type { Topology } from '../../src/topology/types.ts';
import { after, cluster, preferences } from './clusters.ts';

const LOST = moveIdOf({ generation: 1, epoch: 7 });
const recovered: Topology = {
  ...cluster([1, 1], preferences([1, 2])),
  generation: 2,
  slots: [{ from: 0, to: 16_383, shard: 1 }],
};

/** A log that owns nothing, but for what is said of some slots. */
function logOf(
  slots: Record<number, { owned?: true; arriving?: true; move?: number; peer?: number; ended?: number }>,
): SlotLog {
  return {
    isOwned: (slot) => slots[slot]?.owned === true,
    isArriving: (slot) => slots[slot]?.arriving === true,
    moveOf: (slot) => slots[slot]?.move ?? 0,
    peerOf: (slot) => slots[slot]?.peer ?? 0,
    endedOf: (slot) => slots[slot]?.ended ?? 0,
  };
}

function refusal(change: Parameters<typeof applyChange>[1], on = recovered): unknown {
  const outcome = applyChange(on, change);
  return typeof outcome === 'string' ? outcome : null;
}

describe('the register after a recovery', () => {
  it('names as owner who has a slot by its log, from a move whose end was lost', () => {
    const log = logOf({ 5: { owned: true, ended: LOST }, 6: { owned: true, ended: LOST } });
    const claim = correctionFor(recovered, 2, log);
    expect(claim).toEqual({ kind: 'claim-slots', shard: 2, slots: [{ from: 5, to: 6 }] });
    if (claim === null) return;
    const now = after(recovered, claim);
    expect(now.slots).toEqual([
      { from: 0, to: 4, shard: 1 },
      { from: 5, to: 6, shard: 2 },
      { from: 7, to: 16_383, shard: 1 },
    ]);
    expect(correctionFor(now, 2, log)).toBeNull();
  });

  it('is not put right by what is older than itself, or on the move', () => {
    const log = logOf({ 5: { owned: true, ended: LOST } });
    expect(correctionFor({ ...recovered, generation: 1 }, 2, log)).toBeNull();
    const moving = after(recovered, {
      kind: 'begin-move',
      source: 1,
      target: 2,
      slots: [{ from: 5, to: 5 }],
    });
    expect(correctionFor(moving, 2, log)).toBeNull();
    expect(refusal({ kind: 'claim-slots', shard: 2, slots: [{ from: 4, to: 5 }] }, moving)).toBe(
      'slot 5 is being moved',
    );
    expect(refusal({ kind: 'claim-slots', shard: 9, slots: [{ from: 4, to: 5 }] })).toBe(
      'there is no shard 9',
    );
    const later = moveIdOf({ generation: 2, epoch: 3 });
    expect(correctionFor(recovered, 2, logOf({ 5: { owned: true, ended: later } }))).toBeNull();
  });

  it.each([
    { shard: 1, log: logOf({ 8: { owned: true, move: LOST, peer: 2 } }) },
    { shard: 2, log: logOf({ 8: { arriving: true, move: LOST, peer: 1 } }) },
  ])(
    'knows a lost move again, from the log of shard $shard, as one that is called back',
    ({ shard, log }) => {
      const resumed = correctionFor(recovered, shard, log);
      expect(resumed).toEqual({
        kind: 'resume-move',
        move: LOST,
        source: 1,
        target: 2,
        slots: [{ from: 8, to: 8 }],
      });
      if (resumed?.kind !== 'resume-move') return;
      const now = after(recovered, resumed);
      expect(now.moves).toEqual([
        { id: LOST, source: 1, target: 2, slots: [{ from: 8, to: 8 }], aborting: true },
      ]);
      expect(correctionFor(now, shard, log)).toBeNull();
      expect(refusal({ ...resumed, slots: [{ from: 9, to: 9 }] }, now)).toBe(
        `move ${moveName(LOST)} is under way`,
      );
      const recent = moveIdOf({ generation: 2, epoch: 1 });
      expect(refusal({ ...resumed, move: recent })).toContain('is not of an epoch that was lost');
    },
  );

  it('cannot have a move known again whose other side is gone', () => {
    expect(correctionFor(recovered, 1, logOf({ 8: { owned: true, move: LOST, peer: 3 } }))).toBeNull();
  });

  it('hears from each shard that its log says the same, before a lost one gets a successor', () => {
    const nothing = logOf({});
    expect(correctionFor(recovered, 2, nothing)).toBeNull();
    const lost = after(recovered, { kind: 'give-up-shard', shard: 1, destroyed: [1] });
    expect(unconfirmed(lost)).toEqual([2]);
    expect(unconfirmed({ ...lost, generation: 1 })).toEqual([]);
    const owner = logOf({ 5: { owned: true, ended: LOST } });
    expect(correctionFor(lost, 2, owner)?.kind).toBe('claim-slots');
    // In a move with a shard that nobody knows any more: what became of the slot is not known.
    expect(correctionFor(lost, 2, logOf({ 5: { owned: true, move: LOST, peer: 9 } }))).toBeNull();
    const confirmation = correctionFor(lost, 2, nothing);
    expect(confirmation).toEqual({ kind: 'confirm-slots', shard: 2 });
    if (confirmation === null) return;
    const now = after(lost, confirmation);
    expect(unconfirmed(now)).toEqual([]);
    expect(decodeTopology(encodeTopology(now))).toEqual(now);
    expect(topologyDiff(lost, now)).toEqual(['shard 2: its log says the same']);
    expect(correctionFor(now, 2, nothing)).toBeNull();
    expect(unconfirmed({ ...now, generation: 3 })).toEqual([2]);
    expect(refusal(confirmation, now)).toBe('shard 2 has confirmed its slots already');
    expect(refusal({ kind: 'confirm-slots', shard: 1 }, now)).toBe('shard 1 is given up');
    expect(refusal({ kind: 'confirm-slots', shard: 9 }, now)).toBe('there is no shard 9');
  });
});
