/** Values up to the limit go through every node while small writes go on: no error, no long pause. They are there after kill -9; too large ones are refused. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';

import type { SteadyReport } from './clients/steady-writer.ts';
import { compareDigests } from './cluster/digests.ts';
import { TorcCluster } from './cluster/torc-cluster.ts';

const MIB = 1024 * 1024;
/** An election timeout thrice over, and then some: what a large value may cost a small write where processes must share their processors. */
const PAUSE_MAX_MS = 3000;
const STEADY_WRITER = fileURLToPath(new URL('clients/steady-writer.ts', import.meta.url));

function connect(port: number): Redis {
  const client = new Redis({ port, retryStrategy: () => 50, maxRetriesPerRequest: 100 });
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  return client;
}

/** Starts small writes through a node, one after the other for each key; the function returned ends them. */
function writeSteadily(port: number, keys: readonly string[]): () => Promise<SteadyReport[]> {
  const child = spawn(process.execPath, ['--import', 'tsx', STEADY_WRITER, String(port), ...keys], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill());
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
  return async () => {
    child.stdin.end();
    await once(child, 'close');
    return JSON.parse(text) as SteadyReport[];
  };
}

/** The sum of the shards' terms, as their leaders tell them. */
async function termsOf(cluster: TorcCluster): Promise<number> {
  const terms = new Map<number, number>();
  for (const node of cluster.nodes) {
    const { replicas } = await node.status();
    for (const { shard, term } of replicas) terms.set(shard, Math.max(term, terms.get(shard) ?? 0));
  }
  return [...terms.values()].reduce((sum, term) => sum + term, 0);
}

/** Keys of which each lies in another shard. */
async function keyOfEachShard(cluster: TorcCluster, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for (const [place, { ports }] of cluster.nodes.entries()) {
    const client = new Redis({ port: ports.redirect, lazyConnect: true });
    for (let i = 0; keys.length <= place; i++) {
      // The redirect port answers MOVED for what another node leads.
      const isHere = await client.exists(`${prefix}:${i}`).then(
        () => true,
        () => false,
      );
      if (isHere) keys.push(`${prefix}:${i}`);
    }
    client.disconnect();
  }
  return keys;
}

// Terms are told, not held to: on a machine whose processors are taken by others a node can stand still for an election timeout, whatever it
// does. That large values alone bring on no election is held where time is simulated (test/sim/node/large-values.test.ts).
test('values of 60 to 64 MiB through every node, by several clients at once, beside small writes', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 3 });
  await cluster.waitHome();
  const clients = cluster.nodes.map(({ ports }) => connect(ports.client));
  const terms = await termsOf(cluster);
  const endings = cluster.nodes.map(({ ports }, i) =>
    writeSteadily(ports.client, [`small:${i}:1`, `small:${i}:2`, `small:${i}:3`, `small:${i}:4`]),
  );
  const keys = await keyOfEachShard(cluster, 'large');
  const value = randomBytes(60 * MIB);
  const more = randomBytes(4 * MIB);
  const startedMs = performance.now();
  const use = async (place: number, key: string): Promise<void> => {
    const [here, next, last] = [0, 1, 2].map((step) => clients[(place + step) % 3]);
    expect(await here.set(key, value)).toBe('OK');
    expect((await next.getBuffer(key))?.equals(value), `${key} was read elsewhere`).toBe(true);
    expect(await last.append(key, more)).toBe(64 * MIB);
    expect((await here.getrangeBuffer(key, 60 * MIB, -1)).equals(more)).toBe(true);
    expect(await next.setrange(key, 2 * MIB, value.subarray(0, 62 * MIB))).toBe(64 * MIB);
    expect((await last.getBuffer(key))?.subarray(2 * MIB, 62 * MIB).equals(value)).toBe(true);
  };
  // At once: a value of each shard, each through another order of nodes, so that two of three are forwarded.
  await Promise.all(keys.map((key, i) => use(i + 1, key)));
  const all = await clients[1].mgetBuffer(...keys);
  expect(all.map((one) => one?.length)).toEqual([64 * MIB, 64 * MIB, 64 * MIB]);
  const tookMs = performance.now() - startedMs;
  const reports = (await Promise.all(endings.map((end) => end()))).flat();
  const writes = reports.reduce((sum, report) => sum + report.writes, 0);
  const longestMs = Math.max(...reports.map((report) => report.longestMs));
  console.log(
    `large values took ${(tookMs / 1000).toFixed(1)} s; ${writes} small writes meanwhile, the longest ${longestMs.toFixed()} ms; ` +
      `${(await termsOf(cluster)) - terms} elections`,
  );
  expect(reports.flatMap((report) => report.errors)).toEqual([]);
  expect(longestMs).toBeLessThan(PAUSE_MAX_MS);
  for (const node of cluster.nodes) expect(await node.metric('torc_indeterminate_replies_total')).toBe(0);

  await Promise.all(cluster.nodes.map((node) => node.kill()));
  cluster.start();
  await cluster.waitReady();
  for (const key of keys)
    expect(
      (await clients[2].getBuffer(key))?.subarray(60 * MIB, 62 * MIB).equals(value.subarray(58 * MIB)),
    ).toBe(true);
  await compareDigests(cluster);
});

test('a value over the limit is refused, and the client told', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 3 });
  const [client, other] = cluster.nodes.map(({ ports }) => connect(ports.client));
  await expect(client.set('larger', Buffer.alloc(64 * MIB + 1))).rejects.toThrow();
  expect(await other.exists('larger')).toBe(0);
});

test('a command that is longer than may be is refused, and nobody dies of it', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 3 });
  const client = connect(cluster.nodes[0].ports.client);
  const value = Buffer.alloc(45 * MIB, 'x');
  for (let shard = 0; shard < 6; shard++) {
    const words = ['a', 'b', 'c'].flatMap((name) => [`{${shard}}${name}`, value]);
    const answer = await client.mset(words).catch((error: Error) => error.message);
    expect(answer).toMatch(/^ERR command is too long/);
    expect(await client.exists(`{${shard}}a`)).toBe(0);
  }
  await cluster.waitReady();
  for (const node of cluster.nodes) expect((await node.status()).node.start).toBe(1);
});
