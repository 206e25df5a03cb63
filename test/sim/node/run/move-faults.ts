import type { SeededRandom } from '../../../../src/env/sim/random.ts';
import type { TopologyChange } from '../../../../src/topology/change.ts';
import { rangesOf, slotsOf } from '../../../../src/topology/slot-ranges.ts';
import type { SlotRange, Topology } from '../../../../src/topology/types.ts';
import { changeTopology } from './changes.ts';
import type { World } from './world.ts';

/** Under way at once: more would wait for each other. */
const MOVES_MOST = 4;
const RANGES_MOST = 4;
const RANGE_SLOTS_MOST = 1500;

/** Slots go from shard to shard, and back. */
export class MoveFaults {
  readonly strikes = {
    'slots moved': () => this.move(),
    'move called back': () => this.abort(),
  };
  private readonly world: World;
  private readonly random: SeededRandom;

  private readonly begun: () => void;

  constructor(world: World, random: SeededRandom, begun: () => void) {
    this.world = world;
    this.random = random;
    this.begun = begun;
  }

  private move(): boolean {
    const done = (): void => {
      this.world.counters.struck('slots moved');
      this.begun();
    };
    changeTopology(this.world, this.random, (topology) => this.begin(topology), done);
    return false;
  }

  private abort(): boolean {
    const done = (): void => this.world.counters.struck('move called back');
    changeTopology(this.world, this.random, ({ moves }) => this.callBack(moves), done);
    return false;
  }

  private begin(topology: Topology): TopologyChange | null {
    const { random, world } = this;
    const { shards, moves } = topology;
    if (shards.length < 2 || moves.length >= MOVES_MOST) return null;
    const source = shards[random.below(shards.length)].id;
    const target = shards[random.below(shards.length)].id;
    const slots = this.slotsFrom(topology, source);
    if (source === target || slots.length === 0) return null;
    world.log.say(
      `${slotsOf(slots).length} slots of shard ${source} are to go to ${target}: epoch ${topology.epoch + 1}`,
    );
    return { kind: 'begin-move', source, target, slots };
  }

  private slotsFrom({ slots, moves }: Topology, source: number): SlotRange[] {
    const { random } = this;
    const runs = slots.filter(({ shard }) => shard === source);
    const moving = new Set(moves.flatMap((move) => slotsOf(move.slots)));
    const wanted = new Set<number>();
    if (runs.length === 0) return [];
    for (let left = 1 + random.below(RANGES_MOST); left > 0; left--) {
      const run = runs[random.below(runs.length)];
      const from = run.from + random.below(run.to - run.from + 1);
      const to = Math.min(run.to, from + random.below(RANGE_SLOTS_MOST));
      for (let slot = from; slot <= to; slot++) if (!moving.has(slot)) wanted.add(slot);
    }
    return rangesOf([...wanted].toSorted((a, b) => a - b));
  }

  private callBack(moves: Topology['moves']): TopologyChange | null {
    const open = moves.filter(({ aborting }) => aborting !== true);
    if (open.length === 0) return null;
    const { id } = open[this.random.below(open.length)];
    this.world.log.say(`move ${id} is called back`);
    return { kind: 'abort-move', move: id };
  }
}
