import {
  close,
  constants,
  fdatasync,
  fstat,
  fsync,
  ftruncate,
  open as openCallback,
  read as readCallback,
  write as writeCallback,
  writeSync,
} from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, statfs, unlink } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';

import type { Disk, DiskDone, DiskFile, DiskLock } from './contracts.ts';
import { claimLock } from './lock-file.ts';

const openDescriptor = promisify(openCallback);
const closeDescriptor = promisify(close);
const statDescriptor = promisify(fstat);
const syncDescriptor = promisify(fsync);
const truncateDescriptor = promisify(ftruncate);

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** A directory that is there already is as good. */
async function makeOne(path: string): Promise<'made' | 'no parent'> {
  try {
    await mkdir(path, { mode: DIRECTORY_MODE });
  } catch (error) {
    if (isAbsent(error)) return 'no parent';
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error;
  }
  return 'made';
}

export class SystemDisk implements Disk {
  async open(path: string, options: { create: boolean }): Promise<DiskFile> {
    const flags = constants.O_RDWR | (options.create ? constants.O_CREAT : 0);
    return new SystemFile(path, await openDescriptor(path, flags, FILE_MODE));
  }

  async readFile(path: string): Promise<Uint8Array | null> {
    try {
      return await readFile(path);
    } catch (error) {
      if (isAbsent(error)) return null;
      throw error;
    }
  }

  async replaceFile(path: string, bytes: Uint8Array): Promise<void> {
    const beside = `${path}.new`;
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC;
    const descriptor = await openDescriptor(beside, flags, FILE_MODE);
    try {
      await writeAll(descriptor, bytes);
      await syncDescriptor(descriptor);
    } finally {
      await closeDescriptor(descriptor);
    }
    await this.rename(beside, path);
  }

  async list(path: string): Promise<string[]> {
    try {
      return (await readdir(path)).sort();
    } catch (error) {
      if (isAbsent(error)) return [];
      throw error;
    }
  }

  async makeDirectory(path: string): Promise<void> {
    if ((await makeOne(path)) === 'no parent') {
      await this.makeDirectory(dirname(resolve(path)));
      // Not by mkdir's own recursion: where nothing can be made (/proc) it tries for ever.
      await mkdir(path, { mode: DIRECTORY_MODE });
    }
    await this.syncDirectory(dirname(resolve(path)));
  }

  async rename(from: string, to: string): Promise<void> {
    await rename(from, to);
    await this.syncDirectory(dirname(to));
    if (dirname(from) !== dirname(to)) await this.syncDirectory(dirname(from));
  }

  async remove(path: string): Promise<void> {
    try {
      await unlink(path);
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }

  async removeTree(path: string): Promise<void> {
    await rm(path, { recursive: true, force: true });
  }

  async syncDirectory(path: string): Promise<void> {
    const descriptor = await openDescriptor(path, constants.O_RDONLY);
    try {
      await syncDescriptor(descriptor);
    } finally {
      await closeDescriptor(descriptor);
    }
  }

  async space(path: string): Promise<{ totalBytes: number; freeBytes: number }> {
    const { bsize, blocks, bavail } = await statfs(path);
    return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
  }

  lock(path: string): Promise<DiskLock | null> {
    return claimLock(path);
  }
}

interface QueuedWrite {
  bytes: Uint8Array;
  position: number;
  done: DiskDone;
}

class SystemFile implements DiskFile {
  readonly path: string;
  readonly #descriptor: number;
  /** Writes wait for the one before: the thread pool would run them in any order. */
  readonly #queue: QueuedWrite[] = [];

  constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  async sizeBytes(): Promise<number> {
    return (await statDescriptor(this.#descriptor)).size;
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      readCallback(this.#descriptor, target, 0, target.length, position, (error, count) => {
        if (error === null) resolve(count);
        else reject(error);
      });
    });
  }

  writeNow(bytes: Uint8Array, position: number, sizeBytes: number = bytes.length): void {
    let written = 0;
    while (written < sizeBytes) {
      written += writeSync(this.#descriptor, bytes, written, sizeBytes - written, position + written);
    }
  }

  write(bytes: Uint8Array, position: number, done: DiskDone): void {
    this.#queue.push({ bytes, position, done });
    if (this.#queue.length === 1) this.#writeNext();
  }

  sync(done: DiskDone): void {
    fdatasync(this.#descriptor, done);
  }

  truncate(sizeBytes: number): Promise<void> {
    return truncateDescriptor(this.#descriptor, sizeBytes);
  }

  close(): Promise<void> {
    return closeDescriptor(this.#descriptor);
  }

  #writeNext(): void {
    const { bytes, position, done } = this.#queue[0];
    writeFrom(this.#descriptor, bytes, 0, position, (error) => {
      this.#queue.shift();
      if (this.#queue.length > 0) this.#writeNext();
      done(error);
    });
  }
}

/** The system may take a part only. */
function writeFrom(
  descriptor: number,
  bytes: Uint8Array,
  start: number,
  position: number,
  done: DiskDone,
): void {
  writeCallback(descriptor, bytes, start, bytes.length - start, position, (error, count) => {
    const written = start + count;
    if (error !== null || written === bytes.length) done(error);
    else writeFrom(descriptor, bytes, written, position + count, done);
  });
}

function writeAll(descriptor: number, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    writeFrom(descriptor, bytes, 0, 0, (error) => (error === null ? resolve() : reject(error)));
  });
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
