/** On the redirect port a node is one of a Redis Cluster, with all that this refuses. */
import { describe, expect, it } from 'vitest';

import { SimCluster, SimClient } from './cluster.ts';

const REDIRECT_PORT = 8001;

describe('the redirect port of a simulated node', () => {
  it('has one database, for COPY too', async () => {
    const cluster = new SimCluster(41, 1);
    await cluster.startAll();
    const client = new SimClient(cluster, REDIRECT_PORT);
    const refused = '-ERR Copying to another database is not allowed in cluster mode\r\n';
    expect(await client.ask('set', '{a}1', 'x')).toBe('+OK\r\n');
    expect(await client.ask('copy', '{a}1', '{a}2', 'DB', '1')).toBe(refused);
    expect(await client.ask('copy', '{a}1', '{a}1', 'replace', 'db', '15')).toBe(refused);
    expect(await client.ask('copy', '{a}1', '{a}2', 'db', '16')).toBe('-ERR DB index is out of range\r\n');
    expect(await client.ask('copy', '{a}1', '{a}2', 'db')).toBe('-ERR syntax error\r\n');
    expect(await client.ask('copy', '{a}1', '{a}2', 'db', '0')).toBe(':1\r\n');
    const other = cluster.client(0);
    expect(await other.ask('copy', '{a}1', '{a}3', 'db', '1')).toBe(':1\r\n');
  });

  it('says so in CONFIG as in INFO', async () => {
    const cluster = new SimCluster(42, 1);
    await cluster.startAll();
    for (const [client, flag, word] of [
      [new SimClient(cluster, REDIRECT_PORT), '1', 'yes'],
      [cluster.client(0), '0', 'no'],
    ] as const) {
      expect(await client.ask('info', 'cluster')).toContain(`cluster_enabled:${flag}`);
      expect(await client.ask('config', 'get', 'cluster-enabled')).toContain(`\r\n${word}\r\n`);
    }
  });
});
