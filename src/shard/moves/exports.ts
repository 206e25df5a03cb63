/**
 * The source's side: what is done to the slots that it exports, as effects, from the entry on that began the export. How long a slot's effects are
 * and their sum is replicated; their bytes every replica keeps as long as it can, so that whoever leads next can go on. What it does not have, since
 * they were too many or it came by a snapshot, is made good by another cut.
 */
import { crc32 } from 'node:zlib';
import { readF64, readU16, readU32, writeF64, writeU16, writeU32 } from '../../little-endian.ts';

/** Of all slots of a group: what the target has not logged, in the memory of each of the source's replicas. */
export const EFFECTS_KEPT_MAX_BYTES = 64 * 1024 * 1024;
/** Small effects lie together in a chunk of this size. */
const CHUNK_BYTES = 4 * 1024;
/** | slot, u16 | fence waits | free | sum, u32 | end, float64 | */
const IMAGE_BYTES = 16;

/** Since a fence was proposed no more may have been done to its slots than this: it is sent while clients wait. */
export const FENCE_GROWTH_MAX_BYTES = 4 * 1024 * 1024;

const LOST = Buffer.of(0);
/** As how much of a stream something counts that is no effect: no fence takes effect behind it. */
const LOST_BYTES = 2 * FENCE_GROWTH_MAX_BYTES;

class SlotExport {
  /** Of all effects so far, and their checksum. */
  end = 0;
  /** A double from the start, as most sums are. */
  sum = Number.NaN;
  /** A fence was logged, and waits for transactions. */
  isFencePending = false;
  /** The first of those kept. */
  keptFrom = 0;
  keptBytes = 0;
  readonly chunks: { from: number; bytes: Buffer; used: number }[] = [];

  constructor() {
    this.sum = 0;
  }
}

export class Exports {
  private readonly slots = new Map<number, SlotExport>();
  private readonly keptMaxBytes: number;
  /** Bytes of effects in memory here. */
  keptBytes = 0;

  constructor(keptMaxBytes: number) {
    this.keptMaxBytes = keptMaxBytes;
  }

  get isActive(): boolean {
    return this.slots.size > 0;
  }

  has(slot: number): boolean {
    return this.slots.has(slot);
  }

  /** Ascending. */
  all(): number[] {
    return [...this.slots.keys()].sort((a, b) => a - b);
  }

  begin(slot: number): void {
    this.slots.set(slot, new SlotExport());
  }

  end(slot: number): void {
    const one = this.slots.get(slot);
    if (one === undefined) return;
    this.keptBytes -= one.keptBytes;
    this.slots.delete(slot);
  }

  clear(): void {
    this.slots.clear();
    this.keptBytes = 0;
  }

  isFencePending(slot: number): boolean {
    return this.slots.get(slot)?.isFencePending === true;
  }

  setFencePending(slot: number): void {
    const one = this.slots.get(slot);
    if (one !== undefined) one.isFencePending = true;
  }

  /** How long the slot's effects are so far, and their sum. */
  endOf(slot: number): number {
    return this.slots.get(slot)?.end ?? 0;
  }

  /** The same of several slots, modulo 2^32: to tell by how much they have grown. */
  endsOf(slots: readonly number[]): number {
    return slots.reduce((sum, slot) => (sum + this.endOf(slot)) % 2 ** 32, 0);
  }

  sumOf(slot: number): number {
    return this.slots.get(slot)?.sum ?? 0;
  }

  /** Effects from here on are in memory here. */
  keptFrom(slot: number): number {
    return this.slots.get(slot)?.keptFrom ?? 0;
  }

  add(slot: number, effect: Buffer): void {
    const one = this.slots.get(slot);
    if (one === undefined) return;
    one.sum = crc32(effect, one.sum);
    keep(one, effect);
    one.end += effect.length;
    one.keptBytes += effect.length;
    this.keptBytes += effect.length;
    // The target has to be given the slot anew: memory has a limit.
    if (this.keptBytes > this.keptMaxBytes) this.forget(one, one.end);
  }

  /** Something was done that is no effect. The stream goes on behind bytes that nobody has, so the target has to be given the slot anew. */
  lose(slot: number): void {
    const one = this.slots.get(slot);
    if (one === undefined) return;
    one.sum = crc32(LOST, one.sum);
    one.end += LOST_BYTES;
    one.keptBytes += LOST_BYTES;
    this.keptBytes += LOST_BYTES;
    this.forget(one, one.end);
  }

  /** The target has these. */
  logged(slot: number, offset: number): void {
    const one = this.slots.get(slot);
    if (one !== undefined) this.forget(one, offset);
  }

  private forget(one: SlotExport, upTo: number): void {
    if (upTo <= one.keptFrom || upTo > one.end) return;
    this.keptBytes -= upTo - one.keptFrom;
    one.keptBytes -= upTo - one.keptFrom;
    one.keptFrom = upTo;
    const { chunks } = one;
    while (chunks.length > 0 && chunks[0].from + chunks[0].used <= upTo) chunks.shift();
  }

  /** Effects from `offset` on, at most `maxBytes`; null when none is left. They are kept here. */
  read(slot: number, offset: number, maxBytes: number): Buffer | null {
    const one = this.slots.get(slot);
    if (one === undefined || offset >= one.end || offset < one.keptFrom) return null;
    const pieces: Buffer[] = [];
    let left = maxBytes;
    for (const { from, bytes, used } of one.chunks) {
      const start = Math.max(0, offset - from);
      if (start >= used || left === 0) continue;
      const piece = bytes.subarray(start, Math.min(used, start + left));
      pieces.push(piece);
      left -= piece.length;
    }
    return Buffer.concat(pieces);
  }

  /** What of it is replicated. */
  image(): Buffer {
    const all = this.all();
    const image = Buffer.alloc(all.length * IMAGE_BYTES);
    for (const [i, slot] of all.entries()) {
      const at = i * IMAGE_BYTES;
      writeU16(image, slot, at);
      image[at + 2] = this.isFencePending(slot) ? 1 : 0;
      writeU32(image, this.sumOf(slot), at + 4);
      writeF64(image, this.endOf(slot), at + 8);
    }
    return image;
  }

  /** Of none of them the effects are here. */
  load(image: Buffer): void {
    this.clear();
    for (let at = 0; at < image.length; at += IMAGE_BYTES) {
      const one = new SlotExport();
      one.isFencePending = image[at + 2] === 1;
      one.sum = readU32(image, at + 4);
      one.end = readF64(image, at + 8);
      one.keptFrom = one.end;
      this.slots.set(readU16(image, at), one);
    }
  }
}

function keep({ chunks, end }: SlotExport, effect: Buffer): void {
  const last = chunks.at(-1);
  if (last !== undefined && last.used + effect.length <= last.bytes.length) {
    last.used += effect.copy(last.bytes, last.used);
    return;
  }
  const bytes = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, effect.length));
  effect.copy(bytes);
  chunks.push({ from: end, bytes, used: effect.length });
}
