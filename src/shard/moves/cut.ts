/** A slot of the source as it is at one index, as a stream of bytes: sessions' records first, then its keys, made bit by bit while writes go on. */
import { crc32 } from 'node:zlib';
import { writeU32 } from '../../little-endian.ts';
import { FRAME_HEADER_BYTES } from '../../store/snapshot-format.ts';
import type { KeyspaceSnapshot } from '../../store/types.ts';
import type { SessionsImage } from '../sessions-image.ts';
import type { StateMachine } from '../state-machine.ts';
import type { CutEnd } from './move-item.ts';

/** A slice of keys: well below a millisecond. With its header it is one piece as it goes over. */
const SLICE_BYTES = 64 * 1024 - FRAME_HEADER_BYTES;
/** What writes to the slot may leave behind, as before-images, for the cut to take. */
const PENDING_MAX_BYTES = 32 * 1024 * 1024;

export class Cut {
  /** Higher than that of any cut of this leader before. */
  readonly index: number;
  /** Bytes made so far, and whether they are all. */
  made = 0;
  isWhole = false;
  /** Those that the target may ask for again. */
  private kept: { from: number; bytes: Buffer }[] = [];
  private readonly effectsFrom: number;
  private readonly effectsSum: number;
  private readonly keys: number;
  private readonly snapshot: KeyspaceSnapshot;
  /** A double from the start, as most sums are. */
  private sum = Number.NaN;

  constructor({ moves, keyspace, sessions }: StateMachine, slot: number, index: number) {
    this.index = index;
    this.sum = 0;
    this.effectsFrom = moves.exports.endOf(slot);
    this.effectsSum = moves.exports.sumOf(slot);
    this.keys = keyspace.keyCountInSlot(slot);
    this.add(sessionBytes(sessions.slotView(slot)));
    this.snapshot = keyspace.beginCut(slot, PENDING_MAX_BYTES);
  }

  /** Too much was written meanwhile: another is to be made. */
  get hasFailed(): boolean {
    return this.snapshot.overflowed;
  }

  /** Bytes that are kept. */
  get keptBytes(): number {
    return this.made - this.keptFrom;
  }

  get keptFrom(): number {
    return this.kept.length === 0 ? this.made : this.kept[0].from;
  }

  /** Makes some more of it. */
  make(): void {
    const slice = this.snapshot.next(SLICE_BYTES);
    if (slice === null) this.isWhole = true;
    else this.add(slice);
  }

  private add(bytes: Buffer): void {
    this.kept.push({ from: this.made, bytes });
    this.sum = crc32(bytes, this.sum);
    this.made += bytes.length;
  }

  /** Bytes from `offset` on, some at least; `offset` is made, and kept. */
  read(offset: number, maxBytes: number): Buffer {
    const one = this.kept.find(({ from, bytes }) => offset < from + bytes.length);
    if (one === undefined) throw new RangeError('these bytes of a cut are not kept');
    return one.bytes.subarray(offset - one.from, offset - one.from + maxBytes);
  }

  /** The target has those below. */
  forget(offset: number): void {
    this.kept = this.kept.filter(({ from, bytes }) => from + bytes.length > offset);
  }

  /** Of a whole one. */
  end(): CutEnd {
    const { made, sum, effectsFrom, effectsSum, keys } = this;
    return { cutBytes: made, cutSum: sum, effectsFrom, effectsSum, keys };
  }

  abandon(): void {
    if (!this.isWhole && !this.hasFailed) this.snapshot.abandon();
    this.kept = [];
  }
}

/** | length of all records, u32 | each record's length, u32, and itself | */
function sessionBytes(records: SessionsImage): Buffer {
  const parts: Buffer[] = [Buffer.alloc(4)];
  let sizeBytes = 0;
  for (let record = records.next(); record !== null; record = records.next()) {
    const length = Buffer.alloc(4);
    writeU32(length, record.length, 0);
    parts.push(length, record);
    sizeBytes += 4 + record.length;
  }
  writeU32(parts[0], sizeBytes, 0);
  return Buffer.concat(parts);
}
