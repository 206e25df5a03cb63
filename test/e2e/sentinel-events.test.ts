/**
 * A node that is killed, stands still or is stopped: those who listen hear `+switch-master`, and clients that know sentinels are served by
 * another node. One that stands still breaks no connection, so only who listens or has a timeout leaves it.
 */
import { Redis } from 'ioredis';
import { createSentinel } from 'redis';
import { describe, expect, onTestFinished, test } from 'vitest';

import { pause, TorcCluster } from './cluster/torc-cluster.ts';
import type { TorcNode } from './cluster/torc-node.ts';

const HOST = '127.0.0.1';
const NAME = 'torc';
const VICTIM = 1;
/** Until a silent node counts as dead (3 s), with the next look at it, and the clients' own timeouts. */
const MOVED_WITHIN_MS = 9000;

/** The victim first: it is the one that they are connected to. */
function sentinelsOf(nodes: readonly TorcNode[]): { host: string; port: number }[] {
  return nodes.map((_, at) => ({ host: HOST, port: nodes[(VICTIM + at) % nodes.length].ports.client }));
}

async function ioredis(nodes: readonly TorcNode[]): Promise<{ incr(): Promise<number>; port(): number }> {
  const client = new Redis({
    sentinels: sentinelsOf(nodes),
    name: NAME,
    failoverDetector: true,
    sentinelCommandTimeout: 500,
    sentinelRetryStrategy: () => 100,
    maxRetriesPerRequest: null,
  });
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  await client.ping();
  const incr = (): Promise<number> => client.incr('ioredis');
  const port = (): number => client.stream.remotePort ?? 0;
  return { incr, port };
}

async function nodeRedis(nodes: readonly TorcNode[]): Promise<{ incr(): Promise<number>; port(): number }> {
  const options = { socket: { socketTimeout: 500 }, pingInterval: 200 };
  const client = createSentinel({
    name: NAME,
    sentinelRootNodes: sentinelsOf(nodes),
    sentinelClientOptions: options,
    nodeClientOptions: options,
  });
  client.on('error', () => undefined);
  let port = 0;
  client.on('topology-change', (event: { type: string; node: { port: number } }) => {
    if (event.type === 'MASTER_CHANGE') ({ port } = event.node);
  });
  await client.connect();
  onTestFinished(() => client.destroy());
  return { incr: () => client.incr('node-redis'), port: () => port };
}

async function listenTo(node: TorcNode): Promise<string[]> {
  const heard: string[] = [];
  const client = new Redis({ port: node.ports.client });
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  await client.psubscribe('+*');
  client.on('pmessage', (_, channel, message) => heard.push(`${channel} ${message}`));
  return heard;
}

describe.each([
  ['killed', (node: TorcNode) => node.kill()],
  ['stopped in good order', (node: TorcNode) => node.stop()],
  ['standing still', (node: TorcNode) => Promise.resolve(node.pause())],
])('a node %s', (_, fault) => {
  test('is told of, and left', { timeout: 60_000 }, async () => {
    const cluster = await TorcCluster.forTest({ nodes: 3 });
    await cluster.settle();
    const { nodes } = cluster;
    const victim = nodes[VICTIM];
    const witness = nodes[(VICTIM + 1) % nodes.length];
    const heard = await listenTo(witness);
    const clients = [await ioredis(nodes), await nodeRedis(nodes)];
    for (const client of clients) {
      expect(await client.incr()).toBe(1);
      expect(client.port()).toBe(victim.ports.client);
    }
    await fault(victim);
    const served = clients.map(async (client) => {
      const deadlineMs = performance.now() + MOVED_WITHIN_MS;
      // Whoever has a timeout gets an error, and tries again.
      while (performance.now() < deadlineMs && client.port() === victim.ports.client) {
        await Promise.race([client.incr().catch(() => undefined), pause(1000)]);
        await pause(50);
      }
      expect(client.port()).not.toBe(victim.ports.client);
      expect(await client.incr()).toBeGreaterThan(1);
    });
    await Promise.all(served);
    const from = `${HOST} ${victim.ports.client}`;
    const to = `${HOST} ${witness.ports.client}`;
    await expect
      .poll(() => heard)
      .toEqual([`+sdown master ${NAME} ${from}`, `+switch-master ${NAME} ${from} ${to}`]);
    // Once it is back, nobody hears ill of the others.
    if (victim.isRunning) {
      victim.resume();
      await cluster.settle();
      expect(heard).toHaveLength(2);
    }
  });
});
