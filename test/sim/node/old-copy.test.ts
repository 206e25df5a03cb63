/** A node that is started from an old copy of its directory has forgotten what it voted for and acknowledged: it is told so, and takes no part. */
import { expect, it } from 'vitest';

import type { StartupError } from '../../../src/errors.ts';
import { SimCluster } from './cluster.ts';

/** All files, as a backup has them. */
function imageOf(cluster: SimCluster, i: number): Map<string, Uint8Array> {
  const { disk } = cluster.nodes[i];
  return new Map(disk.paths().map((path) => [path, Uint8Array.from(disk.content(path) ?? [])]));
}

function restore(cluster: SimCluster, i: number, image: ReadonlyMap<string, Uint8Array>): void {
  const { disk } = cluster.nodes[i];
  for (const path of disk.paths()) if (!image.has(path)) disk.removeContent(path);
  for (const [path, bytes] of image) disk.replaceContent(path, bytes);
}

async function write(cluster: SimCluster, i: number, count: number): Promise<void> {
  for (let at = 0; at < count; at++)
    expect(await cluster.client(i).ask('SET', `k${at}`, 'v')).toBe('+OK\r\n');
}

async function endOf(cluster: SimCluster, i: number, limitMs = 5000): Promise<StartupError | null> {
  let ended: Error | null = null;
  cluster.onlooker = { onEnded: (at, error) => (ended = at === i ? error : ended) };
  await cluster.start(i);
  await cluster.pass(limitMs);
  return ended;
}

it('is refused by those that have heard more of it, and the others serve on', async () => {
  const cluster = new SimCluster(1, 3);
  await cluster.startAll();
  await write(cluster, 0, 5);
  const backup = imageOf(cluster, 2);
  await write(cluster, 0, 5);
  await cluster.pass(2000);
  cluster.crash(2, 'lost');
  await cluster.pass(3000);
  restore(cluster, 2, backup);
  const ended = await endOf(cluster, 2);
  expect(ended?.code).toBe('TORC_OLD_COPY');
  expect(ended?.message).toContain('its directory is an old copy');
  expect(ended?.message).toContain('torc repair --discard-replica');
  cluster.nodes[2].fatal = null;
  await write(cluster, 0, 5);
});

it('is refused too when it has been started as often as the node itself', async () => {
  const cluster = new SimCluster(2, 3);
  await cluster.startAll();
  const backup = imageOf(cluster, 1);
  await cluster.stop(1);
  await cluster.start(1);
  await cluster.pass(3000);
  cluster.crash(1, 'kill');
  restore(cluster, 1, backup);
  expect((await endOf(cluster, 1))?.message).toContain('met in another process');
});

it('is not taken for one when nothing is missing, however it had stopped', async () => {
  const cluster = new SimCluster(3, 3);
  await cluster.startAll();
  for (const as of ['kill', 'lost', null] as const) {
    await write(cluster, 0, 5);
    await cluster.pass(1000);
    if (as === null) await cluster.stop(2);
    else cluster.crash(2, as);
    expect(await endOf(cluster, 2)).toBeNull();
    await write(cluster, 2, 2);
  }
});
