import type { Disk, Random } from '../env/contracts.ts';
import { HOW_TO_REBUILD, StartupError } from '../errors.ts';
import { clusterOf } from './founding.ts';
import type { FoundingState } from './founding.ts';
import { decodeFoundingFile, encodeFoundingFile } from './founding-codec.ts';
import type { ClusterId, NodeId } from './types.ts';

export const CLUSTER_FILE_NAME = 'cluster.json';
const ID_BYTES = 20;

/** What it needs of the disk. */
type ClusterFileDisk = Pick<Disk, 'readFile' | 'replaceFile' | 'makeDirectory'>;

/** Who this node is and which cluster it belongs to: one small file in the data directory. */
export class ClusterFile {
  private readonly disk: ClusterFileDisk;
  private readonly path: string;
  private current: FoundingState;

  private constructor(disk: ClusterFileDisk, path: string, state: FoundingState) {
    this.disk = disk;
    this.path = path;
    this.current = state;
  }

  /** Reads it; an empty directory gets a new node id, synced before anybody hears of it. */
  static async open(disk: ClusterFileDisk, random: Random, directory: string): Promise<ClusterFile> {
    const path = `${directory}/${CLUSTER_FILE_NAME}`;
    const bytes = await disk.readFile(path);
    if (bytes !== null) {
      const state = decodeFoundingFile(path, bytes);
      if (state === null) throw unreadable(path);
      return new ClusterFile(disk, path, state);
    }
    const file = new ClusterFile(disk, path, { phase: 'unfounded', node: drawId(random) });
    await disk.makeDirectory(directory);
    await file.save(file.current);
    return file;
  }

  /** It has taken the place of a node that lost its disk, and has not begun a log yet. */
  get isReturning(): boolean {
    return this.current.phase === 'founded' && this.current.isReturning === true;
  }

  /** Whether a node has begun in this directory before. Throws StartupError when that cannot be told. */
  static async exists(disk: Pick<ClusterFileDisk, 'readFile'>, directory: string): Promise<boolean> {
    const path = `${directory}/${CLUSTER_FILE_NAME}`;
    try {
      return (await disk.readFile(path)) !== null;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new StartupError('TORC_DISK', `the data in ${directory} cannot be read: ${reason}`, {
        cause: error,
      });
    }
  }

  get state(): FoundingState {
    return this.current;
  }

  get node(): NodeId {
    return this.current.node;
  }

  /** Null until this node is founded. */
  get clusterId(): ClusterId | null {
    return this.current.phase === 'founded' ? (clusterOf(this.current)?.id ?? null) : null;
  }

  /** Its log has begun. */
  async returned(): Promise<void> {
    const { current } = this;
    if (current.phase !== 'founded' || current.isReturning !== true) return;
    const { isReturning: _, ...rest } = current;
    await this.save(rest);
  }

  /** A topology was synced in this directory. */
  get hasTopology(): boolean {
    return this.current.phase === 'founded' && this.current.hasTopology === true;
  }

  async topologyStored(): Promise<void> {
    const { current } = this;
    if (current.phase === 'founded' && !this.hasTopology) await this.save({ ...current, hasTopology: true });
  }

  /** Its members were replaced while it was away. */
  get wasReplaced(): boolean {
    return this.current.phase === 'founded' && this.current.wasReplaced === true;
  }

  /** Until what is here of the members was set aside. */
  async replaced(): Promise<void> {
    const { current } = this;
    if (current.phase === 'founded') await this.save({ ...current, wasReplaced: true });
  }

  async setAside(): Promise<void> {
    const { current } = this;
    if (current.phase !== 'founded' || current.wasReplaced !== true) return;
    const { wasReplaced: _, ...rest } = current;
    await this.save(rest);
  }

  async save(state: FoundingState): Promise<void> {
    await this.disk.replaceFile(this.path, encodeFoundingFile(state));
    this.current = state;
  }
}

/** 40 hex digits. */
export function drawId(random: Random): string {
  return Buffer.from(random.bytes(ID_BYTES)).toString('hex');
}

function unreadable(path: string): StartupError {
  return new StartupError(
    'TORC_CLUSTER_FILE',
    `${path} cannot be read by this version, from offset 0 on: bring back a whole one, or ${HOW_TO_REBUILD}`,
  );
}
