/**
 * Commands that are too large for one entry. Their bytes go into the log before them, in parts that are entries like any other: so no entry, no
 * frame and no write to disk is ever large, and other commands and heartbeats pass between the parts. Each replica stages the parts, which change
 * nothing, until the entry comes that runs the command.
 *
 * One command is staged at a time, so a part need not say whose it is. Parts of an older term are dropped: their leader will send no more.
 *
 * A part is an item: | 8: size of the command item, u32 | 12: where in it this part belongs, u32 | 16: bytes |
 */
import { assert } from '../assert.ts';
import { ENTRY_HEADER_BYTES, EntryKind, writeEntryHeader } from '../raft/entry.ts';
import type { SessionId } from './batch.ts';
import { ItemType } from './command-item.ts';
import type { Refusal, Waiter } from './waiter.ts';

const PART_BYTES = 256 * 1024;
/** Parts of a shard that are proposed and not committed: what a small command may have to wait behind. */
const WINDOW_BYTES = 2 * 1024 * 1024;
/** Large commands that wait at a shard's leader; one that would exceed it is refused, if any waits. */
const QUEUE_MAX_BYTES = 512 * 1024 * 1024;

const PART_TOTAL = 8;
const PART_OFFSET = 12;
const PART_HEADER_BYTES = 16;
const RUN_ITEM_BYTES = 8;

/** Runs the command that is staged. */
export const RUN_ITEM = newRunItem();

/** A large command of which all parts are in the log. */
export interface LargeCommand {
  readonly waiter: Waiter;
  readonly session: SessionId;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** A leader's large commands, in the order asked. */
export class StagingQueue {
  private commands: LargeCommand[] = [];
  /** How much of the first one is in the log. */
  private offset = 0;
  private queuedBytes = 0;
  /** Parts in flight: their indexes, and the bytes of all of them. */
  private inFlight: { index: number; sizeBytes: number }[] = [];
  private inFlightBytes = 0;

  get isEmpty(): boolean {
    return this.commands.length === 0;
  }

  /** Bytes of the first command that are in the log: the room that it takes is to be made already. */
  get stagedBytes(): number {
    return this.offset;
  }

  /** False when too much waits. */
  add(waiter: Waiter, session: SessionId, bytes: Buffer, start: number, end: number): boolean {
    const sizeBytes = end - start;
    if (this.queuedBytes > 0 && this.queuedBytes + sizeBytes > QUEUE_MAX_BYTES) return false;
    this.commands.push({ waiter, session, bytes, start, end });
    this.queuedBytes += sizeBytes;
    return true;
  }

  /** Whether another part may be proposed; all up to `commitIndex` is committed. */
  hasRoom(commitIndex: number): boolean {
    while (this.inFlight.length > 0 && this.inFlight[0].index <= commitIndex) {
      this.inFlightBytes -= this.inFlight[0].sizeBytes;
      this.inFlight.shift();
    }
    return this.inFlightBytes < WINDOW_BYTES;
  }

  /** The first command's next part as an entry, with all but its place in the log; null when all are in the log. */
  partEntry(rules: number, stampMs: number): Buffer | null {
    const { bytes, start, end } = this.commands[0];
    const from = start + this.offset;
    if (from === end) return null;
    const to = Math.min(end, from + PART_BYTES);
    const itemAt = ENTRY_HEADER_BYTES + 4;
    const entry = Buffer.allocUnsafe(itemAt + PART_HEADER_BYTES + to - from);
    entry.writeUInt32LE(itemAt - ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES);
    entry.writeUInt32LE(PART_HEADER_BYTES + to - from, itemAt);
    entry.writeUInt32LE(ItemType.PART, itemAt + 4);
    entry.writeUInt32LE(end - start, itemAt + PART_TOTAL);
    entry.writeUInt32LE(this.offset, itemAt + PART_OFFSET);
    bytes.copy(entry, itemAt + PART_HEADER_BYTES, from, to);
    writeEntryHeader(entry, { kind: EntryKind.COMMANDS, rules, seed: 0, stampMs });
    return entry;
  }

  /** The part that `partEntry` gave is the log's entry `index`. */
  partProposed(index: number): void {
    const { start, end } = this.commands[0];
    const sizeBytes = Math.min(PART_BYTES, end - start - this.offset);
    this.offset += sizeBytes;
    this.inFlight.push({ index, sizeBytes });
    this.inFlightBytes += sizeBytes;
  }

  /** Takes the first command, all of whose parts are in the log. */
  take(): LargeCommand {
    const command = this.commands.shift();
    assert(command !== undefined && command.end - command.start === this.offset, 'all parts are proposed');
    this.queuedBytes -= this.offset;
    this.offset = 0;
    return command;
  }

  /** Forgets all: this replica leads no more. */
  refuseAll(refusal: Refusal): void {
    const { commands } = this;
    this.commands = [];
    this.offset = 0;
    this.queuedBytes = 0;
    this.inFlight = [];
    this.inFlightBytes = 0;
    for (const { waiter } of commands) waiter.refuse(refusal);
  }

  /** Forgets those that `of` names: they go another way, and would only take their place in the log twice. What is in it of the first runs nothing. */
  disown(of: (waiter: Waiter) => boolean): void {
    const [first] = this.commands;
    this.commands = this.commands.filter(({ waiter }) => !of(waiter));
    if (this.commands[0] !== first) this.offset = 0;
    this.queuedBytes = this.commands.reduce((sum, { start, end }) => sum + end - start, 0);
  }
}

/** What a replica has of the command that its leader stages: replicated state. */
export class Staged {
  /** Of the leader that sends the parts. */
  readonly term: number;
  /** The command item; only the first `filledBytes` are there yet, and those do not change. */
  readonly bytes: Buffer;
  filledBytes = 0;

  constructor(term: number, sizeBytes: number) {
    this.term = term;
    this.bytes = Buffer.allocUnsafeSlow(sizeBytes);
  }

  get isWhole(): boolean {
    return this.filledBytes === this.bytes.length;
  }

  append(bytes: Buffer, start: number, end: number): void {
    assert(this.filledBytes + end - start <= this.bytes.length, 'parts are no longer than their command');
    this.filledBytes += bytes.copy(this.bytes, this.filledBytes, start, end);
  }
}

/** Adds the part at `bytes[at, at + sizeBytes)` to what is staged. */
export function stagePart(
  staged: Staged | null,
  term: number,
  bytes: Buffer,
  at: number,
  sizeBytes: number,
): Staged {
  const offset = bytes.readUInt32LE(at + PART_OFFSET);
  const next = offset === 0 ? new Staged(term, bytes.readUInt32LE(at + PART_TOTAL)) : staged;
  assert(next !== null && next.filledBytes === offset, 'parts are applied in order');
  next.append(bytes, at + PART_HEADER_BYTES, at + sizeBytes);
  return next;
}

const IMAGE_HEADER_BYTES = 12;

/** What was staged when it was made, to be written bit by bit: term, float64; size, u32; then its bytes. */
export class StagedImage {
  private readonly staged: Staged;
  private readonly filledBytes: number;
  private at = 0;
  private hasBegun = false;

  constructor(staged: Staged) {
    this.staged = staged;
    this.filledBytes = staged.filledBytes;
  }

  /** The next bytes, at most `maxBytes` but the header; null at the end. */
  next(maxBytes: number): Buffer | null {
    if (!this.hasBegun) {
      this.hasBegun = true;
      const header = Buffer.alloc(IMAGE_HEADER_BYTES);
      header.writeDoubleLE(this.staged.term, 0);
      header.writeUInt32LE(this.staged.bytes.length, 8);
      return header;
    }
    if (this.at === this.filledBytes) return null;
    const from = this.at;
    this.at = Math.min(this.filledBytes, from + maxBytes);
    return this.staged.bytes.subarray(from, this.at);
  }

  /** Takes in one slice that an image wrote. */
  static load(staged: Staged | null, slice: Buffer): Staged {
    if (staged === null) return new Staged(slice.readDoubleLE(0), slice.readUInt32LE(8));
    staged.append(slice, 0, slice.length);
    return staged;
  }
}

function newRunItem(): Buffer {
  const item = Buffer.alloc(RUN_ITEM_BYTES);
  item.writeUInt32LE(RUN_ITEM_BYTES, 0);
  item[4] = ItemType.RUN_STAGED;
  return item;
}
