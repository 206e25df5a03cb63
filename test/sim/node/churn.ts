/** Members come and go, and nodes are repaired, while nodes crash, stand still and are cut off: histories for the checker. */
import { SeededRandom } from '../../../src/env/sim/random.ts';
import type { Topology } from '../../../src/topology/types.ts';
import { SimCluster } from './cluster.ts';
import { Recorder, wrongHistory } from './histories.ts';
import { repairNode } from './repair.ts';
import { changeTopology, newestTopology, untilSettled } from './topology.ts';
import { REGISTERS } from './workloads.ts';

const NODES = 4;
const ROUNDS = 5;

export class Churn {
  readonly cluster: SimCluster;
  private readonly random: SeededRandom;
  private readonly recorders: Recorder[];
  private epoch = 0;
  private unique = 0;

  constructor(seed: number) {
    this.random = new SeededRandom(seed * 7919);
    this.cluster = new SimCluster(seed, NODES, { 'wal-segment-bytes': '1mb', 'place-replicas': 'no' });
    // So little of the log is kept in memory that whoever enters, or was away, needs a snapshot.
    if (seed % 2 === 0) this.cluster.logRetention = { keptBytes: 4096, keptForPeersBytes: 8192 };
    this.recorders = Array.from({ length: NODES }, (_, i) => new Recorder(this.cluster, i, i));
  }

  async live(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 20) {
      if (passed % 200 === 0) this.epoch += 1;
      for (const recorder of this.recorders)
        if (this.random.below(2) === 0)
          recorder.send(REGISTERS, this.random, this.epoch, () => ++this.unique);
      await this.cluster.pass(20);
    }
  }

  /** A shard goes to three nodes of the four, or to five members, or to one. */
  async move(): Promise<void> {
    const { nodes, shards } = await newestTopology(this.cluster);
    const { id } = shards[this.random.below(shards.length)];
    const wanted = [1, 3, 3, 3, 4][this.random.below(5)];
    const chosen = nodes.map((node) => node.id);
    while (chosen.length > wanted) chosen.splice(this.random.below(chosen.length), 1);
    await changeTopology(this.cluster, { kind: 'place-shard', shard: id, nodes: chosen });
  }

  async strike(): Promise<void> {
    const { cluster, random } = this;
    const victim = random.below(NODES);
    const lastsMs = 300 + random.below(2000);
    switch (random.below(4)) {
      case 0:
        cluster.crash(victim, (['kill', 'lost', 'torn'] as const)[random.below(3)]);
        await this.live(lastsMs);
        await cluster.start(victim);
        break;
      case 1:
        cluster.pause(victim);
        await this.live(lastsMs);
        cluster.resume(victim);
        break;
      case 2:
        for (let i = 0; i < NODES; i++) if (i !== victim) cluster.cut(victim, i);
        await this.live(lastsMs);
        cluster.network.heal();
        break;
      default:
        await this.discard(victim, lastsMs);
    }
  }

  /** Where the cluster can do without the node's replicas, they are made anew; else it comes back as it was. */
  private async discard(victim: number, lastsMs: number): Promise<void> {
    const { cluster } = this;
    cluster.crash(victim, 'lost');
    await this.live(lastsMs);
    await repairNode(cluster, victim).catch((error: unknown) => {
      if (!String(error).includes('cannot be replaced now')) throw error;
    });
    await cluster.start(victim);
  }

  async run(): Promise<Topology> {
    const { cluster } = this;
    await cluster.startAll();
    for (let round = 0; round < ROUNDS; round++) {
      await this.move();
      await this.live(this.random.below(600));
      await this.strike();
      await this.live(200);
      await cluster.until(() => cluster.nodes.every((node) => node.running?.ready === true), 30_000);
    }
    await untilSettled(cluster);
    await cluster.pass(8000);
    for (const recorder of this.recorders) recorder.take();
    return newestTopology(cluster);
  }

  failure(): string | null {
    const history = this.recorders.flatMap((recorder) => recorder.operations);
    const answered = history.filter(({ outcome }) => outcome.kind === 'answered').length;
    return answered < 100 ? `${answered} commands were answered` : wrongHistory(history, REGISTERS);
  }
}
