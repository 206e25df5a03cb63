import { spawn } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

import { SystemClock } from '../../src/env/clock.ts';
import { SystemDisk } from '../../src/env/disk.ts';
import { SystemMachine } from '../../src/env/machine.ts';
import { SystemRandom } from '../../src/env/random.ts';
import { SystemTimers } from '../../src/env/timers.ts';
import { openWal, type OpenedWal } from '../../src/wal/open.ts';
import type { Durability } from '../../src/wal/types.ts';
import { entriesOf } from './world.ts';

const WRITER = fileURLToPath(new URL('./writer-process.ts', import.meta.url));
const ENTRIES_BEFORE_KILL = 300;

/** Lets a process write until it has said so many, kills it, and returns the last one that it called durable. */
function writeAndKill(directory: string, durability: Durability, first: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', WRITER, directory, durability, String(first)]);
    let output = '';
    let errors = '';
    child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()));
    child.stdout.on('data', (bytes: Buffer) => {
      output += bytes.toString();
      if (lastLine(output) >= first + ENTRIES_BEFORE_KILL) child.kill('SIGKILL');
    });
    child.once('close', () => {
      if (output === '') reject(new Error(errors));
      else resolve(lastLine(output));
    });
  });
}

/** Of those that are whole. */
function lastLine(output: string): number {
  return Number(output.slice(0, output.lastIndexOf('\n')).split('\n').at(-1));
}

function open(directory: string, durability: Durability): Promise<OpenedWal> {
  const components = {
    disk: new SystemDisk(),
    clock: new SystemClock(),
    timers: new SystemTimers(),
    random: new SystemRandom(),
    machine: new SystemMachine(),
  };
  const onFailure = (error: Error): void => {
    throw error;
  };
  return openWal(components, { directory, durability, segmentBytes: 64 * 1024, onFailure });
}

describe('a process killed with -9', () => {
  for (const durability of ['fsync', 'buffered'] as const) {
    it(`leaves all that it called durable, and a lock that is taken over (${durability})`, async () => {
      const directory = await mkdtemp(join(tmpdir(), 'torc-kill-'));
      const acknowledged = await writeAndKill(directory, durability, 1);
      const { wal, recovery } = await open(directory, durability);
      const entries = recovery.groups.get(1)?.entries ?? [];
      expect(recovery.start).toBe(2);
      expect(entries.length).toBeGreaterThanOrEqual(acknowledged);
      expect(entries).toEqual(entriesOf(1, 1, entries.length, 300));
      await expect(writeAndKill(directory, durability, 1)).rejects.toThrow('TORC_DATA_IN_USE');
      await wal.close(0);
      await rm(directory, { recursive: true, force: true });
    });
  }

  it('is not opened from a copy of a directory in use, and that may be told to be one', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'torc-kill-'));
    const { wal } = await open(join(directory, 'one'), 'fsync');
    await cp(join(directory, 'one'), join(directory, 'two'), { recursive: true });
    await expect(open(join(directory, 'two'), 'fsync')).rejects.toThrow(
      `${join(directory, 'two')} is in use by a process that runs, or a copy of a directory that is`,
    );
    await wal.close(0);
    await rm(directory, { recursive: true, force: true });
  });
});
