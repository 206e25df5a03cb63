/** A node that cannot start says why in one line, ends with 1, and damages nothing. */
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';

import { pause, portsAt, TorcCluster } from './cluster/torc-cluster.ts';
import { TorcNode, type NodePorts } from './cluster/torc-node.ts';

const EXIT_TIMEOUT_MS = 20_000;

function seedsOf(ports: readonly NodePorts[]): string[] {
  return ['--seeds', ports.map(({ peer }) => `127.0.0.1:${peer}`).join(',')];
}

/** Starts it, and gives the line that it ended with. */
async function refusal(node: TorcNode): Promise<string> {
  onTestFinished(async () => {
    if (node.isRunning) await node.kill();
  });
  node.start();
  const exit = await Promise.race([node.exited(), pause(EXIT_TIMEOUT_MS)]);
  expect(exit, node.tail()).toEqual({ code: 1, signal: null });
  const said = node.lines.filter((line) => !line.startsWith('{') && !line.startsWith('---') && line !== '');
  expect(said, node.tail()).toHaveLength(1);
  return said[0];
}

/** All files with their content, but for what each start counts up. */
async function filesOf(directory: string): Promise<Record<string, string>> {
  const names = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const read = files
    .toSorted()
    .map(async (path) => [path, (await readFile(path)).toString('base64')] as const);
  return Object.fromEntries(await Promise.all(read));
}

async function connect(node: TorcNode): Promise<Redis> {
  const client = new Redis({ port: node.ports.client, retryStrategy: () => 50, maxRetriesPerRequest: 100 });
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  await client.ping();
  return client;
}

test('seeds that nobody answers at: it waits to be taken in, says by whom, and serves nobody', async () => {
  const cluster = await TorcCluster.make({ nodes: 1 });
  onTestFinished(() => cluster.end());
  const seeds = seedsOf([portsAt(1), portsAt(2)]);
  const node = new TorcNode('alone', portsAt(0), join(cluster.directory, 'alone'), seeds);
  onTestFinished(async () => {
    if (node.isRunning) await node.kill();
  });
  node.start();
  await expect
    .poll(() => node.tail(), { timeout: EXIT_TIMEOUT_MS })
    .toContain(
      `waiting for 127.0.0.1:${portsAt(1).peer} or 127.0.0.1:${portsAt(2).peer} to take this node in`,
    );
  expect((await node.status()).node.reason).toContain('to take this node in');
  expect(await node.isReady()).toBe(false);
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

test('a data directory that is a file', async () => {
  const cluster = await TorcCluster.make({ nodes: 1 });
  onTestFinished(() => cluster.end());
  const file = join(cluster.directory, 'file');
  await writeFile(file, 'mine');
  const line = await refusal(new TorcNode('lost', portsAt(0), file, seedsOf([portsAt(0)])));
  expect(line).toMatch(/^torc: the data in .* cannot be read: ENOTDIR/);
  expect(await readFile(file, 'utf8')).toBe('mine');
});

test.each(['client', 'redirect', 'peer', 'admin'] as const)('the %s port is taken', async (purpose) => {
  const cluster = await TorcCluster.make({ nodes: 1 });
  onTestFinished(() => cluster.end());
  const [node] = cluster.nodes;
  const other = createServer();
  other.listen(node.ports[purpose], '127.0.0.1');
  await once(other, 'listening');
  onTestFinished(() => {
    other.close();
  });
  const line = await refusal(node);
  expect(line).toMatch(/^torc: /);
  expect(line).toContain(String(node.ports[purpose]));
  expect(line).toContain(`${purpose} port`);
});

test('the data directory is used by another process', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 1 });
  const [running] = cluster.nodes;
  const client = await connect(running);
  await client.set('key', 'value');
  const second = new TorcNode('second', portsAt(1), running.directory, seedsOf([portsAt(1)]));
  const line = await refusal(second);
  expect(line).toContain(running.directory);
  expect(await client.get('key')).toBe('value');
});

test('the data directory is of another cluster, and of a node that the cluster does not know', async () => {
  const other = await TorcCluster.forTest({ nodes: 1, firstPlace: 3 });
  await (await connect(other.nodes[0])).set('key', 'kept');
  await other.nodes[0].stop();
  const before = await filesOf(join(other.nodes[0].directory, 'log'));

  const cluster = await TorcCluster.forTest({ nodes: 3 });
  const [, , victim] = cluster.nodes;
  await victim.stop();
  const seeds = seedsOf(cluster.nodes.map(({ ports }) => ports));
  const stranger = new TorcNode('stranger', victim.ports, other.nodes[0].directory, seeds);
  expect(await refusal(stranger)).toMatch(/cluster/);
  const empty = new TorcNode('empty', victim.ports, join(cluster.directory, 'empty'), seeds);
  expect(await refusal(empty)).toMatch(/^torc: /);

  // The others served on, and both directories are as good as before.
  expect(await (await connect(cluster.nodes[0])).set('key', 'value')).toBe('OK');
  victim.start();
  await cluster.waitReady();
  expect(Object.keys(await filesOf(join(other.nodes[0].directory, 'log')))).toEqual(Object.keys(before));
  other.nodes[0].start();
  await other.nodes[0].waitReady();
  expect(await (await connect(other.nodes[0])).get('key')).toBe('kept');
});

test("a setting of the cluster differs from the others'", async () => {
  const cluster = await TorcCluster.forTest({ nodes: 3 });
  const [, , victim] = cluster.nodes;
  await victim.stop();
  const seeds = seedsOf(cluster.nodes.map(({ ports }) => ports));
  const differs = new TorcNode('node-2', victim.ports, victim.directory, [
    ...seeds,
    '--election-timeout-ms',
    '700',
  ]);
  onTestFinished(async () => {
    if (differs.isRunning) await differs.kill();
  });
  differs.start();
  const deadlineMs = performance.now() + EXIT_TIMEOUT_MS;
  const told = (): string | undefined => differs.lines.find((line) => line.includes('election-timeout-ms'));
  while (told() === undefined && performance.now() < deadlineMs) await pause(50);
  expect(told(), differs.tail()).toMatch(/700.*400|400.*700/);
  expect(await differs.isReady()).toBe(false);
  await (await connect(cluster.nodes[0])).set('key', 'value');
  await differs.stop();
  victim.start();
  await cluster.waitReady();
});

test('a bad setting', async () => {
  const cluster = await TorcCluster.make({ nodes: 1, settings: ['--durability', 'perhaps'] });
  onTestFinished(() => cluster.end());
  const line = await refusal(cluster.nodes[0]);
  expect(line).toContain('durability');
  expect(line).toContain('perhaps');
});
