import type { SeededRandom } from './random.ts';

/** What a disk writes whole or not at all. */
const SECTOR_BYTES = 512;
const SECTOR_SURVIVES = 0.5;

/** A change that is not synced. A `lost` one was dropped by a failed sync: it is seen until the machine stops, and never gets to the disk. */
type Change = { position: number; bytes: Uint8Array; lost: boolean } | { truncatedTo: number; lost: boolean };

/**
 * What a power loss does to changes that were not synced: `lost` drops all, `kept` keeps all, `torn` keeps some sectors of some, in any
 * order, as disks do that reorder.
 */
export type PowerLoss = 'lost' | 'kept' | 'torn';

class Content {
  #bytes = new Uint8Array(0);
  length = 0;

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  write(position: number, bytes: Uint8Array): void {
    this.#extend(position + bytes.length);
    this.#bytes.set(bytes, position);
  }

  truncate(sizeBytes: number): void {
    if (sizeBytes < this.length) this.#bytes.fill(0, sizeBytes, this.length);
    this.#extend(sizeBytes);
    this.length = sizeBytes;
  }

  apply(change: Change): void {
    if ('bytes' in change) this.write(change.position, change.bytes);
    else this.truncate(change.truncatedTo);
  }

  copyFrom(other: Content): void {
    this.#bytes = other.bytes.slice();
    this.length = other.length;
  }

  #extend(sizeBytes: number): void {
    if (sizeBytes > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(sizeBytes, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.length = Math.max(this.length, sizeBytes);
  }
}

/** A file without its name: what is on the disk, what is not yet, and what a reader sees. */
export class Inode {
  readonly #seen = new Content();
  readonly #durable = new Content();
  /** Not synced; `#settled` were, or got lost, before. */
  #changes: Change[] = [];
  #settled = 0;

  get bytes(): Uint8Array {
    return this.#seen.bytes;
  }

  write(position: number, bytes: Uint8Array): void {
    // Not slice: a Buffer's does not copy.
    this.#change({ position, bytes: new Uint8Array(bytes), lost: false });
  }

  truncate(sizeBytes: number): void {
    this.#change({ truncatedTo: sizeBytes, lost: false });
  }

  /** All changes ever made: a sync that is asked for now covers these. */
  get changesMade(): number {
    return this.#settled + this.#changes.length;
  }

  sync(upTo: number): void {
    const covered = this.#changes.splice(0, Math.max(upTo - this.#settled, 0));
    this.#settled += covered.length;
    for (const change of covered) if (!change.lost) this.#durable.apply(change);
  }

  /** The system drops what it could not write, and forgets that it did: a later sync succeeds without it. */
  failSync(upTo: number): void {
    for (const change of this.#changes.slice(0, Math.max(upTo - this.#settled, 0))) change.lost = true;
  }

  losePower(loss: PowerLoss, random: SeededRandom): void {
    for (const change of this.#changes) {
      if (change.lost || loss === 'lost') continue;
      if (loss === 'kept') this.#durable.apply(change);
      else this.#tear(change, random);
    }
    this.#settled += this.#changes.length;
    this.#changes = [];
    this.#seen.copyFrom(this.#durable);
  }

  flipBit(offset: number, bit: number): void {
    for (const content of [this.#seen, this.#durable]) {
      if (offset < content.length) content.bytes[offset] ^= 1 << bit;
    }
  }

  #change(change: Change): void {
    this.#seen.apply(change);
    this.#changes.push(change);
  }

  #tear(change: Change, random: SeededRandom): void {
    if (!('bytes' in change)) {
      if (random.chance(SECTOR_SURVIVES)) this.#durable.apply(change);
      return;
    }
    const { position, bytes } = change;
    const survival = random.chance(0.5) ? random.uint32() / 2 ** 32 : SECTOR_SURVIVES;
    let start = 0;
    while (start < bytes.length) {
      const sectorEnd = (Math.floor((position + start) / SECTOR_BYTES) + 1) * SECTOR_BYTES;
      const end = Math.min(sectorEnd - position, bytes.length);
      if (random.chance(survival)) this.#durable.write(position + start, bytes.subarray(start, end));
      start = end;
    }
  }
}
