/** Commands of one connection run in the order sent, also when the shard's leader is lost between them. */
import { describe, expect, it } from 'vitest';

import { SimCluster, type SimClient } from './cluster.ts';

const PATIENT = { 'park-timeout-ms': '60000', 'outcome-timeout-ms': '60000' };
const KEYS = 6;

/** Each key's commands in a row; what is sent comes back as one list of replies per key. */
async function pipelined(
  cluster: SimCluster,
  client: SimClient,
  words: (key: string) => string[][],
  meanwhile: () => Promise<void>,
): Promise<string[][]> {
  const from = client.replies.length;
  const each = words('k0').length;
  const keys = Array.from({ length: KEYS }, (_, i) => `k${i}`);
  client.send(...keys.flatMap(words));
  await meanwhile();
  await cluster.until(() => client.replies.length === from + KEYS * each, 60_000);
  return keys.map((_, i) => client.replies.slice(from + i * each, from + (i + 1) * each));
}

async function healed(cluster: SimCluster): Promise<void> {
  await cluster.until(() => cluster.nodes.every((node) => node.running?.ready === true));
  await cluster.pass(1500);
}

describe('a read that is lost with its leader', () => {
  it('does not see what its connection sent behind it, wherever the leader dies', async () => {
    const cluster = new SimCluster(41, 3, PATIENT);
    await cluster.startAll();
    await cluster.pass(3000);
    const client = cluster.client(0);
    for (let i = 0; i < KEYS; i++) await client.ask('set', `k${i}`, '0');
    for (let step = 1; step <= 4; step++) {
      const victim = 1 + (step % 2);
      const replies = await pipelined(
        cluster,
        client,
        (key) => [
          ['get', key],
          ['set', key, String(step)],
          ['get', key],
        ],
        async () => {
          await cluster.pass(1 + step * 0.25);
          cluster.crash(victim, 'lost');
          await cluster.pass(100);
        },
      );
      const [old, now] = [String(step - 1), String(step)];
      for (const three of replies)
        expect([step, ...three]).toEqual([
          step,
          `$${old.length}\r\n${old}\r\n`,
          '+OK\r\n',
          `$${now.length}\r\n${now}\r\n`,
        ]);
      await cluster.start(victim);
      await healed(cluster);
    }
  });

  it('nor when it was to run between two writes at a leader that is cut off and deposed', async () => {
    const cluster = new SimCluster(42, 3, PATIENT);
    await cluster.startAll();
    await cluster.pass(3000);
    const client = cluster.client(0);
    for (let step = 1; step <= 12; step++) {
      const replies = await pipelined(
        cluster,
        client,
        (key) => [
          ['set', key, `a${step}`],
          ['get', key],
          ['set', key, `b${step}`],
          ['mget', key, 'other'],
          ['del', key],
        ],
        async () => {
          await cluster.pass(step * 0.2);
          // What it sends still goes out.
          cluster.network.block('node-1', 'node-0');
          cluster.network.block('node-2', 'node-0');
          await cluster.pass(1500);
          cluster.network.heal();
        },
      );
      const one = `a${step}`;
      const two = `b${step}`;
      for (const five of replies)
        expect([step, ...five]).toEqual([
          step,
          '+OK\r\n',
          `$${one.length}\r\n${one}\r\n`,
          '+OK\r\n',
          `*2\r\n$${two.length}\r\n${two}\r\n$-1\r\n`,
          ':1\r\n',
        ]);
      await healed(cluster);
    }
  });
});

describe('a write over several slots', () => {
  it('is not overtaken, nor does it overtake, whatever is pipelined around it', async () => {
    const cluster = new SimCluster(43, 3, PATIENT);
    await cluster.startAll();
    await cluster.pass(3000);
    const client = cluster.client(0);
    const keys = Array.from({ length: 12 }, (_, i) => `key${i}`);
    const words = keys.map((key) => ['set', key, 'old']);
    words.push(['del', ...keys], ['exists', ...keys], ['set', keys[3], 'new'], ['touch', ...keys]);
    words.push(
      ['unlink', ...keys.slice(2, 6)],
      ['get', keys[3]],
      ['randomkey'],
      ['scan', '0', 'count', '1000'],
    );
    client.send(...words);
    await cluster.until(() => client.replies.length === words.length, 60_000);
    expect(client.replies.slice(keys.length)).toEqual([
      ':12\r\n',
      ':0\r\n',
      '+OK\r\n',
      ':1\r\n',
      ':1\r\n',
      '$-1\r\n',
      '$-1\r\n',
      '*2\r\n$1\r\n0\r\n*0\r\n',
    ]);
  });
});
