import { describe, expect, it } from 'vitest';

import { setLogAside } from '../../src/wal/set-aside.ts';

/** A directory in memory whose renames are counted, and fail from the given one on. */
function directoryOf(files: readonly string[], renamesMost: number) {
  const present = new Set(files);
  let renames = 0;
  return {
    present,
    async makeDirectory(): Promise<void> {},
    async list(path: string): Promise<string[]> {
      const names = [...present].filter((file) => file.startsWith(`${path}/`));
      return [...new Set(names.map((file) => file.slice(path.length + 1).split('/')[0]))].sort();
    },
    async rename(from: string, to: string): Promise<void> {
      if (renames++ >= renamesMost) throw new Error('broken off');
      present.delete(from);
      present.add(to);
    },
  };
}

const FILES = ['failure', 'lock', 'log/1', 'log/2', 'snapshots/1-100', 'snapshots/2-7', 'start'];

describe('a log that is set aside', () => {
  it('goes whole, but for its lock', async () => {
    const disk = directoryOf(
      FILES.map((file) => `a/${file}`),
      Infinity,
    );
    await setLogAside(disk as never, 'a', 'b');
    expect([...disk.present].sort()).toEqual([
      'a/lock',
      ...FILES.filter((file) => file !== 'lock').map((file) => `b/${file}`),
    ]);
  });

  it('broken off anywhere, never begins as if nothing had been, and is finished by doing it again', async () => {
    for (let renames = 0; renames < FILES.length; renames++) {
      const disk = directoryOf(
        FILES.map((file) => `a/${file}`),
        renames,
      );
      await setLogAside(disk as never, 'a', 'b').catch(() => {});
      const forbids = disk.present.has('a/failure') || !disk.present.has('a/start');
      expect(forbids).toBe(true);
      // Not before nothing else is left.
      if (!disk.present.has('a/failure'))
        expect([...disk.present].filter((file) => file.startsWith('a/'))).toEqual(['a/lock']);
      const again = directoryOf([...disk.present], Infinity);
      await setLogAside(again as never, 'a', 'b');
      expect([...again.present].filter((file) => file.startsWith('a/'))).toEqual(['a/lock']);
    }
  });
});
