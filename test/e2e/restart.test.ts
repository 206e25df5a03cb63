/** Nodes that are alone, that are two, and that start again. */
import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';

import { TorcCluster } from './cluster/torc-cluster.ts';

function connect(port: number): Redis {
  const client = new Redis({ port, retryStrategy: () => 50, maxRetriesPerRequest: 100 });
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  return client;
}

test.each([1, 2, 3])('a cluster of %i keeps its data over a stop and over kill -9', async (nodes) => {
  const cluster = await TorcCluster.forTest({ nodes });
  const clients = cluster.nodes.map((node) => connect(node.ports.client));
  for (const [at, client] of clients.entries()) {
    expect(await client.set(`first:${at}`, `value ${at}`)).toBe('OK');
    expect(await client.hset(`hash:${at}`, 'field', 'one')).toBe(1);
    expect(await client.incrby('counter', 5)).toBe(5 * (at + 1));
  }

  const exits = await Promise.all(cluster.nodes.map((node) => node.stop()));
  expect(exits).toEqual(cluster.nodes.map(() => ({ code: 0, signal: null })));
  cluster.start();
  await cluster.waitReady();
  for (const at of clients.keys()) {
    const other = clients[(at + 1) % clients.length];
    expect(await other.get(`first:${at}`)).toBe(`value ${at}`);
    expect(await other.hget(`hash:${at}`, 'field')).toBe('one');
    expect(await other.set(`second:${at}`, 'later')).toBe('OK');
  }

  await Promise.all(cluster.nodes.map((node) => node.kill()));
  cluster.start();
  await cluster.waitReady();
  for (const at of clients.keys()) {
    expect(await clients[0].mget(`first:${at}`, `second:${at}`)).toEqual([`value ${at}`, 'later']);
  }
  expect(await clients[0].get('counter')).toBe(String(5 * nodes));
});
