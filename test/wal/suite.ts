import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Entry } from '../../src/raft/entry.ts';
import type { SnapshotMeta } from '../../src/raft/types.ts';
import { formatWord } from '../../src/wal/format-word.ts';
import type { OpenedWal } from '../../src/wal/open.ts';
import type { RecoveredGroup, WalRecovery } from '../../src/wal/types.ts';
import { entriesOf, entryOf, flush, SEGMENT_BYTES, type MakeWorld, type World } from './world.ts';

const GROUP = 7;

function metaAt(index: number, term = 1): SnapshotMeta {
  return { index, term, membership: { voters: [1, 2, 3], votersOld: [], learners: [] } };
}

function groupOf(recovery: WalRecovery, group = GROUP): RecoveredGroup {
  const found = recovery.groups.get(group);
  if (found === undefined) throw new Error(`group ${group} is not there`);
  return found;
}

function placesOf(entries: readonly Entry[]): string[] {
  return entries.map((entry) => `${entry.term}/${entry.index}`);
}

/** The file as a later version would begin it. */
function withNewerFormat(file: Buffer): Buffer {
  const text = file.toString('utf8');
  const body = text.slice(text.indexOf('\n') + 1);
  const line = `torc-start 2 ${crc32(`2\n${body}`).toString(16).padStart(8, '0')}`;
  if (text.startsWith('torc-start')) return Buffer.from(`${line}\n${body}`);
  const bytes = Buffer.from(file);
  bytes.writeUInt32LE(formatWord(bytes.readUInt16LE(4) + 1), 4);
  return bytes;
}

/** What a WAL promises, whatever the disk below. */
export function walSuite(name: string, makeWorld: MakeWorld): void {
  describe(`the WAL on the ${name} disk`, () => {
    let world: World;
    beforeEach(async () => {
      world = await makeWorld();
    });
    afterEach(() => world.dispose());

    async function reopen(opened: OpenedWal, timeMs = 0): Promise<OpenedWal> {
      await world.settle(opened.wal.close(timeMs));
      return world.open();
    }

    async function killed(settings = {}): Promise<OpenedWal> {
      await world.kill();
      return world.open(settings);
    }

    async function snapshotAt(opened: OpenedWal, meta: SnapshotMeta, content: Buffer): Promise<void> {
      const writer = await world.settle(opened.snapshots.create(GROUP, meta));
      await world.settle(writer.append(content));
      await world.settle(writer.commit());
      opened.wal.release(GROUP, meta.index);
    }

    function beginGroup({ wal }: OpenedWal, member: number): Promise<void> {
      const begun = new Promise<void>((resolve) => wal.beginGroup(GROUP, member, resolve));
      wal.flush(() => {});
      return world.settle(begun);
    }

    it('begins empty, with start 1', async () => {
      const { recovery, wal } = await world.open();
      expect(recovery).toEqual({
        groups: new Map(),
        start: 1,
        logBorn: 1,
        logEnd: 0,
        timeCeilingMs: 0,
        promiseMs: 0,
        tornBytes: 0,
      });
      expect(wal.durability).toBe('fsync');
      let durable = false;
      wal.flush(() => {
        durable = true;
      });
      expect(durable).toBe(true);
    });

    for (const stop of ['clean', 'kill'] as const) {
      it(`gives back all groups after a ${stop} stop`, async () => {
        const opened = await world.open();
        const { wal } = opened;
        wal.stageHardState(GROUP, { term: 3, vote: 2, commit: 1 });
        wal.stageEntries(GROUP, entriesOf(3, 1, 5));
        wal.stageEntries(8, entriesOf(1, 1, 2, 0));
        wal.stageTimeCeiling(5000);
        await flush(world, wal);
        wal.stageHardState(GROUP, { term: 4, vote: 0, commit: 5 });
        await flush(world, wal);
        const { recovery } = stop === 'clean' ? await reopen(opened, 4321.5) : await killed();
        const group = groupOf(recovery);
        expect(group.hardState).toEqual({ term: 4, vote: 0, commit: 5 });
        expect(group.snapshot).toBeNull();
        expect(group.entries).toEqual(entriesOf(3, 1, 5));
        expect(groupOf(recovery, 8).entries).toEqual(entriesOf(1, 1, 2, 0));
        expect(recovery.start).toBe(2);
        expect(recovery.timeCeilingMs).toBe(stop === 'clean' ? 4321.5 : 5000);
        expect(recovery.tornBytes).toBe(0);
      });
    }

    it('counts each start, and remembers the exact time of a clean stop past a later kill', async () => {
      let opened = await reopen(await world.open(), 900);
      expect(opened.recovery).toMatchObject({ start: 2, timeCeilingMs: 900 });
      opened = await killed();
      expect(opened.recovery).toMatchObject({ start: 3, timeCeilingMs: 900 });
      opened = await killed();
      expect(opened.recovery.start).toBe(4);
    });

    it('remembers the longest promise that earlier starts may have given, until one in good order has lasted for as long', async () => {
      await world.open({ promiseMs: 60_000 });
      let opened = await killed({ promiseMs: 1 });
      expect(opened.recovery.promiseMs).toBe(60_000);
      opened = await killed({ promiseMs: 2 });
      expect(opened.recovery.promiseMs).toBe(60_000);
      await world.settle(opened.wal.close(0));
      opened = await world.open({ promiseMs: 2 });
      expect(opened.recovery.promiseMs).toBe(60_000);
      world.aheadMs += 60_000;
      await world.settle(opened.wal.close(0));
      opened = await world.open({ promiseMs: 2 });
      expect(opened.recovery.promiseMs).toBe(2);
    });

    it('calls back in the order of the calls, once durable', async () => {
      const { wal } = await world.open();
      const order: number[] = [];
      const all = new Promise<void>((resolve) => {
        for (let i = 1; i <= 20; i += 1) {
          wal.stageEntries(GROUP, [entryOf(1, i)]);
          wal.flush(() => {
            order.push(i);
            if (i === 20) resolve();
          });
        }
      });
      expect(order).toEqual([]);
      await world.settle(all);
      expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
      // The first batch went alone; the nineteen that came during its sync went together.
      expect(wal.stats).toMatchObject({ batches: 2, syncs: 2 });
    });

    it('lets a tail be replaced', async () => {
      const opened = await world.open();
      opened.wal.stageEntries(GROUP, entriesOf(1, 1, 10));
      await flush(world, opened.wal);
      opened.wal.stageEntries(GROUP, entriesOf(2, 4, 6));
      opened.wal.stageEntries(GROUP, entriesOf(3, 6, 7));
      await flush(world, opened.wal);
      const { recovery } = await killed();
      expect(placesOf(groupOf(recovery).entries)).toEqual(['1/1', '1/2', '1/3', '2/4', '2/5', '3/6', '3/7']);
    });

    it('goes from file to file, and takes entries larger than a file', async () => {
      const opened = await world.open();
      const entries: Entry[] = [];
      for (let index = 1; index <= 120; index += 1) {
        entries.push(entryOf(1, index, index % 20 === 0 ? 3 * SEGMENT_BYTES : 700));
        opened.wal.stageEntries(GROUP, entries.slice(-1));
        await flush(world, opened.wal);
      }
      expect(opened.wal.stats.segments).toBeGreaterThan(1);
      expect(groupOf((await reopen(opened)).recovery).entries).toEqual(entries);
    });

    it('knows whose records a group has: of an older member’s nothing is left', async () => {
      const opened = await world.open();
      opened.wal.stageHardState(GROUP, { term: 9, vote: 2, commit: 4 });
      opened.wal.stageEntries(GROUP, entriesOf(9, 1, 4));
      await flush(world, opened.wal);
      await snapshotAt(opened, metaAt(3), Buffer.from('old'));
      await world.settle(opened.snapshots.remove(GROUP));
      await beginGroup(opened, 5);
      opened.wal.stageEntries(GROUP, entriesOf(2, 1, 2));
      await flush(world, opened.wal);
      const { recovery, snapshots } = await killed();
      expect(groupOf(recovery)).toMatchObject({ member: 5, hardState: { term: 0, vote: 0, commit: 0 } });
      expect(placesOf(groupOf(recovery).entries)).toEqual(['2/1', '2/2']);
      expect(await world.settle(snapshots.open(GROUP))).toBeNull();
    });

    it('knows the member still when the file that said so is long recycled', async () => {
      const opened = await world.open();
      await beginGroup(opened, 5);
      for (let index = 1; index <= 120; index += 1) {
        opened.wal.stageEntries(GROUP, [entryOf(1, index, 1000)]);
        await flush(world, opened.wal);
        if (index % 10 === 0) await snapshotAt(opened, metaAt(index), Buffer.from('state'));
      }
      expect(opened.wal.stats.segmentsFreed).toBeGreaterThan(0);
      const { recovery } = await killed();
      expect(groupOf(recovery)).toMatchObject({ member: 5, snapshot: { index: 120 } });
    });

    it('counts nothing of members that are not this node’s any more, whatever is missing of them', async () => {
      const opened = await world.open();
      opened.wal.stageEntries(8, entriesOf(1, 1, 2));
      opened.wal.stageEntries(GROUP, entriesOf(1, 1, 8));
      await flush(world, opened.wal);
      await snapshotAt(opened, metaAt(8), Buffer.from('state'));
      opened.wal.stageEntries(GROUP, entriesOf(1, 9, 10));
      await flush(world, opened.wal);
      await world.settle(opened.snapshots.remove(GROUP));
      opened.wal.forgetGroup(GROUP);
      const { recovery, wal } = await killed({ isOurs: (group: number) => group === 8 });
      expect([...recovery.groups.keys()]).toEqual([8]);
      await flush(world, wal);
    });

    it('begins a group that the log has another member’s part of', async () => {
      const opened = await world.open();
      for (let index = 1; index <= 20; index += 1) {
        opened.wal.stageEntries(GROUP, [entryOf(1, index, 1000)]);
        await flush(world, opened.wal);
      }
      await snapshotAt(opened, metaAt(20), Buffer.from('old'));
      await world.settle(opened.snapshots.remove(GROUP));
      await beginGroup(opened, 6);
      await snapshotAt(opened, metaAt(90), Buffer.from('new'));
      opened.wal.stageEntries(GROUP, [entryOf(1, 91, 10)]);
      await flush(world, opened.wal);
      const group = groupOf((await killed({ isOurs: (_: number, member: number) => member === 6 })).recovery);
      expect(group).toMatchObject({ member: 6, snapshot: { index: 90 } });
      expect(placesOf(group.entries)).toEqual(['1/91']);
    });

    it('recycles files that every group has released, and keeps hard states and the ceiling', async () => {
      let opened = await world.open();
      opened.wal.stageHardState(8, { term: 9, vote: 3, commit: 0 });
      opened.wal.stageTimeCeiling(777);
      for (let index = 1; index <= 400; index += 1) {
        opened.wal.stageEntries(GROUP, [entryOf(1, index, 500)]);
        await flush(world, opened.wal);
        if (index % 50 === 0) await snapshotAt(opened, metaAt(index), Buffer.alloc(100, index));
        if (index % 100 === 0) opened = await killed();
      }
      expect(opened.wal.stats.bytesOnDisk).toBeLessThan(14 * SEGMENT_BYTES);
      opened.wal.stageEntries(GROUP, entriesOf(1, 401, 403));
      await flush(world, opened.wal);
      const { recovery } = await killed();
      expect(groupOf(recovery, 8).hardState).toEqual({ term: 9, vote: 3, commit: 0 });
      expect(recovery.timeCeilingMs).toBe(777);
      expect(groupOf(recovery).snapshot).toEqual(metaAt(400));
      expect(placesOf(groupOf(recovery).entries)).toEqual(['1/401', '1/402', '1/403']);
    });

    it('names the groups that hold the oldest file', async () => {
      const opened = await world.open();
      opened.wal.stageEntries(8, [entryOf(1, 1)]);
      // A file is grown past its size while the next one is not made yet.
      let last = 0;
      while (opened.wal.stats.segments <= 2) {
        opened.wal.stageEntries(GROUP, [entryOf(1, ++last, 900)]);
        await flush(world, opened.wal);
      }
      expect(opened.wal.oldestSegmentGroups()).toEqual([8, GROUP]);
      opened.wal.release(GROUP, last);
      expect(opened.wal.oldestSegmentGroups()).toEqual([8]);
      opened.wal.release(8, 1);
      await flush(world, opened.wal);
      await world.settle(opened.wal.close(0));
    });

    it('drops what a snapshot covers, and takes entries from above it', async () => {
      const opened = await world.open();
      opened.wal.stageEntries(GROUP, entriesOf(1, 1, 10));
      await flush(world, opened.wal);
      await snapshotAt(opened, metaAt(100, 2), Buffer.from('state'));
      opened.wal.stageEntries(GROUP, entriesOf(2, 101, 102));
      await flush(world, opened.wal);
      const again = await killed();
      expect(groupOf(again.recovery).snapshot).toEqual(metaAt(100, 2));
      expect(placesOf(groupOf(again.recovery).entries)).toEqual(['2/101', '2/102']);
      const reader = await world.settle(again.snapshots.open(GROUP));
      expect(Buffer.from((await world.settle(reader!.read(1, 100))) ?? []).toString()).toBe('tate');
    });

    it('drops entries that conflict with the snapshot that was installed over them', async () => {
      const opened = await world.open();
      opened.wal.stageEntries(GROUP, entriesOf(1, 1, 20));
      await flush(world, opened.wal);
      await snapshotAt(opened, metaAt(10, 3), Buffer.from('state'));
      expect(groupOf((await killed()).recovery).entries).toEqual([]);
    });

    it('refuses entries that do not reach down to the snapshot', async () => {
      const opened = await world.open();
      opened.wal.stageEntries(GROUP, entriesOf(1, 5, 6));
      await flush(world, opened.wal);
      await world.kill();
      await expect(world.open()).rejects.toMatchObject({ code: 'TORC_DATA_DAMAGED' });
    });

    it('refuses a directory in use, and takes it once closed', async () => {
      const opened = await world.open();
      await expect(world.open()).rejects.toMatchObject({ code: 'TORC_DATA_IN_USE' });
      expect((await reopen(opened)).recovery.start).toBe(2);
    });

    describe('in buffered', () => {
      const settings = { durability: 'buffered', bufferedSyncDelayMs: 5 } as const;

      it('calls back before flush returns, and survives a kill', async () => {
        const { wal } = await world.open(settings);
        const order: string[] = [];
        wal.stageEntries(GROUP, entriesOf(1, 1, 3));
        wal.flush(() => order.push('durable'));
        order.push('returned');
        expect(order).toEqual(['durable', 'returned']);
        const { recovery } = await killed(settings);
        expect(placesOf(groupOf(recovery).entries)).toEqual(['1/1', '1/2', '1/3']);
      });

      it('tells when a time ceiling is synced', async () => {
        const { wal } = await world.open(settings);
        await world.settle(
          new Promise<void>((resolve) => {
            wal.stageTimeCeiling(50, resolve);
            wal.flush(() => undefined);
          }),
        );
        expect(wal.stats.syncs).toBe(1);
        expect((await killed(settings)).recovery.timeCeilingMs).toBe(50);
      });

      it('refuses another boot id without a clean stop, whatever the setting is now', async () => {
        const { wal } = await world.open(settings);
        wal.stageEntries(GROUP, [entryOf(1, 1)]);
        await flush(world, wal);
        await world.kill();
        world.bootId = 'boot-2';
        await expect(world.open(settings)).rejects.toMatchObject({ code: 'TORC_UNCLEAN_STOP' });
        await expect(world.open()).rejects.toThrow(/boot id.*rebuild this node.*others? .*serve on/u);
      });

      it('takes another boot id after a clean stop, and another setting', async () => {
        const opened = await world.open(settings);
        opened.wal.stageEntries(GROUP, [entryOf(1, 1)]);
        await flush(world, opened.wal);
        world.bootId = 'boot-2';
        const again = await reopen(opened);
        expect(groupOf(again.recovery).entries).toHaveLength(1);
        await world.kill();
        world.bootId = 'boot-3';
        expect((await world.open(settings)).recovery.start).toBe(3);
      });
    });

    describe('snapshots', () => {
      const content = Buffer.from(Uint32Array.from({ length: 60_000 }, (_, i) => i * 2654435761).buffer);

      it('are read back in any range', async () => {
        const opened = await world.open();
        const writer = await world.settle(opened.snapshots.create(GROUP, metaAt(9)));
        for (let at = 0; at < content.length; at += 7001) {
          await world.settle(writer.append(content.subarray(at, at + 7001)));
        }
        expect(writer.sizeBytes).toBe(content.length);
        expect(await world.settle(opened.snapshots.open(GROUP))).toBeNull();
        await world.settle(writer.commit());
        const { snapshots, recovery } = await killed();
        expect(groupOf(recovery).snapshot).toEqual(metaAt(9));
        const reader = await world.settle(snapshots.open(GROUP));
        expect(reader!.totalBytes).toBe(content.length);
        for (const [offset, size] of [
          [0, content.length],
          [65_535, 2],
          [65_536, 65_536],
          [100_000, 140_000],
          [content.length - 1, 100],
          [content.length, 1],
        ]) {
          const bytes = await world.settle(reader!.read(offset, size));
          expect(Buffer.compare(bytes, content.subarray(offset, offset + size))).toBe(0);
        }
        await world.settle(reader!.close());
      });

      it('are replaced by a newer one, never by an older, and leave nothing behind', async () => {
        const opened = await world.open();
        await snapshotAt(opened, metaAt(5), Buffer.from('five'));
        await snapshotAt(opened, metaAt(9), Buffer.from('nine'));
        await snapshotAt(opened, metaAt(7), Buffer.from('seven'));
        const half = await world.settle(opened.snapshots.create(GROUP, metaAt(20)));
        await world.settle(half.append(content));
        const given = await world.settle(opened.snapshots.create(GROUP, metaAt(30)));
        await world.settle(given.abandon());
        const again = await killed();
        expect(groupOf(again.recovery).snapshot?.index).toBe(9);
        expect(await world.settle(world.disk().list(`${world.directory}/snapshots`))).toEqual([
          '7-9.snapshot',
        ]);
      });

      it('are refused when damaged', async () => {
        const opened = await world.open();
        await snapshotAt(opened, metaAt(5), content);
        await world.kill();
        const path = `${world.directory}/snapshots/7-5.snapshot`;
        const bytes = await world.read(path);
        bytes[20] ^= 1;
        await world.write(path, bytes);
        await expect(world.open()).rejects.toThrow(`${path} is damaged at offset 0`);
        bytes[20] ^= 1;
        bytes[4096 + 70_000] ^= 1;
        await world.write(path, bytes);
        const reader = await world.settle((await world.open()).snapshots.open(GROUP));
        expect(Buffer.compare(await world.settle(reader!.read(0, 100)), content.subarray(0, 100))).toBe(0);
        await expect(world.settle(reader!.read(0, content.length))).rejects.toMatchObject({
          code: 'TORC_DATA_DAMAGED',
        });
      });
    });

    describe('damage', () => {
      const firstFile = (): string => `${world.directory}/log/0000000000000001.wal`;

      async function threeBatches(): Promise<void> {
        const { wal } = await world.open();
        for (let index = 1; index <= 3; index += 1) {
          wal.stageEntries(GROUP, [entryOf(1, index)]);
          await flush(world, wal);
        }
        await world.kill();
      }

      it('below the highest mark is refused, with file and offset', async () => {
        await threeBatches();
        const bytes = await world.read(firstFile());
        bytes[48 + 48 + 60] ^= 4;
        await world.write(firstFile(), bytes);
        await expect(world.open()).rejects.toMatchObject({
          code: 'TORC_DATA_DAMAGED',
          message: expect.stringMatching(
            /0000000000000001\.wal is damaged at offset 48: .*rebuild this node from the others.*serve on/u,
          ),
        });
      });

      it('of the last batch is a torn tail, and cut', async () => {
        await threeBatches();
        const bytes = await world.read(firstFile());
        const recordBytes = 48 + 80;
        bytes[48 + 2 * recordBytes + 70] ^= 4;
        await world.write(firstFile(), bytes);
        const { recovery, wal } = await world.open();
        expect(placesOf(groupOf(recovery).entries)).toEqual(['1/1', '1/2']);
        expect(recovery.tornBytes).toBe(recordBytes);
        wal.stageEntries(GROUP, [entryOf(2, 3)]);
        await flush(world, wal);
        expect(placesOf(groupOf((await killed()).recovery).entries)).toEqual(['1/1', '1/2', '2/3']);
      });

      it('of the start file is refused, and so is a missing one', async () => {
        await threeBatches();
        const path = `${world.directory}/start`;
        const bytes = await world.read(path);
        bytes[30] ^= 1;
        await world.write(path, bytes);
        await expect(world.open()).rejects.toThrow(`${path} is damaged`);
        await world.settle(world.disk().remove(path));
        await expect(world.open()).rejects.toMatchObject({ code: 'TORC_DATA_DAMAGED' });
      });

      it('newer formats are refused', async () => {
        const opened = await world.open();
        opened.wal.stageEntries(GROUP, [entryOf(1, 1)]);
        await flush(world, opened.wal);
        await snapshotAt(opened, metaAt(1), Buffer.from('x'));
        await world.settle(opened.wal.close(0));
        await world.kill();
        const paths = [`${world.directory}/start`, firstFile(), `${world.directory}/snapshots/7-1.snapshot`];
        for (const path of paths) {
          const before = await world.read(path);
          await world.write(path, withNewerFormat(before));
          await expect(world.open()).rejects.toMatchObject({ code: 'TORC_DATA_FORMAT' });
          await world.write(path, before);
        }
        expect(groupOf((await world.open()).recovery).snapshot?.index).toBe(1);
      });
    });
  });
}
