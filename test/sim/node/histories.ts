/** Clients of all nodes, faults one at a time, and the checker's verdict over what they were told. */
import { SeededRandom } from '../../../src/env/sim/random.ts';
import { checkLinearizable, describeViolation } from '../../linearizability/checker.ts';
import type { Operation, Reply } from '../../linearizability/history.ts';
import { registerModel } from '../../linearizability/model.ts';
import { SimCluster, type SimClient } from './cluster.ts';

const NODES = 3;
const ROUNDS = 4;

/** Keys are left behind after a while: a short history of each is checked fast. */
function keyOf(random: SeededRandom, epoch: number): string {
  return `e${epoch}-${random.below(5)}`;
}

function operationOf(
  random: SeededRandom,
  epoch: number,
  unique: number,
): { command: string; key: string; args: string[] } {
  const key = keyOf(random, epoch);
  switch (random.below(8)) {
    case 0:
    case 1:
    case 2:
      return { command: 'SET', key: `s${key}`, args: [`v${unique}`] };
    case 3:
      return { command: 'INCR', key: `n${key}`, args: [] };
    case 4:
      return { command: 'GET', key: `n${key}`, args: [] };
    default:
      return { command: 'GET', key: `s${key}`, args: [] };
  }
}

/** A client that pipelines, and what it was told when. */
class Recorder {
  readonly operations: Operation[] = [];
  private readonly cluster: SimCluster;
  private readonly node: number;
  private readonly number: number;
  private client: SimClient;
  /** Sent over the present connection. */
  private sent: Operation[] = [];
  private seen = 0;

  constructor(cluster: SimCluster, node: number, number: number) {
    this.cluster = cluster;
    this.node = node;
    this.number = number;
    this.client = cluster.client(node);
  }

  send(random: SeededRandom, epoch: number, nextUnique: () => number): void {
    this.take();
    if (this.client.isClosed || !this.client.isOpen) {
      this.client = this.cluster.client(this.node);
      this.sent = [];
      this.seen = 0;
      if (!this.client.isOpen) return;
    }
    if (this.sent.length - this.seen > 4) return;
    const burst = Array.from({ length: 1 + random.below(4) }, () => operationOf(random, epoch, nextUnique()));
    const callMs = this.cluster.scheduler.nowMs;
    for (const { command, key, args } of burst) {
      const operation: Operation = {
        client: this.number,
        key,
        command,
        args,
        callMs,
        outcome: { kind: 'unknown' },
      };
      this.sent.push(operation);
      this.operations.push(operation);
    }
    this.client.send(...burst.map(({ command, key, args }) => [command, key, ...args]));
  }

  /** Replies that have come since. */
  take(): void {
    const { replies, times } = this.client;
    for (; this.seen < replies.length; this.seen++) {
      this.sent[this.seen].outcome = outcomeOf(replies[this.seen], times[this.seen]);
    }
  }
}

function outcomeOf(reply: string, returnMs: number): Operation['outcome'] {
  if (reply.startsWith('-INDETERMINATE')) return { kind: 'unknown' };
  if (/^-(CLUSTERDOWN|LOADING) /.test(reply)) return { kind: 'not-run' };
  return { kind: 'answered', returnMs, reply: parsed(reply) };
}

function parsed(reply: string): Reply {
  if (reply === '$-1\r\n') return null;
  if (reply.startsWith('+')) return reply.slice(1, -2);
  if (reply.startsWith(':')) return Number(reply.slice(1, -2));
  if (reply.startsWith('-')) return { error: reply.slice(1, -2) };
  return reply.slice(reply.indexOf('\n') + 1, -2);
}

/** One fault at a time, for a while; then all is well again. */
async function strike(
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
}

/** Runs one seed. Same seed, same run. */
export async function runHistories(seed: number): Promise<RunResult> {
  const random = new SeededRandom(seed * 7919);
  const cluster = new SimCluster(seed, NODES);
  await cluster.startAll();
  const recorders = Array.from({ length: 6 }, (_, i) => new Recorder(cluster, i % NODES, i));
  let epoch = 0;
  let unique = 0;
  const live = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 10) {
      if (passed % 200 === 0) epoch += 1;
      for (const recorder of recorders)
        if (random.below(2) === 0) recorder.send(random, epoch, () => ++unique);
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
  const verdict = checkLinearizable(history, registerModel);
  const answered = history.filter(({ outcome }) => outcome.kind === 'answered').length;
  const failure =
    verdict.verdict === 'ok'
      ? null
      : verdict.verdict === 'violation'
        ? describeViolation(verdict)
        : `the checker said ${verdict.verdict}`;
  return { failure, faults, operations: history.length, answered };
}
