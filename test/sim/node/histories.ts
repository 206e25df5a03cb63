/** Clients of all nodes, faults one at a time, and the checker's verdict over what they were told. */
import { SeededRandom } from '../../../src/env/sim/random.ts';
import { checkLinearizable, describeViolation } from '../../linearizability/checker.ts';
import type { Operation } from '../../linearizability/history.ts';
import { SimCluster, type SimClient } from './cluster.ts';
import { wrongReplicas } from './replicas.ts';
import { REGISTERS, type Aside, type Planned, type Workload } from './workloads.ts';

const NODES = 3;
const ROUNDS = 4;

/** Sent over the present connection: part of the history, or beside it. */
type Sent = { plan: Planned; operation: Operation } | { aside: Aside };

/** A client that pipelines, and what it was told when. */
export class Recorder {
  readonly operations: Operation[] = [];
  /** What was wrong beside the history. */
  wrong: string | null = null;
  private readonly cluster: SimCluster;
  private readonly node: number;
  private readonly number: number;
  private client: SimClient;
  private sent: Sent[] = [];
  private seen = 0;

  constructor(cluster: SimCluster, node: number, number: number) {
    this.cluster = cluster;
    this.node = node;
    this.number = number;
    this.client = cluster.client(node);
  }

  send(workload: Workload, random: SeededRandom, epoch: number, nextUnique: () => number): void {
    this.take();
    if (this.client.isClosed || !this.client.isOpen) {
      this.client = this.cluster.client(this.node);
      this.sent = [];
      this.seen = 0;
      if (!this.client.isOpen) return;
    }
    if (this.sent.length - this.seen > 4) return;
    const plans = Array.from({ length: 1 + random.below(4) }, () =>
      workload.plan(random, epoch, nextUnique()),
    );
    const words = plans.map((plan) => this.note(plan));
    const aside = workload.aside(random);
    if (aside !== null) {
      this.sent.push({ aside });
      words.push(aside.words);
    }
    this.client.send(...words);
  }

  private note(plan: Planned): readonly string[] {
    const { command, key, args, words } = plan;
    const callMs = this.cluster.scheduler.nowMs;
    const operation: Operation = {
      client: this.number,
      key,
      command,
      args,
      callMs,
      outcome: { kind: 'unknown' },
    };
    this.sent.push({ plan, operation });
    this.operations.push(operation);
    return words;
  }

  /** Replies that have come since. */
  take(): void {
    const { replies, times } = this.client;
    for (; this.seen < replies.length; this.seen++) {
      const sent = this.sent[this.seen];
      const reply = replies[this.seen];
      if ('aside' in sent) this.wrong ??= sent.aside.wrong(reply);
      else sent.operation.outcome = outcomeOf(sent.plan, reply, times[this.seen]);
      replies[this.seen] = '';
    }
  }
}

function outcomeOf({ read }: Planned, reply: string, returnMs: number): Operation['outcome'] {
  if (/^-(INDETERMINATE|REPLYLOST)/.test(reply)) return { kind: 'unknown' };
  if (/^-(CLUSTERDOWN|LOADING|OOM) /.test(reply)) return { kind: 'not-run' };
  return { kind: 'answered', returnMs, reply: read(reply) };
}

/** One fault at a time, for a while; then all is well again. */
export async function strike(
  cluster: SimCluster,
  random: SeededRandom,
  live: (ms: number) => Promise<void>,
): Promise<string> {
  const victim = random.below(NODES);
  const other = (victim + 1 + random.below(NODES - 1)) % NODES;
  const lastsMs = 300 + random.below(2500);
  switch (random.below(5)) {
    case 0:
      cluster.crash(victim, (['kill', 'lost', 'torn'] as const)[random.below(3)]);
      await live(lastsMs);
      await cluster.start(victim);
      return 'crash';
    case 1:
      cluster.pause(victim);
      await live(lastsMs);
      cluster.resume(victim);
      return 'pause';
    case 2:
      cluster.cut(victim, other);
      cluster.cut(victim, NODES - victim - other);
      await live(lastsMs);
      cluster.network.heal();
      return 'partition';
    case 3:
      cluster.network.block(`node-${victim}`, `node-${other}`);
      await live(lastsMs);
      cluster.network.heal();
      return 'one way';
    default:
      cluster.nodes[victim].clock.jumpWall(random.below(20_000) - 10_000);
      await live(lastsMs);
      return 'clock';
  }
}

export interface RunResult {
  /** Null: nothing was wrong. */
  failure: string | null;
  faults: readonly string[];
  operations: number;
  answered: number;
  /** How often each event was logged. */
  events: ReadonlyMap<string, number>;
}

/** Runs one seed. Same seed, same run. */
export async function runHistories(seed: number, workload = REGISTERS): Promise<RunResult> {
  const random = new SeededRandom(seed * 7919);
  const flags = workload.flags(random);
  const cluster = new SimCluster(seed, NODES, flags);
  cluster.logRetention = workload.logRetention;
  await cluster.startAll();
  for (const words of workload.prepare) await cluster.client(0).ask(...words);
  const recorders = Array.from({ length: 6 }, (_, i) => new Recorder(cluster, i % NODES, i));
  let epoch = 0;
  let unique = 0;
  const live = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 10) {
      if (passed % 200 === 0) epoch += 1;
      for (const recorder of recorders)
        if (random.below(2) === 0) recorder.send(workload, random, epoch, () => ++unique);
      await cluster.pass(10);
    }
  };
  const faults: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await live(200);
    faults.push(await strike(cluster, random, live));
    await live(300);
    await cluster.until(() => cluster.nodes.every((node) => node.running?.ready === true));
  }
  await cluster.pass(8000);
  for (const recorder of recorders) recorder.take();
  const history = recorders.flatMap((recorder) => recorder.operations);
  const answered = history.filter(({ outcome }) => outcome.kind === 'answered').length;
  const failure =
    wrongHistory(history, workload) ??
    recorders.find(({ wrong }) => wrong !== null)?.wrong ??
    (await wrongReplicas(cluster, workload.evictsAll(flags)));
  return { failure, faults, operations: history.length, answered, events: cluster.events };
}

export function wrongHistory(history: readonly Operation[], { model }: Workload): string | null {
  const verdict = checkLinearizable(history, model);
  if (verdict.verdict === 'ok') return null;
  return verdict.verdict === 'violation' ? describeViolation(verdict) : `the checker said ${verdict.verdict}`;
}
