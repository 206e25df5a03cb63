/** A node whose directory cannot be believed is refused, repaired, and comes back as a new one, while the others serve. */
import { describe, expect, it } from 'vitest';

import { SimCluster } from './cluster.ts';
import { Counter, load } from './counters.ts';
import { repairNode, startRepair } from './repair.ts';
import { wrongReplicas } from './replicas.ts';
import { newestTopology, untilSettled } from './topology.ts';

const NODES = 3;
const KEYS = 12;

/** Of the file of the log that has been written. */
function damage(cluster: SimCluster, i: number): void {
  const { disk } = cluster.nodes[i];
  const path = disk.paths().find((one) => /^\/data\/log\/log\/.*\.wal$/.test(one));
  disk.flipBit(path ?? '', 200, 3);
}

function setAsideFiles(cluster: SimCluster, i: number): string[] {
  return cluster.nodes[i].disk.paths().filter((path) => path.startsWith('/data/set-aside/'));
}

async function started(seed: number, flags: Record<string, string> = {}, nodes = NODES): Promise<SimCluster> {
  const cluster = new SimCluster(seed, nodes, { 'wal-segment-bytes': '1mb', ...flags });
  await cluster.startAll();
  return cluster;
}

describe('torc repair --discard-replica', () => {
  it.each([
    [1, 2],
    [2, 1],
    [3, 0],
  ])('has a damaged node come back as new members (seed %i, node %i)', async (seed, victim) => {
    const cluster = await started(seed);
    const counters = [0, 1, 2].filter((i) => i !== victim).map((i) => new Counter(cluster, i));
    await load(cluster, counters, KEYS, 500);
    await cluster.stop(victim);
    damage(cluster, victim);
    await expect(cluster.start(victim)).rejects.toThrow(
      /is damaged at offset .*torc repair --discard-replica/,
    );
    await load(cluster, counters, KEYS, 300);

    const before = await newestTopology(cluster);
    const { old, node } = await repairNode(cluster, victim);
    expect(before.nodes.map(({ id }) => id)).toContain(old);
    expect(setAsideFiles(cluster, victim).length).toBeGreaterThan(2);
    await cluster.start(victim);
    await load(cluster, counters, KEYS, 2000);
    await untilSettled(cluster);
    await cluster.pass(3000);

    expect(counters.map((counter) => counter.wrong(KEYS))).toEqual([null, null]);
    const after = await newestTopology(cluster);
    expect(after.nodes.map(({ id }) => id)).toContain(node);
    expect(JSON.stringify({ ...after, departed: [] })).not.toContain(old);
    expect(after.departed).toEqual([old]);
    for (const { replicas, first } of after.shards) {
      expect(replicas).toHaveLength(3);
      for (const one of replicas) expect(first.includes(one.member)).toBe(one.node !== node);
    }
    expect(setAsideFiles(cluster, victim)).toEqual([]);
    expect(await wrongReplicas(cluster, false)).toBeNull();
  });

  it('serves for what ran buffered over a power loss, and for a disk that is gone', async () => {
    const cluster = await started(4, { durability: 'buffered' });
    expect(await cluster.client(0).ask('set', 'k', 'v')).toBe('+OK\r\n');
    cluster.crash(2, 'lost');
    await expect(cluster.start(2)).rejects.toThrow(/torc repair --discard-replica/);
    await repairNode(cluster, 2);
    await cluster.start(2);
    await untilSettled(cluster);

    await cluster.stop(1);
    for (const path of cluster.nodes[1].disk.paths()) cluster.nodes[1].disk.removeContent(path);
    await expect(repairNode(cluster, 1)).rejects.toThrow('give --address');
    await repairNode(cluster, 1, { host: '127.0.0.1', port: cluster.portOf(0) + 2000 });
    await cluster.start(1);
    await untilSettled(cluster);
    expect(await cluster.client(1).ask('get', 'k')).toBe('$1\r\nv\r\n');
    expect(await wrongReplicas(cluster, false)).toBeNull();
  });

  it('is refused where it would cost a shard its quorum, and says what to do', async () => {
    const cluster = await started(5);
    await cluster.stop(1);
    await cluster.stop(2);
    await expect(repairNode(cluster, 2)).rejects.toThrow(
      /have to run meanwhile: start 127\.0\.0\.1:7002 first/,
    );
    await cluster.start(1);
    await cluster.start(2);
    await cluster.until(() => cluster.nodes.every(({ running }) => running?.ready === true));

    const alone = await started(6, {}, 1);
    await alone.stop(0);
    await expect(repairNode(alone, 0)).rejects.toThrow('--address');
    const two = await started(7, {}, 2);
    await two.stop(1);
    await expect(repairNode(two, 1)).rejects.toThrow('start');
  });

  it('that was broken off is run again', async () => {
    let brokenOff = 0;
    for (let operations = 0, isDone = false; !isDone; operations += 9) {
      const cluster = await started(8);
      expect(await cluster.client(0).ask('set', 'k', 'v')).toBe('+OK\r\n');
      await cluster.stop(2);
      damage(cluster, 2);
      isDone = await endsBefore(cluster, 2, operations);
      if (!isDone && !(await starts(cluster, 2))) {
        brokenOff += 1;
        await repairNode(cluster, 2);
        await cluster.start(2);
      } else if (isDone) await cluster.start(2);
      await untilSettled(cluster);
      expect(await cluster.client(2).ask('get', 'k')).toBe('$1\r\nv\r\n');
    }
    expect(brokenOff).toBeGreaterThan(2);
  });
});

/** A repair whose process dies after so many operations of the disk. */
async function endsBefore(cluster: SimCluster, i: number, operations: number): Promise<boolean> {
  let isDone = false;
  const dies = (): void => cluster.nodes[i].disk.crashAfter(operations, 'torn');
  void startRepair(cluster, i, null, dies).then(() => {
    isDone = true;
  });
  await cluster.pass(3000);
  return isDone;
}

/** Else it says what to do. */
async function starts(cluster: SimCluster, i: number): Promise<boolean> {
  try {
    await cluster.start(i);
    return true;
  } catch (error) {
    expect(String(error)).toMatch(/torc repair --discard-replica/);
    return false;
  }
}
