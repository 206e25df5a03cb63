/** A fourth node joins a cluster of three, is given replicas, and leaves again; a dead one is taken out. No client of the others is told an error. */
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

import { Counting } from './cluster/counting.ts';
import { pause, portsAt, TorcCluster } from './cluster/torc-cluster.ts';
import { runTorc, TorcNode } from './cluster/torc-node.ts';

const PLACED_LIMIT_MS = 30_000;

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

test('a node joins and is decommissioned, and another that died is taken out, while clients go on', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 3 });
  await cluster.settle();
  const [one, two] = cluster.nodes;
  const counting = [one, two].flatMap(({ name, ports }) =>
    Array.from({ length: 8 }, (_, i) => new Counting(ports.client, `${name}-${i}`)),
  );
  const admin = `127.0.0.1:${one.ports.admin}`;
  const peers = `127.0.0.1:${one.ports.peer},127.0.0.1:${two.ports.peer}`;

  const fourth = newcomer(cluster, 3, '--join', peers);
  fourth.start();
  await fourth.waitReady();
  await until(async () => (await votersOn(fourth)) === 3);
  const ownCount = new Counting(fourth.ports.client, 'through the fourth');
  await pause(500);
  await ownCount.stop();
  expect(ownCount.wrong).toEqual([]);

  const early = await runTorc('node', 'remove', '--dead', 'node-3', '--address', admin);
  expect(early).toMatchObject({ code: 1 });
  expect(early.output).toContain('it answers: torc node decommission');
  const left = await runTorc('node', 'decommission', 'node-3', '--address', admin);
  expect(left).toMatchObject({ code: 0 });
  expect(left.output).toContain('holds nothing any more. Its process may stop now.');
  expect(await fourth.stop()).toMatchObject({ code: 0 });

  const fifth = newcomer(cluster, 4, '--seeds', peers);
  fifth.start();
  await fifth.waitReady();
  await until(async () => (await votersOn(fifth)) === 3);
  await fifth.kill();
  const id = `127.0.0.1:${fifth.ports.client}`;
  expect(await runTorc('node', 'decommission', id, '--address', admin)).toMatchObject({ code: 1 });
  const removed = await runTorc('node', 'remove', '--dead', id, '--address', admin);
  expect(removed.output).toContain('is removed');
  expect(removed.code).toBe(0);

  await Promise.all(counting.map((client) => client.stop()));
  expect(counting.flatMap(({ wrong }) => wrong)).toEqual([]);
  expect(Math.min(...counting.map(({ counted }) => counted))).toBeGreaterThan(10);
}, 120_000);
