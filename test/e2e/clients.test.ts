/** The clients that people use, unchanged, over both ports. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Cluster, Redis } from 'ioredis';
import { createClient, createCluster, createSentinel, RESP_TYPES } from 'redis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { TorcCluster } from './torc-cluster.ts';

const run = promisify(execFile);
const PASSWORD = 'open-sesame';
const MIB = 1024 * 1024;
const HOST = '127.0.0.1';
const KEYS = 300;

async function tool(command: string, ...words: string[]): Promise<string> {
  const { stdout, stderr } = await run(command, words, { timeout: 60_000, maxBuffer: 256 * MIB });
  return stdout + stderr;
}

describe.each([
  ['without a password', ''],
  ['with a password', PASSWORD],
])('%s', (_, password) => {
  let torc: TorcCluster;
  const secret = password === '' ? {} : { password };
  const cliSecret = password === '' ? [] : ['--no-auth-warning', '-a', password];

  beforeAll(async () => {
    torc = await TorcCluster.start(password === '' ? {} : { requirepass: password });
  });

  afterAll(() => torc.stop());

  beforeEach(async () => {
    const redis = new Redis({ port: torc.clientPort(0), ...secret });
    await redis.flushall();
    redis.disconnect();
  });

  /** What each of them does: one command of each family, pipelines, binary keys and values. */
  async function useIoredis(redis: Redis | Cluster): Promise<void> {
    const binary = Buffer.from([0, 255, 13, 10, 128]);
    expect(await redis.set('string', 'value', 'EX', 100)).toBe('OK');
    expect(await redis.get('string')).toBe('value');
    expect(await redis.ttl('string')).toBeGreaterThan(90);
    expect(await redis.incrby('number', 41)).toBe(41);
    expect(await redis.incr('number')).toBe(42);
    expect(await redis.hset('hash', { a: '1', b: '2' })).toBe(2);
    expect(await redis.hgetall('hash')).toEqual({ a: '1', b: '2' });
    expect(await redis.set(binary, binary)).toBe('OK');
    expect(await redis.getBuffer(binary)).toEqual(binary);
    expect(await redis.mset('{m}a', '1', '{m}b', '2')).toBe('OK');
    expect(await redis.mget('{m}a', '{m}b', '{m}none')).toEqual(['1', '2', null]);
    expect(await redis.del('{m}a', '{m}b')).toBe(2);
    const many = Array.from({ length: KEYS }, (__, i) => `many:${i}`);
    await Promise.all(many.map((key, i) => redis.set(key, i)));
    expect(await Promise.all(many.map((key) => redis.get(key)))).toEqual(many.map((__, i) => String(i)));
    await expect(redis.hget('string', 'field')).rejects.toThrow('WRONGTYPE');
  }

  test('ioredis, over the client port', async () => {
    const redis = new Redis({ port: torc.clientPort(1), ...secret });
    await useIoredis(redis);
    const pipeline = redis.pipeline();
    for (let i = 0; i < KEYS; i++) pipeline.set(`p:${i}`, i).get(`p:${i}`);
    const results = await pipeline.exec();
    expect(results?.map(([error]) => error)).toEqual(Array.from({ length: 2 * KEYS }, () => null));
    expect(results?.[2 * KEYS - 1][1]).toBe(String(KEYS - 1));
    expect(await redis.mget('p:1', 'p:2', 'p:3', 'none')).toEqual(['1', '2', '3', null]);
    expect((await redis.keys('p:*')).length).toBe(KEYS);
    await redis.flushdb();
    expect(await redis.dbsize()).toBe(0);
    redis.disconnect();
  });

  test('ioredis with pipelining by itself', async () => {
    const redis = new Redis({ port: torc.clientPort(2), enableAutoPipelining: true, ...secret });
    const written = Array.from({ length: KEYS }, (__, i) => redis.set(`auto:${i}`, `v${i}`));
    expect(new Set(await Promise.all(written))).toEqual(new Set(['OK']));
    expect(await Promise.all([redis.get('auto:7'), redis.exists('auto:8'), redis.get('none')])).toEqual([
      'v7',
      1,
      null,
    ]);
    redis.disconnect();
  });

  test('ioredis Cluster, over the redirect port', async () => {
    const cluster = new Cluster([{ host: HOST, port: torc.redirectPort(0) }], { redisOptions: secret });
    await useIoredis(cluster);
    expect(cluster.nodes('master').length).toBe(3);
    cluster.disconnect();
  });

  test('ioredis, through sentinels', async () => {
    const sentinels = [0, 1, 2].map((node) => ({ host: HOST, port: torc.clientPort(node) }));
    const options = password === '' ? {} : { sentinelPassword: password };
    const redis = new Redis({ sentinels, name: 'torc', ...secret, ...options });
    await useIoredis(redis);
    redis.disconnect();
  });

  test.each([2, 3] as const)('node-redis, RESP%i', async (RESP) => {
    const client = createClient({ socket: { host: HOST, port: torc.clientPort(0) }, RESP, ...secret });
    client.on('error', () => undefined);
    await client.connect();
    expect(await client.set('a', '1', { expiration: { type: 'PX', value: 60_000 } })).toBe('OK');
    expect(await client.incr('a')).toBe(2);
    expect(await client.hSet('h', { f: 'v', g: 'w' })).toBe(2);
    expect({ ...(await client.hGetAll('h')) }).toEqual({ f: 'v', g: 'w' });
    expect(await client.mGet(['a', 'none'])).toEqual(['2', null]);
    expect(await client.pTTL('a')).toBeGreaterThan(50_000);
    const found: string[] = [];
    for await (const keys of client.scanIterator({ COUNT: 1 })) found.push(...keys);
    expect(found.toSorted()).toEqual(['a', 'h']);
    await Promise.all(Array.from({ length: KEYS }, (__, i) => client.set(`n:${i}`, `${i}`)));
    expect(await client.dbSize()).toBe(KEYS + 2);
    const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    await client.set('bin', Buffer.from([0, 200, 10]));
    expect(await bytes.get('bin')).toEqual(Buffer.from([0, 200, 10]));
    await client.select(3);
    expect(await client.dbSize()).toBe(0);
    client.destroy();
  });

  test('node-redis createCluster, over the redirect port', async () => {
    const cluster = createCluster({
      rootNodes: [{ socket: { host: HOST, port: torc.redirectPort(2) } }],
      defaults: secret,
    });
    cluster.on('error', () => undefined);
    await cluster.connect();
    expect(cluster.masters.length).toBe(3);
    await Promise.all(Array.from({ length: KEYS }, (__, i) => cluster.set(`c:${i}`, `${i}`)));
    for (let i = 0; i < KEYS; i += 30) expect(await cluster.get(`c:${i}`)).toBe(`${i}`);
    expect(await cluster.hSet('h', 'f', 'v')).toBe(1);
    cluster.destroy();
  });

  test('node-redis createSentinel', async () => {
    const sentinel = createSentinel({
      name: 'torc',
      sentinelRootNodes: [0, 1, 2].map((node) => ({ host: HOST, port: torc.clientPort(node) })),
      nodeClientOptions: secret,
      sentinelClientOptions: secret,
    });
    sentinel.on('error', () => undefined);
    await sentinel.connect();
    expect(await sentinel.set('s', 'v')).toBe('OK');
    expect(await sentinel.get('s')).toBe('v');
    await sentinel.destroy();
  });

  test('redis-cli', async () => {
    const cli = (...words: string[]): Promise<string> =>
      tool('redis-cli', ...cliSecret, '-p', String(torc.clientPort(0)), ...words);
    expect(await cli('set', 'a', '1')).toBe('OK\n');
    expect(await cli('-3', 'hset', 'h', 'f', 'v')).toBe('1\n');
    expect(await cli('-n', '5', 'set', 'in5', 'x')).toBe('OK\n');
    expect(await cli('--scan')).toMatch(/^(a\nh|h\na)\n$/);
    expect(await cli('-n', '5', 'dbsize')).toBe('1\n');
    expect(await cli('--bigkeys')).toContain('Biggest string found');
    // Of this node's replicas: a follower's hear of the last write with the next heartbeat.
    await expect.poll(() => cli('info', 'keyspace')).toMatch(/db0:keys=2,.*\r\ndb5:keys=1,/);
    expect(await cli('--memkeys')).toMatch(/Biggest string found .* has \d+ bytes/);
    const redirect = String(torc.redirectPort(0));
    for (let i = 0; i < 10; i++)
      expect(await tool('redis-cli', ...cliSecret, '-c', '-p', redirect, 'set', `k${i}`, 'v')).toContain(
        'OK',
      );
    const check = await tool('redis-cli', ...cliSecret, '--cluster', 'check', `${HOST}:${redirect}`);
    expect(check).toContain('[OK] All nodes agree about slots configuration.');
    expect(check).toContain('[OK] All 16384 slots covered.');
    expect(check).toContain('12 keys in 3 masters');
  });

  test('redis-benchmark', async () => {
    for (const [port, more] of [
      [torc.clientPort(0), []],
      [torc.redirectPort(0), ['--cluster']],
    ] as const) {
      const words = [
        '-p',
        String(port),
        '-t',
        'ping,set,get,incr,hset',
        '-n',
        '2000',
        '-r',
        '1000',
        '-P',
        '8',
        '-q',
      ];
      const said = await tool(
        'redis-benchmark',
        ...(password === '' ? [] : ['-a', password]),
        ...words,
        ...more,
      );
      expect(said).not.toMatch(/error|WARNING/i);
      for (const name of ['SET', 'GET', 'INCR', 'HSET'])
        expect(said).toMatch(new RegExp(`${name}: \\d+\\.\\d+ requests per second`));
    }
  });

  test('large values, and one too large', async () => {
    const redis = new Redis({ port: torc.clientPort(1), maxRetriesPerRequest: 0, ...secret });
    const other = new Redis({ port: torc.clientPort(1), ...secret });
    redis.on('error', () => undefined);
    try {
      for (const key of ['{a}large', '{b}large', '{c}large']) await expectKept(redis, key, 60 * MIB);
      await expect(redis.set('larger', Buffer.alloc(64 * MIB + 1, 'x'))).rejects.toThrow();
      expect(await other.exists('larger')).toBe(0);
    } finally {
      redis.disconnect();
      other.disconnect();
    }
  });

  test('sixteen databases', async () => {
    const clients = Array.from(
      { length: 16 },
      (__, db) => new Redis({ port: torc.clientPort(db % 3), db, ...secret }),
    );
    await Promise.all(clients.map((redis, db) => redis.set('same', db)));
    expect(await Promise.all(clients.map((redis) => redis.get('same')))).toEqual(
      clients.map((__, db) => String(db)),
    );
    await clients[7].flushdb();
    expect(await Promise.all(clients.map((redis) => redis.dbsize()))).toEqual(
      clients.map((__, db) => (db === 7 ? 0 : 1)),
    );
    for (const redis of clients) redis.disconnect();
  });

  test('subscriptions to the channels of sentinels', async () => {
    const redis = new Redis({ port: torc.clientPort(0), ...secret });
    expect(await redis.subscribe('+switch-master', '-sdown')).toBe(2);
    expect(await redis.psubscribe('+*')).toBe(3);
    expect(await redis.unsubscribe('+switch-master', '-sdown')).toBe(1);
    expect(await redis.punsubscribe('+*')).toBe(0);
    expect(await redis.set('a', 'b')).toBe('OK');
    redis.disconnect();
  });

  test('what clients ask of a server', async () => {
    const redis = new Redis({ port: torc.clientPort(0), connectionName: 'me', ...secret });
    const info = await redis.info();
    expect(info).toMatch(/redis_version:7\.\d+\.\d+\r\n/);
    expect(info).toMatch(/role:master\r\n/);
    for (const line of info.split('\r\n')) expect(line).toMatch(/^$|^# \w+$|^[\w-]+:.*$/);
    expect(await redis.client('LIST')).toMatch(/name=me .*cmd=client\|list/);
    expect(await redis.config('SET', 'slowlog-log-slower-than', '0')).toBe('OK');
    expect(await redis.config('GET', 'slowlog-log-slower-than')).toEqual(['slowlog-log-slower-than', '0']);
    await redis.slowlog('RESET');
    for (let i = 0; i < 15; i++) await Promise.all([redis.hgetall(`slow:${i}`), redis.get(`slow:${i}`)]);
    expect(Number(await redis.slowlog('LEN'))).toBe(30);
    await redis.config('SET', 'slowlog-log-slower-than', '10000');
    await expect(redis.config('SET', 'maxmemory-policy', 'allkeys-lru')).rejects.toThrow(/maxmemory-policy/);
    await redis.set('k', 'v'.repeat(1000));
    expect(await redis.memory('USAGE', 'k')).toBeGreaterThan(1000);
    expect(await redis.object('ENCODING', 'k')).toBe('raw');
    expect(await redis.object('IDLETIME', 'k')).toBeLessThan(5);
    expect(await redis.wait(1, 1000)).toBeGreaterThanOrEqual(1);
    for (let i = 0; i < 20; i++) await redis.set(`asked:${i}`, 'v');
    for (let i = 0; i < 20; i++) await redis.get(`asked:${i}`);
    const counted = (): Promise<unknown> => redis.call('INFO', 'stats', 'commandstats');
    expect(await counted()).toMatch(
      /keyspace_hits:[1-9][^]*torc_forwarded_commands:[1-9][^]*cmdstat_get:calls=/,
    );
    expect(await redis.config('RESETSTAT')).toBe('OK');
    expect(await counted()).toMatch(
      /keyspace_hits:0\r\nkeyspace_misses:0\r\n[^]*torc_forwarded_commands:0\r\n/,
    );
    expect(await counted()).not.toContain('cmdstat_get');
    await expect(redis.cluster('INFO')).rejects.toThrow(`127.0.0.1:${torc.redirectPort(0)}`);
    const redirect = new Redis({ port: torc.redirectPort(0), ...secret });
    expect(await redirect.cluster('INFO')).toContain('cluster_slots_ok:16384');
    expect(await redirect.cluster('KEYSLOT', 'foo')).toBe(12182);
    expect(await redirect.cluster('MYID')).toMatch(/^[0-9a-f]{40}$/);
    await expect(redirect.select(1)).rejects.toThrow('SELECT is not allowed in cluster mode');
    redis.disconnect();
    redirect.disconnect();
  });
});

test('a value of 60 MiB, on a node alone', async () => {
  const torc = await TorcCluster.start({}, 1);
  const redis = new Redis({ port: torc.clientPort(0) });
  try {
    await expectKept(redis, 'huge', 60 * MIB);
  } finally {
    redis.disconnect();
    await torc.stop();
  }
});

async function expectKept(redis: Redis, key: string, sizeBytes: number): Promise<void> {
  const value = Buffer.alloc(sizeBytes, 'x');
  expect(await redis.set(key, value)).toBe('OK');
  expect((await redis.getBuffer(key))?.equals(value)).toBe(true);
  expect(await redis.del(key)).toBe(1);
}
