import { Inode, type PowerLoss } from './inode.ts';
import { SeededRandom } from './random.ts';

/** A change of names that belongs together: a path gets a file, or none. */
interface NameChange {
  names: readonly (readonly [path: string, inode: Inode | null])[];
}

export interface SimulatedDiskInit {
  seed: number;
  /** Writes that would need more fail with ENOSPC. Default: no limit. */
  capacityBytes?: number;
  writeMs?: number;
  syncMs?: number;
}

type FaultKind = 'write' | 'sync';

/** A fault that strikes once `after` more operations of its kind have gone well. */
interface Fault {
  code: string;
  after: number;
  /** It struck for good. */
  lasting: boolean;
}

/** What happens to a disk when the process or the machine stops. */
export type Crash = 'kill' | PowerLoss;

/** A process that uses the disk. Once it is dead, nothing that it asked for happens or answers. */
export interface DiskUser {
  alive: boolean;
  /** Files that it holds open, once for each time. */
  readonly opened: Inode[];
}

/**
 * A machine's disk, in memory. It knows what was written and what was synced, files and names apart. A process uses it through
 * `attachDisk`; a crash ends the process, and leaves what that crash leaves.
 */
export class SimulatedDisk {
  readonly random: SeededRandom;
  /** How long an asynchronous write or sync takes; may be changed at any time. */
  writeMs: number;
  syncMs: number;
  capacityBytes: number;
  readonly #names = new Map<string, Inode>();
  readonly #durableNames = new Map<string, Inode>();
  #nameChanges: NameChange[] = [];
  /** Files that lost a name: whoever is left without any, and is not open, gives its memory back. */
  readonly #unnamed = new Set<Inode>();
  readonly #directories = new Set<string>();
  readonly #locks = new Set<string>();
  readonly #faults = new Map<FaultKind, Fault>();
  /** Told of a crash that was ordered, in the midst of the operation in whose place it comes. */
  onCrashed: (() => void) | null = null;
  #user: DiskUser | null = null;
  #operationsUntilCrash = Infinity;
  #crashAs: Crash = 'kill';

  constructor(init: SimulatedDiskInit) {
    this.random = new SeededRandom(init.seed);
    this.capacityBytes = init.capacityBytes ?? Infinity;
    this.writeMs = init.writeMs ?? 0.05;
    this.syncMs = init.syncMs ?? 0.2;
  }

  /** The process before is taken for dead. */
  begin(user: DiskUser): void {
    this.#endUser();
    this.#operationsUntilCrash = Infinity;
    this.#user = user;
  }

  get running(): boolean {
    return this.#user?.alive === true;
  }

  /** `kill`: the process dies, what it wrote is there. Else the machine stops, and what was not synced is lost, kept or torn. */
  crash(as: Crash): void {
    this.#endUser();
    if (as === 'kill') return;
    const inodes = new Set([...this.#names.values(), ...this.#durableNames.values()]);
    const keptNames =
      as === 'lost' ? 0 : as === 'kept' ? Infinity : this.random.below(this.#nameChanges.length + 1);
    // A journal of names keeps their order: what survives is a beginning.
    for (const change of this.#nameChanges.slice(0, keptNames)) applyNames(this.#durableNames, change);
    this.#nameChanges = [];
    for (const inode of inodes) inode.losePower(as, this.random);
    this.#names.clear();
    for (const [path, inode] of this.#durableNames) this.#names.set(path, inode);
    for (const inode of inodes) this.#unnamed.add(inode);
    this.releaseUnused();
  }

  #endUser(): void {
    if (this.#user !== null) {
      this.#user.alive = false;
      this.#user.opened.length = 0;
    }
    this.#user = null;
    this.#locks.clear();
    this.releaseUnused();
  }

  /** Memory of files that nobody can read again. */
  releaseUnused(): void {
    if (this.#unnamed.size === 0) return;
    const used = new Set([
      ...this.#names.values(),
      ...this.#durableNames.values(),
      ...(this.#user?.opened ?? []),
    ]);
    for (const { names } of this.#nameChanges)
      for (const [, inode] of names) if (inode !== null) used.add(inode);
    for (const inode of this.#unnamed) {
      if (used.has(inode)) continue;
      inode.release();
      this.#unnamed.delete(inode);
    }
  }

  /** The machine is not used any more: its memory serves the next one. */
  dispose(): void {
    for (const inode of [...this.#names.values(), ...this.#durableNames.values()]) this.#unnamed.add(inode);
    this.#names.clear();
    this.#durableNames.clear();
    this.#nameChanges = [];
    this.crash('kill');
  }

  /** Crashes by itself in place of the operation that comes after `operations` more. */
  crashAfter(operations: number, as: Crash): void {
    this.#operationsUntilCrash = operations;
    this.#crashAs = as;
  }

  /** The writes (or syncs) fail with `code`, once or from then on, after `after` more that succeed. */
  failAfter(kind: FaultKind, code: string, after = 0, lasting = true): void {
    this.#faults.set(kind, { code, after, lasting });
  }

  heal(): void {
    this.#faults.clear();
  }

  flipBit(path: string, offset: number, bit: number): void {
    this.inode(path)?.flipBit(offset, bit);
  }

  /** Damages a file on purpose: it holds these bytes, durably. */
  replaceContent(path: string, bytes: Uint8Array): void {
    const inode = new Inode();
    inode.write(0, bytes);
    inode.sync(inode.changesMade);
    this.#names.set(path, inode);
    this.#durableNames.set(path, inode);
  }

  /** Loses a file on purpose, durably. */
  removeContent(path: string): void {
    this.#names.delete(path);
    this.#durableNames.delete(path);
  }

  /** What a reader sees, or null. */
  content(path: string): Uint8Array | null {
    return this.inode(path)?.bytes() ?? null;
  }

  /** All files there are, sorted. */
  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  inode(path: string): Inode | undefined {
    return this.#names.get(path);
  }

  changeNames(...names: (readonly [path: string, inode: Inode | null])[]): void {
    const change = { names };
    for (const [path] of names) {
      const before = this.#names.get(path);
      if (before !== undefined) this.#unnamed.add(before);
    }
    applyNames(this.#names, change);
    this.#nameChanges.push(change);
  }

  syncNames(directory: string): void {
    const left: NameChange[] = [];
    for (const change of this.#nameChanges) {
      if (change.names.some(([path]) => parentOf(path) === directory)) applyNames(this.#durableNames, change);
      else left.push(change);
    }
    this.#nameChanges = left;
    this.releaseUnused();
  }

  addDirectory(path: string): void {
    this.#directories.add(path);
  }

  hasDirectory(path: string): boolean {
    return this.#directories.has(path);
  }

  takeLock(path: string): boolean {
    if (this.#locks.has(path)) return false;
    this.#locks.add(path);
    return true;
  }

  releaseLock(path: string): void {
    this.#locks.delete(path);
  }

  /** The fault that strikes the next operation of this kind, if one does. */
  strike(kind: FaultKind, path: string): Error | null {
    const fault = this.#faults.get(kind);
    if (fault === undefined) return null;
    if (fault.after > 0) {
      fault.after -= 1;
      return null;
    }
    if (!fault.lasting) this.#faults.delete(kind);
    return systemError(fault.code, kind, path);
  }

  /** What all files take. */
  usedBytes(): number {
    let usedBytes = 0;
    for (const inode of this.#names.values()) usedBytes += inode.length;
    return usedBytes;
  }

  /** Null when there is room for the file to grow to `sizeBytes`. */
  refuseGrowth(inode: Inode, sizeBytes: number, path: string): Error | null {
    if (this.capacityBytes === Infinity || sizeBytes <= inode.length) return null;
    return this.usedBytes() + sizeBytes - inode.length > this.capacityBytes
      ? systemError('ENOSPC', 'write', path)
      : null;
  }

  /** Counts an operation; true when the crash that was ordered is due in its place. */
  crashIsDue(): boolean {
    this.#operationsUntilCrash -= 1;
    return this.#operationsUntilCrash < 0;
  }

  crashAsOrdered(): void {
    this.#operationsUntilCrash = Infinity;
    this.crash(this.#crashAs);
    this.onCrashed?.();
  }
}

function applyNames(names: Map<string, Inode>, change: NameChange): void {
  for (const [path, inode] of change.names) {
    if (inode === null) names.delete(path);
    else names.set(path, inode);
  }
}

export function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0));
}

export function systemError(code: string, operation: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${operation} '${path}'`), { code });
}
