import type { DiskFile } from '../env/contracts.ts';
import type { SnapshotMeta } from '../raft/types.ts';
import { DamagedError } from './errors.ts';
import {
  CHUNK_BYTES,
  CHUNK_HEADER_BYTES,
  CHUNK_STRIDE,
  chunkChecksum,
  type SnapshotHeader,
} from './snapshot-format.ts';
import type { SnapshotFileReader } from './types.ts';

/** Reads any range of the content; whole chunks are read and verified. */
export class ChunkedSnapshotReader implements SnapshotFileReader {
  readonly #file: DiskFile;
  readonly #header: SnapshotHeader;

  constructor(file: DiskFile, header: SnapshotHeader) {
    this.#file = file;
    this.#header = header;
  }

  get meta(): SnapshotMeta {
    return this.#header.meta;
  }

  get totalBytes(): number {
    return this.#header.totalBytes;
  }

  async read(offset: number, maxBytes: number): Promise<Uint8Array> {
    const end = Math.min(offset + maxBytes, this.totalBytes);
    if (offset >= end) return new Uint8Array(0);
    const first = Math.floor(offset / CHUNK_BYTES);
    const last = Math.floor((end - 1) / CHUNK_BYTES);
    const content = Buffer.allocUnsafe(end - offset);
    const stride = Buffer.allocUnsafe(CHUNK_STRIDE);
    for (let chunk = first; chunk <= last; chunk += 1) {
      const chunkStart = chunk * CHUNK_BYTES;
      const bytes = await this.#readChunk(chunk, stride);
      const from = Math.max(offset - chunkStart, 0);
      const to = Math.min(end - chunkStart, bytes.length);
      bytes.copy(content, chunkStart + from - offset, from, to);
    }
    return content;
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #readChunk(chunk: number, stride: Buffer): Promise<Buffer> {
    const position = this.#header.contentStart + chunk * CHUNK_STRIDE;
    const contentBytes = Math.min(CHUNK_BYTES, this.totalBytes - chunk * CHUNK_BYTES);
    const wanted = stride.subarray(0, CHUNK_HEADER_BYTES + contentBytes);
    let length = 0;
    while (length < wanted.length) {
      const count = await this.#file.read(wanted.subarray(length), position + length);
      if (count === 0)
        throw new DamagedError(this.#file.path, position + length, 'the snapshot ends too early');
      length += count;
    }
    const content = wanted.subarray(CHUNK_HEADER_BYTES);
    if (chunkChecksum(content, this.#header.salt, chunk) !== wanted.readUInt32LE(0)) {
      throw new DamagedError(this.#file.path, position, 'the checksum of a chunk of the snapshot is wrong');
    }
    return content;
  }
}
