/** Nodes that are lost: taken out, replaced by another, or back after others have their replicas. No client of the others is told an error. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

import { topologyOf } from './cluster/change-topology.ts';
import { Counting } from './cluster/counting.ts';
import { pause, portsAt, TorcCluster } from './cluster/torc-cluster.ts';
import { runTorc, TorcNode } from './cluster/torc-node.ts';

const PLACED_LIMIT_MS = 30_000;
const HOST = '127.0.0.1';

function newcomer(cluster: TorcCluster, place: number, ...settings: string[]): TorcNode {
  const name = `node-${place}`;
  const node = new TorcNode(name, portsAt(place), join(cluster.directory, name), [
    '--host',
    `host-${place}`,
    ...settings,
  ]);
  onTestFinished(async () => {
    if (node.isRunning) await node.kill();
  });
  return node;
}

/** How many replicas of its own a node tells of that are voters. */
async function votersOn(node: TorcNode): Promise<number> {
  const report = await node.status().catch(() => null);
  return (report?.replicas ?? []).filter(({ member, voters }) => voters.includes(member)).length;
}

async function until(done: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + PLACED_LIMIT_MS;
  while (!(await done())) {
    expect(performance.now()).toBeLessThan(deadlineMs);
    await pause(100);
  }
}

async function idOf(cluster: TorcCluster, { ports }: TorcNode): Promise<string> {
  const { nodes } = await topologyOf(cluster);
  return nodes.find(({ clientPort }) => clientPort === ports.client)?.id ?? '';
}

async function replicasOf(cluster: TorcCluster, node: string): Promise<number> {
  const { shards } = await topologyOf(cluster);
  return shards.filter(({ replicas }) => replicas.some((row) => row.node === node)).length;
}

function count(nodes: readonly TorcNode[]): () => Promise<void> {
  const counting = nodes.flatMap(({ name, ports }) =>
    Array.from({ length: 4 }, (_, i) => new Counting(ports.client, `${name}-${i}`)),
  );
  return async () => {
    await Promise.all(counting.map((client) => client.stop()));
    expect(counting.flatMap(({ wrong }) => wrong)).toEqual([]);
    expect(Math.min(...counting.map(({ counted }) => counted))).toBeGreaterThan(10);
  };
}

test('a dead node is taken out, and another takes the place of a second one', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 4 });
  await cluster.settle();
  const [one, two, third, fourth] = cluster.nodes;
  const stopCounting = count([one, two]);
  const admin = `${HOST}:${one.ports.admin}`;
  const peers = `${HOST}:${one.ports.peer},${HOST}:${two.ports.peer}`;

  const early = await runTorc('node', 'remove', '--dead', 'node-3', '--address', admin);
  expect(early).toMatchObject({ code: 1 });
  expect(early.output).toContain('it answers: torc node decommission');
  await fourth.kill();
  const address = `${HOST}:${fourth.ports.client}`;
  const silent = await runTorc('node', 'decommission', address, '--address', admin);
  expect(silent).toMatchObject({ code: 1 });
  expect(silent.output).toContain('it does not answer');
  const removed = await runTorc('node', 'remove', '--dead', address, '--address', admin);
  expect(removed.output).toContain('is removed');
  expect(removed.code).toBe(0);
  fourth.start();
  expect(await fourth.exited()).toMatchObject({ code: 1 });
  expect(fourth.tail(5)).toContain('was taken out of its cluster');

  const old = await idOf(cluster, third);
  const replacing = newcomer(cluster, 4, '--seeds', peers, '--replace', old);
  replacing.start();
  expect(await replacing.exited()).toMatchObject({ code: 1 });
  expect(replacing.tail(5)).toContain('answers: stop it before another takes its place');
  await third.kill();
  // It waits until the other has been silent for some seconds.
  replacing.start();
  await replacing.waitReady();
  await until(async () => (await votersOn(replacing)) === 3);
  await until(async () => (await replicasOf(cluster, old)) === 0);
  const { nodes, departed } = await topologyOf(cluster);
  expect(nodes.map(({ ordinal }) => ordinal)).toEqual([1, 2, 5]);
  expect(departed).toHaveLength(2);
  third.start();
  expect(await third.exited()).toMatchObject({ code: 1 });
  await stopCounting();
}, 120_000);

test('a node that is back after replace-after is told so, and enters empty', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 4, settings: ['--replace-after', '4'] });
  await cluster.settle();
  const fourth = cluster.nodes[3];
  const stopCounting = count(cluster.nodes.slice(0, 3));
  const id = await idOf(cluster, fourth);
  expect(await replicasOf(cluster, id)).toBe(3);
  await fourth.kill();
  await until(async () => (await replicasOf(cluster, id)) === 0);
  fourth.start();
  await until(() => Promise.resolve(fourth.lines.some((line) => line.includes('replaced-set-aside'))));
  expect(fourth.lines.some((line) => line.includes('others have its replicas now'))).toBe(true);
  expect(existsSync(join(fourth.directory, 'set-aside', '1'))).toBe(true);
  await fourth.waitReady();
  await until(async () => (await votersOn(fourth)) === 3);
  expect(await idOf(cluster, fourth)).toBe(id);
  await until(() => Promise.resolve(!existsSync(join(fourth.directory, 'set-aside'))));
  const stopOwn = count([fourth]);
  await pause(3000);
  await stopOwn();
  await stopCounting();
}, 120_000);
