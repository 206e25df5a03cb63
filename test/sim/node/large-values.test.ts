import { describe, expect, it } from 'vitest';

import { SeededRandom } from '../../../src/env/sim/random.ts';
import { SimCluster, type SimClient } from './cluster.ts';

const MIB = 1024 * 1024;
const FLAGS = { durability: 'buffered', 'snapshot-after-bytes': '16mb' };

/** Enough to lie in all three shards. */
const KEYS = Array.from({ length: 6 }, (_, i) => `large${i}`);

function valueOf(sizeBytes: number, mark: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes, 'v');
  bytes.write(`<${mark}>`, 0);
  bytes.write(`<${mark}>`, sizeBytes - 16);
  return bytes;
}

function isReplyOf(reply: string, value: Buffer): boolean {
  return reply === `$${value.length}\r\n${value.toString('latin1')}\r\n`;
}

describe('large values in a simulated cluster', () => {
  it('go in and out through every node, and no term passes', async () => {
    const cluster = new SimCluster(41, 3, FLAGS);
    await cluster.startAll();
    await cluster.pass(3000);
    const elections = cluster.events.get('leads');
    const clients = cluster.nodes.map((_, i) => cluster.client(i));
    const value = valueOf(3 * MIB, 1);
    for (const [i, key] of KEYS.entries()) {
      expect(await clients[i % 3].ask('set', key, value)).toBe('+OK\r\n');
      expect(isReplyOf(await clients[(i + 1) % 3].ask('get', key), value)).toBe(true);
      expect(await clients[(i + 2) % 3].ask('append', key, 'more')).toBe(`:${3 * MIB + 4}\r\n`);
    }
    const all = await clients[0].ask('mget', ...KEYS);
    expect(all.length).toBeGreaterThan(KEYS.length * 3 * MIB);
    expect(cluster.events.get('leads')).toBe(elections);
  });

  it('keep their place among the commands of their connection', async () => {
    const cluster = new SimCluster(42, 3, FLAGS);
    await cluster.startAll();
    const value = valueOf(MIB, 2);
    for (const i of cluster.nodes.keys()) {
      const client = cluster.client(i);
      for (const key of KEYS)
        client.send(
          ['set', key, 'before'],
          ['get', key],
          ['set', key, value],
          ['strlen', key],
          ['append', key, 'x'],
        );
      await cluster.until(() => client.replies.length === 5 * KEYS.length);
      for (let at = 0; at < client.replies.length; at += 5) {
        expect(client.replies.slice(at, at + 5)).toEqual([
          '+OK\r\n',
          '$6\r\nbefore\r\n',
          '+OK\r\n',
          `:${MIB}\r\n`,
          `:${MIB + 1}\r\n`,
        ]);
      }
    }
  });

  it('survive crashes, cuts and pauses in the middle: each is there whole, or not at all, and nothing acknowledged is lost', async () => {
    for (const seed of [43, 44, 45]) {
      const random = new SeededRandom(seed);
      const cluster = new SimCluster(seed, 3, FLAGS);
      await cluster.startAll();
      const acknowledged = new Map<string, number>();
      const sent = new Map<string, number>();
      let unique = 0;
      for (let round = 0; round < 6; round++) {
        const from = random.below(3);
        const asked: { client: SimClient; key: string; mark: number }[] = [];
        for (const key of KEYS.slice(0, 3)) {
          const client = cluster.client(from);
          if (!client.isOpen) continue;
          unique += 1;
          sent.set(key, unique);
          client.send(['set', key, valueOf(2 * MIB, unique)]);
          asked.push({ client, key, mark: unique });
        }
        await cluster.pass(random.below(60));
        const victim = random.below(3);
        switch (random.below(3)) {
          case 0:
            cluster.crash(victim);
            await cluster.pass(1500);
            await cluster.start(victim);
            break;
          case 1:
            cluster.cut(victim, (victim + 1) % 3);
            await cluster.pass(1500);
            cluster.network.heal();
            break;
          default:
            cluster.pause(victim);
            await cluster.pass(1500);
            cluster.resume(victim);
        }
        await cluster.until(() => cluster.nodes.every((node) => node.running?.ready === true));
        await cluster.until(
          () => asked.every(({ client }) => client.isClosed || client.replies.length > 0),
          60_000,
        );
        for (const { client, key, mark } of asked)
          if (client.replies[0] === '+OK\r\n') acknowledged.set(key, mark);
        const reader = cluster.client(random.below(3));
        for (const key of KEYS.slice(0, 3)) {
          const reply = await reader.ask('get', key);
          const mark = Number(/<(\d+)>/.exec(reply)?.[1] ?? 0);
          if (mark > 0) expect(isReplyOf(reply, valueOf(2 * MIB, mark)), `seed ${seed}: ${key}`).toBe(true);
          expect(mark, `seed ${seed}: ${key}`).toBeGreaterThanOrEqual(acknowledged.get(key) ?? 0);
          expect(mark).toBeLessThanOrEqual(sent.get(key) ?? 0);
        }
      }
      expect(acknowledged.size).toBeGreaterThan(0);
    }
  });

  it('reach a member that was cut off for a moment by the log, however much was written meanwhile', async () => {
    const cluster = new SimCluster(47, 3, { durability: 'buffered' });
    await cluster.startAll();
    await cluster.pass(2000);
    cluster.cut(0, 2);
    cluster.cut(1, 2);
    const atMs = cluster.scheduler.nowMs;
    const client = cluster.client(0);
    for (let i = 0; i < 12; i++)
      for (const key of KEYS) expect(await client.ask('set', key, valueOf(4 * MIB, i))).toBe('+OK\r\n');
    // So long that what all others have would be forgotten, and not so long that nobody waits for it.
    await cluster.pass(1300);
    expect(cluster.scheduler.nowMs - atMs).toBeLessThan(2900);
    cluster.network.heal();
    await cluster.pass(6000);
    expect(cluster.events.get('snapshot-installed') ?? 0).toBe(0);
    cluster.crash(0);
    await cluster.pass(3000);
    const other = cluster.client(2);
    for (const key of KEYS)
      expect(isReplyOf(await other.ask('get', key), valueOf(4 * MIB, 11)), key).toBe(true);
  });

  it('reach a member that was away, by the log or in a snapshot, and are there after a restart of all', async () => {
    const cluster = new SimCluster(46, 3, FLAGS);
    await cluster.startAll();
    const client = cluster.client(0);
    for (const rounds of [1, 12]) {
      cluster.crash(2);
      for (let i = 0; i < rounds; i++)
        for (const key of KEYS) expect(await client.ask('set', key, valueOf(2 * MIB, i))).toBe('+OK\r\n');
      // So long that nobody keeps the log for it any more.
      await cluster.pass(5000);
      await cluster.start(2);
      await cluster.until(() => cluster.nodes[2].running?.ready === true);
      await cluster.pass(5000);
    }
    expect(cluster.events.get('snapshot-installed')).toBeGreaterThan(0);
    for (const i of [0, 1, 2]) cluster.crash(i);
    for (const i of [0, 1, 2]) await cluster.start(i);
    await cluster.until(() => cluster.nodes.every((node) => node.running?.ready === true));
    await cluster.pass(2000);
    cluster.crash(0);
    await cluster.pass(2000);
    const other = cluster.client(2);
    for (const key of KEYS)
      expect(isReplyOf(await other.ask('get', key), valueOf(2 * MIB, 11)), key).toBe(true);
  });
});
