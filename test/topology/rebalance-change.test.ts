import { describe, expect, it } from 'vitest';

import { emptyTable, planSlots, tableOf } from '../../ring/index.ts';
import { applyChange, type TopologyChange } from '../../src/topology/change.ts';
import { moveName } from '../../src/topology/move-change.ts';
import { planMoves } from '../../src/topology/planner.ts';
import { MAX_PLAN_RANGES } from '../../src/topology/rebalance-change.ts';
import { workedMs, type PlanEntry, type PlannedMove } from '../../src/topology/rebalance.ts';
import {
  decodeChange,
  decodeTopology,
  encodeChange,
  encodeTopology,
} from '../../src/topology/topology-codec.ts';
import type { Topology } from '../../src/topology/types.ts';
import { after, cluster, preferences } from './clusters.ts';

function four(): Topology {
  const shards = [1, 2, 3].map((id) => ({ id, weight: 1 }));
  return cluster([1, 1, 1, 1], planSlots(emptyTable(), shards, preferences([1, 2, 3])).table);
}

function begin(topology: Topology, atMs = 1000): TopologyChange {
  const steps = planMoves({ topology, preferences, by: 'slots', loads: null }).moves;
  return { kind: 'begin-plan', by: 'slots', isAutomatic: false, atMs, steps };
}

function planOf(topology: Topology): PlanEntry {
  const plan = topology.rebalance?.plan;
  if (plan === undefined) throw new Error('no plan is under way');
  return plan;
}

function next(topology: Topology): TopologyChange {
  const plan = planOf(topology);
  return { kind: 'begin-planned-move', plan: plan.id, left: plan.steps.length };
}

/** Each of the plan's moves begun and ended, one after the other. */
function finished(topology: Topology): Topology {
  let now = topology;
  while (planOf(now).steps.length > 0) {
    now = after(now, next(now));
    now = after(now, { kind: 'end-move', move: now.moves[0].id, moved: now.moves[0].slots });
  }
  return now;
}

function refusal(topology: Topology, change: TopologyChange): string {
  const changed = applyChange(topology, change);
  return typeof changed === 'string' ? changed : 'it is not refused';
}

describe('a plan in the register', () => {
  it('is taken move by move, reaches the quotas, and is remembered', () => {
    const founded = four();
    const begun = after(founded, begin(founded));
    const plan = planOf(begun);
    expect(plan).toMatchObject({ id: 2 ** 32 + 2, slots: 4096, moved: 0, moves: [] });
    const done = finished(begun);
    expect(planOf(done).moved).toBe(4096);
    expect(planOf(done).transfers).toHaveLength(3);
    const ended = after(done, { kind: 'end-plan', plan: plan.id, atMs: 61_000 });
    expect(ended.rebalance?.plan).toBeUndefined();
    expect(ended.rebalance?.history).toEqual([
      {
        id: plan.id,
        by: 'slots',
        isAutomatic: false,
        beganMs: 1000,
        endedMs: 61_000,
        slots: 4096,
        moved: 4096,
        outcome: 'done',
        transfers: planOf(done).transfers.toSorted((a, b) => b.slots - a.slots),
      },
    ]);
    const table = tableOf(ended.slots);
    for (const shard of [1, 2, 3, 4]) expect(table.filter((owner) => owner === shard)).toHaveLength(4096);
    expect(decodeTopology(encodeTopology(ended))).toEqual(ended);
  });

  it('begins each move once, whoever asks for it how often', () => {
    const begun = after(four(), begin(four()));
    const step = next(begun);
    const stepped = after(begun, step);
    expect(stepped.moves).toHaveLength(1);
    expect(planOf(stepped).moves).toEqual([stepped.moves[0].id]);
    expect(refusal(stepped, step)).toBe('that step is begun already');
    expect(decodeTopology(encodeTopology(stepped))).toEqual(stepped);
  });

  it('is one at a time, and none while slots move without one', () => {
    const founded = four();
    const begun = after(founded, begin(founded));
    expect(refusal(begun, begin(founded))).toBe('a plan is under way already');
    const moving = after(founded, {
      kind: 'begin-move',
      source: 1,
      target: 4,
      slots: [tableOf(founded.slots).indexOf(1)].map((slot) => ({ from: slot, to: slot })),
    });
    expect(refusal(moving, begin(founded))).toBe('slots are being moved without a plan');
  });

  it('says how it ended', () => {
    const founded = four();
    const begun = after(founded, begin(founded));
    const { id } = planOf(begun);
    const stepped = after(begun, next(begun));
    const end: TopologyChange = { kind: 'end-plan', plan: id, atMs: 2000 };
    expect(refusal(stepped, end)).toBe('moves of the plan are under way');
    const [move] = stepped.moves;
    const stayed = after(stepped, { kind: 'end-move', move: move.id, moved: [] });
    expect(after(stayed, end).rebalance?.history).toMatchObject([{ outcome: 'superseded', moved: 0 }]);
    expect(after(finished(stayed), end).rebalance?.history).toMatchObject([{ outcome: 'partly' }]);
    expect(refusal(after(finished(stayed), end), end)).toBe(`there is no plan ${moveName(id)} under way`);
  });

  it('begins no more while paused, and goes on when resumed', () => {
    const founded = four();
    const paused = after(founded, begin(founded), { kind: 'pause-rebalance' });
    expect(refusal(paused, next(paused))).toBe('rebalancing is paused');
    expect(refusal(paused, { kind: 'pause-rebalance' })).toBe('rebalancing is paused already');
    const resumed = after(paused, { kind: 'resume-rebalance' });
    expect(after(resumed, next(resumed)).moves).toHaveLength(1);
    expect(refusal(resumed, { kind: 'resume-rebalance' })).toBe('rebalancing is not paused');
    expect(refusal(after(founded, { kind: 'pause-rebalance' }), begin(founded))).toBe(
      'rebalancing is paused',
    );
  });

  it('is not slow by the time that it was paused', () => {
    const founded = four();
    const begun = after(founded, begin(founded));
    const { beganMs } = planOf(begun);
    const at = (seconds: number): number => beganMs + seconds * 1000;
    const pause = (from: number, to: number): TopologyChange[] => [
      { kind: 'pause-rebalance', atMs: at(from) },
      { kind: 'resume-rebalance', atMs: at(to) },
    ];
    const resumed = after(begun, ...pause(1, 61), ...pause(62, 162));
    expect(resumed.rebalance?.pausedAtMs).toBeUndefined();
    expect(workedMs(planOf(resumed), at(164))).toBe(4000);
    // The clock of who resumed it was behind; and a pause that began before the plan is not all of it.
    expect(workedMs(planOf(after(begun, ...pause(9, 5))), at(10))).toBe(10_000);
    expect(workedMs(planOf(after(begun, ...pause(-5, 5))), at(10))).toBe(5000);
    const ended = after(finished(resumed), { kind: 'end-plan', plan: planOf(resumed).id, atMs: at(165) });
    const record = ended.rebalance?.history.at(-1);
    expect(record?.pausedMs).toBe(160_000);
    const sent = decodeTopology(encodeTopology(after(begun, { kind: 'pause-rebalance', atMs: at(1) })));
    expect(sent?.rebalance?.pausedAtMs).toBe(at(1));
  });

  it('aborted has its moves aborted, and leaves rebalancing paused', () => {
    const founded = four();
    const begun = after(founded, begin(founded));
    const { id } = planOf(begun);
    const stepped = after(begun, next(begun));
    const aborting = after(stepped, { kind: 'abort-plan', plan: id });
    expect(aborting.moves).toMatchObject([{ aborting: true }]);
    expect(refusal(aborting, { kind: 'abort-plan', plan: id })).toBe('the plan is being aborted already');
    expect(refusal(after(aborting, { kind: 'resume-rebalance' }), next(aborting))).toBe(
      'the plan is being aborted',
    );
    const stayed = after(aborting, { kind: 'end-move', move: aborting.moves[0].id, moved: [] });
    const ended = after(stayed, { kind: 'end-plan', plan: id, atMs: 3000 });
    expect(ended.rebalance).toMatchObject({ paused: true, history: [{ outcome: 'aborted' }] });
  });

  it('moves only what its source owns, each slot once, and not too many ranges', () => {
    const founded = four();
    const plan = (steps: readonly PlannedMove[]): TopologyChange => ({
      kind: 'begin-plan',
      by: 'slots',
      isAutomatic: true,
      atMs: 0,
      steps,
    });
    const slot = tableOf(founded.slots).indexOf(2);
    const step = { source: 2, target: 4, slots: [{ from: slot, to: slot }] };
    expect(refusal(founded, plan([]))).toBe('the plan moves nothing');
    expect(refusal(founded, plan([{ ...step, source: 1 }]))).toBe(`slot ${slot} is not of shard 1`);
    expect(refusal(founded, plan([step, { ...step, target: 3 }]))).toBe(`slot ${slot} is in the plan twice`);
    const ranges = Array.from({ length: MAX_PLAN_RANGES + 1 }, (_, at) => ({ from: at * 2, to: at * 2 }));
    expect(refusal(founded, plan([{ ...step, slots: ranges }]))).toMatch(/ranges of slots at most$/);
  });

  it('remembers the last twenty', () => {
    let now = four();
    for (let turn = 0; turn < 25; turn++) {
      const target = 1 + ((turn + 1) % 2);
      const slot = tableOf(now.slots).indexOf(1 + (turn % 2));
      const steps = [{ source: 1 + (turn % 2), target, slots: [{ from: slot, to: slot }] }];
      now = after(now, { kind: 'begin-plan', by: 'ops', isAutomatic: true, atMs: turn, steps });
      now = finished(now);
      now = after(now, { kind: 'end-plan', plan: planOf(now).id, atMs: turn });
    }
    expect(now.rebalance?.history.map(({ beganMs }) => beganMs)).toEqual(
      Array.from({ length: 20 }, (_, at) => at + 5),
    );
  });
});

describe('set-weight', () => {
  it('changes the share of a node', () => {
    const founded = four();
    const heavier = after(founded, { kind: 'set-weight', node: founded.nodes[1].id, weight: 3 });
    expect(heavier.nodes.map(({ weight }) => weight)).toEqual([1, 3, 1, 1]);
    expect(refusal(heavier, { kind: 'set-weight', node: founded.nodes[1].id, weight: 3 })).toMatch(
      /already$/,
    );
    expect(refusal(heavier, { kind: 'set-weight', node: 'nobody', weight: 3 })).toBe(
      'there is no node nobody',
    );
  });
});

describe('changes of plans', () => {
  it('are sent as they are', () => {
    const founded = four();
    const begun = after(founded, begin(founded));
    const changes: TopologyChange[] = [
      begin(founded),
      next(begun),
      { kind: 'end-plan', plan: 7, atMs: 5 },
      { kind: 'pause-rebalance' },
      { kind: 'resume-rebalance' },
      { kind: 'pause-rebalance', atMs: 5 },
      { kind: 'resume-rebalance', atMs: 6 },
      { kind: 'abort-plan', plan: 7 },
      { kind: 'set-weight', node: founded.nodes[0].id, weight: 2 },
    ];
    for (const change of changes) {
      const request = { id: founded.clusterId, node: founded.nodes[0].id, start: 1 };
      const proposed = { clusterId: founded.clusterId, on: { generation: 1, epoch: 1 }, change, request };
      expect(decodeChange(encodeChange(proposed))).toEqual(proposed);
    }
  });
});
