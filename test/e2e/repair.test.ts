/** A node whose log is damaged refuses to start, is repaired, and comes back; clients of the others are told of no error. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { Counting } from './cluster/counting.ts';
import { compareDigests } from './cluster/digests.ts';
import { pause, TorcCluster } from './cluster/torc-cluster.ts';
import type { TorcNode } from './cluster/torc-node.ts';

const RETURN_LIMIT_MS = 30_000;

/** One bit of a record that was synced. */
async function damage(node: TorcNode): Promise<void> {
  const directory = join(node.directory, 'log', 'log');
  const [first] = (await readdir(directory)).filter((name) => name.endsWith('.wal')).sort();
  const bytes = await readFile(join(directory, first));
  bytes[200] ^= 1;
  await writeFile(join(directory, first), bytes);
}

async function hasReturned(cluster: TorcCluster): Promise<boolean> {
  const reports = await Promise.all(cluster.nodes.map((node) => node.status().catch(() => null)));
  const ids = new Set(reports.map((report) => report?.node.id));
  return reports.every(
    (report) =>
      report?.replicas.length === reports.length &&
      report.replicas.every(
        ({ voters, votersOld, learners }) => voters.length === 3 && votersOld.length + learners.length === 0,
      ) &&
      report.peers.every(({ id, connected }) => connected && ids.has(id)),
  );
}

test('a damaged node is repaired while the others serve', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 3, settings: ['--peer-secret', 'known-to-all'] });
  await cluster.settle();
  const [one, two, broken] = cluster.nodes;
  const before = (await broken.status()).node.id;
  const counting = [one, two].flatMap(({ name, ports }) =>
    Array.from({ length: 8 }, (_, i) => new Counting(ports.client, `${name}-${i}`)),
  );
  await pause(500);
  expect(await broken.run('repair', '--discard-replica')).toMatchObject({ code: 1 });
  await broken.stop();
  await damage(broken);
  broken.start();
  expect((await broken.exited()).code).toBe(1);
  expect(broken.tail(3)).toMatch(/\.wal is damaged at offset \d+.*torc repair --discard-replica/);

  const repaired = await broken.run('repair', '--discard-replica');
  expect(repaired.output).toContain(`takes the place of node ${before}`);
  expect(repaired.code).toBe(0);
  broken.start();
  await cluster.waitReady();
  const deadlineMs = performance.now() + RETURN_LIMIT_MS;
  while (!(await hasReturned(cluster))) {
    expect(performance.now()).toBeLessThan(deadlineMs);
    await pause(100);
  }
  await pause(1000);
  await Promise.all(counting.map((one) => one.stop()));

  expect(counting.flatMap(({ wrong }) => wrong)).toEqual([]);
  expect(Math.min(...counting.map(({ counted }) => counted))).toBeGreaterThan(10);
  expect((await broken.status()).node.id).not.toBe(before);
  // A file that is being replaced has its successor beside it for a moment.
  await expect
    .poll(async () => (await readdir(broken.directory)).sort())
    .toEqual(['acceptor.json', 'cluster.json', 'log', 'topologies', 'topology.json']);
  await compareDigests(cluster);
}, 120_000);
