/** The client libraries at work while a cluster changes, as people use them: with what they do by themselves to be spared errors. */
import { Cluster, Redis } from 'ioredis';
import { createClient, createCluster } from 'redis';
import { expect, onTestFinished } from 'vitest';

import { pause, type TorcCluster } from '../cluster/torc-cluster.ts';

const HOST = '127.0.0.1';
const KEYS = 200;

/** What any of the libraries can do. */
interface Commands {
  set(key: string, value: string): Promise<unknown>;
  get(key: string): Promise<string | null>;
  incr(key: string): Promise<number>;
}

/**
 * node-redis in cluster mode: once a node owns no slot any more it cuts its own connection to it, and gives up what it had under way there, whatever
 * the cluster; so its users have to see whether that ran. A node that leaves has next to nothing under way by then, but its process stops soon after,
 * and a client may know one of its last slots there still. How often it gave up is counted.
 */
class SecondLook implements Commands {
  givenUp = 0;
  private readonly commands: Commands;
  private readonly counts = new Map<string, number>();

  constructor(commands: Commands) {
    this.commands = commands;
  }

  set(key: string, value: string): Promise<unknown> {
    return this.again(() => this.commands.set(key, value));
  }

  get(key: string): Promise<string | null> {
    return this.again(() => this.commands.get(key));
  }

  async incr(key: string): Promise<number> {
    const before = this.counts.get(key) ?? 0;
    let isFirst = true;
    const count = await this.again(async () => {
      if (!isFirst && Number(await this.commands.get(key)) > before) return before + 1;
      isFirst = false;
      return this.commands.incr(key);
    });
    this.counts.set(key, count);
    return count;
  }

  private async again<T>(run: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await run();
      } catch (error) {
        if (!String(error).includes('Disconnects client')) throw error;
        this.givenUp += 1;
      }
    }
  }
}

/** One client at work: a counter of its own, values of its own, several commands at once. */
class Worker {
  readonly name: string;
  readonly failures: string[] = [];
  done = 0;
  longestMs = 0;
  private readonly commands: Commands;
  private readonly increments = new Map<string, number>();
  private readonly written = new Map<string, string>();
  private isStopped = false;
  private readonly lanes: Promise<void>[];

  constructor(name: string, commands: Commands, lanes: number) {
    this.name = name;
    this.commands = commands;
    this.lanes = Array.from({ length: lanes }, (_, lane) => this.work(lane));
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await Promise.all(this.lanes);
  }

  /** All that was acknowledged is there, once. */
  async audit(): Promise<void> {
    for (const [key, value] of this.written) expect(await this.commands.get(key)).toBe(value);
    for (const [key, count] of this.increments) expect(await this.commands.get(key)).toBe(String(count));
  }

  private async work(lane: number): Promise<void> {
    for (let n = 0; !this.isStopped; n++) {
      const place = (n * 7 + lane) % KEYS;
      const [key, counter, value] = [
        `${this.name}:${lane}:${place}`,
        `${this.name}:${lane}:n${place}`,
        `v${n}`,
      ];
      await this.timed(`SET ${key}`, async () => {
        await this.commands.set(key, value);
        this.written.set(key, value);
      });
      await this.timed(`INCR ${counter}`, async () => {
        const count = await this.commands.incr(counter);
        const expected = (this.increments.get(counter) ?? 0) + 1;
        this.increments.set(counter, expected);
        if (count !== expected) this.failures.push(`${counter} is ${count}, not ${expected}`);
      });
      await this.timed(`GET ${key}`, async () => {
        const found = await this.commands.get(key);
        if (found !== value) this.failures.push(`${key} holds ${found}, not ${value}`);
      });
      await pause(1);
    }
  }

  private async timed(what: string, run: () => Promise<void>): Promise<void> {
    const startMs = performance.now();
    try {
      await run();
    } catch (error) {
      this.failures.push(`${what}: ${String(error)}`);
    }
    this.done += 1;
    this.longestMs = Math.max(this.longestMs, performance.now() - startMs);
  }
}

/** `givenUp`: how many commands the one library has given up by itself. */
export async function startWorkers(
  cluster: TorcCluster,
): Promise<{ workers: Worker[]; givenUp: () => number }> {
  const [first, second, third] = cluster.nodes.map(({ ports }) => ports);
  const ioredis = new Redis({ port: first.client });
  const pipelining = new Redis({ port: second.client, enableAutoPipelining: true });
  const ioredisCluster = new Cluster([{ host: HOST, port: third.redirect }]);
  const nodeRedis = createClient({ socket: { host: HOST, port: third.client } });
  const nodeRedisCluster = createCluster({ rootNodes: [{ socket: { host: HOST, port: first.redirect } }] });
  for (const client of [ioredis, pipelining, ioredisCluster, nodeRedis, nodeRedisCluster])
    client.on('error', () => undefined);
  await Promise.all([nodeRedis.connect(), nodeRedisCluster.connect()]);
  onTestFinished(() => {
    for (const client of [ioredis, pipelining, ioredisCluster]) client.disconnect();
    nodeRedis.destroy();
    nodeRedisCluster.destroy();
  });
  const secondLook = new SecondLook(nodeRedisCluster);
  const workers = [
    new Worker('ioredis', ioredis, 4),
    new Worker('autopipelining', pipelining, 8),
    new Worker('ioredis-cluster', ioredisCluster, 4),
    new Worker('node-redis', nodeRedis, 4),
    new Worker('node-redis-cluster', secondLook, 4),
  ];
  return { workers, givenUp: () => secondLook.givenUp };
}
