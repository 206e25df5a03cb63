import { describe, expect, it } from 'vitest';

import { StartupError } from '../../src/errors.ts';
import type { Entry } from '../../src/raft/entry.ts';
import type { OpenedWal } from '../../src/wal/open.ts';
import { entriesOf, entryOf, flush, SimulatedWorld } from './world.ts';

const GROUP = 7;
const RECORD_BYTES = 48 + 80;
/** A segment's header, and the hard state, last index and ceiling that it says again. */
const BEGINNING_BYTES = 48 + 48 + 24 + 48 + 8 + 48 + 8;
/** Of a record. */
const MAGIC = 0x4c574f54;
const MEMBERSHIP = { voters: [1], votersOld: [], learners: [] };

function logPath(sequence: number): string {
  return `/data/log/${String(sequence).padStart(16, '0')}.wal`;
}

function entriesIn(opened: OpenedWal): readonly Entry[] {
  return opened.recovery.groups.get(GROUP)?.entries ?? [];
}

function placesIn(opened: OpenedWal): string[] {
  return entriesIn(opened).map(({ term, index }) => `${term}/${index}`);
}

async function writeOneByOne(
  world: SimulatedWorld,
  opened: OpenedWal,
  entries: readonly Entry[],
): Promise<void> {
  for (const entry of entries) {
    opened.wal.stageEntries(GROUP, [entry]);
    await flush(world, opened.wal);
  }
}

/** A log over several files, with hard states, a ceiling, a snapshot and a cleanly written last batch. */
async function makeLog(world: SimulatedWorld): Promise<void> {
  const opened = await world.open();
  opened.wal.stageHardState(GROUP, { term: 1, vote: 2, commit: 0 });
  opened.wal.stageTimeCeiling(99);
  await writeOneByOne(world, opened, entriesOf(1, 1, 30, 460));
  const writer = await world.settle(
    opened.snapshots.create(GROUP, { index: 3, term: 1, membership: MEMBERSHIP }),
  );
  await world.settle(writer.append(Buffer.from('the state')));
  await world.settle(writer.commit());
  await world.kill();
}

describe('a log that is gone', () => {
  it.each([['/data/start'], ['/data/']])('is refused where there was one: all of %s', async (gone) => {
    const world = new SimulatedWorld(5);
    await makeLog(world);
    for (const path of world.machineDisk.paths())
      if (path.startsWith(gone)) world.machineDisk.removeContent(path);
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await expect(world.open({ mustExist: true })).rejects.toMatchObject({ code: 'TORC_LOG_LOST' });
    }
  });
});

describe('a flipped bit', () => {
  it('anywhere is refused with file and offset, or cuts no more than the last batch, or changes nothing', async () => {
    const world = new SimulatedWorld(3);
    await makeLog(world);
    const before = new Map(
      world.machineDisk.paths().map((path) => [path, world.machineDisk.content(path)!.slice()]),
    );
    const outcomes = { refused: 0, cut: 0, same: 0 };
    for (const [path, bytes] of before) {
      for (const offset of placesToFlip(path, bytes.length)) {
        const flipped = bytes.slice();
        flipped[offset] ^= 1 << (offset % 8);
        for (const [each, content] of before)
          world.machineDisk.replaceContent(each, each === path ? flipped : content);
        const outcome = await outcomeOf(world, path);
        outcomes[outcome] += 1;
      }
    }
    expect(outcomes.refused).toBeGreaterThan(50);
    expect(outcomes.cut).toBeGreaterThan(0);
    expect(outcomes.same).toBeGreaterThan(5);
  });

  /** Every byte of what each file of the log begins with (header, hard state, ceiling), and strides that meet all kinds of fields. */
  function placesToFlip(path: string, sizeBytes: number): number[] {
    const isLog = path.startsWith('/data/log/');
    const stride = isLog ? 419 : path.endsWith('.snapshot') ? 193 : 11;
    const dense = isLog ? Math.min(BEGINNING_BYTES, sizeBytes) : 0;
    const sparse = Math.ceil((sizeBytes - dense) / stride);
    return [
      ...Array.from({ length: dense }, (_, i) => i),
      ...Array.from({ length: sparse }, (_, i) => dense + i * stride),
    ];
  }

  async function outcomeOf(world: SimulatedWorld, path: string): Promise<'refused' | 'cut' | 'same'> {
    try {
      const opened = await world.open();
      const places = placesIn(opened);
      const all = entriesOf(1, 4, 30, 460);
      expect(entriesIn(opened)).toEqual(all.slice(0, places.length));
      expect(places.length).toBeGreaterThanOrEqual(all.length - 1);
      expect(opened.recovery.timeCeilingMs).toBe(99);
      expect(opened.recovery.groups.get(GROUP)?.hardState).toEqual({ term: 1, vote: 2, commit: 0 });
      const reader = await world.settle(opened.snapshots.open(GROUP));
      expect(Buffer.from(await world.settle(reader!.read(0, 100))).toString()).toBe('the state');
      return places.length === all.length ? 'same' : 'cut';
    } catch (error) {
      if (!(error instanceof StartupError)) throw error;
      expect(error.message).toContain(path.startsWith('/data/failure') ? '/data/failure' : path);
      return 'refused';
    } finally {
      await world.kill();
    }
  }

  it('of the last batch is refused too once the stop was clean', async () => {
    const world = new SimulatedWorld(4);
    const opened = await world.open();
    await writeOneByOne(world, opened, entriesOf(1, 1, 3));
    await world.settle(opened.wal.close(0));
    world.machineDisk.flipBit(logPath(1), 48 + 2 * RECORD_BYTES + 100, 3);
    await expect(world.open()).rejects.toThrow(`${logPath(1)} is damaged at offset ${48 + 2 * RECORD_BYTES}`);
  });

  it('below a mark that only a later file tells is found there (history 20)', async () => {
    const world = new SimulatedWorld(5);
    const opened = await world.open();
    // One batch fills the first file; only the second file's records name where it ended.
    opened.wal.stageEntries(GROUP, entriesOf(1, 1, 60));
    await flush(world, opened.wal);
    await writeOneByOne(world, opened, entriesOf(1, 61, 62));
    await world.kill();
    world.machineDisk.flipBit(logPath(1), 48 + 10 * RECORD_BYTES + 60, 0);
    await expect(world.open()).rejects.toThrow(
      `${logPath(1)} is damaged at offset ${48 + 10 * RECORD_BYTES}`,
    );
  });
});

describe('the number of a format', () => {
  it.each([
    ['a file of the log', logPath(1), 4],
    ['a snapshot', '/data/snapshots/7-3.snapshot', 4],
    ['the start file', '/data/start', 'torc-start '.length],
  ])('that is damaged is not taken for a newer one: of %s', async (_, path, offset) => {
    const world = new SimulatedWorld(21);
    await makeLog(world);
    for (let bit = 0; bit < 8; bit += 1) {
      world.machineDisk.flipBit(path, offset, bit);
      await expect(world.open()).rejects.toMatchObject({ code: 'TORC_DATA_DAMAGED' });
      world.machineDisk.flipBit(path, offset, bit);
    }
    expect(placesIn(await world.open())).toHaveLength(27);
  });

  it('that was written without its complement is read on', async () => {
    const world = new SimulatedWorld(22);
    await makeLog(world);
    const path = '/data/snapshots/7-3.snapshot';
    const bytes = Buffer.from(world.machineDisk.content(path)!);
    bytes.writeUInt32LE(1, 4);
    world.machineDisk.replaceContent(path, bytes);
    expect(placesIn(await world.open())).toHaveLength(27);
  });
});

describe('a file of the log that is lost', () => {
  /** Group 8 is silent from the beginning; the other one goes on over several files. */
  async function withSilentGroup(world: SimulatedWorld): Promise<void> {
    const opened = await world.open();
    opened.wal.stageEntries(8, entriesOf(1, 1, 3));
    await writeOneByOne(world, opened, entriesOf(1, 1, 150));
    await world.scheduler.runUntil(() => false);
  }

  async function snapshotOf(
    world: SimulatedWorld,
    opened: OpenedWal,
    group: number,
    index: number,
  ): Promise<void> {
    const meta = { index, term: 1, membership: MEMBERSHIP };
    const writer = await world.settle(opened.snapshots.create(group, meta));
    await world.settle(writer.commit());
    opened.wal.release(group, index);
    await world.scheduler.runUntil(() => false);
  }

  it('with all that a silent group had, though a snapshot covers the others, is missed', async () => {
    const world = new SimulatedWorld(23);
    const opened = await world.open();
    opened.wal.stageEntries(8, entriesOf(1, 1, 3));
    await writeOneByOne(world, opened, entriesOf(1, 1, 150));
    await snapshotOf(world, opened, GROUP, 150);
    await world.kill();
    world.machineDisk.removeContent(logPath(1));
    await expect(world.open()).rejects.toThrow('entries of group 8 up to 3 are missing');
  });

  it('in the middle or at the end is missed, also after a kill', async () => {
    for (const lost of [2, 3]) {
      const world = new SimulatedWorld(24);
      await withSilentGroup(world);
      await world.kill();
      const files = world.machineDisk.paths().filter((path) => path.startsWith('/data/log/'));
      expect(files.length).toBe(4);
      world.machineDisk.removeContent(logPath(lost));
      await expect(world.open()).rejects.toThrow(
        `${logPath(lost)} is damaged at offset 0: the file is missing`,
      );
    }
  });

  it('from its middle on is missed, also after a kill', async () => {
    const world = new SimulatedWorld(25);
    await withSilentGroup(world);
    await world.kill();
    const path = logPath(3);
    const bytes = Buffer.from(world.machineDisk.content(path)!);
    world.machineDisk.replaceContent(path, bytes.subarray(0, 2000));
    await expect(world.open()).rejects.toThrow(`${path} is damaged at offset 2000: the file ends before its`);
  });

  it('is not missed when it was recycled', async () => {
    const world = new SimulatedWorld(26);
    const opened = await world.open();
    opened.wal.stageEntries(8, entriesOf(1, 1, 3));
    await writeOneByOne(world, opened, entriesOf(1, 1, 150));
    await snapshotOf(world, opened, GROUP, 150);
    await snapshotOf(world, opened, 8, 3);
    await world.kill();
    expect(world.machineDisk.paths()).not.toContain(logPath(1));
    const { recovery } = await world.open();
    expect(recovery.groups.get(8)?.snapshot?.index).toBe(3);
  });

  it('and with it the snapshot of a silent group is missed', async () => {
    const world = new SimulatedWorld(27);
    const opened = await world.open();
    opened.wal.stageEntries(8, entriesOf(1, 1, 3));
    await writeOneByOne(world, opened, entriesOf(1, 1, 150));
    await snapshotOf(world, opened, 8, 3);
    await snapshotOf(world, opened, GROUP, 150);
    await world.kill();
    world.machineDisk.removeContent('/data/snapshots/8-3.snapshot');
    await expect(world.open()).rejects.toMatchObject({ code: 'TORC_DATA_DAMAGED' });
  });
});

describe('the failure mark', () => {
  it('that is damaged is told from one that was set', async () => {
    const world = new SimulatedWorld(28);
    await makeLog(world);
    world.machineDisk.flipBit('/data/failure', 3, 5);
    await expect(world.open()).rejects.toThrow('/data/failure is damaged at offset 3');
    world.machineDisk.replaceContent('/data/failure', Buffer.of(1));
    await expect(world.open()).rejects.toMatchObject({ code: 'TORC_UNCLEAN_STOP' });
    world.machineDisk.replaceContent('/data/failure', Buffer.of(0));
    expect(placesIn(await world.open())).toHaveLength(27);
  });
});

describe('records of an earlier life (history 20)', () => {
  it('are not believed in a recycled file', async () => {
    const world = new SimulatedWorld(6);
    let opened = await world.open();
    let last = 0;
    // Until a file is in use for the second time, with whole records of its first life behind the new ones.
    for (let round = 0; round < 6; round += 1) {
      await writeOneByOne(world, opened, entriesOf(1, last + 1, last + 60));
      last += 60;
      const meta = { index: last, term: 1, membership: MEMBERSHIP };
      const writer = await world.settle(opened.snapshots.create(GROUP, meta));
      await world.settle(writer.commit());
      opened.wal.release(GROUP, last);
      await writeOneByOne(world, opened, entriesOf(1, last + 1, last + 1));
      last += 1;
    }
    await world.kill();
    expect(staleRecordFollows(world)).toBe(true);
    opened = await world.open();
    expect(placesIn(opened)).toEqual([`1/${last}`]);
    expect(opened.recovery.tornBytes).toBe(0);
  });

  it('are not believed under the header of another: a torn write may leave an old payload there', async () => {
    const world = new SimulatedWorld(11);
    const opened = await world.open();
    await writeOneByOne(world, opened, entriesOf(1, 1, 6));
    await world.kill();
    const bytes = Buffer.from(world.machineDisk.content(logPath(1))!);
    // Whole and sound, of the same size and place, but not the one that the header was written for.
    entryOf(1, 6, 40, 99).bytes.copy(bytes, 48 + 5 * RECORD_BYTES + 48);
    world.machineDisk.replaceContent(logPath(1), bytes);
    expect(entriesIn(await world.open())).toEqual(entriesOf(1, 1, 5));
  });

  it('are not believed behind a tail that was cut, though they lie where they say', async () => {
    const world = new SimulatedWorld(7);
    let opened = await world.open();
    await writeOneByOne(world, opened, entriesOf(1, 1, 2));
    // One batch that is not synced: its second record is torn, the third and fourth survive on the disk.
    opened.wal.stageEntries(GROUP, entriesOf(1, 3, 6));
    opened.wal.flush(() => expect.unreachable('it was never synced'));
    await world.kill();
    world.machineDisk.flipBit(logPath(1), 48 + 3 * RECORD_BYTES + 50, 1);
    opened = await world.open();
    expect(placesIn(opened)).toEqual(['1/1', '1/2', '1/3']);
    // The hard state and last index that each start says again, and the new entry, end exactly where the old 1/6 begins.
    await writeOneByOne(world, opened, [entryOf(2, 4, 40)]);
    const gap = 48 + 5 * RECORD_BYTES - endOfStart(world, 2);
    expect(gap).toBe(0);
    await world.kill();
    expect(placesIn(await world.open())).toEqual(['1/1', '1/2', '1/3', '2/4']);
  });

  /** Whether a whole record of an earlier life lies right behind the last one, in the file that is in use. */
  function staleRecordFollows(world: SimulatedWorld): boolean {
    const files = world.machineDisk.paths().filter((path) => path.startsWith('/data/log/'));
    const inUse = files.filter(
      (path) => Buffer.from(world.machineDisk.content(path)!).readUInt32LE(16) === sequenceOf(path),
    );
    const bytes = Buffer.from(world.machineDisk.content(inUse.at(-1)!)!);
    const base = bytes.readDoubleLE(24);
    let offset = 48;
    while (bytes.readUInt32LE(offset) === MAGIC && bytes.readDoubleLE(offset + 32) === base + offset)
      offset += Math.ceil((48 + bytes.readUInt32LE(offset + 8)) / 8) * 8;
    return offset + RECORD_BYTES < bytes.length && bytes.readUInt32LE(offset) === MAGIC;
  }

  function sequenceOf(path: string): number {
    return Number.parseInt(path.slice('/data/log/'.length), 10);
  }

  /** The offset behind the last record of a start. */
  function endOfStart(world: SimulatedWorld, start: number): number {
    const bytes = Buffer.from(world.machineDisk.content(logPath(1))!);
    let end = 0;
    for (let offset = 48; offset + 48 < bytes.length; offset += 8) {
      const isRecord = bytes.readUInt32LE(offset) === MAGIC && bytes.readUInt32LE(offset + 20) === start;
      if (isRecord) end = offset + Math.ceil((48 + bytes.readUInt32LE(offset + 8)) / 8) * 8;
    }
    return end;
  }
});

describe('counted though not durable (history 8)', () => {
  it('what a killed process had not synced is synced before recovery hands it over', async () => {
    const world = new SimulatedWorld(8);
    const opened = await world.open();
    opened.wal.stageEntries(GROUP, entriesOf(1, 1, 3));
    opened.wal.flush(() => expect.unreachable('the process is killed between write and sync'));
    await world.kill();
    const again = await world.open();
    expect(placesIn(again)).toEqual(['1/1', '1/2', '1/3']);
    world.stop('lost');
    expect(placesIn(await world.open())).toEqual(['1/1', '1/2', '1/3']);
  });

  it('what a failed sync dropped is written anew', async () => {
    const world = new SimulatedWorld(9);
    const opened = await world.open();
    await writeOneByOne(world, opened, entriesOf(1, 1, 2));
    world.machineDisk.failAfter('sync', 'EIO');
    opened.wal.stageEntries(GROUP, entriesOf(1, 3, 4));
    opened.wal.flush(() => expect.unreachable('it was never synced'));
    world.scheduler.advance(10);
    expect(world.failures).toHaveLength(1);
    world.machineDisk.heal();
    await world.kill();
    expect(placesIn(await world.open())).toHaveLength(4);
    world.stop('lost');
    expect(placesIn(await world.open())).toHaveLength(4);
  });

  it('an old file is not recycled before what the new one says again is synced', async () => {
    const world = new SimulatedWorld(10);
    const opened = await world.open();
    opened.wal.stageHardState(8, { term: 5, vote: 1, commit: 0 });
    await writeOneByOne(world, opened, entriesOf(1, 1, 40));
    await world.scheduler.runUntil(() => false);
    world.machineDisk.syncMs = 1000;
    opened.wal.stageEntries(GROUP, entriesOf(1, 41, 70));
    opened.wal.flush(() => expect.unreachable('the machine stops before the sync is done'));
    expect(opened.wal.stats.segments).toBe(2);
    opened.wal.release(GROUP, 40);
    // All other work of the disk goes on meanwhile.
    world.machineDisk.syncMs = 0.1;
    for (let turn = 0; turn < 50; turn += 1) {
      world.scheduler.advance(1);
      await world.scheduler.runUntil(() => true);
    }
    world.stop('lost');
    const { recovery } = await world.open();
    expect(recovery.groups.get(8)?.hardState).toEqual({ term: 5, vote: 1, commit: 0 });
    expect(recovery.groups.get(GROUP)?.entries).toHaveLength(40);
  });

  it('an old file is not recycled when of the new one only the header has reached the disk', async () => {
    const world = new SimulatedWorld(12);
    const opened = await world.open();
    opened.wal.stageHardState(8, { term: 5, vote: 1, commit: 0 });
    await writeOneByOne(world, opened, entriesOf(1, 1, 40));
    const meta = { index: 40, term: 1, membership: MEMBERSHIP };
    const writer = await world.settle(opened.snapshots.create(GROUP, meta));
    await world.settle(writer.commit());
    await world.scheduler.runUntil(() => false);
    const spare = world.machineDisk.content(logPath(2))!.slice();
    world.machineDisk.syncMs = 1000;
    opened.wal.stageEntries(GROUP, entriesOf(1, 41, 70));
    opened.wal.flush(() => expect.unreachable('the machine stops before the sync is done'));
    spare.set(world.machineDisk.content(logPath(2))!.subarray(0, 48));
    world.machineDisk.syncMs = 0.1;
    world.stop('lost');
    world.machineDisk.replaceContent(logPath(2), spare);
    await world.open();
    await world.scheduler.runUntil(() => false);
    world.stop('lost');
    const { recovery } = await world.open();
    expect(recovery.groups.get(8)?.hardState).toEqual({ term: 5, vote: 1, commit: 0 });
  });
});
