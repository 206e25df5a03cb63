import { describe, expect, it } from 'vitest';

import { SimCluster } from './cluster.ts';
import { runConversations, runQuietConversations } from './conversations.ts';

describe('whole nodes on the simulated environment', () => {
  it('found a cluster, take commands anywhere, and lose nothing in crashes and a restart of all', async () => {
    const cluster = new SimCluster(1, 3);
    await cluster.startAll();
    const clients = cluster.nodes.map((_, i) => cluster.client(i));
    for (let i = 0; i < 60; i++) expect(await clients[i % 3].ask('set', `k${i}`, `v${i}`)).toBe('+OK\r\n');
    for (let i = 0; i < 60; i++)
      expect(await clients[(i + 1) % 3].ask('get', `k${i}`)).toBe(`$${`v${i}`.length}\r\nv${i}\r\n`);

    cluster.crash(2, 'lost');
    expect(clients[0].isClosed).toBe(false);
    for (let i = 0; i < 60; i++) expect(await clients[i % 2].ask('incr', `n${i % 7}`)).toMatch(/^:\d+\r\n$/);
    await cluster.start(2);
    await cluster.until(() => cluster.nodes[2].running?.ready === true);

    for (const i of [0, 1, 2]) cluster.crash(i, 'torn');
    await cluster.startAll();
    const client = cluster.client(1);
    for (let i = 0; i < 60; i++) expect(await client.ask('get', `k${i}`)).toContain(`v${i}`);
    let sum = 0;
    for (let i = 0; i < 7; i++) sum += Number(/\d+/.exec((await client.ask('get', `n${i}`)).slice(4))?.[0]);
    expect(sum).toBe(60);
  });
});

describe('clients of a living node', () => {
  it.each([1, 2, 3])(
    'get replies in the order sent, each command after those before it (seed %i)',
    async (seed) => {
      expect(await runQuietConversations(seed)).toBeNull();
    },
  );

  it.each([1, 2, 3, 4])(
    'see a pause when other nodes crash, stand still or are cut off: no error, no duplicate, all in the order sent (seed %i)',
    async (seed) => {
      expect(await runConversations(seed, 2)).toBeNull();
    },
  );
});
