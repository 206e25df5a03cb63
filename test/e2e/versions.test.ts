/**
 * Two versions at once, as processes: a build of the next version (test/versions), under which APPEND appends twice, joins node by node, goes again,
 * comes again, and the cluster version is raised, while clients write and nodes are killed.
 */
import { execFile } from 'node:child_process';

import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';

import { pause, TorcCluster } from './cluster/torc-cluster.ts';
import { NEXT_BUILD, THIS_BUILD, type TorcNode } from './cluster/torc-node.ts';

const EXIT_TIMEOUT_MS = 20_000;
const RAISE_TIMEOUT_MS = 20_000;
/** Nothing but these may be told to a client that lost its node, or whose shard had no leader for a while. */
const EXPECTED_ERROR =
  /^(INDETERMINATE|CLUSTERDOWN)|Connection is closed|max retries per request|ECONNREFUSED|ECONNRESET/;

interface Ended {
  code: number;
  text: string;
}

/** Runs a command of this build to its end. */
function torc(node: TorcNode, ...words: string[]): Promise<Ended> {
  const args = [...THIS_BUILD, ...words, '--address', `127.0.0.1:${node.ports.admin}`];
  return new Promise((resolve) => {
    execFile(process.execPath, args, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, text: stdout + stderr });
    });
  });
}

async function connect({ ports }: TorcNode): Promise<Redis> {
  const client = new Redis({ port: ports.client, retryStrategy: () => 50, maxRetriesPerRequest: 0 });
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  await new Promise((resolve) => client.once('ready', resolve));
  return client;
}

/** Appends and counts on the node until the test is over; what it was told that it should not have been. */
async function write(node: TorcNode, isOver: () => boolean): Promise<string[]> {
  const client = await connect(node);
  const unexpected: string[] = [];
  for (let i = 0; !isOver(); i++) {
    const key = i % 20;
    try {
      await Promise.all([client.append(`a${key}`, 'x'), client.incr(`n${key}`), client.get(`a${key}`)]);
    } catch (error) {
      const { message } = error as Error;
      if (!EXPECTED_ERROR.test(message)) unexpected.push(message);
      await pause(50);
    }
  }
  return unexpected;
}

/** All replicas hold the same, at one index of each shard, while clients write. */
async function verify(cluster: TorcCluster): Promise<void> {
  const { code, text } = await torc(cluster.nodes[0], 'verify');
  expect(code, text).toBe(0);
}

/** Every other node is killed; those between stop in good order. */
async function roll(cluster: TorcCluster, program: readonly string[]): Promise<void> {
  for (const [i, node] of cluster.nodes.entries()) {
    if (i % 2 === 0) await node.kill();
    else await node.stop();
    node.program = program;
    node.start();
    await cluster.settle();
    await verify(cluster);
    if (i === cluster.nodes.length - 1) continue;
    const { code, text } = await torc(node, 'cluster', 'version', 'raise');
    expect(code, text).toBe(1);
    expect(text).toMatch(
      /^torc: the cluster version is not raised: it is 1, and not all nodes run a newer one/,
    );
  }
}

async function raise(cluster: TorcCluster): Promise<void> {
  const deadlineMs = performance.now() + RAISE_TIMEOUT_MS;
  for (;;) {
    const { code, text } = await torc(cluster.nodes[1], 'cluster', 'version', 'raise');
    if (code === 0) return expect(text).toMatch(/^The cluster version is 2 now; it was 1\./);
    if (performance.now() > deadlineMs) throw new Error(text);
    await pause(200);
  }
}

async function refusal(node: TorcNode): Promise<string> {
  await node.kill();
  node.program = THIS_BUILD;
  const before = node.lines.length;
  node.start();
  const exit = await Promise.race([node.exited(), pause(EXIT_TIMEOUT_MS)]);
  expect(exit, node.tail()).toEqual({ code: 1, signal: null });
  const said = node.lines.slice(before).filter((line) => !/^(\{|---|$)/.test(line));
  expect(said, node.tail()).toHaveLength(1);
  return said[0];
}

test('a cluster is upgraded node by node, downgraded, upgraded and raised while clients write and nodes die', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 3 });
  let isOver = false;
  const writers = cluster.nodes.map((node) => write(node, () => isOver));
  onTestFinished(() => {
    isOver = true;
  });
  await cluster.settle();
  for (const program of [NEXT_BUILD, THIS_BUILD, NEXT_BUILD]) await roll(cluster, program);
  const [first, second, third] = cluster.nodes;
  expect(await (await connect(first)).append('before', 'x')).toBe(1);
  expect((await torc(first, 'cluster', 'version')).text).toMatch(/^Cluster version 1\. All nodes run 2: /);

  // Not while a node cannot be asked; then with a node that dies right after.
  await third.kill();
  const held = await torc(first, 'cluster', 'version', 'raise');
  expect(held.code).toBe(1);
  expect(held.text).toContain('not all nodes can be asked which version they run');
  third.start();
  await cluster.settle();
  await raise(cluster);
  await second.kill();
  second.start();
  await cluster.settle();
  await verify(cluster);
  const reports = await Promise.all(cluster.nodes.map((node) => node.status()));
  expect(reports.map(({ cluster: told }) => told?.version)).toEqual([2, 2, 2]);
  expect(reports.flatMap(({ replicas }) => replicas.map(({ rules }) => rules))).toEqual(Array(9).fill(2));
  expect(await (await connect(first)).append('after', 'x')).toBe(2);

  // Entries of both versions are read again.
  await Promise.all(cluster.nodes.map((node) => node.kill()));
  cluster.start();
  await cluster.settle();
  await verify(cluster);

  for (const node of cluster.nodes) {
    expect(await refusal(node)).toMatch(
      /^torc: .* is of cluster version 2, and this build runs up to cluster version 1: the cluster version was raised; start the newer build$/,
    );
    node.program = NEXT_BUILD;
    node.start();
    await cluster.settle();
  }
  await verify(cluster);
  isOver = true;
  expect((await Promise.all(writers)).flat()).toEqual([]);
  expect(await (await connect(third)).strlen('before')).toBe(1);
});
