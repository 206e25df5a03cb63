import { Content, giveCopyBack, isAllZeros } from './content.ts';
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

/** What was there before a change that is not synced. */
interface Undo {
  readonly kind: 'write' | 'truncate';
  readonly position: number;
  readonly sizeBytes: number;
  /** From `position` on; null: zeros. */
  readonly before: Uint8Array<ArrayBuffer> | null;
  readonly lengthBefore: number;
}

/**
 * A file without its name: what is on the disk, what is not yet, and what a reader sees. Mostly no crash comes before the next sync: so what a reader
 * sees is all that is kept, with how to undo what is not synced. Only when something goes wrong are the disk's content and the changes spelt out.
 */
export class Inode {
  #seen = new Content();
  /** Not synced; `#settled` were, or got lost, before. */
  #undos: Undo[] = [];
  #settled = 0;
  /** Once spelt out: what is on the disk, and the changes in place of `#undos`. */
  #durable: Content | null = null;
  #changes: Change[] = [];

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
    const sizeBytes = given.length;
    const isZeros = isAllZeros(given);
    if (this.#durable === null) this.#keepUndo('write', position, sizeBytes);
    // Not slice: a Buffer's does not copy.
    else this.#keepChange('write', position, sizeBytes, isZeros ? null : new Uint8Array(given));
    if (isZeros) this.#seen.zero(position, sizeBytes);
    else this.#seen.write(position, given);
  }

  truncate(sizeBytes: number): void {
    if (this.#durable === null) this.#keepUndo('truncate', sizeBytes, Math.max(this.length - sizeBytes, 0));
    else this.#keepChange('truncate', sizeBytes, 0, null);
    this.#seen.truncate(sizeBytes);
  }

  /** All changes ever made: a sync that is asked for now covers these. */
  get changesMade(): number {
    return this.#settled + this.#undos.length + this.#changes.length;
  }

  sync(upTo: number): void {
    const count = Math.max(upTo - this.#settled, 0);
    if (this.#durable === null) {
      const undos = this.#undos.splice(0, count);
      for (const { before } of undos) if (before !== null) giveCopyBack(before);
      this.#settled += undos.length;
      return;
    }
    const covered = this.#changes.splice(0, count);
    this.#settled += covered.length;
    for (const change of covered) if (!change.lost) applyTo(this.#durable, change);
  }

  /** The system drops what it could not write, and forgets that it did: a later sync succeeds without it. */
  failSync(upTo: number): void {
    this.#spellOut();
    for (const change of this.#changes.slice(0, Math.max(upTo - this.#settled, 0))) change.lost = true;
  }

  losePower(loss: PowerLoss, random: SeededRandom): void {
    // What a reader saw is of no more use: it is what is gone back from.
    const durable = this.#spellOut(true);
    for (const change of this.#changes) {
      if (change.lost || loss === 'lost') continue;
      if (loss === 'kept') applyTo(durable, change);
      else tear(durable, change, random);
    }
    this.#settled += this.#changes.length;
    this.#changes = [];
    if (durable !== this.#seen) this.#seen.release();
    this.#seen = durable;
    this.#durable = null;
  }

  /** Nobody reads or writes it any more. */
  release(): void {
    this.#seen.release();
    this.#durable?.release();
  }

  flipBit(offset: number, bit: number): void {
    this.#spellOut().flipBit(offset, bit);
    this.#seen.flipBit(offset, bit);
  }

  #keepUndo(kind: Undo['kind'], position: number, sizeBytes: number): void {
    const before = this.#seen.copyOf(position, sizeBytes);
    this.#undos.push({ kind, position, sizeBytes, before, lengthBefore: this.length });
  }

  #keepChange(kind: Change['kind'], position: number, sizeBytes: number, bytes: Uint8Array | null): void {
    this.#changes.push({ kind, position, sizeBytes, bytes, lost: false });
  }

  /** Goes back through what is not synced: that gives the disk's content, and on the way what each change wrote. */
  #spellOut(inPlace = false): Content {
    if (this.#durable !== null) return this.#durable;
    const durable = inPlace ? this.#seen : new Content();
    if (!inPlace) durable.copyFrom(this.#seen);
    for (const { kind, position, sizeBytes, before, lengthBefore } of this.#undos.toReversed()) {
      const isWrite = kind === 'write';
      const bytes = isWrite ? durable.copyOf(position, sizeBytes) : null;
      this.#changes.unshift({ kind, position, sizeBytes: isWrite ? sizeBytes : 0, bytes, lost: false });
      if (before === null) durable.zero(position, sizeBytes);
      else {
        durable.write(position, before);
        giveCopyBack(before);
      }
      durable.truncate(lengthBefore);
    }
    this.#undos = [];
    this.#durable = durable;
    return durable;
  }
}

function tear(durable: Content, change: Change, random: SeededRandom): void {
  if (change.kind === 'truncate') {
    if (random.chance(SECTOR_SURVIVES)) applyTo(durable, change);
    return;
  }
  const { position, bytes, sizeBytes } = change;
  const survival = random.chance(0.5) ? random.uint32() / 2 ** 32 : SECTOR_SURVIVES;
  let start = 0;
  while (start < sizeBytes) {
    const sectorEnd = (Math.floor((position + start) / SECTOR_BYTES) + 1) * SECTOR_BYTES;
    const end = Math.min(sectorEnd - position, sizeBytes);
    if (random.chance(survival)) {
      if (bytes === null) durable.zero(position + start, end - start);
      else durable.write(position + start, bytes.subarray(start, end));
    }
    start = end;
  }
}

function applyTo(content: Content, change: Change): void {
  if (change.kind === 'truncate') content.truncate(change.position);
  else if (change.bytes === null) content.zero(change.position, change.sizeBytes);
  else content.write(change.position, change.bytes);
}
