import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claimDirectory } from '../../src/cli/dev-directory.ts';
import { SystemDisk } from '../../src/env/disk.ts';
import { logDirectory, logLock } from '../../src/wal/directory.ts';

const CLUSTER = { nodes: 3, port: 6379, host: '127.0.0.1' };
const disk = new SystemDisk();
let directory: string;

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'torc-data-')), '.torc');
});

afterEach(() => rmSync(join(directory, '..'), { recursive: true, force: true }));

async function claim(cluster = CLUSTER, fresh = false): Promise<void> {
  const lock = await claimDirectory(disk, directory, cluster, fresh);
  await lock.release();
}

describe('the directory of torc dev', () => {
  it('is used by one at a time', async () => {
    const lock = await claimDirectory(disk, directory, CLUSTER, false);
    await expect(claim()).rejects.toThrow(`another torc dev uses the data in ${directory}, or`);
    await lock.release();
    await claim();
  });

  it('is one: a file is refused in a line', async () => {
    mkdirSync(join(directory, '..'), { recursive: true });
    writeFileSync(directory, '');
    await expect(claim()).rejects.toThrow(`${directory} cannot hold the data: it is no directory.`);
    directory = join(directory, 'below');
    await expect(claim()).rejects.toThrow('cannot hold the data: it is no directory.');
    directory = join(directory, '..');
  });

  it('keeps its cluster, and refuses another one without damage', async () => {
    await claim();
    mkdirSync(join(directory, 'node-0'));
    await claim();
    for (const other of [{ nodes: 5 }, { port: 7000 }, { host: 'box' }])
      await expect(claim({ ...CLUSTER, ...other })).rejects.toThrow(
        'holds a cluster of 3 nodes at 127.0.0.1:6379',
      );
    expect(existsSync(join(directory, 'node-0'))).toBe(true);
  });

  it('refuses the directory of a single node', async () => {
    mkdirSync(directory);
    writeFileSync(join(directory, 'cluster.json'), '{}');
    await expect(claim()).rejects.toThrow(
      `${directory} holds the data of a single node: give another --data.`,
    );
    await expect(claim(CLUSTER, true)).rejects.toThrow('a single node');
    expect(existsSync(join(directory, 'dev.json'))).toBe(false);
  });

  it('begins anew with fresh, and leaves what is not its own', async () => {
    await claim();
    mkdirSync(join(directory, 'node-0'));
    writeFileSync(join(directory, 'notes.txt'), '');
    await claim({ ...CLUSTER, nodes: 5 }, true);
    expect(existsSync(join(directory, 'node-0'))).toBe(false);
    expect(existsSync(join(directory, 'notes.txt'))).toBe(true);
    await claim({ ...CLUSTER, nodes: 5 });
  });

  it('removes nothing while a node uses its data', async () => {
    await claim();
    mkdirSync(join(directory, 'node-0'));
    const log = logDirectory(join(directory, 'node-1'));
    mkdirSync(log, { recursive: true });
    const lock = await disk.lock(logLock(log));
    await expect(claim(CLUSTER, true)).rejects.toThrow(
      `a process that runs uses the data in ${join(directory, 'node-1')}, or those of which they are a copy.`,
    );
    expect(existsSync(join(directory, 'node-0'))).toBe(true);
    await lock?.release();
    await claim(CLUSTER, true);
    expect(existsSync(join(directory, 'node-0'))).toBe(false);
  });

  it('says what to do about a damaged description', async () => {
    await claim();
    writeFileSync(join(directory, 'dev.json'), '{"nodes":');
    await expect(claim()).rejects.toThrow('is damaged: --fresh begins anew.');
  });
});
