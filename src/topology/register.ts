/**
 * The newest topology that this node knows, synced before anybody acts on it. What is decided, and how, is another's business
 * (agreement.ts): here it is stored and handed on, and the last ones are kept for people.
 */
import type { Disk } from '../env/contracts.ts';
import { HOW_TO_REBUILD, StartupError } from '../errors.ts';
import { DamagedError } from '../wal/errors.ts';
import { decodeTopologyFile, encodeTopologyFile } from './topology-codec.ts';
import type { Epoch, Topology } from './types.ts';

const FILE_NAME = 'topology.json';
const NONE: Epoch = { generation: 0, epoch: 0 };

/** Decided topologies that are kept, for `torc topology history`. */
export const HISTORY_LIMIT = 32;
const HISTORY_DIRECTORY = 'topologies';
const HISTORY_FILE = /^(\d+)\.(\d+)\.json$/;

type RegisterDisk = Pick<Disk, 'readFile' | 'replaceFile' | 'makeDirectory' | 'list' | 'remove'>;

export interface TopologyRegister {
  /** The newest that is synced here; null before the founding. */
  readonly current: Topology | null;
  /** Takes in a decided topology; resolves once this one or a newer is synced. */
  offer(topology: Topology): Promise<void>;
  /** `run` is called with each that was synced from now on, the epoch higher each time. */
  onNewer(run: (topology: Topology) => void): void;
}

export class StoredRegister implements TopologyRegister {
  current: Topology | null;
  private readonly disk: RegisterDisk;
  private readonly path: string;
  private readonly history: string;
  private readonly listeners: ((topology: Topology) => void)[] = [];
  private newest: Topology | null;
  private writing: Promise<void> = Promise.resolve();

  private constructor(disk: RegisterDisk, directory: string, stored: Topology | null) {
    this.disk = disk;
    this.path = topologyPath(directory);
    this.history = `${directory}/${HISTORY_DIRECTORY}`;
    this.current = stored;
    this.newest = stored;
  }

  /** Throws StartupError when there is a file and it cannot be read. */
  static async open(disk: RegisterDisk, directory: string): Promise<StoredRegister> {
    const path = topologyPath(directory);
    const bytes = await disk.readFile(path);
    const stored = bytes === null ? null : decodeTopologyFile(path, bytes);
    if (bytes !== null && stored === null) throw unreadable(path);
    return new StoredRegister(disk, directory, stored);
  }

  offer(topology: Topology): Promise<void> {
    if (!isNewer(topology, this.newest ?? NONE)) return this.writing;
    this.newest = topology;
    this.writing = this.writing.then(() => this.store());
    return this.writing;
  }

  onNewer(run: (topology: Topology) => void): void {
    this.listeners.push(run);
  }

  /** As `onNewer`, and with what was synced before. Whoever asks first is called first. */
  watch(run: (topology: Topology) => void): void {
    if (this.current !== null) run(this.current);
    this.onNewer(run);
  }

  /** The last ones that were synced here, newest first. Those that a repair or the disk spoilt are left out. */
  async kept(): Promise<Topology[]> {
    const found: Topology[] = [];
    for (const epoch of await this.epochsKept()) {
      const path = historyPath(this.history, epoch);
      const bytes = await this.disk.readFile(path);
      const topology = bytes === null ? null : readable(path, bytes);
      if (topology !== null) found.push(topology);
    }
    return found;
  }

  private async remember(newest: Topology, bytes: Buffer): Promise<void> {
    await this.disk.makeDirectory(this.history);
    await this.disk.replaceFile(historyPath(this.history, newest), bytes);
    for (const old of (await this.epochsKept()).slice(HISTORY_LIMIT))
      await this.disk.remove(historyPath(this.history, old));
  }

  private async epochsKept(): Promise<Epoch[]> {
    const names = await this.disk.list(this.history);
    const epochs = names.map(epochIn).filter((epoch) => epoch !== null);
    return epochs.toSorted((a, b) => (isNewer(a, b) ? -1 : 1));
  }

  private async store(): Promise<void> {
    const { newest } = this;
    if (newest === null || newest === this.current) return;
    const bytes = encodeTopologyFile(newest);
    await this.disk.replaceFile(this.path, bytes);
    this.current = newest;
    // In the same turn: others are told of it from here on.
    for (const listener of this.listeners) listener(newest);
    await this.remember(newest, bytes);
  }
}

function historyPath(directory: string, { generation, epoch }: Epoch): string {
  return `${directory}/${generation}.${epoch}.json`;
}

function epochIn(name: string): Epoch | null {
  const found = HISTORY_FILE.exec(name);
  return found === null ? null : { generation: Number(found[1]), epoch: Number(found[2]) };
}

export function topologyPath(directory: string): string {
  return `${directory}/${FILE_NAME}`;
}

export function isNewer(one: Epoch, other: Epoch): boolean {
  return one.generation !== other.generation ? one.generation > other.generation : one.epoch > other.epoch;
}

function readable(path: string, bytes: Uint8Array): Topology | null {
  try {
    return decodeTopologyFile(path, bytes);
  } catch (error) {
    if (error instanceof DamagedError) return null;
    throw error;
  }
}

function unreadable(path: string): StartupError {
  return new StartupError(
    'TORC_TOPOLOGY_FILE',
    `${path} cannot be read by this version, from offset 0 on: bring back a whole one, or ${HOW_TO_REBUILD}`,
  );
}
