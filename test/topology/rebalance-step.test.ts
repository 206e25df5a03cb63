import { describe, expect, it } from 'vitest';

import { emptyTable, planSlots, tableOf } from '../../ring/index.ts';
import { planMoves } from '../../src/topology/planner.ts';
import {
  beginPlan,
  hasForeignMoves,
  COUNTING_MS,
  mayBeginPlan,
  mayPlanByLoads,
  MOVES_AT_ONCE,
  nextPlanChange,
  PARTLY_PAUSE_MS,
} from '../../src/topology/rebalance-step.ts';
import type { Topology } from '../../src/topology/types.ts';
import { after, cluster, preferences, withLeaving } from './clusters.ts';

const WALL_MS = 5_000_000;

/** One more has come to so many. */
function grown(count: number): Topology {
  const ids = Array.from({ length: count }, (_, at) => at + 1);
  const shards = ids.map((id) => ({ id, weight: 1 }));
  const weights = Array.from({ length: count + 1 }, () => 1);
  return cluster(weights, planSlots(emptyTable(), shards, preferences(ids)).table);
}

function four(): Topology {
  return grown(3);
}

function planned(topology: Topology = four()): Topology {
  const { moves } = planMoves({ topology, preferences, by: 'slots', loads: null });
  return after(topology, beginPlan('slots', moves, true, 1));
}

function next(topology: Topology, obstacle = ''): ReturnType<typeof nextPlanChange> {
  return nextPlanChange({ topology, wallMs: WALL_MS, obstacle });
}

/** Steps are taken as long as there are any to take. */
function running(topology: Topology): Topology {
  let now = topology;
  for (let change = next(now); change !== null; change = next(now)) now = after(now, change);
  return now;
}

describe('the next step of a plan', () => {
  it('is to begin a move, a few at a time, and to end the plan once they have ended', () => {
    let now = running(planned(grown(MOVES_AT_ONCE + 2)));
    const { slots = 0 } = now.rebalance?.plan ?? {};
    expect(now.moves).toHaveLength(MOVES_AT_ONCE);
    for (let guard = 0; now.moves.length > 0 && guard < 100; guard++) {
      const [move] = now.moves;
      now = running(after(now, { kind: 'end-move', move: move.id, moved: move.slots }));
    }
    expect(now.rebalance?.plan).toBeUndefined();
    expect(now.rebalance?.history).toMatchObject([{ outcome: 'done', moved: slots, endedMs: WALL_MS }]);
    expect(next(now)).toBeNull();
  });

  it('is none while it is not safe, or paused', () => {
    expect(next(planned(), 'not safe now')).toBeNull();
    expect(next(after(planned(), { kind: 'pause-rebalance' }))).toBeNull();
  });

  it('is to end an aborted plan, paused or not, when its moves have ended', () => {
    const now = running(planned());
    const plan = now.rebalance?.plan?.id ?? 0;
    let aborting = after(now, { kind: 'abort-plan', plan });
    expect(next(aborting, 'not safe now')).toBeNull();
    for (const { id } of now.moves) aborting = after(aborting, { kind: 'end-move', move: id, moved: [] });
    expect(next(aborting, 'not safe now')).toMatchObject({ kind: 'end-plan', plan });
  });

  it('is to end a plan that the cluster has left behind', () => {
    const now = planned();
    const lighter = after(now, { kind: 'set-weight', node: now.nodes[0].id, weight: 3 });
    expect(next(lighter)).toMatchObject({ kind: 'end-plan' });
    const same = after(now, { kind: 'raise-version', version: 2 });
    expect(next(same)).toMatchObject({ kind: 'begin-planned-move' });
    expect(next(withLeaving(now, 4))).toMatchObject({ kind: 'end-plan' });
  });

  it('is to call back moves to a shard that is to have nothing any more', () => {
    const now = withLeaving(running(planned()), 4);
    const called = running(now);
    expect(called.moves.map(({ aborting }) => aborting)).toEqual([true, true, true]);
    expect(called.rebalance?.plan?.aborting).toBeUndefined();
    let ended = called;
    for (const { id } of called.moves) ended = after(ended, { kind: 'end-move', move: id, moved: [] });
    expect(running(ended).rebalance?.history).toMatchObject([{ outcome: 'superseded', moved: 0 }]);
  });

  it('waits for the moves under way before a plan left behind is ended', () => {
    const now = after(planned(), next(planned()) ?? { kind: 'pause-rebalance' });
    const other = after(now, { kind: 'set-weight', node: now.nodes[0].id, weight: 3 });
    expect(next(other)).toBeNull();
    const [move] = other.moves;
    const ended = after(other, { kind: 'end-move', move: move.id, moved: move.slots });
    expect(after(ended, next(ended) ?? { kind: 'pause-rebalance' }).rebalance?.history).toMatchObject([
      { outcome: 'superseded' },
    ]);
  });
});

describe('a plan that nobody asked for', () => {
  const may = (topology: Topology, obstacle = '', wallMs = WALL_MS): boolean =>
    mayBeginPlan({ topology, wallMs, obstacle });

  it('is made when nothing is in its way', () => {
    expect(may(four())).toBe(true);
    expect(may(four(), 'a shard lacks its majority')).toBe(false);
    expect(may(planned())).toBe(false);
    expect(may(after(four(), { kind: 'pause-rebalance' }))).toBe(false);
    const slot = tableOf(four().slots).indexOf(1);
    const moving = after(four(), {
      kind: 'begin-move',
      source: 1,
      target: 4,
      slots: [{ from: slot, to: slot }],
    });
    expect(may(moving)).toBe(false);
    expect(hasForeignMoves(moving)).toBe(true);
    expect(hasForeignMoves(running(planned()))).toBe(false);
  });

  it('leaves a while after one of which not all slots went over', () => {
    let now = running(planned());
    while (now.rebalance?.plan !== undefined)
      now = running(after(now, { kind: 'end-move', move: now.moves[0].id, moved: [] }));
    expect(now.rebalance?.history).toMatchObject([{ outcome: 'partly', moved: 0 }]);
    expect(may(now, '', WALL_MS + PARTLY_PAUSE_MS - 1)).toBe(false);
    expect(may(now, '', WALL_MS + PARTLY_PAUSE_MS)).toBe(true);
    // Whoever noted its end had a clock that was ahead by a day: nobody waits for that day.
    expect(may(now, '', WALL_MS - 1000)).toBe(false);
    expect(may(now, '', WALL_MS - 24 * 3_600_000)).toBe(true);
  });

  it('by load leaves a while after any, unless a node leaves: slots that have just come were hardly counted', () => {
    const mayByLoads = (topology: Topology, wallMs: number): boolean =>
      mayPlanByLoads({ topology, wallMs, obstacle: '' });
    expect(mayByLoads(four(), WALL_MS)).toBe(true);
    let now = running(planned());
    while (now.rebalance?.plan !== undefined)
      now = running(after(now, { kind: 'end-move', move: now.moves[0].id, moved: now.moves[0].slots }));
    expect(mayByLoads(now, WALL_MS + COUNTING_MS - 1)).toBe(false);
    expect(mayByLoads(now, WALL_MS + COUNTING_MS)).toBe(true);
    expect(mayByLoads(withLeaving(now, 2), WALL_MS)).toBe(true);
  });
});
