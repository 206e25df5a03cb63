import { Content, isAllZeros } from './content.ts';
import type { SeededRandom } from './random.ts';

/** What a disk writes whole or not at all. */
const SECTOR_BYTES = 512;
const SECTOR_SURVIVES = 0.5;

/** A change that is not synced. A `lost` one was dropped by a failed sync: it is seen until the machine stops, and never gets to the disk. */
interface Change {
  readonly kind: 'write' | 'truncate';
  readonly position: number;
  readonly sizeBytes: number;
  /** Null: zeros. */
  readonly bytes: Uint8Array | null;
  lost: boolean;
}

/**
 * What a power loss does to changes that were not synced: `lost` drops all, `kept` keeps all, `torn` keeps some sectors of some, in any
 * order, as disks do that reorder.
 */
export type PowerLoss = 'lost' | 'kept' | 'torn';

/** A file without its name: what is on the disk, what is not yet, and what a reader sees. */
export class Inode {
  readonly #seen = new Content();
  readonly #durable = new Content();
  /** Not synced; `#settled` were, or got lost, before. */
  #changes: Change[] = [];
  #settled = 0;

  get length(): number {
    return this.#seen.length;
  }

  /** A copy of all of it. */
  bytes(): Uint8Array {
    return this.#seen.bytes();
  }

  /** How many bytes were read into `target`. */
  read(target: Uint8Array, position: number): number {
    return this.#seen.read(target, position);
  }

  write(position: number, given: Uint8Array): void {
    // Not slice: a Buffer's does not copy.
    const bytes = isAllZeros(given) ? null : new Uint8Array(given);
    this.#change({ kind: 'write', position, sizeBytes: given.length, bytes, lost: false });
  }

  truncate(sizeBytes: number): void {
    this.#change({ kind: 'truncate', position: sizeBytes, sizeBytes: 0, bytes: null, lost: false });
  }

  /** All changes ever made: a sync that is asked for now covers these. */
  get changesMade(): number {
    return this.#settled + this.#changes.length;
  }

  sync(upTo: number): void {
    const covered = this.#changes.splice(0, Math.max(upTo - this.#settled, 0));
    this.#settled += covered.length;
    for (const change of covered) if (!change.lost) applyTo(this.#durable, change);
  }

  /** The system drops what it could not write, and forgets that it did: a later sync succeeds without it. */
  failSync(upTo: number): void {
    for (const change of this.#changes.slice(0, Math.max(upTo - this.#settled, 0))) change.lost = true;
  }

  losePower(loss: PowerLoss, random: SeededRandom): void {
    for (const change of this.#changes) {
      if (change.lost || loss === 'lost') continue;
      if (loss === 'kept') applyTo(this.#durable, change);
      else this.#tear(change, random);
    }
    this.#settled += this.#changes.length;
    this.#changes = [];
    this.#seen.copyFrom(this.#durable);
  }

  flipBit(offset: number, bit: number): void {
    this.#seen.flipBit(offset, bit);
    this.#durable.flipBit(offset, bit);
  }

  #change(change: Change): void {
    applyTo(this.#seen, change);
    this.#changes.push(change);
  }

  #tear(change: Change, random: SeededRandom): void {
    if (change.kind === 'truncate') {
      if (random.chance(SECTOR_SURVIVES)) applyTo(this.#durable, change);
      return;
    }
    const { position, bytes, sizeBytes } = change;
    const survival = random.chance(0.5) ? random.uint32() / 2 ** 32 : SECTOR_SURVIVES;
    let start = 0;
    while (start < sizeBytes) {
      const sectorEnd = (Math.floor((position + start) / SECTOR_BYTES) + 1) * SECTOR_BYTES;
      const end = Math.min(sectorEnd - position, sizeBytes);
      if (random.chance(survival)) {
        if (bytes === null) this.#durable.zero(position + start, end - start);
        else this.#durable.write(position + start, bytes.subarray(start, end));
      }
      start = end;
    }
  }
}

function applyTo(content: Content, change: Change): void {
  if (change.kind === 'truncate') content.truncate(change.position);
  else if (change.bytes === null) content.zero(change.position, change.sizeBytes);
  else content.write(change.position, change.bytes);
}
