import type { Disk, DiskDone, DiskFile, DiskLock, Timers } from '../contracts.ts';
import { parentOf, systemError, type DiskUser, type SimulatedDisk } from './disk.ts';
import { Inode } from './inode.ts';

/** The disk as a new process on its machine sees it. */
export function attachDisk(disk: SimulatedDisk, timers: Timers): Disk {
  const process = new DiskProcess(disk, timers);
  disk.begin(process);
  return process;
}

const SPACE_BYTES = 2 ** 40;

class DiskProcess implements Disk, DiskUser {
  alive = true;
  readonly opened: Inode[] = [];
  readonly disk: SimulatedDisk;
  readonly timers: Timers;

  constructor(disk: SimulatedDisk, timers: Timers) {
    this.disk = disk;
    this.timers = timers;
  }

  /** Counts an operation; false when the process is dead, or dies of this one. */
  lives(): boolean {
    if (this.alive && this.disk.crashIsDue()) this.disk.crashAsOrdered();
    return this.alive;
  }

  /** A write may have got a part of the way when the process dies of it. */
  livesToWrite(inode: Inode, bytes: Uint8Array, position: number): boolean {
    if (this.alive && this.disk.crashIsDue()) {
      inode.write(position, bytes.subarray(0, this.disk.random.below(bytes.length + 1)));
      this.disk.crashAsOrdered();
    }
    return this.alive;
  }

  closed(inode: Inode): void {
    this.opened.splice(this.opened.indexOf(inode), 1);
    this.disk.releaseUnused();
  }

  /** Answers at once, or never when dead. */
  perform<T>(operation: () => T): Promise<T> {
    return new Promise((resolve) => {
      if (this.lives()) resolve(attempt(operation));
    });
  }

  open(path: string, options: { create: boolean }): Promise<DiskFile> {
    return this.perform(() => {
      let inode = this.disk.inode(path);
      if (inode === undefined) {
        if (!options.create || !this.disk.hasDirectory(parentOf(path)))
          throw systemError('ENOENT', 'open', path);
        inode = new Inode();
        this.disk.changeNames([path, inode]);
      }
      return new DiskHandle(this, path, inode);
    });
  }

  readFile(path: string): Promise<Uint8Array | null> {
    return this.perform(() => this.disk.inode(path)?.bytes() ?? null);
  }

  replaceFile(path: string, bytes: Uint8Array): Promise<void> {
    return this.perform(() => {
      const error =
        this.disk.strike('write', path) ??
        this.disk.refuseGrowth(new Inode(), bytes.length, path) ??
        this.disk.strike('sync', path);
      if (error !== null) throw error;
      const inode = new Inode();
      inode.write(0, bytes);
      inode.sync(inode.changesMade);
      this.disk.changeNames([path, inode]);
      this.disk.syncNames(parentOf(path));
    });
  }

  list(path: string): Promise<string[]> {
    return this.perform(() =>
      this.disk
        .paths()
        .filter((file) => parentOf(file) === path)
        .map((file) => file.slice(path.length + 1)),
    );
  }

  makeDirectory(path: string): Promise<void> {
    return this.perform(() => {
      for (let directory = path; directory !== ''; directory = parentOf(directory))
        this.disk.addDirectory(directory);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.perform(() => {
      const inode = this.disk.inode(from);
      if (inode === undefined) throw systemError('ENOENT', 'rename', from);
      this.disk.changeNames([to, inode], [from, null]);
      this.disk.syncNames(parentOf(to));
      this.disk.syncNames(parentOf(from));
    });
  }

  remove(path: string): Promise<void> {
    return this.perform(() => {
      if (this.disk.inode(path) !== undefined) this.disk.changeNames([path, null]);
    });
  }

  removeTree(path: string): Promise<void> {
    return this.perform(() => {
      for (const file of this.disk.paths()) {
        if (file === path || file.startsWith(`${path}/`)) this.disk.changeNames([file, null]);
      }
    });
  }

  syncDirectory(path: string): Promise<void> {
    return this.perform(() => {
      const error = this.disk.strike('sync', path);
      if (error !== null) throw error;
      this.disk.syncNames(path);
    });
  }

  /** It is full when its faults say so, and not before. */
  space(): Promise<{ totalBytes: number; freeBytes: number }> {
    return Promise.resolve({ totalBytes: SPACE_BYTES, freeBytes: SPACE_BYTES });
  }

  lock(path: string): Promise<DiskLock | null> {
    return this.perform(() => {
      if (!this.disk.takeLock(path)) return null;
      return { release: () => this.perform(() => this.disk.releaseLock(path)) };
    });
  }
}

interface QueuedWrite {
  bytes: Uint8Array;
  position: number;
  done: DiskDone;
}

class DiskHandle implements DiskFile {
  readonly path: string;
  readonly #process: DiskProcess;
  readonly #inode: Inode;
  readonly #queue: QueuedWrite[] = [];
  #isClosed = false;

  constructor(process: DiskProcess, path: string, inode: Inode) {
    this.#process = process;
    this.path = path;
    this.#inode = inode;
    process.opened.push(inode);
  }

  sizeBytes(): Promise<number> {
    return this.#process.perform(() => this.#inode.length);
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return this.#process.perform(() => this.#inode.read(target, position));
  }

  /** In a dead process nothing comes after this: it throws. */
  writeNow(given: Uint8Array, position: number, sizeBytes: number = given.length): void {
    const bytes = given.subarray(0, sizeBytes);
    if (!this.#process.livesToWrite(this.#inode, bytes, position)) {
      throw systemError('ESHUTDOWN', 'the process is dead: write', this.path);
    }
    const error = this.#put(bytes, position);
    if (error !== null) throw error;
  }

  write(bytes: Uint8Array, position: number, done: DiskDone): void {
    this.#queue.push({ bytes, position, done });
    if (this.#queue.length === 1) this.#writeNext();
  }

  sync(done: DiskDone): void {
    const { disk, timers } = this.#process;
    const upTo = this.#inode.changesMade;
    timers.after(disk.syncMs, () => {
      if (!this.#process.lives()) return;
      const error = disk.strike('sync', this.path);
      if (error === null) this.#inode.sync(upTo);
      else this.#inode.failSync(upTo);
      done(error);
    });
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#process.perform(() => this.#inode.truncate(sizeBytes));
  }

  close(): Promise<void> {
    return this.#process.perform(() => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      this.#process.closed(this.#inode);
    });
  }

  #writeNext(): void {
    const { disk, timers } = this.#process;
    const { bytes, position, done } = this.#queue[0];
    timers.after(disk.writeMs, () => {
      if (!this.#process.livesToWrite(this.#inode, bytes, position)) return;
      const error = this.#put(bytes, position);
      this.#queue.shift();
      if (this.#queue.length > 0) this.#writeNext();
      done(error);
    });
  }

  #put(bytes: Uint8Array, position: number): Error | null {
    const { disk } = this.#process;
    const error =
      disk.strike('write', this.path) ?? disk.refuseGrowth(this.#inode, position + bytes.length, this.path);
    if (error === null) this.#inode.write(position, bytes);
    return error;
  }
}

/** A promise resolved with this takes on the outcome, a thrown error included. */
function attempt<T>(operation: () => T): Promise<T> {
  try {
    return Promise.resolve(operation());
  } catch (error) {
    return Promise.reject(error instanceof Error ? error : new Error(String(error)));
  }
}
