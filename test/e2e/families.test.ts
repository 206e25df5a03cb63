/** Every command family over the client and the redirect port, through each client. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { Cluster, Redis } from 'ioredis';
import { createClient, createSentinel } from 'redis';
import { beforeAll, afterAll, describe, expect, onTestFinished, test } from 'vitest';

import { TorcCluster } from './cluster/torc-cluster.ts';

const run = promisify(execFile);
let cluster: TorcCluster;

beforeAll(async () => {
  cluster = await TorcCluster.make({ nodes: 3 });
  cluster.start();
  await cluster.waitReady();
});
afterAll(() => cluster.end());

/** Sends one command; errors come back as their text. */
type Call = (...words: string[]) => Promise<unknown>;

async function told(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    return (error as Error).message;
  }
}

const clients: Record<string, () => Promise<Call>> = {
  'ioredis, client port': async () => {
    const client = new Redis({ port: cluster.nodes[0].ports.client });
    onTestFinished(() => client.disconnect());
    await client.ping();
    return (name, ...words) => told(client.call(name, ...words));
  },
  'node-redis, client port': async () => {
    const client = createClient({ socket: { port: cluster.nodes[1].ports.client } });
    onTestFinished(() => client.destroy());
    await client.connect();
    return (...words) => told(client.sendCommand(words));
  },
  'node-redis with RESP2, client port': async () => {
    const client = createClient({ RESP: 2, socket: { port: cluster.nodes[2].ports.client } });
    onTestFinished(() => client.destroy());
    await client.connect();
    return (...words) => told(client.sendCommand(words));
  },
  'node-redis through sentinels': async () => {
    const sentinelRootNodes = cluster.nodes.map(({ ports }) => ({ host: '127.0.0.1', port: ports.client }));
    const client = createSentinel({ name: 'any', sentinelRootNodes });
    onTestFinished(() => client.destroy());
    await client.connect();
    return (...words) => told(client.sendCommand(false, words));
  },
  'ioredis through sentinels': async () => {
    const sentinels = cluster.nodes.map(({ ports }) => ({ host: '127.0.0.1', port: ports.client }));
    const client = new Redis({ sentinels, name: 'any' });
    onTestFinished(() => client.disconnect());
    await client.ping();
    return (name, ...words) => told(client.call(name, ...words));
  },
  'ioredis Cluster, redirect ports': async () => {
    const client = new Cluster(
      cluster.nodes.map(({ ports }) => ({ host: '127.0.0.1', port: ports.redirect })),
    );
    onTestFinished(() => client.disconnect());
    await client.ping();
    return (name, ...words) => told(client.call(name, ...words));
  },
  'redis-cli, client port': () => Promise.resolve(redisCli(['-p', String(cluster.nodes[1].ports.client)])),
  'redis-cli -c, redirect port': () =>
    Promise.resolve(redisCli(['-c', '-p', String(cluster.nodes[2].ports.redirect)])),
};

function redisCli(options: readonly string[]): Call {
  return async (...words) => {
    const answer = run('redis-cli', ['--json', '-e', ...options, ...words]);
    try {
      const { stdout } = await answer;
      // A text of several lines it prints as it is.
      return stdout.startsWith('#') ? stdout : (JSON.parse(stdout) as unknown);
    } catch (error) {
      return (error as { stderr?: string }).stderr?.trim() ?? String(error);
    }
  };
}

describe.each(Object.keys(clients))('%s', (name) => {
  /** All in one slot, and of this client alone. */
  const key = (word: string): string => `{${name}}:${word}`;

  test('strings', async () => {
    const call = await clients[name]();
    expect(await call('SET', key('s'), 'Hello')).toBe('OK');
    expect(await call('SET', key('s'), 'x', 'NX')).toBe(null);
    expect(await call('SET', key('s'), 'World', 'XX', 'GET', 'EX', '100')).toBe('Hello');
    expect(await call('APPEND', key('s'), '!')).toBe(6);
    expect(await call('GETRANGE', key('s'), '1', '-2')).toBe('orld');
    expect(await call('SETRANGE', key('s'), '0', 'w')).toBe(6);
    expect(await call('STRLEN', key('s'))).toBe(6);
    expect(await call('GETEX', key('s'), 'PERSIST')).toBe('world!');
    expect(await call('TTL', key('s'))).toBe(-1);
    expect(await call('MSET', key('a'), '1', key('b'), '2')).toBe('OK');
    expect(await call('MSETNX', key('b'), '3', key('c'), '4')).toBe(0);
    expect(await call('MGET', key('a'), key('b'), key('none'))).toEqual(['1', '2', null]);
    expect(await call('INCR', key('a'))).toBe(2);
    expect(await call('DECRBY', key('a'), '5')).toBe(-3);
    expect(await call('INCRBYFLOAT', key('f'), '1.5')).toBe('1.5');
    expect(await call('INCR', key('s'))).toBe('ERR value is not an integer or out of range');
    expect(await call('SETEX', key('e'), '0', 'v')).toBe("ERR invalid expire time in 'setex' command");
    expect(await call('GETDEL', key('s'))).toBe('world!');
    expect(await call('GET', key('s'))).toBe(null);
    expect(await call('GETSET', key('s'), 'new')).toBe(null);
  });

  test('keys', async () => {
    const call = await clients[name]();
    await call('SET', key('k'), 'v');
    expect(await call('EXISTS', key('k'), key('k'), key('none'))).toBe(2);
    expect(await call('TYPE', key('k'))).toBe('string');
    expect(await call('EXPIRE', key('k'), '100', 'NX')).toBe(1);
    expect(await call('PEXPIREAT', key('k'), '99999999999000', 'GT')).toBe(1);
    expect(await call('EXPIRETIME', key('k'))).toBe(99_999_999_999);
    expect(await call('PERSIST', key('k'))).toBe(1);
    expect(await call('RENAME', key('k'), key('k2'))).toBe('OK');
    expect(await call('COPY', key('k2'), key('k3'))).toBe(1);
    expect(await call('RENAMENX', key('k2'), key('k3'))).toBe(0);
    expect(await call('OBJECT', 'ENCODING', key('k3'))).toBe('embstr');
    expect(await call('MEMORY', 'USAGE', key('k3'))).toBeGreaterThan(0);
    expect(await call('TOUCH', key('k2'), key('k3'))).toBe(2);
    expect(await call('DEL', key('k2'))).toBe(1);
    expect(await call('UNLINK', key('k2'), key('k3'))).toBe(1);
    expect(await call('RENAME', key('none'), key('k'))).toBe('ERR no such key');
    expect(await call('PEXPIRE', key('none'), '10')).toBe(0);
  });

  test('hashes', async () => {
    const call = await clients[name]();
    expect(await call('HSET', key('h'), 'a', '1', 'b', '2')).toBe(2);
    expect(await call('HSETNX', key('h'), 'a', '9')).toBe(0);
    expect(await call('HMGET', key('h'), 'a', 'none')).toEqual(['1', null]);
    expect(await call('HINCRBY', key('h'), 'a', '41')).toBe(42);
    expect(await call('HINCRBYFLOAT', key('h'), 'b', '0.5')).toBe('2.5');
    expect(((await call('HKEYS', key('h'))) as string[]).toSorted()).toEqual(['a', 'b']);
    expect(((await call('HVALS', key('h'))) as string[]).toSorted()).toEqual(['2.5', '42']);
    expect(await call('HLEN', key('h'))).toBe(2);
    expect(await call('HSTRLEN', key('h'), 'b')).toBe(3);
    expect(await call('HEXISTS', key('h'), 'a')).toBe(1);
    const [cursor, fields] = (await call('HSCAN', key('h'), '0')) as [string, string[]];
    expect(cursor).toBe('0');
    expect(fields).toHaveLength(4);
    expect(['a', 'b']).toContain(await call('HRANDFIELD', key('h')));
    expect(await call('HDEL', key('h'), 'a', 'b')).toBe(2);
    expect(await call('EXISTS', key('h'))).toBe(0);
    await call('SET', key('h'), 'text');
    expect(await call('HGET', key('h'), 'a')).toMatch(/^WRONGTYPE /);
  });

  test('connection and server', async () => {
    const call = await clients[name]();
    expect(await call('PING', 'there')).toBe('there');
    expect(await call('ECHO', 'text')).toBe('text');
    expect(await call('CLIENT', 'ID')).toBeGreaterThan(0);
    expect(await call('COMMAND', 'COUNT')).toBeGreaterThan(80);
    expect(await call('TIME')).toHaveLength(2);
    expect(await call('WAIT', '0', '10')).toBeGreaterThanOrEqual(0);
    const slot = await call('CLUSTER', 'KEYSLOT', 'foo');
    if (name.includes('redirect')) expect(slot).toBe(12_182);
    else expect(slot).toMatch(/^ERR .*cluster support disabled/);
    expect(String(await call('INFO', 'replication'))).toContain('role:master');
    expect(await call('NONSENSE', 'a')).toMatch(/^ERR unknown command 'NONSENSE'/);
    expect(await call('STRLEN', key('s'), 'b')).toMatch(
      /^ERR wrong number of arguments for 'strlen' command/,
    );
    // Nothing that came was one reply too many.
    expect(await call('ECHO', 'last')).toBe('last');
  });
});

test('SENTINEL names ready nodes only, and says when one stops being ready', async () => {
  const [first, second, victim] = cluster.nodes;
  const client = new Redis({ port: first.ports.client });
  const listener = new Redis({ port: second.ports.client });
  onTestFinished(() => {
    client.disconnect();
    listener.disconnect();
  });
  const own = ['127.0.0.1', String(first.ports.client)];
  expect(await client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'some')).toEqual(own);
  expect(await client.call('SENTINEL', 'SENTINELS', 'some')).toHaveLength(2);
  expect(await client.call('SENTINEL', 'REPLICAS', 'some')).toEqual([]);
  const messages: [string, string][] = [];
  listener.on('message', (channel: string, message: string) => messages.push([channel, message]));
  await listener.subscribe('+switch-master', '+sdown');
  await cluster.settle();
  await victim.kill();
  await expect.poll(() => messages.length, { timeout: 5000 }).toBeGreaterThan(0);
  const gone = `127.0.0.1 ${victim.ports.client}`;
  const next = `127.0.0.1 ${second.ports.client}`;
  await expect
    .poll(() => messages, { timeout: 5000 })
    .toContainEqual(['+switch-master', `torc ${gone} ${next}`]);
  await expect.poll(() => client.call('SENTINEL', 'SENTINELS', 'some')).toHaveLength(1);
  // Nobody else was said to be gone: an election is not one.
  for (const [, message] of messages) expect(message).toContain(gone);
  victim.start();
  await cluster.settle();
  expect(await client.call('SENTINEL', 'SENTINELS', 'some')).toHaveLength(2);
});
