import { describe, expect, it } from 'vitest';

import { silentLog } from '../../../src/log.ts';
import { Mover } from '../../../src/server/moves/mover.ts';
import type { TopologySpread } from '../../../src/server/topology-spread.ts';
import { SlotState } from '../../../src/shard/moves/slot-state.ts';
import type { MoveEntry, Topology } from '../../../src/topology/types.ts';
import { MOVE, TwoShards } from './two-shards.ts';

const { OWNED, FROZEN, NONE } = SlotState;
const SLOTS = [{ from: 0, to: 9 }];

/** The source of a move with its first slots frozen, and the register as the test says. */
class World {
  readonly shards = new TwoShards(SLOTS);
  moves: readonly MoveEntry[] = [];
  epoch = MOVE;
  readonly proposed: unknown[] = [];
  readonly mover: Mover;

  constructor() {
    const { shards } = this;
    shards.turns(() => shards.states(shards.source, [0])[0] === FROZEN);
    shards.move.stop();
    const spread = {
      isKeptSince: () => true,
      has: () => true,
      propose: (change: unknown) => this.proposed.push(change),
    } as unknown as TopologySpread;
    this.mover = new Mover({
      now: shards.now,
      replicas: [shards.source.replica],
      questions: shards.questions(),
      topology: () =>
        ({
          clusterId: 'c',
          generation: 0,
          epoch: this.epoch,
          nodes: [],
          moves: this.moves,
        }) as unknown as Topology,
      spread: () => spread,
      latencies: () => [],
      maxBytesPerSecond: () => 0,
      wake: () => {},
      wakeAfter: () => {},
      log: silentLog,
    });
  }

  turns(count: number): void {
    for (let turn = 0; turn < count; turn++) {
      this.shards.pass(5);
      this.mover.turn();
      this.shards.commit();
    }
  }

  get states(): SlotState[][] {
    const { shards } = this;
    return [shards.source, shards.target].map((side) => [...new Set(shards.states(side, [0, 9]))]);
  }
}

describe('the driver of moves', () => {
  it('ends one of the register, and tells it', () => {
    const world = new World();
    world.moves = [world.shards.entry];
    world.turns(100);
    expect(world.states).toEqual([[NONE], [OWNED]]);
    expect(world.proposed[0]).toMatchObject({ change: { kind: 'end-move', move: MOVE, moved: SLOTS } });
  });

  it('calls back one that the register does not know any more: no slot stays frozen for ever', () => {
    const world = new World();
    world.turns(100);
    expect(world.states).toEqual([[OWNED], [NONE]]);
    expect([world.proposed, world.mover.running]).toEqual([[], []]);
  });

  it('leaves one alone that the register may yet tell of', () => {
    const world = new World();
    world.epoch = MOVE - 1;
    world.turns(100);
    expect(world.states[0]).toEqual([FROZEN]);
  });
});
