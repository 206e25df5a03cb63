/**
 * What is too large for a frame: parcels, cut into chunks that go in the frames of the control connection as room is left there. So heartbeats and
 * all that is small pass between the chunks, and nothing holds up the connection. A parcel holds one section's body, which is delivered when it is
 * whole; it arrives later than what was written into sections after it.
 *
 * The receiver acknowledges chunks, and no more than a window is under way: however large the parcels and slow the line, no heartbeat waits behind
 * more than that. Several parcels take turns; a connection that breaks drops all of them.
 *
 * A PARCELS section is a sequence of chunks:
 *
 * | offset | size | field |
 * | 0  | 4 | parcel |
 * | 4  | 1 | kind of the section that the parcel holds |
 * | 5  | 1 | 1: the parcel is given up, and no bytes follow |
 * | 6  | 2 | zero |
 * | 8  | 4 | size of the parcel |
 * | 12 | 4 | offset of the chunk in the parcel |
 * | 16 | 4 | size of the chunk |
 * | 20 |   | bytes |
 *
 * An ACKNOWLEDGED section: the bytes of chunks that have come since the last one, u32.
 */
import { MalformedSectionError } from './malformed.ts';
import { SectionKind, type Parcel, type SectionWriter } from './types.ts';

export const PARCEL_CHUNK_BYTES = 128 * 1024;
/** Under way and not acknowledged. */
export const PARCEL_WINDOW_BYTES = 2 * 1024 * 1024;
/** Parcels that take turns: what the receiver keeps of those that are not whole. A larger one goes alone. */
export const PARCELS_OPEN_BYTES = 128 * 1024 * 1024;
const PARCEL_MAX_BYTES = 640 * 1024 * 1024;

const KIND_AT = 4;
const FLAG_AT = 5;
const TOTAL_AT = 8;
const OFFSET_AT = 12;
const SIZE_AT = 16;
const CHUNK_HEADER_BYTES = 20;
const GIVEN_UP = 1;
const KIND_MAX = Math.max(...Object.values(SectionKind));

/** Two pieces that are sent as if they were one. */
class Outgoing implements Parcel {
  id = 0;
  readonly kind: SectionKind;
  readonly totalBytes: number;
  sentBytes = 0;
  private readonly queue: OutgoingParcels;
  private readonly head: Buffer;
  private readonly bytes: Buffer;
  private readonly start: number;

  constructor(
    queue: OutgoingParcels,
    kind: SectionKind,
    head: Buffer,
    bytes: Buffer,
    start: number,
    end: number,
  ) {
    this.queue = queue;
    this.kind = kind;
    this.head = head;
    this.bytes = bytes;
    this.start = start;
    this.totalBytes = head.length + end - start;
  }

  cancel(): void {
    this.queue.cancel(this);
  }

  /** Writes the next chunk. */
  write(section: SectionWriter): number {
    const from = this.sentBytes;
    const to = Math.min(this.totalBytes, from + PARCEL_CHUNK_BYTES);
    this.writeHeader(section, 0, to - from);
    const { head, start } = this;
    if (from < head.length) section.bytes(head, from, Math.min(to, head.length));
    if (to > head.length)
      section.bytes(this.bytes, start + Math.max(0, from - head.length), start + to - head.length);
    this.sentBytes = to;
    return to - from;
  }

  writeHeader(section: SectionWriter, flag: number, sizeBytes: number): void {
    section.u32(this.id);
    section.u8(this.kind);
    section.u8(flag);
    section.u16(0);
    section.u32(this.totalBytes);
    section.u32(this.sentBytes);
    section.u32(sizeBytes);
  }
}

/** The sender's side of one connection. */
export class OutgoingParcels {
  /** Not a byte of them is sent. */
  private waiting: Outgoing[] = [];
  /** Those that take turns; the first is next. */
  private open: Outgoing[] = [];
  private openBytes = 0;
  private givenUp: Outgoing[] = [];
  private underWayBytes = 0;
  private nextId = 1;
  /** Bytes that are not sent yet. */
  unsentBytes = 0;

  add(kind: SectionKind, head: Buffer, bytes: Buffer, start: number, end: number): Parcel {
    const parcel = new Outgoing(this, kind, head, bytes, start, end);
    this.waiting.push(parcel);
    this.unsentBytes += parcel.totalBytes;
    return parcel;
  }

  /** There is something to write, and the window lets it through. */
  get canWrite(): boolean {
    if (this.givenUp.length > 0) return true;
    return this.underWayBytes < PARCEL_WINDOW_BYTES && this.open.length + this.waiting.length > 0;
  }

  /** Writes as much as the window lets through. */
  write(section: SectionWriter): void {
    for (const parcel of this.givenUp) parcel.writeHeader(section, GIVEN_UP, 0);
    this.givenUp.length = 0;
    while (this.underWayBytes < PARCEL_WINDOW_BYTES) {
      this.openWaiting();
      const parcel = this.open.shift();
      if (parcel === undefined) return;
      const sizeBytes = parcel.write(section);
      this.underWayBytes += sizeBytes;
      this.unsentBytes -= sizeBytes;
      if (parcel.sentBytes < parcel.totalBytes) this.open.push(parcel);
      else this.openBytes -= parcel.totalBytes;
    }
  }

  acknowledged(sizeBytes: number): void {
    if (sizeBytes > this.underWayBytes)
      throw new MalformedSectionError('more of a parcel was acknowledged than sent');
    this.underWayBytes -= sizeBytes;
  }

  cancel(parcel: Outgoing): void {
    if (this.remove(this.waiting, parcel)) return;
    if (!this.remove(this.open, parcel)) return;
    this.openBytes -= parcel.totalBytes;
    this.givenUp.push(parcel);
  }

  /** The connection is gone. */
  clear(): void {
    this.waiting = [];
    this.open = [];
    this.givenUp = [];
    this.openBytes = 0;
    this.underWayBytes = 0;
    this.unsentBytes = 0;
  }

  private openWaiting(): void {
    while (this.waiting.length > 0) {
      const [next] = this.waiting;
      if (this.open.length > 0 && this.openBytes + next.totalBytes > PARCELS_OPEN_BYTES) return;
      this.waiting.shift();
      next.id = this.nextId;
      this.nextId = (this.nextId + 1) >>> 0;
      this.openBytes += next.totalBytes;
      this.open.push(next);
    }
  }

  private remove(from: Outgoing[], parcel: Outgoing): boolean {
    const at = from.indexOf(parcel);
    if (at < 0) return false;
    from.splice(at, 1);
    this.unsentBytes -= parcel.totalBytes - parcel.sentBytes;
    return true;
  }
}

interface Incoming {
  kind: SectionKind;
  bytes: Buffer;
  filledBytes: number;
}

export interface ParcelEvents {
  /** A parcel is whole: a section's body. */
  whole(kind: SectionKind, bytes: Buffer): void;
  /** More of a parcel has come; `bytes[0, filledBytes)` is there. */
  part(kind: SectionKind, bytes: Buffer, filledBytes: number): void;
}

/** The receiver's side of one connection. */
export class IncomingParcels {
  private readonly events: ParcelEvents;
  private readonly open = new Map<number, Incoming>();
  private openBytes = 0;
  private unacknowledgedBytes = 0;

  constructor(events: ParcelEvents) {
    this.events = events;
  }

  /** Takes in a PARCELS section. Throws a MalformedSectionError. */
  receive(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end) {
      if (at + CHUNK_HEADER_BYTES > end) throw new MalformedSectionError('a chunk of a parcel is cut short');
      const chunkEnd = at + CHUNK_HEADER_BYTES + bytes.readUInt32LE(at + SIZE_AT);
      if (chunkEnd > end) throw new MalformedSectionError('a chunk of a parcel is cut short');
      if (bytes[at + FLAG_AT] === GIVEN_UP) this.drop(bytes.readUInt32LE(at));
      else this.take(bytes, at, chunkEnd);
      at = chunkEnd;
    }
  }

  /** Writes what has come since it was last asked. */
  acknowledge(section: SectionWriter): void {
    section.u32(this.unacknowledgedBytes);
    this.unacknowledgedBytes = 0;
  }

  clear(): void {
    this.open.clear();
    this.openBytes = 0;
    this.unacknowledgedBytes = 0;
  }

  private take(bytes: Buffer, at: number, chunkEnd: number): void {
    const id = bytes.readUInt32LE(at);
    const offset = bytes.readUInt32LE(at + OFFSET_AT);
    const totalBytes = bytes.readUInt32LE(at + TOTAL_AT);
    const parcel = offset === 0 ? this.begin(id, bytes[at + KIND_AT], totalBytes) : this.open.get(id);
    const chunkStart = at + CHUNK_HEADER_BYTES;
    const isNext = parcel?.filledBytes === offset && parcel.bytes.length === totalBytes;
    if (parcel === undefined || !isNext || offset + chunkEnd - chunkStart > totalBytes)
      throw new MalformedSectionError('a chunk does not go on with its parcel');
    parcel.filledBytes += bytes.copy(parcel.bytes, offset, chunkStart, chunkEnd);
    this.unacknowledgedBytes += chunkEnd - chunkStart;
    if (parcel.filledBytes < totalBytes) {
      this.events.part(parcel.kind, parcel.bytes, parcel.filledBytes);
      return;
    }
    this.drop(id);
    this.events.whole(parcel.kind, parcel.bytes);
  }

  private begin(id: number, kind: number, totalBytes: number): Incoming {
    const isTooMuch = this.open.size > 0 && this.openBytes + totalBytes > PARCELS_OPEN_BYTES;
    if (isTooMuch || totalBytes > PARCEL_MAX_BYTES)
      throw new MalformedSectionError('parcels hold more than they may');
    const isPlain = kind >= 1 && kind <= KIND_MAX && !isParcelKind(kind);
    if (!isPlain || this.open.has(id)) throw new MalformedSectionError('a parcel begins that may not');
    const parcel = {
      kind: kind as SectionKind,
      bytes: Buffer.allocUnsafeSlow(totalBytes),
      filledBytes: 0,
    };
    this.open.set(id, parcel);
    this.openBytes += totalBytes;
    return parcel;
  }

  private drop(id: number): void {
    const parcel = this.open.get(id);
    if (parcel === undefined) return;
    this.open.delete(id);
    this.openBytes -= parcel.bytes.length;
  }
}

function isParcelKind(kind: number): boolean {
  return kind === SectionKind.PARCELS || kind === SectionKind.ACKNOWLEDGED;
}
