import type { Disk, Random } from '../env/contracts.ts';
import type { GroupId, SnapshotMeta } from '../raft/types.ts';
import { decodeSnapshotHeader, planSnapshot, SNAPSHOT_HEAD_BYTES } from './snapshot-format.ts';
import { ChunkedSnapshotReader } from './snapshot-reader.ts';
import { ChunkedSnapshotWriter } from './snapshot-writer.ts';
import type { SnapshotFileReader, SnapshotFiles, SnapshotFileWriter } from './types.ts';

const COMMITTED = /^(\d+)-(\d+)\.snapshot$/;

/** A group's committed snapshot: the highest index wins, and older ones are removed. */
interface Committed {
  path: string;
  index: number;
}

/** One directory for the snapshots of all groups: `<group>-<index>.snapshot`; what is being written has another ending. */
export class SnapshotDirectory implements SnapshotFiles {
  readonly #disk: Disk;
  readonly #random: Pick<Random, 'uint32'>;
  readonly #directory: string;
  readonly #committed = new Map<GroupId, Committed>();
  #partials = 0;

  constructor(disk: Disk, random: Pick<Random, 'uint32'>, directory: string) {
    this.#disk = disk;
    this.#random = random;
    this.#directory = directory;
  }

  /** Removes what a crash left behind; returns the snapshots that there are. A damaged one is refused. */
  async recover(): Promise<Map<GroupId, SnapshotMeta>> {
    await this.#disk.makeDirectory(this.#directory);
    for (const name of await this.#disk.list(this.#directory)) {
      const path = `${this.#directory}/${name}`;
      const match = COMMITTED.exec(name);
      if (match === null) await this.#disk.remove(path);
      else await this.#adopt(Number(match[1]), { path, index: Number(match[2]) });
    }
    await this.#disk.syncDirectory(this.#directory);
    const metas = new Map<GroupId, SnapshotMeta>();
    for (const [group, { path }] of this.#committed) {
      const reader = await this.#read(path);
      metas.set(group, reader.meta);
      await reader.close();
    }
    return metas;
  }

  async create(group: GroupId, meta: SnapshotMeta): Promise<SnapshotFileWriter> {
    this.#partials += 1;
    const path = `${this.#directory}/${group}-${meta.index}.partial-${this.#partials}`;
    const file = await this.#disk.open(path, { create: true });
    const plan = planSnapshot(meta, this.#random.uint32());
    return new ChunkedSnapshotWriter(this.#disk, file, plan, async (written) => {
      const committed = { path: `${this.#directory}/${group}-${meta.index}.snapshot`, index: meta.index };
      await this.#disk.rename(written, committed.path);
      await this.#adopt(group, committed);
    });
  }

  async open(group: GroupId): Promise<SnapshotFileReader | null> {
    const committed = this.#committed.get(group);
    return committed === undefined ? null : this.#read(committed.path);
  }

  async remove(group: GroupId): Promise<void> {
    const committed = this.#committed.get(group);
    if (committed === undefined) return;
    this.#committed.delete(group);
    await this.#disk.remove(committed.path);
    await this.#disk.syncDirectory(this.#directory);
  }

  /** Of two, the one with the lower index goes. */
  async #adopt(group: GroupId, committed: Committed): Promise<void> {
    const other = this.#committed.get(group);
    if (other !== undefined && other.index > committed.index) {
      await this.#disk.remove(committed.path);
      return;
    }
    this.#committed.set(group, committed);
    if (other !== undefined && other.path !== committed.path) await this.#disk.remove(other.path);
  }

  async #read(path: string): Promise<ChunkedSnapshotReader> {
    const file = await this.#disk.open(path, { create: false });
    try {
      const sizeBytes = await file.sizeBytes();
      const head = Buffer.alloc(Math.min(sizeBytes, SNAPSHOT_HEAD_BYTES));
      const length = await file.read(head, 0);
      return new ChunkedSnapshotReader(file, decodeSnapshotHeader(path, head.subarray(0, length), sizeBytes));
    } catch (error) {
      await file.close();
      throw error;
    }
  }
}
