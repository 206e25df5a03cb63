/** What CONFIG SET says OK to is in force at once. */
import { describe, expect, it } from 'vitest';

import { SimCluster } from './cluster.ts';

const MIB = 1024 * 1024;
const NO_AUTH = '-NOAUTH Authentication required.\r\n';

describe('maxclients', () => {
  it('leaves the node the files that it needs itself', async () => {
    const cluster = new SimCluster(33, 1);
    cluster.openFilesMost = 268;
    await cluster.startAll();
    expect(cluster.events.get('maxclients-lowered')).toBe(1);
    const clients = Array.from({ length: 12 }, () => cluster.client(0));
    for (const client of clients) expect(await client.ask('ping')).toBe('+PONG\r\n');
    expect(await cluster.client(0).ask('ping')).toBe('-ERR max number of clients reached\r\n');
    const [first] = clients;
    expect(await first.ask('config', 'get', 'maxclients')).toBe('*2\r\n$10\r\nmaxclients\r\n$2\r\n12\r\n');
    expect(await first.ask('config', 'set', 'maxclients', '13')).toBe(
      "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not able to handle the specified number of clients, try with 12\r\n",
    );
    expect(await first.ask('config', 'set', 'maxclients', '11')).toBe('+OK\r\n');
  });

  it('refuses to start with too few files for any client', async () => {
    const cluster = new SimCluster(34, 1);
    cluster.openFilesMost = 100;
    await expect(cluster.startAll()).rejects.toThrow('may open 100 files');
  });
});

describe('CONFIG SET on a simulated node', () => {
  it('requirepass holds for the connections that come after', async () => {
    const cluster = new SimCluster(31, 1);
    await cluster.startAll();
    const first = cluster.client(0);
    expect(await first.ask('config', 'set', 'requirepass', 'open')).toBe('+OK\r\n');
    expect(await first.ask('ping')).toBe('+PONG\r\n');
    const second = cluster.client(0);
    expect(await second.ask('get', 'k')).toBe(NO_AUTH);
    expect(await second.ask('auth', 'wrong')).toMatch(/^-WRONGPASS/);
    expect(await second.ask('auth', 'open')).toBe('+OK\r\n');
    expect(await second.ask('get', 'k')).toBe('$-1\r\n');
    expect(await first.ask('config', 'set', 'requirepass', '')).toBe('+OK\r\n');
    expect(await cluster.client(0).ask('ping')).toBe('+PONG\r\n');
  });

  it('limits of commands hold for connections that are there', async () => {
    const cluster = new SimCluster(32, 1);
    await cluster.startAll();
    const [first, second] = [cluster.client(0), cluster.client(0)];
    const value = Buffer.alloc(MIB + 1, 'x');
    expect(await second.ask('set', 'k', value)).toBe('+OK\r\n');
    expect(await first.ask('config', 'set', 'proto-max-bulk-len', '1mb')).toBe('+OK\r\n');
    expect(await second.ask('set', 'k', value)).toBe('-ERR Protocol error: invalid bulk length\r\n');
    expect(await first.ask('config', 'set', 'client-query-buffer-limit', '2mb')).toBe('+OK\r\n');
    const part = Buffer.alloc(MIB - 1, 'x');
    expect(await first.ask('mset', 'a', part, 'b', part, 'c', part)).toMatch(/^-ERR Protocol error/);
    await cluster.until(() => first.isClosed);
  });
});
