/**
 * The newest topology that this node knows, synced before anybody acts on it. What is decided, and how, is another's business
 * (decision.ts, and later Paxos): here it is stored and handed on.
 */
import type { Disk } from '../env/contracts.ts';
import { HOW_TO_REBUILD, StartupError } from '../errors.ts';
import { decodeTopologyFile, encodeTopologyFile } from './topology-codec.ts';
import type { Epoch, Topology } from './types.ts';

const FILE_NAME = 'topology.json';
const NONE: Epoch = { generation: 0, epoch: 0 };

type RegisterDisk = Pick<Disk, 'readFile' | 'replaceFile'>;

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
  private readonly listeners: ((topology: Topology) => void)[] = [];
  private newest: Topology | null;
  private writing: Promise<void> = Promise.resolve();

  private constructor(disk: RegisterDisk, path: string, stored: Topology | null) {
    this.disk = disk;
    this.path = path;
    this.current = stored;
    this.newest = stored;
  }

  /** Throws StartupError when there is a file and it cannot be read. */
  static async open(disk: RegisterDisk, directory: string): Promise<StoredRegister> {
    const path = topologyPath(directory);
    const bytes = await disk.readFile(path);
    const stored = bytes === null ? null : decodeTopologyFile(path, bytes);
    if (bytes !== null && stored === null) throw unreadable(path);
    return new StoredRegister(disk, path, stored);
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

  private async store(): Promise<void> {
    const { newest } = this;
    if (newest === null || newest === this.current) return;
    await this.disk.replaceFile(this.path, encodeTopologyFile(newest));
    this.current = newest;
    for (const listener of this.listeners) listener(newest);
  }
}

export function topologyPath(directory: string): string {
  return `${directory}/${FILE_NAME}`;
}

export function isNewer(one: Epoch, other: Epoch): boolean {
  return one.generation !== other.generation ? one.generation > other.generation : one.epoch > other.epoch;
}

function unreadable(path: string): StartupError {
  return new StartupError(
    'TORC_TOPOLOGY_FILE',
    `${path} cannot be read by this version, from offset 0 on: bring back a whole one, or ${HOW_TO_REBUILD}`,
  );
}
