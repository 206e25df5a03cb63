/** A log means the same whenever it is read: nothing of what it makes hangs on what the node is set to now. */
import { describe, expect, it } from 'vitest';

import { SimCluster } from './cluster.ts';

async function settled(cluster: SimCluster): Promise<void> {
  await cluster.startAll();
  await cluster.pass(500);
}

describe('a log that is read again by nodes with other settings', () => {
  it('makes the same state', async () => {
    const cluster = new SimCluster(71, 3, { maxmemory: '0', 'hash-max-listpack-entries': '4' });
    await settled(cluster);
    const client = cluster.client(0);
    const fields = Array.from({ length: 6 }, (_, i) => [`f${i}`, 'v']).flat();
    for (const key of ['h1', 'h2', 'h3']) expect(await client.ask('hset', key, ...fields)).toBe(':6\r\n');
    for (const i of [0, 1, 2]) cluster.crash(i);
    cluster.flags = { maxmemory: '0', 'hash-max-listpack-entries': '100' };
    await settled(cluster);
    const other = cluster.client(1);
    for (const key of ['h1', 'h2', 'h3'])
      expect(await other.ask('object', 'encoding', key)).toBe('$9\r\nhashtable\r\n');
    expect(await other.ask('hset', 'new', ...fields)).toBe(':6\r\n');
    expect(await other.ask('object', 'encoding', 'new')).toBe('$8\r\nlistpack\r\n');
  });
});
