/** Five nodes, five shards of three replicas: every node serves every key, most of them of shards that it holds no replica of. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { Cluster, Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';

import { compareDigests } from './cluster/digests.ts';
import { TorcCluster } from './cluster/torc-cluster.ts';

const run = promisify(execFile);
const KEYS = 300;

function connect(port: number): Redis {
  const client = new Redis({ port, retryStrategy: () => 50, maxRetriesPerRequest: 100 });
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  return client;
}

test('five nodes forward to each other, and go on when one is killed', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 5 });
  const reports = await Promise.all(cluster.nodes.map((node) => node.status()));
  expect(reports.map(({ replicas }) => replicas.length)).toEqual([3, 3, 3, 3, 3]);
  expect(new Set(reports.flatMap(({ replicas }) => replicas.map(({ shard }) => shard))).size).toBe(5);

  const clients = cluster.nodes.map(({ ports }) => connect(ports.client));
  for (let n = 0; n < KEYS; n++) expect(await clients[n % 5].set(`key:${n}`, `value ${n}`)).toBe('OK');
  for (const client of clients) {
    const keys = Array.from({ length: KEYS }, (_, n) => `key:${n}`);
    expect(await client.mget(keys)).toEqual(keys.map((_, n) => `value ${n}`));
    expect(await client.dbsize()).toBe(KEYS + Math.min(clients.indexOf(client), 1));
    expect((await client.keys('key:1?')).length).toBe(10);
    expect(await scanAll(client)).toBe(KEYS);
    expect(await client.incr('counter')).toBe(clients.indexOf(client) + 1);
  }
  expect(await clients[3].del('key:0', 'key:1', 'key:2', 'key:3', 'nothing')).toBe(4);
  expect(await clients[4].exists('key:0', 'key:4', 'key:5')).toBe(2);
  await expect(clients[0].mset('key:4', 'a', 'key:5', 'b')).rejects.toThrow(/^CROSSSLOT/);

  // Pipelines over all shards come back in order.
  const pipeline = clients[2].pipeline();
  for (let n = 4; n < 104; n++) pipeline.get(`key:${n}`);
  expect((await pipeline.exec())?.map(([, value]) => value)).toEqual(
    Array.from({ length: 100 }, (_, n) => `value ${n + 4}`),
  );

  await cluster.settle();
  await cluster.nodes[1].kill();
  const others = clients.filter((_, at) => at !== 1);
  for (let n = 4; n < 104; n++) {
    expect(await others[n % 4].append(`key:${n}`, '!')).toBe(`value ${n}!`.length);
    expect(await others[(n + 1) % 4].get(`key:${n}`)).toBe(`value ${n}!`);
  }
  cluster.nodes[1].start();
  await cluster.settle();
  expect(await clients[1].get('key:50')).toBe('value 50!');
  const shards = await compareDigests(cluster);
  expect(shards.map(({ replicas }) => replicas)).toEqual([3, 3, 3, 3, 3]);
});

async function scanAll(client: Redis): Promise<number> {
  const seen = new Set<string>();
  let cursor = '0';
  do {
    const [next, keys] = await client.scan(cursor, 'MATCH', 'key:*', 'COUNT', 50);
    cursor = next;
    for (const key of keys) seen.add(key);
  } while (cursor !== '0');
  return seen.size;
}

test('the redirect ports are a Redis Cluster', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 5 });
  const ports = cluster.nodes.map((node) => node.ports.redirect);
  const client = new Cluster([{ host: '127.0.0.1', port: ports[0] }]);
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  for (let n = 0; n < KEYS; n++) expect(await client.set(`key:${n}`, `value ${n}`)).toBe('OK');
  for (let n = 0; n < KEYS; n++) expect(await client.get(`key:${n}`)).toBe(`value ${n}`);
  const sizes = await Promise.all(client.nodes('master').map((node) => node.dbsize()));
  expect(sizes.length).toBe(5);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(KEYS);

  const { stdout: check } = await run('redis-cli', ['--cluster', 'check', `127.0.0.1:${ports[0]}`]);
  expect(check).toContain('[OK] All nodes agree about slots configuration.');
  expect(check).toContain('[OK] All 16384 slots covered.');
  const words = ['-c', '-p', String(ports[3]), 'get', 'key:7'];
  expect((await run('redis-cli', words)).stdout).toContain('value 7');
  const select = run('redis-cli', ['-p', String(ports[0]), 'select', '1']);
  expect((await select).stdout).toContain('SELECT is not allowed in cluster mode');
});
