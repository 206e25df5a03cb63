import { describe, expect, it } from 'vitest';

import type { Wal } from '../../src/wal/types.ts';
import { entryOf, flush, SimulatedWorld, warmUp } from './world.ts';

const GROUP = 7;
const WINDOW = 64;

async function warmLog(): Promise<{ world: SimulatedWorld; wal: Wal }> {
  const world = new SimulatedWorld(1);
  const { wal } = await world.open();
  await warmUp(world, wal);
  return { world, wal };
}

/** Whether it is durable when `flush` returns. */
function flushedAtOnce(wal: Wal, index: number): boolean {
  let durable = false;
  wal.stageEntries(GROUP, [entryOf(1, index)]);
  wal.flush(() => (durable = true));
  return durable;
}

describe('a log that the loop syncs by itself', () => {
  it('calls back once durable, before flush returns', async () => {
    const { world, wal } = await warmLog();
    expect(flushedAtOnce(wal, 1)).toBe(true);
    world.stop('lost');
    expect((await world.open()).recovery.groups.get(GROUP)?.entries).toEqual([entryOf(1, 1)]);
  });

  it('calls back nobody when the sync fails, now or later', async () => {
    const { world, wal } = await warmLog();
    world.machineDisk.failAfter('sync', 'EIO', 0, false);
    expect(flushedAtOnce(wal, 1)).toBe(false);
    expect(flushedAtOnce(wal, 2)).toBe(false);
    world.scheduler.advance(5);
    expect(world.failures).toHaveLength(1);
    expect(world.failures[0].message).toMatch(/cannot sync .*EIO/u);
    await expect(world.settle(wal.close(0))).rejects.toBe(world.failures[0]);
  });

  it('does not take what a callback throws for a failure of the disk', async () => {
    const { world, wal } = await warmLog();
    wal.stageEntries(GROUP, [entryOf(1, 1)]);
    const broken = new Error('not the disk');
    expect(() =>
      wal.flush(() => {
        throw broken;
      }),
    ).toThrow(broken);
    expect(world.failures).toEqual([]);
  });

  it('answers who came first first, when it takes over from the other thread', async () => {
    const world = new SimulatedWorld(1);
    const { wal } = await world.open();
    const order: number[] = [];
    for (let i = 1; i <= 3 * WINDOW; i += 1) {
      wal.stageEntries(GROUP, [entryOf(1, i)]);
      wal.flush(() => order.push(i));
      // Two are gathered while one is synced.
      if (i % 3 === 0) world.scheduler.advance(0.2);
    }
    world.scheduler.advance(5);
    expect(order).toEqual(Array.from({ length: 3 * WINDOW }, (_, i) => i + 1));
    expect(flushedAtOnce(wal, 3 * WINDOW + 1)).toBe(true);
  });

  it('is held up by a disk that becomes slow once, and takes it on again when that is quick', async () => {
    const { world, wal } = await warmLog();
    world.machineDisk.syncMs = 50;
    expect([flushedAtOnce(wal, 1), flushedAtOnce(wal, 2)]).toEqual([true, false]);
    world.scheduler.advance(60);
    world.machineDisk.syncMs = 0.2;
    for (let i = 0; i < 5; i += 1) await warmUp(world, wal);
    expect(flushedAtOnce(wal, 3)).toBe(true);
  });

  it('never waits for a batch that is large', async () => {
    const { world, wal } = await warmLog();
    let durable = 0;
    wal.stageEntries(GROUP, [entryOf(1, 1, 600_000)]);
    wal.flush(() => (durable += 1));
    wal.stageEntries(GROUP, [entryOf(1, 2)]);
    wal.flush(() => (durable += 1));
    expect(durable).toBe(0);
    await flush(world, wal);
    expect(durable).toBe(2);
  });
});
