import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { SystemClock } from '../../src/env/clock.ts';
import { SystemDisk } from '../../src/env/disk.ts';
import { SystemMachine } from '../../src/env/machine.ts';
import { SystemRandom } from '../../src/env/random.ts';
import { SystemTimers } from '../../src/env/timers.ts';

describe('the system clock', () => {
  it('gives a wall time with fractions that agrees with Date.now', () => {
    const clock = new SystemClock();
    let fractional = 0;
    for (let i = 0; i < 1000; i += 1) {
      const before = Date.now();
      const wallMs = clock.wallMs();
      const after = Date.now();
      expect(wallMs).toBeGreaterThanOrEqual(before);
      expect(wallMs).toBeLessThan(after + 1);
      if (wallMs !== Math.floor(wallMs)) fractional += 1;
    }
    expect(fractional).toBeGreaterThan(900);
  });

  it('never goes back', () => {
    const clock = new SystemClock();
    let last = clock.monotonicMs();
    for (let i = 0; i < 1000; i += 1) {
      const now = clock.monotonicMs();
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
  });
});

describe('the system timers', () => {
  it('runs after the delay, and not once cancelled', async () => {
    const timers = new SystemTimers();
    const ran: string[] = [];
    const started = performance.now();
    timers.after(1, () => ran.push('cancelled')).cancel();
    await new Promise<void>((resolve) => {
      timers.after(5.5, () => {
        ran.push('ran');
        resolve();
      });
    });
    expect(ran).toEqual(['ran']);
    expect(performance.now() - started).toBeGreaterThanOrEqual(5);
  });

  it('runs the end of the turn after what was ready', async () => {
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      new SystemTimers().endOfTurn(() => {
        order.push('end');
        resolve();
      });
      queueMicrotask(() => order.push('ready'));
    });
    expect(order).toEqual(['ready', 'end']);
  });
});

describe('randomness and machine', () => {
  it('draws words over the whole range', () => {
    const random = new SystemRandom();
    const words = Array.from({ length: 2000 }, () => random.uint32());
    expect(words.every((word) => Number.isInteger(word) && word >= 0 && word < 2 ** 32)).toBe(true);
    expect(new Set(words).size).toBeGreaterThan(1990);
    expect(words.filter((word) => word >= 2 ** 31).length).toBeGreaterThan(800);
    expect(random.bytes(20)).toHaveLength(20);
  });

  it('tells memory, boot and process', () => {
    const machine = new SystemMachine();
    expect(machine.memoryBytes).toBeGreaterThan(machine.residentBytes());
    expect(machine.bootId).toBe(new SystemMachine().bootId);
    expect(machine.bootId.length).toBeGreaterThan(8);
    expect(machine.processId).toBe(process.pid);
    expect(machine.cpuTime().userUs).toBeGreaterThan(0);
  });
});

describe('a directory', () => {
  it('is refused where nothing can be made, and under a file', async () => {
    const disk = new SystemDisk();
    await expect(disk.makeDirectory('/proc/torc/deeper')).rejects.toMatchObject({ code: 'ENOENT' });
    const directory = await mkdtemp(join(tmpdir(), 'torc-directory-'));
    await writeFile(join(directory, 'file'), '');
    await expect(disk.makeDirectory(join(directory, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(disk.makeDirectory(join(directory, 'file/under'))).rejects.toMatchObject({
      code: 'ENOTDIR',
    });
    await disk.makeDirectory(join(directory, 'a/b/c'));
    await disk.makeDirectory(join(directory, 'a/b/c'));
    expect(await readdir(join(directory, 'a/b'))).toEqual(['c']);
    await rm(directory, { recursive: true });
  });
});

describe('the lock of a directory', () => {
  const disk = new SystemDisk();
  let directory = '';

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'torc-lock-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('is taken over from a process that is dead', async () => {
    const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' });
    await new Promise((resolve) => child.once('exit', resolve));
    await writeFile(join(directory, `lock.${String(child.pid)}.123-abc.x`), '');
    const lock = await disk.lock(join(directory, 'lock'));
    expect(lock).not.toBeNull();
    expect(await readdir(directory)).toHaveLength(1);
    await lock?.release();
    expect(await readdir(directory)).toEqual([]);
  });

  it('is taken over when the number of its process was given to another', async () => {
    await writeFile(join(directory, `lock.${String(process.ppid)}.1-0000.x`), '');
    expect(await disk.lock(join(directory, 'lock'))).not.toBeNull();
  });

  it('admits one of many at the same time, or none, and never two', async () => {
    const claims = await Promise.all(Array.from({ length: 8 }, () => disk.lock(join(directory, 'lock'))));
    expect(claims.filter((claim) => claim !== null).length).toBeLessThanOrEqual(1);
  });
});
