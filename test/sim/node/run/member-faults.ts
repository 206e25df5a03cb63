import type { SeededRandom } from '../../../../src/env/sim/random.ts';
import type { NodeParts } from '../../../../src/observe/parts.ts';
import { proofOf } from '../../../../src/topology/change-proof.ts';
import { drawId } from '../../../../src/topology/cluster-file.ts';
import type { TopologyChange } from '../../../../src/topology/change.ts';
import { encodeChange } from '../../../../src/topology/topology-codec.ts';
import type { NodeId } from '../../../../src/topology/types.ts';
import { HOST, portOf } from '../cluster.ts';
import type { World } from './world.ts';

const ADMIN = 2000;
/** With fewer, one that is lost for good would take the shard with it. */
const REPLICAS_LEAST = 3;
const MOST_LEAVES_MS = 15_000;
const STAY_AGAIN_MS = 700;

interface Asked {
  i: number;
  parts: NodeParts;
}

/** Members come, go, and come again as others. */
export class MemberFaults {
  readonly strikes = {
    'shard placed anew': () => this.place(),
    'node leaves for a while': () => this.leave(),
  };
  private readonly world: World;
  private readonly random: SeededRandom;

  constructor(world: World, random: SeededRandom) {
    this.world = world;
    this.random = random;
  }

  /** On nodes of chance. */
  private place(): boolean {
    const { random, world } = this;
    const asked = this.anyReady();
    if (asked === null || asked.parts.topology.nodes.length < REPLICAS_LEAST) return false;
    const { topology } = asked.parts;
    const shard = topology.shards[random.below(topology.shards.length)];
    const nodes = topology.nodes.map(({ id }) => id);
    const count = REPLICAS_LEAST + random.below(nodes.length - REPLICAS_LEAST + 1);
    while (nodes.length > count) nodes.splice(random.below(nodes.length), 1);
    const change = { kind: 'place-shard', shard: shard.id, nodes } as const;
    world.log.say(`shard ${shard.id} is to be on ${nodes.map((id) => id.slice(0, 6)).join(' ')}`);
    this.propose(asked, change, () => world.counters.struck('shard placed anew'));
    return false;
  }

  /** Enough stay for three voters of each shard, one of them to spare. */
  private leave(): boolean {
    const { random, world } = this;
    const asked = this.anyReady();
    const nodes = asked?.parts.topology.nodes ?? [];
    if (asked === null || nodes.length <= REPLICAS_LEAST || nodes.some(({ leaving }) => leaving === true))
      return false;
    const { shards, slots } = asked.parts.topology;
    // One without slots would be gone for good: nothing keeps its shard from being closed.
    const owning = nodes.filter(({ id }) =>
      shards.some((shard) => shard.home === id && slots.some((run) => run.shard === shard.id)),
    );
    if (owning.length === 0) return false;
    const { id: node } = owning[random.below(owning.length)];
    world.log.say(`node ${node.slice(0, 6)} is to leave`);
    this.propose(asked, { kind: 'begin-leave', node }, () => {
      world.counters.struck('node leaves for a while');
      const stay = (): void => this.stay(node);
      world.lasts(1000 + random.below(MOST_LEAVES_MS), stay);
    });
    return false;
  }

  /** Again and again, until it is decided. */
  private stay(node: NodeId): void {
    const { world } = this;
    const asked = this.anyReady();
    const isLeaving = asked?.parts.topology.nodes.some(({ id, leaving }) => id === node && leaving === true);
    if (world.failure !== null || isLeaving === false) return;
    if (asked !== null) this.propose(asked, { kind: 'cancel-leave', node }, () => {});
    world.scheduler.after(STAY_AGAIN_MS, () => this.stay(node));
  }

  private anyReady(): Asked | null {
    const { random, world } = this;
    const ready = world.victims.flatMap(({ i, isReady, parts }) =>
      isReady && parts !== null ? [{ i, parts }] : [],
    );
    return ready.length === 0 ? null : ready[random.below(ready.length)];
  }

  private propose({ i, parts }: Asked, change: TopologyChange, decided: () => void): void {
    const { random, world } = this;
    const { topology, self, start } = parts;
    const { clusterId, generation, epoch } = topology;
    const id = drawId(random);
    const on = { generation, epoch };
    const body = encodeChange({ clusterId, on, change, request: { id, node: self, start } }).toString();
    const request = {
      method: 'POST',
      path: '/api/topology',
      query: new URLSearchParams(),
      body,
      authorization: `torc ${proofOf('', body)}`,
      peerAddress: HOST,
    };
    world.cluster.network
      .request({ host: HOST, port: portOf(i) + ADMIN }, request)
      .then(({ status }) => {
        if (status === 200) decided();
      })
      // Nobody listens there any more.
      .catch(() => {});
  }
}
