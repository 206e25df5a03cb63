/** Clients that pipeline to one living node, each in keys of its own, and must be told exactly what a server of their own would tell. */
import { SeededRandom } from '../../../src/env/sim/random.ts';
import { SimCluster, type SimClient } from './cluster.ts';
import { bulksOf } from './workloads.ts';

/** Above what one entry of the log takes, and what one step of a long read tells. */
const LARGE_BYTES = 560 * 1024;
const LONG_FIELDS = 9;
/** More keys than a database has whose KEYS is answered at once. */
const OTHER_KEYS = 6000;
/** One command of so many is large, or takes many turns. */
const RARE = 150;

/** What one client must be told, whatever happens to other nodes: its own keys, in the order sent. */
class Model {
  private readonly values = new Map<string, string>();
  private readonly hashes = new Map<string, Map<string, string>>();
  /** Of each command: its words and the reply. */
  readonly run: { words: readonly string[]; reply: string }[] = [];

  add(words: readonly string[]): void {
    this.run.push({ words, reply: this.replyTo(words) });
  }

  private replyTo([name, key, ...fields]: readonly string[]): string {
    const [value] = fields;
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
      case 'keys':
        return listed([...this.values.keys(), ...this.hashes.keys()].map((held) => [held]));
      case 'hset':
        return this.setFields(key, fields);
      case 'hgetall':
        return listed([...(this.hashes.get(key) ?? [])]);
      case 'append':
        this.values.set(key, (held ?? '') + value);
        return `:${(held ?? '').length + value.length}\r\n`;
      default:
        this.values.delete(key);
        return `:${held === undefined ? 0 : 1}\r\n`;
    }
  }

  private setFields(key: string, fields: readonly string[]): string {
    const hash = this.hashes.get(key) ?? new Map<string, string>();
    this.hashes.set(key, hash);
    const before = hash.size;
    for (let i = 0; i < fields.length; i += 2) hash.set(fields[i], fields[i + 1]);
    return `:${hash.size - before}\r\n`;
  }
}

/** A list whose order is nobody's business: sorted, each with what belongs to it. */
function listed(rows: readonly (readonly string[])[]): string {
  return rows
    .map((row) => row.join('='))
    .toSorted()
    .join(' ');
}

/** A reply as the model tells it. */
function comparable([name]: readonly string[], reply: string): string {
  if (!reply.startsWith('*')) return reply;
  const words = bulksOf(reply);
  if (name === 'keys') return listed(words.map((word) => [word]));
  return listed(words.flatMap((word, i) => (i % 2 === 0 ? [[word, words[i + 1]]] : [])));
}

function bulk(value: string | undefined): string {
  return value === undefined ? '$-1\r\n' : `$${value.length}\r\n${value}\r\n`;
}

/** Staged, or read bit by bit. */
function rareCommand(random: SeededRandom, id: number): string[] {
  const mark = String(random.below(1000));
  switch (random.below(6)) {
    case 0:
      return ['set', `${id}-s${random.below(12)}`, mark.padEnd(LARGE_BYTES, '.')];
    case 1:
      return ['keys', `${id}-*`];
    case 2:
      return ['hset', `${id}-h`, `f${random.below(LONG_FIELDS)}`, mark.padEnd(LARGE_BYTES / 4, '.')];
    case 3:
      return [
        'hset',
        `${id}-h`,
        ...Array.from({ length: LONG_FIELDS }, (_, i) => [`f${i}`, longField(mark)]).flat(),
      ];
    default:
      return ['hgetall', `${id}-h`];
  }
}

function longField(mark: string): string {
  return mark.padEnd(LARGE_BYTES / (LONG_FIELDS - 1), '.');
}

function randomCommand(random: SeededRandom, id: number): string[] {
  if (random.below(RARE) === 0) return rareCommand(random, id);
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

/** Of nobody, over all shards. */
async function addOtherKeys(cluster: SimCluster): Promise<void> {
  for (const tag of ['a', 'b', 'c', 'd'])
    await cluster
      .client(0)
      .ask('mset', ...Array.from({ length: OTHER_KEYS }, (_, i) => [`{${tag}}${i}`, 'x']).flat());
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
    const at = model.run.findIndex(({ words, reply }, i) => comparable(words, client.replies[i]) !== reply);
    if (at < 0) continue;
    const before = model.run.slice(Math.max(0, at - 3), at + 1);
    return `reply ${at} was ${shortened(client.replies[at])}: ${shortened(before)}`;
  }
  return null;
}

function shortened(what: unknown): string {
  return JSON.stringify(what).replaceAll(/\.{20,}/g, '...');
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
  await addOtherKeys(cluster);
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
  await addOtherKeys(cluster);
  const talkers = talkersOf(cluster, 4, 0);
  for (let round = 0; round < rounds; round++) {
    await converse(cluster, talkers, random, 200);
    await strike(cluster, random, (ms) => converse(cluster, talkers, random, ms));
    await converse(cluster, talkers, random, 300);
    await cluster.until(() => cluster.nodes.every((node) => node.running?.ready === true));
  }
  return finish(cluster, talkers);
}
