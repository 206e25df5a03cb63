import { describe, expect, it } from 'vitest';

import { SimClient, SimCluster } from './cluster.ts';

const REDIRECT_PORT = 8001;
const SMALL_LIMITS = { 'client-output-buffer-limit': '1200kb', 'proto-max-bulk-len': '1mb' };

/** The field of the connection's line that CLIENT LIST shows to another one. */
function memoryOf(list: string, address: string): number {
  const line = list.split('\n').find((row) => row.includes(`name=${address}`)) ?? '';
  return Number(/tot-mem=(\d+)/.exec(line)?.[1] ?? Number.NaN);
}

async function named(client: SimClient, name: string): Promise<void> {
  expect(await client.ask('client', 'setname', name)).toBe('+OK\r\n');
}

/** A key that node 0 leads, and one that node 1 leads: their own replicas say so, all others being home. */
async function keysOf(cluster: SimCluster): Promise<{ here: string; elsewhere: string }> {
  await cluster.pass(3000);
  return { here: await ownKey(cluster, 0), elsewhere: await ownKey(cluster, 1) };
}

async function ownKey(cluster: SimCluster, node: number): Promise<string> {
  const client = new SimClient(cluster, REDIRECT_PORT + node);
  for (let i = 0; ; i++) if (!(await client.ask('get', `k${i}`)).startsWith('-MOVED')) return `k${i}`;
}

describe('connections of a simulated node', () => {
  it('run no further than their client takes replies, and go on when it does', async () => {
    const cluster = new SimCluster(11, 1);
    await cluster.startAll();
    const [slow, other] = [cluster.client(0), cluster.client(0)];
    await named(slow, 'slow');
    await slow.ask('set', 'k', Buffer.alloc(100_000, 'x'));
    slow.pause();
    const before = slow.replies.length;
    slow.send(...Array.from({ length: 1000 }, () => ['get', 'k']), ['ping']);
    await cluster.pass(200);
    const memoryBytes = memoryOf(await other.ask('client', 'list'), 'slow');
    expect(memoryBytes).toBeLessThan(8 * 1024 * 1024);
    slow.resume();
    await cluster.until(() => slow.replies.length >= before + 1001);
    expect(slow.replies.at(-1)).toBe('+PONG\r\n');
    expect(slow.isClosed).toBe(false);
  });

  it('of clients that send no more answer all that was sent, and end', async () => {
    const cluster = new SimCluster(17, 3);
    await cluster.startAll();
    const { here, elsewhere } = await keysOf(cluster);
    const client = cluster.client(0);
    // What it asks of the other node waits for an election.
    cluster.crash(1);
    const sets = Array.from({ length: 20 }, (_, i) => ['incr', i % 2 === 0 ? here : elsewhere]);
    client.send(...sets, ['ping']);
    client.sendNoMore();
    client.send(['set', here, 'too late']);
    await cluster.until(() => client.isClosed);
    const counts = Array.from({ length: 10 }, (_, i) => [`:${i + 1}\r\n`, `:${i + 1}\r\n`]);
    expect(client.replies).toEqual([...counts.flat(), '+PONG\r\n']);
    expect(await cluster.client(0).ask('get', here)).toBe('$2\r\n10\r\n');
  });

  it('are told what they subscribe to, and not, also where CLIENT REPLY holds replies back, as by Redis', async () => {
    const cluster = new SimCluster(15, 1);
    await cluster.startAll();
    const client = cluster.client(0);
    await client.ask('hello', '3');
    const before = client.replies.length;
    client.send(
      ['client', 'reply', 'off'],
      ['subscribe', 'a'],
      ['ping'],
      ['punsubscribe'],
      ['subscribe'],
      ['client', 'reply', 'on'],
      ['client', 'reply', 'skip'],
      ['unsubscribe', 'a'],
      ['ping'],
    );
    await cluster.until(() => client.replies.at(-1) === '+PONG\r\n');
    const told = [
      '>3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n',
      '>3\r\n$12\r\npunsubscribe\r\n_\r\n:1\r\n',
      '+OK\r\n',
      '>3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n',
      '+PONG\r\n',
    ];
    expect(client.replies.slice(before).join('')).toBe(told.join(''));
  });

  it('get messages behind what was asked before they listened: in RESP2 a message looks like a reply', async () => {
    const cluster = new SimCluster(8300003, 3, { 'park-timeout-ms': '60000' });
    await cluster.startAll();
    const { elsewhere } = await keysOf(cluster);
    const client = cluster.client(0);
    cluster.pause(1);
    client.send(['get', elsewhere], ['subscribe', '+sdown']);
    await cluster.pass(50);
    cluster.resume(1);
    for (const node of [1, 2]) cluster.crash(node);
    await cluster.pass(10_000);
    expect(client.replies).toEqual([]);
    await cluster.start(1);
    await cluster.until(() => client.replies.length >= 3);
    const told = ['$-1\r\n', '*3\r\n$9\r\nsubscribe\r\n$6\r\n+sdown\r\n:1\r\n'];
    expect(client.replies.slice(0, 2)).toEqual(told);
    expect(client.replies[2]).toMatch(/^\*3\r\n\$7\r\nmessage\r\n/);
  });

  it('go by a password and by limits that were changed while they were open, or before they were', async () => {
    const cluster = new SimCluster(13, 1);
    await cluster.startAll();
    const open = cluster.client(0);
    const large = Buffer.alloc(2 * 1024 * 1024, 'x');
    expect(await open.ask('config', 'set', 'requirepass', 'first', 'proto-max-bulk-len', '1mb')).toBe(
      '+OK\r\n',
    );
    expect(await open.ask('get', 'k')).toBe('$-1\r\n');
    const later = cluster.client(0);
    expect(await later.ask('get', 'k')).toMatch(/^-NOAUTH/);
    expect(await later.ask('auth', 'wrong')).toMatch(/^-WRONGPASS/);
    expect(await later.ask('auth', 'first')).toBe('+OK\r\n');
    expect(await open.ask('config', 'set', 'requirepass', 'second')).toBe('+OK\r\n');
    expect(await later.ask('auth', 'first')).toMatch(/^-WRONGPASS/);
    expect(await later.ask('auth', 'second')).toBe('+OK\r\n');
    expect(await open.ask('config', 'set', 'requirepass', '')).toBe('+OK\r\n');
    expect(await cluster.client(0).ask('get', 'k')).toBe('$-1\r\n');
    open.send(['set', 'k', large]);
    await cluster.until(() => open.isClosed);
    expect(open.replies.at(-1)).toMatch(/^-ERR Protocol error: invalid bulk length/);
  });

  it('keep replies in order behind an unanswered one within a limit', async () => {
    const cluster = new SimCluster(12, 3, { 'park-timeout-ms': '60000', 'outcome-timeout-ms': '60000' });
    await cluster.startAll();
    const client = cluster.client(0);
    await named(client, 'deep');
    for (let i = 0; i < 20; i++) await client.ask('set', `k${i}`, Buffer.alloc(50_000, 'x'));
    // The shard of node 1 has no leader for a while: what is sent to it waits, and what is behind it with it.
    cluster.crash(1, 'lost');
    const commands: string[][] = [];
    for (let i = 0; i < 2000; i++)
      commands.push(i % 40 === 0 ? ['incr', `n${i % 7}`] : ['get', `k${i % 20}`]);
    const before = client.replies.length;
    client.send(...commands);
    await cluster.until(() => client.replies.length >= before + commands.length);
    for (const [i, [name]] of commands.entries())
      expect(client.replies[before + i].startsWith(name === 'incr' ? ':' : '$50000')).toBe(true);
    expect(client.isClosed).toBe(false);
  });

  it('count what is asked and what is answered apart: a long command is no reply that is not taken', async () => {
    const cluster = new SimCluster(15, 3, SMALL_LIMITS);
    await cluster.startAll();
    const client = cluster.client(0);
    const { here, elsewhere } = await keysOf(cluster);
    const before = client.replies.length;
    cluster.cut(0, 1);
    const value = Buffer.alloc(1_000_000, 'x');
    const two = ['mset', here, value, `{${here}}`, value];
    client.send(['get', elsewhere], two, ['strlen', here]);
    await cluster.pass(300);
    cluster.resume(1);
    await cluster.until(() => client.isClosed || client.replies.length === before + 3);
    expect(client.replies.slice(before)).toEqual(['$-1\r\n', '+OK\r\n', ':1000000\r\n']);
  });

  it('count the parts of a reply that wait for the others', async () => {
    const cluster = new SimCluster(16, 3, SMALL_LIMITS);
    await cluster.startAll();
    const [client, writer] = [cluster.client(0), cluster.client(0)];
    const { here, elsewhere } = await keysOf(cluster);
    await writer.ask('set', here, Buffer.alloc(200_000, 'x'));
    cluster.cut(0, 1);
    client.send(...Array.from({ length: 10 }, () => ['mget', here, elsewhere]));
    await cluster.pass(300);
    expect(client.isClosed).toBe(true);
    expect(cluster.events.get('client-too-slow')).toBe(1);
    cluster.resume(1);
    expect(await writer.ask('strlen', here)).toBe(':200000\r\n');
  });

  it('wait for another node no longer than the network takes', async () => {
    const cluster = new SimCluster(14, 3);
    await cluster.startAll();
    const client = cluster.client(0);
    const { scheduler } = cluster;
    for (let i = 0; i < 60; i++) {
      // Not in step with heartbeats: these would carry what was left lying.
      await cluster.pass(5 + (i % 7));
      const beforeMs = scheduler.nowMs;
      await client.ask('get', `k${i}`);
      // To the node, to the leader, and back: four ways of a millisecond at most.
      expect(scheduler.nowMs - beforeMs).toBeLessThan(5);
    }
  });

  it('that close with commands under way leave nothing behind', async () => {
    const cluster = new SimCluster(13, 3);
    await cluster.startAll();
    const other = cluster.client(0);
    for (let i = 0; i < 10; i++) {
      const client = cluster.client(0);
      client.send(
        ...Array.from({ length: 50 }, (_, at) => ['incr', `n${at % 9}`]),
        ['get', 'n1'],
        ['mget', 'n1', 'n2', 'n3'],
        ['scan', '0'],
      );
      await cluster.pass(i);
      client.close();
      other.send(...Array.from({ length: 50 }, (_, at) => ['incr', `m${at % 9}`]));
    }
    await cluster.until(() => other.replies.length >= 500);
    for (const [at, reply] of other.replies.entries())
      expect(reply).toBe(
        `:${Math.floor(at / 50) * ((at % 50) % 9 < 5 ? 6 : 5) + Math.floor((at % 50) / 9) + 1}\r\n`,
      );
    expect(
      (await other.ask('client', 'list')).split('\n').filter((row) => row.startsWith('id=')),
    ).toHaveLength(1);
  });

  it('answer what they have read before the node stops', async () => {
    const cluster = new SimCluster(14, 3);
    await cluster.startAll();
    const client = cluster.client(0);
    await client.ask('set', 'k', 'v');
    client.send(...Array.from({ length: 200 }, (_, i) => ['incr', `n${i % 20}`]));
    await cluster.pass(1.2);
    await cluster.stop(0);
    await cluster.pass(20);
    expect(client.isClosed).toBe(true);
    expect(client.replies.slice(1).every((reply) => reply.startsWith(':'))).toBe(true);
    const ran = client.replies.length - 1;
    const other = cluster.client(1);
    let sum = 0;
    for (let i = 0; i < 20; i++)
      sum += Number(/^\$\d+\r\n(\d+)/.exec(await other.ask('get', `n${i}`))?.[1] ?? 0);
    expect(sum).toBe(ran);
    await cluster.start(0);
    await cluster.until(() => cluster.nodes[0].running?.ready === true);
    expect(await cluster.client(0).ask('get', 'k')).toBe('$1\r\nv\r\n');
  });

  it('refuse a command that is longer than an entry may be, and live on', async () => {
    const cluster = new SimCluster(15, 1);
    await cluster.startAll();
    const client = cluster.client(0);
    const part = Buffer.alloc(50 * 1024 * 1024, 'x');
    expect(await client.ask('hset', 'h', 'a', part, 'b', part)).toMatch(/^-ERR command is too long/);
    expect(await client.ask('ping')).toBe('+PONG\r\n');
  });

  it('WAIT counts the replicas that hold the writes, whichever nodes lead, and takes its time for it', async () => {
    const cluster = new SimCluster(16, 3);
    await cluster.startAll();
    await cluster.pass(3000);
    const clients = cluster.nodes.map((_, i) => cluster.client(i));
    const keys = ['k', 'a', 'b', 'c', 'd', 'e'];
    for (const client of clients) {
      expect(await client.ask('wait', '2', '0')).toBe(':2\r\n');
      for (const key of keys) {
        const from = client.replies.length;
        client.send(['set', key, 'v'], ['wait', '2', '0']);
        await cluster.until(() => client.replies.length === from + 2);
        expect(client.replies.slice(-2)).toEqual(['+OK\r\n', ':2\r\n']);
      }
    }
    // One replica cannot follow: a majority holds the writes at once, two others only once it is back.
    cluster.pause(2);
    await cluster.pass(2000);
    for (const client of clients.slice(0, 2)) {
      for (const key of keys) await client.ask('set', key, 'w');
      expect(await client.ask('wait', '1', '0')).toBe(':1\r\n');
      const startMs = cluster.scheduler.nowMs;
      expect(await client.ask('wait', '2', '300')).toBe(':1\r\n');
      expect(cluster.scheduler.nowMs - startMs).toBeGreaterThanOrEqual(300);
      client.send(['wait', '2', '0']);
    }
    const before = clients.slice(0, 2).map((client) => client.replies.length);
    await cluster.pass(500);
    cluster.resume(2);
    await cluster.until(() => clients.slice(0, 2).every((client, i) => client.replies.length > before[i]));
    for (const client of clients.slice(0, 2)) expect(client.replies.at(-1)).toBe(':2\r\n');
  });

  it('WAIT without a timeout is over when its client goes, also one that has sent more behind it', async () => {
    const cluster = new SimCluster(8300001, 3);
    await cluster.startAll();
    await cluster.pass(3000);
    const [other, ...waiting] = Array.from({ length: 3 }, () => cluster.client(0));
    for (const client of waiting) await client.ask('set', 'k', 'v');
    cluster.pause(2);
    await cluster.pass(500);
    const blocked = async (): Promise<string> =>
      /blocked_clients:(\d+)/.exec(await other.ask('info', 'clients'))?.[1] ?? '';
    waiting[0].send(['wait', '9', '0']);
    waiting[1].send(['wait', '9', '0'], ['set', 'k', Buffer.alloc(100_000, 'x')]);
    await cluster.pass(100);
    expect(await blocked()).toBe('2');
    for (const client of waiting) client.end();
    await cluster.pass(100);
    expect(await blocked()).toBe('0');
    expect(await other.ask('info', 'clients')).toContain('connected_clients:1\r');
    cluster.resume(2);
  });

  it('INFO counts all keys of the cluster, whichever shards the node holds, and on the redirect port its own', async () => {
    const cluster = new SimCluster(8300002, 5);
    await cluster.startAll();
    const writer = cluster.client(0);
    for (let i = 0; i < 60; i++) await writer.ask('set', `k${i}`, 'v', 'ex', i < 20 ? '1000' : '2000');
    await writer.ask('select', '3');
    for (let i = 0; i < 40; i++) await writer.ask('set', `k${i}`, 'v');
    // The leaders have told.
    await cluster.pass(1000);
    let led = 0;
    for (const node of cluster.nodes.keys()) {
      const client = cluster.client(node);
      expect(await client.ask('dbsize')).toBe(':60\r\n');
      const info = await client.ask('info', 'keyspace');
      expect(info).toContain('db0:keys=60,expires=60,avg_ttl=0\r\ndb3:keys=40,expires=0,avg_ttl=0\r\n');
      const own = new SimClient(cluster, REDIRECT_PORT + node);
      const keys = Number(/db0:keys=(\d+)/.exec(await own.ask('info', 'keyspace'))?.[1] ?? 0);
      expect(await own.ask('dbsize')).toBe(`:${keys}\r\n`);
      led += keys;
    }
    expect(led).toBe(60);
  });

  it('INFO commandstats counts what is refused before it runs, also for its number of arguments', async () => {
    const cluster = new SimCluster(8300004, 1);
    await cluster.startAll();
    const client = cluster.client(0);
    for (const words of [
      ['get'],
      ['get', 'k'],
      ['get', 'k', 'l'],
      ['client', 'id', 'x'],
      ['client', 'nonsense'],
    ])
      await client.ask(...words);
    const told = await client.ask('info', 'commandstats');
    expect(told).toMatch(/^cmdstat_get:calls=1,.*,rejected_calls=2,failed_calls=0\r$/m);
    expect(told).toMatch(/^cmdstat_client\|id:calls=0,.*,rejected_calls=1,failed_calls=0\r$/m);
    expect(await client.ask('info', 'errorstats')).toContain('errorstat_ERR:count=4\r');
  });

  it('SLOWLOG tells of writes and of what other nodes ran, with the time to the reply', async () => {
    const cluster = new SimCluster(17, 3, { 'slowlog-log-slower-than': '0' });
    await cluster.startAll();
    const client = cluster.client(0);
    for (let i = 0; i < 6; i++) await client.ask('set', `slow${i}`, 'v');
    const log = await client.ask('slowlog', 'get');
    for (let i = 0; i < 6; i++) expect(log).toContain(`slow${i}`);
    for (const words of [
      ['mget', 'slow0', 'slow1', 'slow2', 'slow3'],
      ['del', 'slow0', 'slow1', 'slow2', 'slow3'],
      ['keys', 'slow*'],
      ['dbsize'],
      ['scan', '0', 'match', 'slow*'],
      ['randomkey'],
    ]) {
      await client.ask('slowlog', 'reset');
      await client.ask(...words);
      const asked = words.map((word) => `$${word.length}\r\n${word}\r\n`).join('');
      expect(await client.ask('slowlog', 'get')).toContain(`*${words.length}\r\n${asked}`);
      expect(await client.ask('slowlog', 'len')).toMatch(/^:[12]\r\n$/);
    }
  });
});

describe('a replica that was away', () => {
  it('is sent a snapshot when the log it lacks is gone, and then serves', async () => {
    const cluster = new SimCluster(21, 3, { 'snapshot-after-bytes': '4mb', durability: 'buffered' });
    await cluster.startAll();
    const client = cluster.client(0);
    await client.ask('set', 'first', 'v');
    cluster.crash(2);
    const value = Buffer.alloc(1024 * 1024, 'x');
    for (let i = 0; i < 60; i++) expect(await client.ask('set', `{tag}${i % 20}`, value)).toBe('+OK\r\n');
    // Longer than the log is kept for a peer that has fallen silent.
    await cluster.pass(8000);
    await cluster.start(2);
    await cluster.until(() => cluster.nodes[2].running?.ready === true);
    await cluster.pass(5000);
    expect(cluster.events.get('snapshot-installed')).toBeGreaterThan(0);
    expect(cluster.events.get('snapshot-sent')).toBeGreaterThan(0);
    expect(cluster.events.get('snapshot-made')).toBeGreaterThan(0);
    cluster.crash(0);
    const other = cluster.client(2);
    for (let i = 0; i < 20; i++) expect(await other.ask('strlen', `{tag}${i}`)).toBe(`:${1024 * 1024}\r\n`);
    expect(await other.ask('get', 'first')).toBe('$1\r\nv\r\n');
  });
});
