import { describe, expect, it } from 'vitest';

import { SeededRandom } from '../../../src/env/sim/random.ts';
import { SimCluster, type SimClient } from './cluster.ts';

describe('whole nodes on the simulated environment', () => {
  it('found a cluster, take commands anywhere, and lose nothing in crashes and a restart of all', async () => {
    const cluster = new SimCluster(1, 3);
    await cluster.startAll();
    const clients = cluster.nodes.map((_, i) => cluster.client(i));
    for (let i = 0; i < 60; i++) expect(await clients[i % 3].ask('set', `k${i}`, `v${i}`)).toBe('+OK\r\n');
    for (let i = 0; i < 60; i++)
      expect(await clients[(i + 1) % 3].ask('get', `k${i}`)).toBe(`$${`v${i}`.length}\r\nv${i}\r\n`);

    cluster.crash(2, 'lost');
    expect(clients[0].isClosed).toBe(false);
    for (let i = 0; i < 60; i++) expect(await clients[i % 2].ask('incr', `n${i % 7}`)).toMatch(/^:\d+\r\n$/);
    await cluster.start(2);
    await cluster.until(() => cluster.nodes[2].running?.ready === true);

    for (const i of [0, 1, 2]) cluster.crash(i, 'torn');
    await cluster.startAll();
    const client = cluster.client(1);
    for (let i = 0; i < 60; i++) expect(await client.ask('get', `k${i}`)).toContain(`v${i}`);
    let sum = 0;
    for (let i = 0; i < 7; i++) sum += Number(/\d+/.exec((await client.ask('get', `n${i}`)).slice(4))?.[0]);
    expect(sum).toBe(60);
  });
});

/** What one client must be told, whatever happens to other nodes: its own keys, in the order sent. */
class Model {
  private readonly values = new Map<string, string>();
  /** What each key held after each command that wrote it. */
  private readonly later = new Map<string, { at: number; value: string | undefined }[]>();
  /** Of each command: its words and the reply. */
  readonly run: { words: readonly string[]; reply: string }[] = [];

  add(words: readonly string[]): void {
    const key = words[1];
    this.run.push({ words, reply: this.replyTo(words) });
    if (words[0] === 'get') return;
    const history = this.later.get(key) ?? [];
    history.push({ at: this.run.length, value: this.values.get(key) });
    this.later.set(key, history);
  }

  /** A read that is lost with its leader goes again, and may then see what its own connection sent after it. */
  mayBe(at: number, reply: string): boolean {
    const { words, reply: expected } = this.run[at];
    if (reply === expected || words[0] !== 'get') return reply === expected;
    const after = (this.later.get(words[1]) ?? []).filter((change) => change.at > at);
    return after.slice(0, LATER_WRITES).some(({ value }) => bulk(value) === reply);
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

/** So many writes of one key may wait behind a read. */
const LATER_WRITES = 40;

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

describe('clients of a living node', () => {
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

  async function allAnswered(cluster: SimCluster, talkers: Talker[]): Promise<void> {
    await cluster.until(() =>
      talkers.every(({ client, model }) => client.replies.length >= model.run.length),
    );
  }

  it.each([1, 2, 3])(
    'get replies in the order sent, each command after those before it (seed %i)',
    async (seed) => {
      const random = new SeededRandom(seed);
      const cluster = new SimCluster(seed, 3);
      await cluster.startAll();
      const talkers = talkersOf(cluster, 4, 0);
      await converse(cluster, talkers, random, 500);
      await allAnswered(cluster, talkers);
      for (const { client, model } of talkers)
        expect(client.replies).toEqual(model.run.map(({ reply }) => reply));
    },
  );

  it.each([1, 2, 3, 4])(
    'see a pause when other nodes crash or stand still: no error, no duplicate, replies in order (seed %i)',
    async (seed) => {
      const random = new SeededRandom(seed);
      const cluster = new SimCluster(seed, 3, { 'park-timeout-ms': '60000', 'outcome-timeout-ms': '60000' });
      await cluster.startAll();
      const talkers = talkersOf(cluster, 4, 0);
      for (let round = 0; round < 2; round++) {
        const victim = 1 + random.below(2);
        await converse(cluster, talkers, random, 200);
        if (random.below(2) === 0) {
          cluster.crash(victim, random.below(2) === 0 ? 'kill' : 'lost');
          await converse(cluster, talkers, random, 1500);
          await cluster.start(victim);
        } else {
          cluster.pause(victim);
          await converse(cluster, talkers, random, 1500);
          cluster.resume(victim);
        }
        await converse(cluster, talkers, random, 300);
        await cluster.until(() => cluster.nodes.every((node) => node.running?.ready === true));
      }
      await allAnswered(cluster, talkers);
      for (const { client, model } of talkers) {
        const wrong = model.run.findIndex((_, at) => !model.mayBe(at, client.replies[at]));
        expect(
          wrong < 0 ? [] : [wrong, model.run.slice(Math.max(0, wrong - 3), wrong + 1), client.replies[wrong]],
        ).toEqual([]);
      }
    },
  );
});
