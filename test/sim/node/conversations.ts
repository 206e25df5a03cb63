/** Clients that pipeline to one living node, each in keys of its own, and must be told exactly what a server of their own would tell. */
import { SeededRandom } from '../../../src/env/sim/random.ts';
import { SimCluster, type SimClient } from './cluster.ts';

/** What one client must be told, whatever happens to other nodes: its own keys, in the order sent. */
class Model {
  private readonly values = new Map<string, string>();
  /** Of each command: its words and the reply. */
  readonly run: { words: readonly string[]; reply: string }[] = [];

  add(words: readonly string[]): void {
    this.run.push({ words, reply: this.replyTo(words) });
  }

  private replyTo([name, key, value]: readonly string[]): string {
    const held = this.values.get(key);
    switch (name) {
      case 'set':
        this.values.set(key, value);
        return '+OK\r\n';
      case 'get':
        return bulk(held);
      case 'incr': {
        const next = String(Number(held ?? '0') + 1);
        this.values.set(key, next);
        return `:${next}\r\n`;
      }
      case 'append':
        this.values.set(key, (held ?? '') + value);
        return `:${(held ?? '').length + value.length}\r\n`;
      default:
        this.values.delete(key);
        return `:${held === undefined ? 0 : 1}\r\n`;
    }
  }
}

function bulk(value: string | undefined): string {
  return value === undefined ? '$-1\r\n' : `$${value.length}\r\n${value}\r\n`;
}

function randomCommand(random: SeededRandom, id: number): string[] {
  const key = `${id}-s${random.below(12)}`;
  switch (random.below(6)) {
    case 0:
      return ['set', key, `v${random.below(1000)}`];
    case 1:
      return ['append', key, 'x'];
    case 2:
    case 3:
      return ['get', random.below(2) === 0 ? key : `${id}-n${random.below(6)}`];
    case 4:
      return ['incr', `${id}-n${random.below(6)}`];
    default:
      return ['del', key];
  }
}

interface Talker {
  client: SimClient;
  model: Model;
}

/** Pipelines a few commands; what must come back is known. */
function talk(talker: Talker, random: SeededRandom, id: number): void {
  const commands = Array.from({ length: 1 + random.below(30) }, () => randomCommand(random, id));
  talker.client.send(...commands);
  for (const words of commands) talker.model.add(words);
}

function talkersOf(cluster: SimCluster, count: number, node: number): Talker[] {
  return Array.from({ length: count }, () => ({ client: cluster.client(node), model: new Model() }));
}

async function converse(
  cluster: SimCluster,
  talkers: Talker[],
  random: SeededRandom,
  ms: number,
): Promise<void> {
  for (let passed = 0; passed < ms; passed += 20) {
    for (const [id, talker] of talkers.entries()) if (random.below(3) === 0) talk(talker, random, id);
    await cluster.pass(20);
  }
}

/** The first reply that is not the one that had to come. */
function firstWrong(talkers: Talker[]): string | null {
  for (const { client, model } of talkers) {
    const at = model.run.findIndex(({ reply }, i) => client.replies[i] !== reply);
    if (at < 0) continue;
    const before = model.run.slice(Math.max(0, at - 3), at + 1);
    return `reply ${at} was ${JSON.stringify(client.replies[at])}: ${JSON.stringify(before)}`;
  }
  return null;
}

async function finish(cluster: SimCluster, talkers: Talker[]): Promise<string | null> {
  await cluster.until(() => talkers.every(({ client, model }) => client.replies.length >= model.run.length));
  return firstWrong(talkers);
}

/** No faults. Null: all went well. */
export async function runQuietConversations(seed: number): Promise<string | null> {
  const random = new SeededRandom(seed);
  const cluster = new SimCluster(seed, 3);
  await cluster.startAll();
  const talkers = talkersOf(cluster, 4, 0);
  await converse(cluster, talkers, random, 500);
  return finish(cluster, talkers);
}

/** One fault, for a while, of one of the nodes that the clients do not talk to, or of its links. */
async function strike(
  cluster: SimCluster,
  random: SeededRandom,
  live: (ms: number) => Promise<void>,
): Promise<void> {
  const victim = 1 + random.below(2);
  const other = random.below(2) === 0 ? 0 : 3 - victim;
  const lastsMs = 200 + random.below(1800);
  switch (random.below(6)) {
    case 0:
    case 1:
      cluster.crash(victim, random.below(2) === 0 ? 'kill' : 'lost');
      await live(lastsMs);
      await cluster.start(victim);
      return;
    case 2:
    case 3:
      cluster.pause(victim);
      await live(lastsMs);
      cluster.resume(victim);
      return;
    case 4:
      cluster.cut(victim, other);
      await live(lastsMs);
      cluster.network.heal();
      return;
    default:
      cluster.network.block(`node-${victim}`, `node-${other}`);
      await live(lastsMs);
      cluster.network.heal();
  }
}

/** Faults of the other nodes, one at a time. */
export async function runConversations(seed: number, rounds: number): Promise<string | null> {
  const random = new SeededRandom(seed);
  const cluster = new SimCluster(seed, 3, { 'park-timeout-ms': '60000', 'outcome-timeout-ms': '60000' });
  await cluster.startAll();
  const talkers = talkersOf(cluster, 4, 0);
  for (let round = 0; round < rounds; round++) {
    await converse(cluster, talkers, random, 200);
    await strike(cluster, random, (ms) => converse(cluster, talkers, random, ms));
    await converse(cluster, talkers, random, 300);
    await cluster.until(() => cluster.nodes.every((node) => node.running?.ready === true));
  }
  return finish(cluster, talkers);
}
