/** What clients are told when a shard's leader is away, and that nothing runs that they were told did not (design section 5, "Exactly once"). */
import { describe, expect, it } from 'vitest';

import { SimClient, SimCluster } from './cluster.ts';

const REDIRECT_PORT = 8001;
const KEYS = 9;

async function counted(client: SimClient): Promise<number[]> {
  const counts: number[] = [];
  for (let i = 0; i < KEYS; i++)
    counts.push(Number(/^\$\d+\r\n(\d+)/.exec(await client.ask('get', `n${i}`))?.[1] ?? 0));
  return counts;
}

async function ready(cluster: SimCluster): Promise<void> {
  await cluster.until(() => cluster.nodes.every((node) => node.running?.ready === true));
  await cluster.pass(3000);
}

describe('a node that stands still for a minute', () => {
  it('finds its session open, and its retries run once', async () => {
    const cluster = new SimCluster(51, 3, { 'park-timeout-ms': '300000', 'outcome-timeout-ms': '300000' });
    await cluster.startAll();
    await ready(cluster);
    const client = cluster.client(0);
    const increments = Array.from({ length: 40 }, (_, i) => ['incr', `n${i % KEYS}`]);
    client.send(...increments);
    // Some of it has run by then, and some has not even arrived.
    await cluster.pass(1.4);
    cluster.pause(0);
    const other = cluster.client(1);
    const meanwhile = await other.ask('incr', 'other');
    expect(meanwhile).toBe(':1\r\n');
    await cluster.pass(60_000);
    cluster.resume(0);
    await cluster.until(() => client.replies.length === increments.length);
    for (const [i, reply] of client.replies.entries())
      expect([i, reply]).toEqual([i, `:${Math.floor(i / KEYS) + 1}\r\n`]);
  });
});

describe('a shard without a quorum', () => {
  it('fails what was never sent after the park timeout, later commands at once, on both ports, and runs none of it', async () => {
    const cluster = new SimCluster(52, 3);
    await cluster.startAll();
    await ready(cluster);
    const [client, redirect] = [cluster.client(0), new SimClient(cluster, REDIRECT_PORT)];
    for (let i = 0; i < KEYS; i++) await client.ask('incr', `n${i}`);
    cluster.crash(1);
    cluster.crash(2);
    // The shards led elsewhere have no leader from here on; the one led here loses it within an election timeout.
    await cluster.pass(1500);
    const startMs = cluster.scheduler.nowMs;
    const reply = await client.ask('incr', 'n0');
    expect(reply).toMatch(/^-CLUSTERDOWN .* not run/);
    expect(cluster.scheduler.nowMs - startMs).toBeLessThan(2200);
    await cluster.pass(2000);
    for (const one of [client, redirect]) {
      for (let i = 0; i < KEYS; i++) {
        const askedMs = cluster.scheduler.nowMs;
        expect(await one.ask('incr', `n${i}`)).toMatch(/^-CLUSTERDOWN .* not run/);
        expect(await one.ask('get', `n${i}`)).toMatch(/^-CLUSTERDOWN /);
        expect(cluster.scheduler.nowMs - askedMs).toBeLessThan(10);
      }
    }
    await cluster.start(1);
    await cluster.start(2);
    await ready(cluster);
    expect(await counted(client)).toEqual(Array.from({ length: KEYS }, () => 1));
  });

  it('parks for a leader that comes in time, on both ports: a pause, and no error', async () => {
    const cluster = new SimCluster(53, 3);
    await cluster.startAll();
    await ready(cluster);
    const client = cluster.client(0);
    cluster.crash(1, 'lost');
    client.send(...Array.from({ length: 3 * KEYS }, (_, i) => ['incr', `n${i % KEYS}`]));
    await cluster.until(() => client.replies.length === 3 * KEYS);
    for (const [i, reply] of client.replies.entries()) expect(reply).toBe(`:${Math.floor(i / KEYS) + 1}\r\n`);
    await cluster.start(1);
    await ready(cluster);
    const redirect = new SimClient(cluster, REDIRECT_PORT);
    cluster.crash(1, 'lost');
    await cluster.pass(5);
    for (let i = 0; i < KEYS; i++) {
      const reply = await redirect.ask('incr', `n${i}`);
      // Never to the node that is gone.
      expect(reply).toMatch(/^(:4\r\n|-MOVED \d+ 127.0.0.1:8003\r\n)$/);
    }
  });

  it.each([1, 2, 3, 4])(
    'says INDETERMINATE of what it may have proposed, after the outcome timeout, and counts each at most once (seed %i)',
    async (seed) => {
      const cluster = new SimCluster(60 + seed, 3);
      await cluster.startAll();
      await ready(cluster);
      const client = cluster.client(0);
      client.send(...Array.from({ length: KEYS }, (_, i) => ['incr', `n${i}`]));
      await cluster.pass(0.2 + seed * 0.4);
      const sentMs = cluster.scheduler.nowMs;
      cluster.crash(1);
      cluster.crash(2);
      await cluster.until(() => client.replies.length === KEYS, 8000);
      for (const [i, reply] of client.replies.entries()) {
        expect(reply).toMatch(/^(:1\r\n|-INDETERMINATE |-CLUSTERDOWN .* not run)/);
        if (reply.startsWith('-INDETERMINATE ')) expect(client.times[i] - sentMs).toBeGreaterThan(4900);
      }
      await cluster.start(1);
      await cluster.start(2);
      await ready(cluster);
      const counts = await counted(client);
      for (const [i, reply] of client.replies.slice(0, KEYS).entries()) {
        if (reply === ':1\r\n') expect(counts[i]).toBe(1);
        else if (reply.startsWith('-CLUSTERDOWN')) expect(counts[i]).toBe(0);
        else expect([0, 1]).toContain(counts[i]);
      }
    },
  );
});
