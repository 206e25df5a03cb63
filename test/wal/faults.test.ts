import { describe, expect, it } from 'vitest';

import { DiskError } from '../../src/errors.ts';
import { entriesOf, entryOf, flush, SEGMENT_BYTES, SimulatedWorld } from './world.ts';

const GROUP = 7;

describe('a failing disk', () => {
  for (const [what, fail] of [
    ['write', (world: SimulatedWorld) => world.machineDisk.failAfter('write', 'EIO')],
    ['sync', (world: SimulatedWorld) => world.machineDisk.failAfter('sync', 'EIO', 0, false)],
  ] as const) {
    it(`stops the log at the first failed ${what}, and calls back nobody, now or later`, async () => {
      const world = new SimulatedWorld(1);
      const { wal } = await world.open();
      wal.stageEntries(GROUP, [entryOf(1, 1)]);
      await flush(world, wal);
      await atRest(world);
      fail(world);
      const never = (): void => expect.unreachable('it is not durable');
      wal.stageEntries(GROUP, [entryOf(1, 2)]);
      wal.flush(never);
      wal.stageEntries(GROUP, [entryOf(1, 3)]);
      wal.flush(never);
      world.scheduler.advance(5);
      world.machineDisk.heal();
      wal.stageEntries(GROUP, [entryOf(1, 4)]);
      wal.flush(never);
      wal.flush(never);
      world.scheduler.advance(5);
      expect(world.failures).toHaveLength(1);
      expect(world.failures[0]).toBeInstanceOf(DiskError);
      expect(world.failures[0].message).toContain('EIO');
      await expect(world.settle(wal.close(0))).rejects.toBe(world.failures[0]);
      expect((await world.open()).recovery.groups.get(GROUP)?.entries[0]).toEqual(entryOf(1, 1));
    });
  }

  it('that is full stops the log, in a batch too large to be written at once as well', async () => {
    for (const payloadBytes of [100, 600_000]) {
      const world = new SimulatedWorld(2);
      const { wal } = await world.open();
      world.scheduler.advance(50);
      await flush(world, wal);
      world.machineDisk.capacityBytes = 3 * SEGMENT_BYTES + 4096;
      for (let index = 1; index <= 300; index += 1) {
        wal.stageEntries(GROUP, [entryOf(1, index, payloadBytes)]);
        wal.flush(() => expect(world.failures).toEqual([]));
        world.scheduler.advance(1);
      }
      expect(world.failures).toHaveLength(1);
      expect(world.failures[0].message).toContain('ENOSPC');
    }
  });

  it('fails a background sync in buffered: an unclean stop, though the machine runs on', async () => {
    const world = new SimulatedWorld(3);
    const settings = { durability: 'buffered', bufferedSyncDelayMs: 2 } as const;
    const { wal } = await world.open(settings);
    world.scheduler.advance(50);
    world.machineDisk.failAfter('sync', 'EIO');
    let answered = 0;
    wal.stageEntries(GROUP, entriesOf(1, 1, 2));
    wal.flush(() => (answered += 1));
    expect(answered).toBe(1);
    wal.stageTimeCeiling(5, () => expect.unreachable('the ceiling is not synced'));
    wal.flush(() => (answered += 1));
    world.scheduler.advance(5);
    expect(world.failures).toHaveLength(1);
    wal.stageEntries(GROUP, [entryOf(1, 3)]);
    wal.flush(() => expect.unreachable('the log has stopped'));
    expect(answered).toBe(2);
    world.machineDisk.heal();
    await world.kill();
    await expect(world.open(settings)).rejects.toMatchObject({ code: 'TORC_UNCLEAN_STOP' });
  });

  it('stops the log when a spare file cannot be made', async () => {
    const world = new SimulatedWorld(4);
    const { wal } = await world.open();
    world.machineDisk.failAfter('write', 'ENOSPC', 1);
    wal.stageEntries(GROUP, [entryOf(1, 1, 100)]);
    wal.flush(() => undefined);
    expect(await world.scheduler.runUntil(() => world.failures.length > 0)).toBe(true);
  });

  it('that fails while the log is opened is one clear refusal', async () => {
    for (const kind of ['write', 'sync'] as const) {
      const world = new SimulatedWorld(5);
      world.machineDisk.failAfter(kind, 'EIO');
      await expect(world.open()).rejects.toThrow(/cannot open the log in \/data: EIO/u);
      world.machineDisk.heal();
      expect((await world.open()).recovery.start).toBe(1);
    }
  });

  it('that syncs slowly holds up callbacks, gathers batches, and loses nothing', async () => {
    const world = new SimulatedWorld(6);
    const { wal } = await world.open();
    world.scheduler.advance(50);
    world.machineDisk.syncMs = 500;
    let durable = 0;
    for (let index = 1; index <= 100; index += 1) {
      wal.stageEntries(GROUP, [entryOf(1, index)]);
      wal.flush(() => (durable += 1));
      world.scheduler.advance(5);
    }
    expect(durable).toBe(1);
    world.scheduler.advance(1000);
    expect(durable).toBe(100);
    expect(wal.stats.syncs).toBeLessThanOrEqual(3);
  });
});

/** Spare files are made. */
async function atRest(world: SimulatedWorld): Promise<void> {
  await world.scheduler.runUntil(() => false);
}
