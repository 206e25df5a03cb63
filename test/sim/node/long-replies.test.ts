/** Long and large replies among other commands of their connection, while leaders are lost, links are cut and nodes stop: each comes once, in order. */
import { describe, expect, it } from 'vitest';

import { SimCluster, type SimClient } from './cluster.ts';

const PATIENT = { 'park-timeout-ms': '60000', 'outcome-timeout-ms': '60000', durability: 'buffered' };
const KEYS = 4;
const FIELDS = 6000;
const VALUE = 'v'.repeat(100);
const LARGE = Buffer.alloc(700_000, 'L');
const SMALL_KEYS = 18_000;

async function filled(seed: number): Promise<SimCluster> {
  const cluster = new SimCluster(seed, 3, PATIENT);
  await cluster.startAll();
  await cluster.pass(3000);
  const client = cluster.client(0);
  for (let at = 0; at < SMALL_KEYS; at += 6000) {
    const pairs = Array.from({ length: 6000 }, (_, i) => [`{small${at}}${i}`, 'x']).flat();
    expect(await client.ask('mset', ...pairs)).toBe('+OK\r\n');
  }
  for (let key = 0; key < KEYS; key++) {
    for (let at = 0; at < FIELDS; at += 1000) {
      const pairs = Array.from({ length: 1000 }, (_, i) => [`f${at + i}`, VALUE]).flat();
      expect(await client.ask('hset', `h${key}`, ...pairs)).toBe(':1000\r\n');
    }
  }
  return cluster;
}

/** The field `f0` of each reply of HGETALL, which has the others, too. */
function firstField(reply: string): string {
  const parts = reply.split('\r\n');
  expect([parts[0], parts.length]).toEqual([`*${FIELDS * 2}`, FIELDS * 4 + 2]);
  const at = parts.indexOf('f0');
  return parts[at + 2];
}

function conversation(key: number, step: number): (string | Buffer)[][] {
  const [hash, text] = [`h${key}`, `l${key}`];
  return [
    ['hset', hash, 'f0', `a${step}`],
    ['hgetall', hash],
    ['hset', hash, 'f0', `b${step}`],
    ['set', text, LARGE],
    ['hgetall', hash],
    ['get', text],
    ['keys', `h${key}*`],
    ['append', text, 'x'],
    ['client', 'reply', 'skip'],
    ['hgetall', hash],
    ['client', 'reply', 'skip'],
    ['get', text],
    ['strlen', text],
    ['hget', hash, 'f0'],
    ['del', text],
  ];
}

const REPLIES = 11;

function check(replies: readonly string[], key: number, step: number): void {
  const at = replies.slice(key * REPLIES, (key + 1) * REPLIES);
  const state = `$${String(step).length + 1}\r\nb${step}\r\n`;
  expect(at[0]).toBe(':0\r\n');
  expect(firstField(at[1])).toBe(`a${step}`);
  expect([at[2], at[3]]).toEqual([':0\r\n', '+OK\r\n']);
  expect(firstField(at[4])).toBe(`b${step}`);
  expect(at[5].length).toBe(LARGE.length + '$700000\r\n\r\n'.length);
  expect(at[6]).toBe(`*1\r\n$2\r\nh${key}\r\n`);
  expect(at.slice(7)).toEqual([':700001\r\n', ':700001\r\n', state, ':1\r\n']);
}

async function talk(
  cluster: SimCluster,
  client: SimClient,
  step: number,
  meanwhile: () => Promise<void>,
): Promise<void> {
  const from = client.replies.length;
  for (let key = 0; key < KEYS; key++) client.send(...conversation(key, step));
  await meanwhile();
  await cluster.until(() => client.replies.length >= from + KEYS * REPLIES, 120_000);
  await cluster.pass(200);
  expect(client.replies).toHaveLength(from + KEYS * REPLIES);
  for (let key = 0; key < KEYS; key++) check(client.replies.slice(from), key, step);
}

async function healed(cluster: SimCluster): Promise<void> {
  await cluster.until(() => cluster.nodes.every((node) => node.running?.ready === true));
  await cluster.pass(1500);
}

describe('long and large replies', () => {
  it('come whole and in order while leaders crash and links break', async () => {
    const cluster = await filled(51);
    const client = cluster.client(0);
    for (let step = 1; step <= 4; step++) {
      const victim = 1 + (step % 2);
      await talk(cluster, client, step, async () => {
        await cluster.pass(1 + step * 2);
        if (step % 3 === 0) {
          cluster.cut(0, victim);
          await cluster.pass(step * 150);
          cluster.resume(victim);
          return;
        }
        cluster.crash(victim, 'kill');
        await cluster.pass(100);
        await cluster.start(victim);
      });
      await healed(cluster);
    }
  });

  it('while nodes stop in good order, and stand still', async () => {
    const cluster = await filled(52);
    const client = cluster.client(0);
    for (let step = 1; step <= 2; step++) {
      const victim = 1 + (step % 2);
      await talk(cluster, client, step, async () => {
        await cluster.pass(step * 3);
        if (step % 2 === 0) {
          await cluster.stop(victim);
          await cluster.start(victim);
          return;
        }
        cluster.pause(victim);
        await cluster.pass(1500);
        cluster.resume(victim);
      });
      await healed(cluster);
    }
  });
});
