import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { SystemClock } from '../../src/env/clock.ts';
import type { Disk, Random, Timers } from '../../src/env/contracts.ts';
import { SystemDisk } from '../../src/env/disk.ts';
import { SystemRandom } from '../../src/env/random.ts';
import { attachDisk } from '../../src/env/sim/disk-process.ts';
import { SimulatedClock, SimulatedTimers } from '../../src/env/sim/clock.ts';
import { SimulatedDisk } from '../../src/env/sim/disk.ts';
import { SeededRandom } from '../../src/env/sim/random.ts';
import { Scheduler } from '../../src/env/sim/scheduler.ts';
import { SystemTimers } from '../../src/env/timers.ts';
import {
  sealEntry,
  writeEntryHeader,
  ENTRY_HEADER_BYTES,
  EntryKind,
  type Entry,
} from '../../src/raft/entry.ts';
import { openWal, type OpenedWal, type WalSettings } from '../../src/wal/open.ts';
import type { Wal } from '../../src/wal/types.ts';

export const SEGMENT_BYTES = 8192;

/** A machine with a disk and a process on it: real, or simulated. What a suite needs, the same for both. */
export interface World {
  readonly directory: string;
  bootId: string;
  /** Errors handed to onFailure. */
  readonly failures: Error[];
  /** What the WAL's clock is ahead of the world's. */
  aheadMs: number;
  disk(): Disk;
  open(settings?: Partial<WalSettings>): Promise<OpenedWal>;
  /** The process dies as by kill -9. */
  kill(): Promise<void>;
  settle<T>(promise: Promise<T>): Promise<T>;
  read(path: string): Promise<Buffer>;
  write(path: string, bytes: Buffer): Promise<void>;
  dispose(): Promise<void>;
}

export type MakeWorld = () => Promise<World>;

abstract class BaseWorld {
  bootId = 'boot-1';
  readonly failures: Error[] = [];
  aheadMs = 0;
  abstract readonly directory: string;

  protected opening(
    disk: Disk,
    timers: Timers,
    random: Random,
    settings: Partial<WalSettings>,
  ): Promise<OpenedWal> {
    const clock = this.clock();
    const ahead = { monotonicMs: () => clock.monotonicMs() + this.aheadMs };
    return openWal(
      { disk, timers, random, clock: ahead, machine: { bootId: this.bootId } },
      {
        directory: this.directory,
        durability: 'fsync',
        segmentBytes: SEGMENT_BYTES,
        onFailure: (error) => this.failures.push(error),
        ...settings,
      },
    );
  }

  protected abstract clock(): { monotonicMs(): number };
}

const KILL_REST_MS = 5;

/** Passes calls on while `alive`; afterwards none does anything, or ever answers. */
function mortal<T extends object>(target: T, life: { alive: boolean }): T {
  return new Proxy(target, {
    get(object, name) {
      const member: unknown = Reflect.get(object, name, object);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown => {
        if (!life.alive) return new Promise(() => undefined);
        const result: unknown = Reflect.apply(member, object, args);
        if (name !== 'open') return result;
        return (result as Promise<object>).then((opened) => mortal(opened, life));
      };
    },
  });
}

/** Dies by cutting the process off, and going on with a copy of the directory. */
class RealWorld extends BaseWorld implements World {
  directory: string;
  #life = { alive: true };
  readonly #home: string;
  #lives = 0;

  constructor(home: string) {
    super();
    this.#home = home;
    this.directory = join(home, '0');
  }

  disk(): Disk {
    return new SystemDisk();
  }

  open(settings: Partial<WalSettings> = {}): Promise<OpenedWal> {
    return this.opening(
      mortal(new SystemDisk(), this.#life),
      new SystemTimers(),
      new SystemRandom(),
      settings,
    );
  }

  async kill(): Promise<void> {
    await this.#die();
    this.#lives += 1;
    const next = join(this.#home, String(this.#lives));
    await cp(this.directory, next, { recursive: true, filter: (source) => !source.includes('/lock.') });
    this.directory = next;
  }

  settle<T>(promise: Promise<T>): Promise<T> {
    return promise;
  }

  read(path: string): Promise<Buffer> {
    return readFile(path);
  }

  write(path: string, bytes: Buffer): Promise<void> {
    return writeFile(path, bytes);
  }

  async dispose(): Promise<void> {
    await this.#die();
    await rm(this.#home, { recursive: true, force: true });
  }

  async #die(): Promise<void> {
    this.#life.alive = false;
    this.#life = { alive: true };
    await new Promise((resolve) => {
      setTimeout(resolve, KILL_REST_MS);
    });
  }

  protected clock(): { monotonicMs(): number } {
    return new SystemClock();
  }
}

export class SimulatedWorld extends BaseWorld implements World {
  readonly directory = '/data';
  readonly scheduler = new Scheduler();
  readonly machineDisk: SimulatedDisk;
  #timers = new SimulatedTimers(this.scheduler);
  #disk: Disk | null = null;
  readonly #random: SeededRandom;

  constructor(seed: number) {
    super();
    this.machineDisk = new SimulatedDisk({ seed });
    this.#random = new SeededRandom(seed + 1);
  }

  /** A second process on a living machine shares the first one's disk and sees its lock. */
  disk(): Disk {
    if (this.#disk === null || !this.machineDisk.running) {
      this.#timers = new SimulatedTimers(this.scheduler);
      this.#disk = attachDisk(this.machineDisk, this.#timers);
    }
    return this.#disk;
  }

  open(settings: Partial<WalSettings> = {}): Promise<OpenedWal> {
    return this.scheduler.settle(this.start(settings));
  }

  /** Begins to open; for those who let it crash on the way. */
  start(settings: Partial<WalSettings> = {}): Promise<OpenedWal> {
    const disk = this.disk();
    return this.opening(disk, this.#timers, this.#random, settings);
  }

  async kill(): Promise<void> {
    this.stop('kill');
    await Promise.resolve();
  }

  stop(as: 'kill' | 'lost' | 'kept' | 'torn'): void {
    this.#timers.stop();
    this.machineDisk.crash(as);
    if (as !== 'kill') this.bootId = `${this.bootId}'`;
  }

  settle<T>(promise: Promise<T>): Promise<T> {
    return this.scheduler.settle(promise);
  }

  async read(path: string): Promise<Buffer> {
    await Promise.resolve();
    const content = this.machineDisk.content(path);
    if (content === null) throw new Error(`no ${path}`);
    return Buffer.from(content);
  }

  async write(path: string, bytes: Buffer): Promise<void> {
    await Promise.resolve();
    this.machineDisk.replaceContent(path, bytes);
  }

  async dispose(): Promise<void> {
    await Promise.resolve();
  }

  protected clock(): { monotonicMs(): number } {
    return new SimulatedClock(this.scheduler, { rate: 1, wallMs: 0 });
  }
}

export async function makeRealWorld(): Promise<World> {
  return new RealWorld(await mkdtemp(join(tmpdir(), 'torc-wal-')));
}

export async function makeSimulatedWorld(): Promise<World> {
  await Promise.resolve();
  return new SimulatedWorld(1);
}

/** An entry whose payload tells which it is. */
export function entryOf(term: number, index: number, payloadBytes = 40, seed = 0): Entry {
  const bytes = Buffer.alloc(ENTRY_HEADER_BYTES + payloadBytes, (index * 31 + term) & 0xff);
  writeEntryHeader(bytes, { kind: EntryKind.COMMANDS, rules: 1, seed, stampMs: index });
  return sealEntry(bytes, term, index);
}

export function entriesOf(term: number, from: number, to: number, payloadBytes = 40): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => entryOf(term, from + i, payloadBytes));
}

export function flush(world: World, wal: Wal): Promise<void> {
  return world.settle(
    new Promise<void>((resolve) => {
      wal.flush(resolve);
    }),
  );
}
