import type { SeededRandom } from '../../../../src/env/sim/random.ts';
import type { TopologyChange } from '../../../../src/topology/change.ts';
import type { NodeId, Topology } from '../../../../src/topology/types.ts';
import { changeTopology } from './changes.ts';
import type { World } from './world.ts';

/** With fewer, one that is lost for good would take the shard with it. */
const REPLICAS_LEAST = 3;
const MOST_LEAVES_MS = 15_000;
const MOST_GOES_MS = 60_000;
const STAY_AGAIN_MS = 700;
const MOST_REPLACED_AFTER_MS = 8000;
/** Others take it for gone by then. */
const REMOVED_AFTER_MS = 5000;

/** Members come, go, and come again as others. */
export class MemberFaults {
  readonly strikes = {
    'shard placed anew': () => this.place(),
    'node leaves for a while': () => this.leave(),
    'node replaced by an empty one': () => this.replace(),
  };
  private readonly world: World;
  private readonly random: SeededRandom;
  private readonly going = new Set<NodeId>();

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
      world.leavers.add(node);
      world.counters.struck('node leaves for a while');
      if (random.chance(0.5)) {
        this.go(node);
        world.lasts(MOST_GOES_MS, () => this.stay(node));
      } else world.lasts(1000 + random.below(MOST_LEAVES_MS), () => this.stay(node));
    });
    return false;
  }

  /** Enough stay for three voters of each shard, one of them to spare. */
  private leaverOf({ nodes }: Topology): NodeId | null {
    if (nodes.length <= REPLICAS_LEAST || nodes.some(({ leaving }) => leaving === true)) return null;
    return nodes[this.random.below(nodes.length)].id;
  }

  /** Again and again, until it is decided; once its home shard is closed it cannot: then it goes. */
  private stay(node: NodeId): void {
    const { random, world } = this;
    if (world.failure !== null || !isLeaving(world.newest(), node)) return;
    if (isClosed(world.newest(), node)) {
      this.go(node);
      return;
    }
    changeTopology(
      world,
      random,
      () => ({ kind: 'cancel-leave', node }),
      () => {},
    );
    world.scheduler.after(STAY_AGAIN_MS, () => this.stay(node));
  }

  /** When it holds nothing any more its process is stopped, and its machine comes back with an empty disk, as another node. */
  private go(node: NodeId): void {
    const { world } = this;
    if (world.failure !== null || !isLeaving(world.newest(), node) || this.going.has(node)) return;
    const holds = world.newest().shards.some(({ replicas }) => replicas.some((row) => row.node === node));
    const victim = world.victims.find(({ parts, life }) => parts?.self === node && life === 'up');
    if (holds || !isClosed(world.newest(), node) || victim === undefined || victim.isPaused) {
      world.scheduler.after(STAY_AGAIN_MS, () => this.go(node));
      return;
    }
    this.going.add(node);
    world.log.say(`node ${node.slice(0, 6)} holds nothing any more`);
    world.stop(victim).then(
      () => {
        world.empty(victim);
        world.counters.sometimes('node left for good');
        world.startLater(victim, REMOVED_AFTER_MS);
      },
      (error: unknown) => world.fail(error),
    );
  }
}

function isLeaving({ nodes }: Topology, node: NodeId): boolean {
  return nodes.some(({ id, leaving }) => id === node && leaving === true);
}

/** Its home shard is, or is about to be: it cannot stay. */
function isClosed({ shards }: Topology, node: NodeId): boolean {
  return shards.every(({ home, closing }) => home !== node || closing !== undefined);
}
