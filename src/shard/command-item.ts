/**
 * One command as it travels: in the frame that forwards it, and, the same bytes, in its shard's log. Little-endian.
 *
 * | offset | size | field |
 * | 0  | 4 | sizeBytes, all of it |
 * | 4  | 1 | type: ItemType.COMMAND |
 * | 5  | 1 | bit 0: the reply is RESP3; bit 1: it names slots; bits 4 to 7: the database |
 * | 6  | 2 | slot: of the first key |
 * | 8  | 8 | sequence, float64: of the session, in this slot; 0 for reads |
 * | 16 | 4 | sequence - floor: all below the floor is answered |
 * | 20 | 4 | how many arguments, the name included |
 * | 24 | 8 each | start and end of each argument, from the item's start |
 * |    |   | the arguments' bytes |
 * |    |   | of a command on all keys that names the slots it is about: ranges, u16 each end, and u32 how many |
 */
import { assert } from '../assert.ts';
import { readF64, readU16, readU32, writeF64, writeU16, writeU32 } from '../little-endian.ts';
import type { Args } from '../resp/args.ts';
import { DESK, DESK_VIEW, wordAt } from '../store/desk.ts';
import { SLOT_COUNT, type SlotRange } from '../topology/types.ts';

export const ItemType = {
  COMMAND: 1,
  /** The session of the commands that follow: 20 bytes of node id, 4 of start number. */
  SESSION: 2,
  /** Removes a key if its version is still the one named: expiry and eviction. */
  REMOVE: 3,
  /** Memory budget, eviction policy and limits of the encodings from here on. */
  POLICY: 4,
  /** Floors of slots in which the session has been quiet. */
  FLOORS: 5,
  /** Nothing can be evicted any more: what needs room gets OOM. */
  NO_ROOM: 6,
  /** A part of a command that is too large for one entry, and the item that runs it (staging.ts). */
  PART: 7,
  RUN_STAGED: 8,
  /** A node has left the cluster: its sessions have ended, of all its starts. */
  DEPARTED: 9,
} as const;

export const COMMAND_HEADER_BYTES = 24;
/** A longer command is refused before it is sent: each replica would have to keep it whole until it runs. */
export const COMMAND_MAX_BYTES = 96 * 1024 * 1024;

/** A longer item goes to its leader, and into the log, in parts. */
export const LARGE_COMMAND_BYTES = 512 * 1024;

/** Copies of this module's own (see desk.ts). */
const ownDesk = DESK;
const ownDeskView = DESK_VIEW;
const HEADER_BYTES = COMMAND_HEADER_BYTES;

const TYPE = 4;
const FLAGS = 5;
const SLOT = 6;
const SEQUENCE = 8;
const FLOOR_DELTA = 16;
const COUNT = 20;

const NAMES_SLOTS = 2;
const RANGE_BYTES = 4;

const ARENA_CHUNK_BYTES = 64 * 1024;
/** Arguments with at most this much between them (RESP's framing) are copied in one go. */
const FRAMING_BYTES_PER_ARGUMENT = 16;

/** Hands out room for items, one right behind the other. A chunk is dropped, and freed when the last item in it is answered. */
export class ItemArena {
  private chunk = Buffer.allocUnsafeSlow(ARENA_CHUNK_BYTES);
  private used = 0;

  /** Where the last item written lies. */
  bytes = this.chunk;
  start = 0;
  end = 0;

  /** Encodes a command; it then lies in `bytes[start, end)` and does not change. */
  command(args: Args, db: number, slot: number, resp3: boolean, sequence: number, floor: number): void {
    const { count } = args;
    const head = COMMAND_HEADER_BYTES + count * 8;
    const first = args.start[0];
    const span = args.end[count - 1] - first;
    let sum = 0;
    let inOrder = true;
    for (let i = 0; i < count; i++) {
      sum += args.end[i] - args.start[i];
      if (i > 0 && args.start[i] < args.end[i - 1]) inOrder = false;
    }
    // Arguments that lie close together, in order, as a client sent them: one copy. Picked ones: one each.
    const together = inOrder && span <= sum + count * FRAMING_BYTES_PER_ARGUMENT;
    const sizeBytes = head + (together ? span : sum);
    this.take(sizeBytes);
    const { bytes, start } = this;
    writeU32(bytes, sizeBytes, start);
    bytes[start + 4] = ItemType.COMMAND;
    bytes[start + FLAGS] = (resp3 ? 1 : 0) | (db << 4);
    writeU16(bytes, slot, start + SLOT);
    writeF64(bytes, sequence, start + SEQUENCE);
    assert(sequence - floor <= 0xffffffff, 'a floor is near');
    writeU32(bytes, sequence - floor, start + FLOOR_DELTA);
    writeU32(bytes, count, start + COUNT);
    let at = start + COMMAND_HEADER_BYTES;
    if (together) {
      const shift = head - first;
      for (let i = 0; i < count; i++, at += 8) {
        writeU32(bytes, args.start[i] + shift, at);
        writeU32(bytes, args.end[i] + shift, at + 4);
      }
      args.bytes.copy(bytes, at, first, first + span);
      return;
    }
    let offset = head;
    for (let i = 0; i < count; i++, at += 8) {
      const length = args.end[i] - args.start[i];
      writeU32(bytes, offset, at);
      writeU32(bytes, offset + length, at + 4);
      args.bytes.copy(bytes, start + offset, args.start[i], args.end[i]);
      offset += length;
    }
  }

  /** As `command`, of one on all keys: it is about these slots alone. */
  commandOnSlots(
    args: Args,
    db: number,
    slots: readonly SlotRange[],
    resp3: boolean,
    sequence: number,
    floor: number,
  ): void {
    this.command(args, db, slots[0].from, resp3, sequence, floor);
    const count = Buffer.alloc(4);
    writeU32(count, slots.length, 0);
    const bytes = Buffer.concat([this.bytes.subarray(this.start, this.end), rangeBytes(slots), count]);
    writeU32(bytes, bytes.length, 0);
    bytes[FLAGS] |= NAMES_SLOTS;
    this.bytes = bytes;
    this.start = 0;
    this.end = bytes.length;
  }

  private take(sizeBytes: number): void {
    if (sizeBytes > ARENA_CHUNK_BYTES) {
      // On its own, so that it goes when it is answered.
      this.bytes = Buffer.allocUnsafeSlow(sizeBytes);
      this.start = 0;
      this.end = sizeBytes;
      return;
    }
    if (this.used + sizeBytes > ARENA_CHUNK_BYTES) {
      this.chunk = Buffer.allocUnsafeSlow(ARENA_CHUNK_BYTES);
      this.used = 0;
    }
    this.bytes = this.chunk;
    this.start = this.used;
    this.end = this.used + sizeBytes;
    this.used = this.end;
  }
}

/** No more than this does a command take as an item, whatever lies between its arguments. */
export function commandItemBytes(args: Args): number {
  const { count } = args;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += args.end[i] - args.start[i];
  return COMMAND_HEADER_BYTES + sum + count * (8 + FRAMING_BYTES_PER_ARGUMENT);
}

export function itemSize(bytes: Buffer, start: number): number {
  return wordAt(bytes, start) >>> 0;
}

export function itemType(bytes: Buffer, start: number): number {
  return bytes[start + TYPE];
}

/** Type, flags and slot in one: for `resp3In` and so on. */
export function itemHead(bytes: Buffer, start: number): number {
  return wordAt(bytes, start + TYPE);
}

export function typeIn(head: number): number {
  return head & 0xff;
}

export function resp3In(head: number): boolean {
  return (head & 0x100) !== 0;
}

export function namesSlotsIn(head: number): boolean {
  return (head & 0x200) !== 0;
}

export function dbIn(head: number): number {
  return (head >>> 12) & 0xf;
}

export function slotIn(head: number): number {
  return head >>> 16;
}

export function commandResp3(bytes: Buffer, start: number): boolean {
  return resp3In(itemHead(bytes, start));
}

export function commandDb(bytes: Buffer, start: number): number {
  return dbIn(itemHead(bytes, start));
}

export function commandSlot(bytes: Buffer, start: number): number {
  return slotIn(itemHead(bytes, start));
}

export function commandSequence(bytes: Buffer, start: number): number {
  if (bytes === ownDesk) return ownDeskView.getFloat64(start + SEQUENCE, true);
  return readF64(bytes, start + SEQUENCE);
}

/** How far the sender's floor is below its sequence. */
export function commandFloorDelta(bytes: Buffer, start: number): number {
  return wordAt(bytes, start + FLOOR_DELTA) >>> 0;
}

/** Points `args` at the item's arguments. */
export function commandArgs(bytes: Buffer, start: number, args: Args): void {
  const count = wordAt(bytes, start + COUNT) >>> 0;
  args.reserve(count);
  // A store to an object costs more than a comparison, and it is the same bytes mostly.
  if (args.bytes !== bytes) args.bytes = bytes;
  args.count = count;
  const { start: starts, end: ends } = args;
  let at = start + HEADER_BYTES;
  for (let i = 0; i < count; i += 1, at += 8) {
    starts[i] = start + wordAt(bytes, at);
    ends[i] = start + wordAt(bytes, at + 4);
  }
}

/** The slots that a command on all keys is about; null: it names none. */
export function commandSlots(bytes: Buffer, start: number): SlotRange[] | null {
  if ((bytes[start + FLAGS] & NAMES_SLOTS) === 0) return null;
  const end = start + itemSize(bytes, start) - 4;
  return rangesIn(bytes, end - readU32(bytes, end) * RANGE_BYTES, end);
}

/** Also behind a reply: what was left out. */
export function rangeBytes(ranges: readonly SlotRange[]): Buffer {
  const bytes = Buffer.alloc(ranges.length * RANGE_BYTES);
  for (const [i, { from, to }] of ranges.entries()) {
    writeU16(bytes, from, i * RANGE_BYTES);
    writeU16(bytes, to, i * RANGE_BYTES + 2);
  }
  return bytes;
}

export function rangesIn(bytes: Buffer, start: number, end: number): SlotRange[] {
  const ranges: SlotRange[] = [];
  for (let at = start; at < end; at += RANGE_BYTES)
    ranges.push({ from: readU16(bytes, at), to: readU16(bytes, at + 2) });
  return ranges;
}

function areSlotsNamedWell(bytes: Buffer, start: number, head: number): boolean {
  const sizeBytes = itemSize(bytes, start);
  if (sizeBytes < head + 4) return false;
  const count = readU32(bytes, start + sizeBytes - 4);
  if (count === 0 || head + 4 + count * RANGE_BYTES > sizeBytes) return false;
  return commandSlots(bytes, start)?.every(({ from, to }) => from <= to && to < SLOT_COUNT) === true;
}

/** Whether the bytes from `start` on are one well-formed command item that ends by `limit`: asked of what peers send. */
export function isCommandItem(bytes: Buffer, start: number, limit: number): boolean {
  if (start + COMMAND_HEADER_BYTES > limit) return false;
  const sizeBytes = itemSize(bytes, start);
  if (itemType(bytes, start) !== ItemType.COMMAND || sizeBytes > limit - start) return false;
  const count = readU32(bytes, start + COUNT);
  const head = COMMAND_HEADER_BYTES + count * 8;
  if (count === 0 || head > sizeBytes) return false;
  if ((bytes[start + FLAGS] & NAMES_SLOTS) !== 0 && !areSlotsNamedWell(bytes, start, head)) return false;
  for (let i = 0, at = start + COMMAND_HEADER_BYTES; i < count; i++, at += 8) {
    const from = readU32(bytes, at);
    const to = readU32(bytes, at + 4);
    if (from < head || to < from || to > sizeBytes) return false;
  }
  return true;
}
