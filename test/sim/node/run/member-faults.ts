import type { SeededRandom } from '../../../../src/env/sim/random.ts';
import type { TopologyChange } from '../../../../src/topology/change.ts';
import type { Topology } from '../../../../src/topology/types.ts';
import { changeTopology } from './changes.ts';
import type { World } from './world.ts';

/** With fewer, one that is lost for good would take the shard with it. */
const REPLICAS_LEAST = 3;

/** Members come, go, and come again as others. */
export class MemberFaults {
  readonly strikes = { 'shard placed anew': () => this.place() };
  private readonly world: World;
  private readonly random: SeededRandom;

  constructor(world: World, random: SeededRandom) {
    this.world = world;
    this.random = random;
  }

  private place(): boolean {
    const done = (): void => this.world.counters.struck('shard placed anew');
    changeTopology(this.world, this.random, (topology) => this.placement(topology), done);
    return false;
  }

  /** On nodes of chance. */
  private placement(topology: Topology): TopologyChange | null {
    if (topology.nodes.length < REPLICAS_LEAST) return null;
    const { random, world } = this;
    const shard = topology.shards[random.below(topology.shards.length)];
    const nodes = topology.nodes.map(({ id }) => id);
    const count = REPLICAS_LEAST + random.below(nodes.length - REPLICAS_LEAST + 1);
    while (nodes.length > count) nodes.splice(random.below(nodes.length), 1);
    world.log.say(`shard ${shard.id} is to be on ${nodes.map((id) => id.slice(0, 6)).join(' ')}`);
    return { kind: 'place-shard', shard: shard.id, nodes };
  }
}
