import type { SeededRandom } from '../../../../src/env/sim/random.ts';
import { proofOf } from '../../../../src/topology/change-proof.ts';
import { deciderOf } from '../../../../src/topology/decision.ts';
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
    const decider = world.victims.find(
      ({ isReady, parts }) => isReady && parts !== null && parts.self === deciderOf(parts.topology),
    );
    const topology = decider?.parts?.topology;
    if (decider === undefined || topology === undefined || topology.nodes.length < REPLICAS_LEAST)
      return false;
    const shard = topology.shards[random.below(topology.shards.length)];
    const nodes = topology.nodes.map(({ id }) => id);
    const count = REPLICAS_LEAST + random.below(nodes.length - REPLICAS_LEAST + 1);
    while (nodes.length > count) nodes.splice(random.below(nodes.length), 1);
    const { clusterId, generation, epoch } = topology;
    const change = { kind: 'place-shard', shard: shard.id, nodes } as const;
    const body = encodeChange({ clusterId, on: { generation, epoch }, change }).toString();
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
      .request({ host: HOST, port: portOf(decider.i) + ADMIN }, request)
      .then(({ status }) => {
        if (status === 200) world.counters.struck('shard placed anew');
      })
      // Nobody listens there any more.
      .catch(() => {});
    return false;
  }
}
