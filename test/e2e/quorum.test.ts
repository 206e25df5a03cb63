/** Requests to shards without a leader: they wait, then fail, then fail at once, and what failed has not run. */
import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';

import { compareDigests } from './cluster/digests.ts';
import { pause, TorcCluster } from './cluster/torc-cluster.ts';

const PARK_TIMEOUT_MS = 2000;

function connect(port: number): Redis {
  const client = new Redis({
    port,
    retryStrategy: () => 50,
    maxRetriesPerRequest: 0,
    commandTimeout: 10_000,
  });
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  return client;
}

async function timed(run: Promise<unknown>): Promise<{ text: string; tookMs: number }> {
  const startMs = performance.now();
  const text = await run.then(String, (error: unknown) => (error as Error).message);
  return { text, tookMs: performance.now() - startMs };
}

test.each(['client', 'redirect'] as const)('without a quorum, on the %s port', async (kind) => {
  const cluster = await TorcCluster.forTest({ nodes: 3 });
  await cluster.waitHome();
  const [first, ...others] = cluster.nodes;
  const client = connect(first.ports[kind]);
  const plain = connect(first.ports.client);
  // On the redirect port, keys of slots that this node leads: others get MOVED.
  const keys: string[] = [];
  for (let n = 0; keys.length < 20; n++) {
    const moved = await client.get(`key:${n}`).then(
      () => false,
      () => true,
    );
    if (!moved) keys.push(`key:${n}`);
  }
  for (const key of keys) expect(await client.set(key, '7')).toBe('OK');

  await cluster.settle();
  await Promise.all(others.map((node) => node.kill()));
  // The leader of its own shard finds out within an election timeout that nobody follows; what it has logged by then is of unknown outcome.
  await pause(1000);
  const parked = await Promise.all(keys.map((key) => timed(client.incr(key))));
  for (const { text, tookMs } of parked) {
    expect(text).toMatch(/^CLUSTERDOWN /);
    expect(tookMs).toBeLessThan(PARK_TIMEOUT_MS + 300);
  }
  // They waited, though the shards had been without a leader for a while.
  expect(Math.max(...parked.map(({ tookMs }) => tookMs))).toBeGreaterThan(300);

  for (const command of ['incr', 'get'] as const) {
    const { text, tookMs } = await timed(client[command](keys[0]));
    expect(text).toMatch(/^CLUSTERDOWN /);
    expect(tookMs).toBeLessThan(100);
  }
  expect(await first.isReady()).toBe(false);
  expect(await timed(plain.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'any'))).toMatchObject({
    text: 'null',
  });

  for (const node of others) node.start();
  await cluster.waitReady();
  // Another may have led in between: on the redirect port its keys would be elsewhere.
  await cluster.waitHome();
  for (const key of keys) expect(await plain.get(key)).toBe('7');
  expect(await client.incr(keys[0])).toBe(8);
  await compareDigests(cluster);
});

test('requests wait while a shard elects, and are answered when it has', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 3 });
  const client = connect(cluster.nodes[0].ports.client);
  await cluster.settle();
  for (let n = 0; n < 100; n++) await client.set(`key:${n}`, '0');
  await cluster.nodes[1].kill();
  const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => timed(client.incr(`key:${n}`))));
  for (const { text, tookMs } of answers) {
    expect(text).toBe('1');
    expect(tookMs).toBeLessThan(1500);
  }
  expect(Math.max(...answers.map(({ tookMs }) => tookMs))).toBeGreaterThan(100);
});

test('a write that its leader logged before it lost its quorum is of unknown outcome, and runs once at most', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 3, settings: ['--outcome-timeout-ms', '1500'] });
  const [first, ...others] = cluster.nodes;
  const client = connect(first.ports.client);
  const keys = Array.from({ length: 60 }, (_, n) => `key:${n}`);
  for (const key of keys) await client.set(key, '0');
  await cluster.settle();
  for (const node of others) node.pause();
  onTestFinished(() => {
    for (const node of others) if (node.isRunning) node.resume();
  });
  const answers = await Promise.all(keys.map((key) => timed(client.incr(key))));
  for (const { text } of answers) expect(text).toMatch(/^(INDETERMINATE|CLUSTERDOWN) /);
  expect(answers.some(({ text }) => text.startsWith('INDETERMINATE'))).toBe(true);
  for (const node of others) node.resume();
  await cluster.waitReady();
  // What lay in the sockets may have told of leaders that have given up since.
  await cluster.waitHome();
  for (const [at, key] of keys.entries()) {
    const value = await client.get(key);
    if (answers[at].text.startsWith('CLUSTERDOWN')) expect(value, key).toBe('0');
    else expect(['0', '1'], key).toContain(value);
  }
  await compareDigests(cluster);
});
