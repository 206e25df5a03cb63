import type { SeededRandom } from '../../../../src/env/sim/random.ts';
import { proofOf } from '../../../../src/topology/change-proof.ts';
import { drawId } from '../../../../src/topology/cluster-file.ts';
import { encodeChange } from '../../../../src/topology/topology-codec.ts';
import { HOST, portOf } from '../cluster.ts';
import type { World } from './world.ts';

const ADMIN = 2000;
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

  /** On nodes of chance. */
  private place(): boolean {
    const { random, world } = this;
    const ready = world.victims.filter(({ isReady, parts }) => isReady && parts !== null);
    if (ready.length === 0) return false;
    const { i, parts } = ready[random.below(ready.length)];
    if (parts === null || parts.topology.nodes.length < REPLICAS_LEAST) return false;
    const { topology, self, start } = parts;
    const shard = topology.shards[random.below(topology.shards.length)];
    const nodes = topology.nodes.map(({ id }) => id);
    const count = REPLICAS_LEAST + random.below(nodes.length - REPLICAS_LEAST + 1);
    while (nodes.length > count) nodes.splice(random.below(nodes.length), 1);
    const { clusterId, generation, epoch } = topology;
    const change = { kind: 'place-shard', shard: shard.id, nodes } as const;
    const id = drawId(random);
    const on = { generation, epoch };
    const body = encodeChange({ clusterId, on, change, request: { id, node: self, start } }).toString();
    world.log.say(`shard ${shard.id} is to be on ${nodes.map((id) => id.slice(0, 6)).join(' ')}`);
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
        if (status === 200) world.counters.struck('shard placed anew');
      })
      // Nobody listens there any more.
      .catch(() => {});
    return false;
  }
}
