import type { SeededRandom } from '../../../../src/env/sim/random.ts';
import type { TopologyChange } from '../../../../src/topology/change.ts';
import type { NodeId, Topology } from '../../../../src/topology/types.ts';
import { changeTopology } from './changes.ts';
import type { World } from './world.ts';

/** With fewer, one that is lost for good would take the shard with it. */
const REPLICAS_LEAST = 3;
const MOST_LEAVES_MS = 15_000;
const STAY_AGAIN_MS = 700;
const MOST_REPLACED_AFTER_MS = 8000;

/** Members come, go, and come again as others. */
export class MemberFaults {
  readonly strikes = {
    'shard placed anew': () => this.place(),
    'node leaves for a while': () => this.leave(),
    'node replaced by an empty one': () => this.replace(),
  };
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

  /** Its machine burns, and another one takes its place. */
  private replace(): boolean {
    const { random, world } = this;
    const victim = world.victims[random.below(world.victims.length)];
    if (!victim.isReady || world.victims.length < REPLICAS_LEAST || !world.mayLose(victim)) return false;
    world.replace(victim, random.below(MOST_REPLACED_AFTER_MS));
    return true;
  }

  private leave(): boolean {
    const { random, world } = this;
    let leaver: NodeId | null = null;
    const draw = (topology: Topology): TopologyChange | null => {
      leaver = this.leaverOf(topology);
      if (leaver === null) return null;
      world.log.say(`node ${leaver.slice(0, 6)} is to leave`);
      return { kind: 'begin-leave', node: leaver };
    };
    changeTopology(world, random, draw, () => {
      const node = leaver;
      if (node === null) return;
      world.counters.struck('node leaves for a while');
      world.lasts(1000 + random.below(MOST_LEAVES_MS), () => this.stay(node));
    });
    return false;
  }

  /** Enough stay for three voters of each shard, one of them to spare. */
  private leaverOf({ nodes, shards, slots }: Topology): NodeId | null {
    if (nodes.length <= REPLICAS_LEAST || nodes.some(({ leaving }) => leaving === true)) return null;
    // One without slots would be gone for good: nothing keeps its shard from being closed.
    const owning = nodes.filter(({ id }) =>
      shards.some((shard) => shard.home === id && slots.some((run) => run.shard === shard.id)),
    );
    return owning.length === 0 ? null : owning[this.random.below(owning.length)].id;
  }

  /** Again and again, until it is decided. */
  private stay(node: NodeId): void {
    const { random, world } = this;
    if (world.failure !== null) return;
    let hasStayed = false;
    const draw = ({ nodes }: Topology): TopologyChange | null => {
      hasStayed = !nodes.some(({ id, leaving }) => id === node && leaving === true);
      return hasStayed ? null : { kind: 'cancel-leave', node };
    };
    changeTopology(world, random, draw, () => {});
    if (!hasStayed) world.scheduler.after(STAY_AGAIN_MS, () => this.stay(node));
  }
}
