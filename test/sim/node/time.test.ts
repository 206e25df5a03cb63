import { describe, expect, it } from 'vitest';

import { SimCluster } from './cluster.ts';

describe('time in a simulated cluster', () => {
  it('a key that was seen expired stays so, whoever leads', async () => {
    const cluster = new SimCluster(31, 3);
    await cluster.startAll();
    const clients = cluster.nodes.map((_, i) => cluster.client(i));
    for (let victim = 0; victim < 2; victim++) {
      for (let i = 0; i < 30; i++) await clients[2].ask('set', `k${i}`, 'v', 'PX', '200');
      await cluster.pass(230);
      const gone: string[] = [];
      for (let i = 0; i < 30; i++)
        if ((await clients[2].ask('get', `k${i}`)) === '$-1\r\n') gone.push(`k${i}`);
      expect(gone.length).toBeGreaterThan(20);
      cluster.nodes[2].clock.jumpWall(-60_000);
      cluster.crash(victim, 'lost');
      for (const key of gone) expect(await clients[2].ask('get', key)).toBe('$-1\r\n');
      await cluster.start(victim);
      await cluster.until(() => cluster.nodes.every((node) => node.running?.ready === true));
    }
  });

  it('goes on after a restart of all, and where a node has waited long for the others', async () => {
    const cluster = new SimCluster(32, 3);
    await cluster.startAll();
    await cluster.client(0).ask('set', 'k', 'v', 'PX', '50000');
    for (const i of [0, 1, 2]) cluster.crash(i, 'lost');
    await cluster.start(0);
    await cluster.pass(20_000);
    await cluster.start(1);
    const client = cluster.client(0);
    const at = cluster.scheduler.nowMs;
    expect(await client.ask('incr', 'n')).toMatch(/^(:1|-CLUSTERDOWN)/);
    await cluster.until(() => cluster.nodes[0].running?.ready === true, 5000);
    expect(cluster.scheduler.nowMs - at).toBeLessThan(5000);
    // The time of the shard is that of the clocks again: what was set before is still there, and goes when it should.
    const left = Number(/\d+/.exec(await client.ask('pttl', 'k'))?.[0]);
    expect(left).toBeGreaterThan(20_000);
    expect(left).toBeLessThan(31_000);
    await cluster.pass(left + 500);
    expect(await client.ask('get', 'k')).toBe('$-1\r\n');
  });

  it('does not run ahead by the ceiling of each start of a node that crashes again and again', async () => {
    const cluster = new SimCluster(34, 3);
    await cluster.startAll();
    const client = cluster.client(0);
    for (let i = 0; i < 6; i++) {
      cluster.crash(2, 'kill');
      await cluster.start(2);
      await cluster.pass(150);
    }
    // Leadership of its shard has come home to it: the time of that starts above all that the node counts as seen.
    await cluster.until(() => cluster.nodes.every((node) => node.running?.ready === true));
    await cluster.pass(3000);
    const at = Math.round(cluster.nodes[0].clock.wallMs()) + 600_000;
    for (let i = 0; i < 20; i++) {
      await client.ask('set', `k${i}`, 'v', 'PXAT', String(at));
      const left = Number(/\d+/.exec(await client.ask('pttl', `k${i}`))?.[0]);
      expect(left).toBeGreaterThan(595_000);
    }
  });

  it('does not obey a wall clock that jumps', async () => {
    const cluster = new SimCluster(33, 3);
    await cluster.startAll();
    // Leadership comes home first: a new leader does start at the wall clock of its quorum.
    await cluster.pass(3000);
    const client = cluster.client(0);
    for (let i = 0; i < 10; i++) await client.ask('set', `k${i}`, 'v', 'EX', '100');
    for (const node of cluster.nodes) node.clock.jumpWall(3_600_000);
    await cluster.pass(5000);
    expect(cluster.events.get('clock-differs')).toBe(3);
    for (let i = 0; i < 10; i++) {
      expect(await client.ask('get', `k${i}`)).toBe('$1\r\nv\r\n');
      expect(Number(/\d+/.exec(await client.ask('ttl', `k${i}`))?.[0])).toBeGreaterThan(90);
    }
  });

  it.each([
    ['on an idle cluster within two milliseconds', false, 2],
    // While entries wait to be applied, reads see the stamp of the first of them: late by a commit.
    ['on a busy one within the time of a commit', true, 6],
  ])('shows an expiry %s, whichever nodes serve', async (_, isBusy, lateMs) => {
    const cluster = new SimCluster(34, 3);
    await cluster.startAll();
    await cluster.pass(3000);
    const clients = cluster.nodes.map((_node, i) => cluster.client(i));
    const load = cluster.client(0);
    let isLoading = isBusy;
    const write = (): void => {
      if (!isLoading) return;
      load.send(...Array.from({ length: 10 }, (_unused, i) => ['set', `x${i}`, 'y']));
      cluster.scheduler.after(1, write);
    };
    write();
    for (const client of clients) {
      for (let i = 0; i < 12; i++) {
        expect(await client.ask('set', `k${i}`, 'v', 'PX', '50')).toBe('+OK\r\n');
        expect(await client.ask('get', `k${i}`)).toBe('$1\r\nv\r\n');
        await cluster.pass(50 + lateMs);
        expect(await client.ask('get', `k${i}`)).toBe('$-1\r\n');
      }
    }
    isLoading = false;
  });
});
