/** Keys that go by themselves: expired, or evicted where memory is short. The node stays within what it may use, and serves on. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { RespClient } from '../differential/resp-client.ts';
import { TorcCluster } from './torc-cluster.ts';

const MIB = 1024 * 1024;
const BUDGET_MIB = 24;
const VALUE = 'v'.repeat(1000);
/** More than the budget of three shards takes. */
const KEYS = 40_000;
const BATCH = 500;
/** The log's time may lag a little behind the clock of who asks. */
const LATE_MS = 100;

async function eachBatch(
  client: RespClient,
  count: number,
  command: (i: number) => (string | number)[],
): Promise<Map<string, number>> {
  const replies = new Map<string, number>();
  for (let from = 0; from < count; from += BATCH) {
    const commands = Array.from({ length: BATCH }, (_, i) => command(from + i));
    for (const reply of await client.run(commands)) replies.set(reply, (replies.get(reply) ?? 0) + 1);
  }
  return replies;
}

function figure(info: string, name: string): number {
  return Number(new RegExp(`${name}:(\\d+)`).exec(info)?.[1]);
}

describe('expiry', () => {
  let torc: TorcCluster;

  beforeAll(async () => {
    torc = await TorcCluster.start();
  });

  afterAll(() => torc.stop());

  test('a key is there until its time, and then nowhere', async () => {
    const client = await RespClient.open(torc.clientPort(0));
    const other = await RespClient.open(torc.clientPort(1));
    for (let round = 0; round < 10; round++) {
      const startMs = Date.now();
      await client.run([['set', `precise:${round}`, 'v', 'px', 150]]);
      const [there] = await other.run([['get', `precise:${round}`]]);
      if (Date.now() - startMs < 140) expect(there).toBe('$1\r\nv\r\n');
      await delay(startMs + 150 + LATE_MS - Date.now());
      expect(
        await other.run([
          ['get', `precise:${round}`],
          ['ttl', `precise:${round}`],
        ]),
      ).toEqual(['$-1\r\n', ':-2\r\n']);
    }
    client.close();
    other.close();
  });

  test('what nobody asks for goes, too', async () => {
    const client = await RespClient.open(torc.clientPort(2));
    await client.run([['flushall'], ['set', 'stays', 'v']]);
    await eachBatch(client, 3000, (i) => ['set', `goes:${i}`, 'v', 'px', 300]);
    await eachBatch(client, 500, (i) => ['pexpire', `goes:${i}`, 200]);
    await delay(400);
    expect(await client.run([['keys', '*']])).toEqual(['*1\r\n$5\r\nstays\r\n']);
    await expect.poll(() => client.run([['dbsize']]), { timeout: 10_000 }).toEqual([':1\r\n']);
    let expired = 0;
    for (let node = 0; node < torc.nodes; node++) {
      const asked = await RespClient.open(torc.clientPort(node));
      expired += figure((await asked.run([['info', 'stats']]))[0], 'expired_keys');
      asked.close();
    }
    expect(expired).toBeGreaterThanOrEqual(3000);
    client.close();
  });
});

describe.each([
  'noeviction',
  'allkeys-lru',
  'allkeys-lfu',
  'allkeys-random',
  'volatile-lru',
  'volatile-lfu',
  'volatile-random',
  'volatile-ttl',
])('%s', (policy) => {
  test('more than fits', async () => {
    const torc = await TorcCluster.start({ maxmemory: `${BUDGET_MIB}mb`, 'maxmemory-policy': policy });
    try {
      const client = await RespClient.open(torc.clientPort(0));
      await client.run([['set', 'kept', 'v']]);
      const expiry = policy.startsWith('volatile') ? ['ex', 1000] : [];
      const replies = await eachBatch(client, KEYS, (i) => ['set', `key:${i}`, VALUE, ...expiry]);
      const size = Number((await client.run([['dbsize']]))[0].slice(1));
      const written = replies.get('+OK\r\n') ?? 0;
      if (policy === 'noeviction') {
        expect(written).toBeLessThan(KEYS);
        expect([...replies.keys()].sort()).toEqual([
          '+OK\r\n',
          "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        ]);
        expect(size).toBe(written + 1);
        // Room can be made, and used.
        await eachBatch(client, 2000, (i) => ['del', `key:${i}`]);
        expect(await client.run([['set', 'after', 'v']])).toEqual(['+OK\r\n']);
      } else {
        expect(written).toBe(KEYS);
        expect(size).toBeLessThan(KEYS);
        expect(size).toBeGreaterThan(5000);
        expect(await client.run([['get', `key:${KEYS - 1}`]])).toEqual([`$1000\r\n${VALUE}\r\n`]);
      }
      if (policy.startsWith('volatile')) expect(await client.run([['get', 'kept']])).toEqual(['$1\r\nv\r\n']);
      for (let node = 0; node < torc.nodes; node++) {
        const asked = await RespClient.open(torc.clientPort(node));
        const [info] = await asked.run([['info']]);
        expect(figure(info, 'used_memory')).toBeLessThanOrEqual(BUDGET_MIB * MIB);
        expect(figure(info, 'maxmemory')).toBe(BUDGET_MIB * MIB);
        if (policy !== 'noeviction') expect(figure(info, 'evicted_keys')).toBeGreaterThan(0);
        asked.close();
      }
      client.close();
    } finally {
      await torc.stop();
    }
  });
});
