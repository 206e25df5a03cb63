import { assert } from '../assert.ts';
import type { Disk, DiskFile } from '../env/contracts.ts';
import { syncOf, writeTo } from './segment-files.ts';
import {
  CHUNK_BYTES,
  CHUNK_HEADER_BYTES,
  CHUNK_STRIDE,
  chunkChecksum,
  encodeSnapshotHeader,
  type SnapshotPlan,
} from './snapshot-format.ts';
import type { SnapshotFileWriter } from './types.ts';

/** A snapshot is synced bit by bit, so that no sync of the log has to wait behind all of it. */
const BYTES_PER_SYNC = 4 * 1024 * 1024;

/** Gathers the content into chunks. One `append` at a time. */
export class ChunkedSnapshotWriter implements SnapshotFileWriter {
  readonly #disk: Disk;
  readonly #file: DiskFile;
  readonly #plan: SnapshotPlan;
  /** Makes the whole file the group's snapshot. */
  readonly #publish: (path: string) => Promise<void>;
  /** Room for the checksum in front. */
  readonly #chunk = Buffer.allocUnsafeSlow(CHUNK_STRIDE);
  #chunkBytes = 0;
  #chunks = 0;
  #unsyncedBytes = 0;
  #sizeBytes = 0;
  #ended = false;

  constructor(disk: Disk, file: DiskFile, plan: SnapshotPlan, publish: (path: string) => Promise<void>) {
    this.#disk = disk;
    this.#file = file;
    this.#plan = plan;
    this.#publish = publish;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  async append(bytes: Uint8Array): Promise<void> {
    assert(!this.#ended, 'a snapshot that has ended takes no more content');
    let taken = 0;
    while (taken < bytes.length) {
      const part = bytes.subarray(taken, taken + CHUNK_BYTES - this.#chunkBytes);
      this.#chunk.set(part, CHUNK_HEADER_BYTES + this.#chunkBytes);
      this.#chunkBytes += part.length;
      this.#sizeBytes += part.length;
      taken += part.length;
      if (this.#chunkBytes === CHUNK_BYTES) await this.#writeChunk();
    }
  }

  async commit(): Promise<void> {
    assert(!this.#ended, 'a snapshot ends once');
    this.#ended = true;
    if (this.#chunkBytes > 0) await this.#writeChunk();
    await writeTo(this.#file, encodeSnapshotHeader(this.#plan, this.#sizeBytes), 0);
    await syncOf(this.#file);
    await this.#file.close();
    await this.#publish(this.#file.path);
  }

  async abandon(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#file.close();
    await this.#disk.remove(this.#file.path);
  }

  async #writeChunk(): Promise<void> {
    const end = CHUNK_HEADER_BYTES + this.#chunkBytes;
    const content = this.#chunk.subarray(CHUNK_HEADER_BYTES, end);
    this.#chunk.writeUInt32LE(chunkChecksum(content, this.#plan.salt, this.#chunks), 0);
    const position = this.#plan.contentStart + this.#chunks * CHUNK_STRIDE;
    await writeTo(this.#file, this.#chunk.subarray(0, end), position);
    this.#chunks += 1;
    this.#chunkBytes = 0;
    this.#unsyncedBytes += end;
    if (this.#unsyncedBytes < BYTES_PER_SYNC) return;
    this.#unsyncedBytes = 0;
    await syncOf(this.#file);
  }
}
