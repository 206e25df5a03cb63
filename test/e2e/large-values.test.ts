/** Large values go through every node, and are there after kill -9; too large ones are refused. */
import { randomBytes } from 'node:crypto';

import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';

import { compareDigests } from './cluster/digests.ts';
import { TorcCluster } from './cluster/torc-cluster.ts';

const MIB = 1024 * 1024;

function connect(port: number): Redis {
  const client = new Redis({ port, retryStrategy: () => 50, maxRetriesPerRequest: 100 });
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  return client;
}

/** A value is one entry of a shard's log, and heartbeats wait behind it: on a loaded machine one of 64 MiB can cost its leader the election timeout. */
const VALUE_BYTES = 16 * MIB;

test('large values', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 3 });
  const clients = cluster.nodes.map(({ ports }) => connect(ports.client));
  const value = randomBytes(VALUE_BYTES);
  // Of three shards, two are forwarded to by each node.
  const keys = ['large:1', 'large:2', 'large:3'];
  for (const key of keys) {
    expect(await clients[0].set(key, value)).toBe('OK');
    expect((await clients[1].getBuffer(key))?.equals(value)).toBe(true);
  }
  await expect(clients[0].set('larger', Buffer.alloc(64 * MIB + 1))).rejects.toThrow();
  expect(await clients[1].exists('larger', ...keys)).toBe(3);

  await Promise.all(cluster.nodes.map((node) => node.kill()));
  cluster.start();
  await cluster.waitReady();
  for (const key of keys) expect((await clients[2].getBuffer(key))?.equals(value), key).toBe(true);
  await compareDigests(cluster);
});

test('a command that does not fit into a log entry is refused, and nobody dies of it', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 3 });
  const client = connect(cluster.nodes[0].ports.client);
  const value = Buffer.alloc(45 * MIB, 'x');
  for (let shard = 0; shard < 6; shard++) {
    const words = ['a', 'b', 'c'].flatMap((name) => [`{${shard}}${name}`, value]);
    const answer = await client.mset(words).catch((error: Error) => error.message);
    expect(answer).toMatch(/^ERR command is too long/);
    expect(await client.exists(`{${shard}}a`)).toBe(0);
  }
  await cluster.waitReady();
  for (const node of cluster.nodes) expect((await node.status()).node.start).toBe(1);
});
