import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Disk, DiskFile } from '../../src/env/contracts.ts';
import { SystemDisk } from '../../src/env/disk.ts';
import { SimulatedTimers } from '../../src/env/sim/clock.ts';
import { attachDisk } from '../../src/env/sim/disk-process.ts';
import { SimulatedDisk } from '../../src/env/sim/disk.ts';
import { Scheduler } from '../../src/env/sim/scheduler.ts';

interface Bench {
  disk: Disk;
  directory: string;
  settle<T>(promise: Promise<T>): Promise<T>;
  dispose(): Promise<void>;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function written(file: DiskFile, text: string, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    file.write(bytesOf(text), position, (error) => (error === null ? resolve() : reject(error)));
  });
}

function synced(file: DiskFile): Promise<void> {
  return new Promise((resolve, reject) => {
    file.sync((error) => (error === null ? resolve() : reject(error)));
  });
}

async function textOf(file: DiskFile): Promise<string> {
  const bytes = new Uint8Array(await file.sizeBytes());
  expect(await file.read(bytes, 0)).toBe(bytes.length);
  return new TextDecoder().decode(bytes);
}

/** The contract of Disk, whatever is below. */
function diskSuite(name: string, makeBench: () => Promise<Bench>): void {
  describe(`the ${name} disk`, () => {
    let bench: Bench;
    let disk: Disk;
    beforeEach(async () => {
      bench = await makeBench();
      disk = bench.disk;
    });
    afterEach(() => bench.dispose());
    const pathOf = (file: string): string => `${bench.directory}/${file}`;

    it('reads what was written, at once and by and by', async () => {
      const file = await disk.open(pathOf('a'), { create: true });
      expect(file.path).toBe(pathOf('a'));
      file.writeNow(bytesOf('hello'), 3);
      expect(await textOf(file)).toBe('\0\0\0hello');
      await bench.settle(written(file, 'HE', 3));
      await bench.settle(synced(file));
      const part = new Uint8Array(10);
      expect(await file.read(part, 2)).toBe(6);
      expect(await file.read(part, 8)).toBe(0);
      expect(await textOf(file)).toBe('\0\0\0HEllo');
      await file.truncate(5);
      expect(await textOf(file)).toBe('\0\0\0HE');
      await file.close();
    });

    it('does the writes of a file in the order given', async () => {
      const file = await disk.open(pathOf('a'), { create: true });
      const order: number[] = [];
      const all = Array.from({ length: 30 }, (_, i) =>
        written(file, String(i % 10), 0).then(() => order.push(i)),
      );
      await bench.settle(Promise.all(all));
      expect(order).toEqual(Array.from({ length: 30 }, (_, i) => i));
      expect(await textOf(file)).toBe('9');
      await file.close();
    });

    it('refuses to open what is absent', async () => {
      await expect(disk.open(pathOf('none'), { create: false })).rejects.toMatchObject({ code: 'ENOENT' });
      await expect(disk.open(pathOf('no/such'), { create: true })).rejects.toMatchObject({ code: 'ENOENT' });
      expect(await disk.readFile(pathOf('none'))).toBeNull();
      expect(await disk.list(pathOf('none'))).toEqual([]);
      await disk.remove(pathOf('none'));
    });

    it('lists, renames, replaces and removes', async () => {
      await disk.makeDirectory(pathOf('deep/er'));
      for (const file of ['b', 'a', 'c']) await disk.replaceFile(pathOf(`deep/er/${file}`), bytesOf(file));
      await disk.replaceFile(pathOf('deep/er/a'), bytesOf('new'));
      await disk.rename(pathOf('deep/er/c'), pathOf('deep/er/b'));
      await disk.syncDirectory(pathOf('deep/er'));
      expect(await disk.list(pathOf('deep/er'))).toEqual(['a', 'b']);
      expect(Buffer.from((await disk.readFile(pathOf('deep/er/a')))!).toString()).toBe('new');
      expect(Buffer.from((await disk.readFile(pathOf('deep/er/b')))!).toString()).toBe('c');
      await disk.remove(pathOf('deep/er/a'));
      expect(await disk.list(pathOf('deep/er'))).toEqual(['b']);
      await disk.removeTree(pathOf('deep'));
      expect(await disk.list(pathOf('deep/er'))).toEqual([]);
    });

    it('goes on reading a file that was removed while open', async () => {
      await disk.replaceFile(pathOf('a'), bytesOf('still'));
      const file = await disk.open(pathOf('a'), { create: false });
      await disk.remove(pathOf('a'));
      expect(await textOf(file)).toBe('still');
      await file.close();
    });

    it('locks out another, until released', async () => {
      const lock = await disk.lock(pathOf('lock'));
      expect(lock).not.toBeNull();
      expect(await disk.lock(pathOf('lock'))).toBeNull();
      await lock!.release();
      expect(await disk.lock(pathOf('lock'))).not.toBeNull();
    });
  });
}

diskSuite('system', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'torc-disk-'));
  return {
    disk: new SystemDisk(),
    directory,
    settle: (promise) => promise,
    dispose: () => rm(directory, { recursive: true, force: true }),
  };
});

diskSuite('simulated', async () => {
  const scheduler = new Scheduler();
  const disk = attachDisk(new SimulatedDisk({ seed: 1 }), new SimulatedTimers(scheduler));
  await disk.makeDirectory('/bench');
  return {
    disk,
    directory: '/bench',
    settle: (promise) => scheduler.settle(promise),
    dispose: () => Promise.resolve(),
  };
});
