/**
 * A cluster is upgraded node by node, downgraded again, upgraded, and its version raised, all under clients and faults. The build of the next
 * version applies APPEND otherwise (test/versions): a replica that took the wrong rules for an entry has another state.
 */
import { RULES } from '../../../src/commands/table.ts';
import type { StatusReport } from '../../../src/admin/status.ts';
import type { RulesTable } from '../../../src/commands/rules.ts';
import type { Disk } from '../../../src/env/contracts.ts';
import { SimulatedTimers } from '../../../src/env/sim/clock.ts';
import { attachDisk } from '../../../src/env/sim/disk-process.ts';
import { SeededRandom } from '../../../src/env/sim/random.ts';
import { NewerVersionError } from '../../../src/errors.ts';
import { NEXT } from '../../versions/next-rules.ts';
import { SimCluster } from './cluster.ts';
import { Recorder, strike, wrongHistory } from './histories.ts';
import { wrongReplicas } from './replicas.ts';
import { Counters } from './run/counters.ts';
import { Invariants } from './run/invariants.ts';
import { changeTopology } from './topology.ts';
import { REGISTERS, type Workload } from './workloads.ts';

const NODES = 3;
const CLIENTS = 6;
const APPENDED_KEYS = 8;
const RAISE_LIMIT_MS = 20_000;
const TOPOLOGY_FILE = '/data/topology.json';

const APPENDING: Workload = {
  ...REGISTERS,
  aside: (random) => ({ words: ['APPEND', `a${random.below(APPENDED_KEYS)}`, 'x'], wrong: () => null }),
};

const ONCE = ':1\r\n';
const TWICE = ':2\r\n';
const REFUSED =
  / is of cluster version 2, and this build runs up to cluster version 1: .*start the newer build$/;

/** A whole life of it. Null: nothing was wrong. Same seed, same run. */
export async function runUpgrade(seed: number): Promise<string | null> {
  const upgrade = await Upgrade.begin(seed);
  try {
    await live(upgrade, seed % NODES);
  } catch (error) {
    upgrade.failure ??= error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  return upgrade.failure === null ? null : `after ${upgrade.faults.join(', ')}\n${upgrade.failure}`;
}

async function live(upgrade: Upgrade, asked: number): Promise<void> {
  for (const build of [NEXT, RULES, NEXT]) {
    await upgrade.rollTo(build);
    upgrade.expect((await upgrade.append(asked)) === ONCE, 'APPEND did as in the next version');
  }
  upgrade.expect((await upgrade.rules()).join() === `${RULES.newest}`, 'a group was raised before its time');

  await upgrade.raise();
  upgrade.expect((await upgrade.rules()).join() === `${NEXT.newest}`, 'a group was not raised');
  upgrade.expect((await upgrade.append(asked)) === TWICE, 'APPEND did as in the version before');

  // Entries of both versions are read again.
  for (let i = 0; i < NODES; i++) await upgrade.replace(i, NEXT);

  for (let i = 0; i < NODES; i++) {
    // The log says so as well.
    if (i === asked) await upgrade.outdateTopology(i);
    const refusal = await upgrade.refusalOf(i, RULES);
    const what = i === asked ? 'the log' : 'the topology';
    const isRight = refusal instanceof NewerVersionError && refusal.message.startsWith(what);
    upgrade.expect(
      isRight && REFUSED.test(refusal.message),
      `the old build started or said: ${refusal?.message}`,
    );
    await upgrade.replace(i, NEXT);
  }
  upgrade.checkHistory();
}

export class Upgrade {
  readonly cluster: SimCluster;
  /** What was wrong first. */
  failure: string | null = null;
  readonly faults: string[] = [];
  private readonly random: SeededRandom;
  /** As each node had it when it was last taken down, before the version was raised. */
  private readonly topologies: (Uint8Array | null)[] = [];
  private readonly recorders: Recorder[];
  private epoch = 0;
  private unique = 0;
  private appended = 0;

  private constructor(seed: number) {
    this.random = new SeededRandom(seed * 6007);
    this.cluster = new SimCluster(seed, NODES);
    // Members that are behind need snapshots.
    this.cluster.logRetention = { keptBytes: 16 * 1024, keptForPeersBytes: 16 * 1024 };
    this.watch();
    this.recorders = Array.from({ length: CLIENTS }, (_, i) => new Recorder(this.cluster, i % NODES, i));
  }

  /** Whatever hangs on which build a node runs: logs, and states by their hashes. */
  private watch(): void {
    const { cluster } = this;
    const broken = (name: string, what: string): never => {
      this.failure ??= `${name}: ${what}`;
      throw new Error(what);
    };
    const invariants = new Invariants(new Counters(), () => [], broken);
    // Elections may be in vain here.
    invariants.slowness = 1;
    cluster.onlooker = {
      onReplica: (i, replica, recovered) => invariants.watch(i, replica, recovered, cluster.nodes[i].clock),
    };
  }

  static async begin(seed: number): Promise<Upgrade> {
    const upgrade = new Upgrade(seed);
    for (let i = 0; i < NODES; i++) upgrade.setBuild(i, RULES);
    await upgrade.cluster.startAll();
    return upgrade;
  }

  expect(isRight: boolean, otherwise: string): void {
    if (!isRight) this.failure ??= otherwise;
  }

  /** Each node in turn, in any order, by a stop in good order or a crash. */
  async rollTo(build: RulesTable): Promise<void> {
    const order = shuffled(this.random);
    for (const [at, i] of order.entries()) {
      await this.live(200);
      if (this.random.below(2) === 0) await this.cluster.stop(i);
      else this.cluster.crash(i, this.random.below(2) === 0 ? 'kill' : 'lost');
      this.topologies[i] = await this.cluster.settle(this.diskOf(i).readFile(TOPOLOGY_FILE));
      await this.live(this.random.below(800));
      this.setBuild(i, build);
      await this.cluster.start(i);
      await this.strike();
      await this.check();
      const isMixed = at < NODES - 1;
      if (isMixed) this.expect(!(await this.tryToRaise()), 'the version was raised in a mixed cluster');
    }
  }

  /** While a fault is under way: refused as long as a node cannot be asked. */
  async raise(): Promise<void> {
    await this.strike();
    const untilMs = this.cluster.scheduler.nowMs + RAISE_LIMIT_MS;
    while (!(await this.tryToRaise())) {
      if (this.cluster.scheduler.nowMs > untilMs) throw new Error('the version cannot be raised');
      await this.live(100);
    }
    await this.strike();
    await this.live(1000);
    await this.check();
  }

  async tryToRaise(): Promise<boolean> {
    return (await changeTopology(this.cluster, { kind: 'raise-version', version: NEXT.newest })) !== null;
  }

  /** The refusal that this build ends with; null when it starts. */
  async refusalOf(i: number, build: RulesTable): Promise<Error | null> {
    this.cluster.crash(i);
    this.setBuild(i, build);
    try {
      await this.cluster.start(i);
      await this.live(3000);
      return this.cluster.nodes[i].fatal;
    } catch (error) {
      return error as Error;
    }
  }

  /** Node i ends, and its file of the topology is that of before the version was raised. */
  async outdateTopology(i: number): Promise<void> {
    this.cluster.crash(i);
    const file = this.topologies[i];
    if (file !== null) await this.cluster.settle(this.diskOf(i).replaceFile(TOPOLOGY_FILE, file));
  }

  private diskOf(i: number): Disk {
    return attachDisk(this.cluster.nodes[i].disk, new SimulatedTimers(this.cluster.scheduler));
  }

  /** Node i ends, and comes back with another build. */
  async replace(i: number, build: RulesTable): Promise<void> {
    this.cluster.crash(i);
    this.setBuild(i, build);
    await this.cluster.start(i);
    await this.live(500);
    await this.check();
  }

  /** What APPEND of one letter to a new key answers. */
  async append(node: number): Promise<string> {
    return this.cluster.client(node).ask('APPEND', `new${++this.appended}`, 'x');
  }

  /** Of all replicas of all shards. */
  async rules(): Promise<number[]> {
    const versions = new Set<number>();
    for (let i = 0; i < NODES; i++) {
      const { replicas } = (await this.cluster.admin(i, '/api/status')) as StatusReport;
      for (const { rules } of replicas) versions.add(rules);
    }
    return [...versions];
  }

  private async strike(): Promise<void> {
    this.faults.push(await strike(this.cluster, this.random, (ms) => this.live(ms)));
    await this.live(200);
  }

  /** The same state on all replicas. */
  async check(): Promise<void> {
    await this.cluster.until(() => this.cluster.nodes.every((node) => node.running?.ready === true));
    await this.cluster.pass(500);
    this.failure ??= await wrongReplicas(this.cluster, false);
  }

  /** Over all that clients were told. */
  checkHistory(): void {
    for (const recorder of this.recorders) recorder.take();
    const history = this.recorders.flatMap(({ operations }) => operations);
    this.failure ??= wrongHistory(history, APPENDING);
  }

  private async live(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10) {
      if (passed % 200 === 0) this.epoch += 1;
      for (const recorder of this.recorders) {
        if (this.random.below(2) === 0)
          recorder.send(APPENDING, this.random, this.epoch, () => ++this.unique);
      }
      await this.cluster.pass(10);
    }
  }

  private setBuild(i: number, rules: RulesTable): void {
    this.cluster.surroundings[i] = { rules };
  }
}

function shuffled(random: SeededRandom): number[] {
  const order = Array.from({ length: NODES }, (_, i) => i);
  for (let i = NODES - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
