/**
 * A leader's batch: the commands of one turn, gathered by reference, then sealed into one log entry.
 *
 * An entry's payload: 4 bytes with the offset (from the payload's start) at which the prelude begins; command items, with a session item before each
 * run of commands of one session; the prelude's items (removals, policy, floors), which are applied first.
 */
import { writeU32 } from '../little-endian.ts';
import { ENTRY_HEADER_BYTES, EntryKind, writeEntryHeader } from '../raft/entry.ts';
import { ItemType } from './command-item.ts';
import { NODE_ID_BYTES } from './sessions-image.ts';
import { NOBODY, Refusal, type Waiter } from './waiter.ts';

export const SESSION_ITEM_BYTES = 32;
const SESSION_NODE = 8;
const SESSION_START = SESSION_NODE + NODE_ID_BYTES;

const NO_BYTES = Buffer.alloc(0);

/** A session as its commands name it: 20 bytes of node id and 4 of start number. */
export type SessionId = Buffer;

export function sessionId(node: string, start: number): SessionId {
  const id = Buffer.alloc(NODE_ID_BYTES + 4);
  id.write(node, 0, 'hex');
  writeU32(id, start, NODE_ID_BYTES);
  return id;
}

/** Who waits for the commands of one entry, in order, and the reads that ride between them. */
export class EntryWaiters {
  index = 0;
  readonly waiters: Waiter[] = [];
  /** Without a read, as mostly, the two arrays below are not filled. */
  hasReads = false;
  /** For a read its item; null for a write. */
  readonly readBytes: (Buffer | null)[] = [];
  readonly readStart: number[] = [];

  addWrite(waiter: Waiter): void {
    this.waiters.push(waiter);
    if (!this.hasReads) return;
    this.readBytes.push(null);
    this.readStart.push(0);
  }

  addRead(waiter: Waiter, bytes: Buffer, start: number): void {
    if (!this.hasReads) this.fillReads();
    this.waiters.push(waiter);
    this.readBytes.push(bytes);
    this.readStart.push(start);
  }

  private fillReads(): void {
    this.hasReads = true;
    for (let i = 0; i < this.waiters.length; i++) {
      this.readBytes.push(null);
      this.readStart.push(0);
    }
  }

  /** Reads can always be asked again; where the entry may run yet, their refusal says nothing of what follows them. */
  refuseAll(refusal: Refusal): void {
    const ofReads = refusal === Refusal.LOST ? Refusal.READ_LOST : refusal;
    for (let i = 0; i < this.waiters.length; i++) {
      const isRead = this.hasReads && this.readBytes[i] !== null;
      this.waiters[i].refuse(isRead ? ofReads : refusal);
    }
  }

  /** Those whom `of` names are told nothing any more. */
  disown(of: (waiter: Waiter) => boolean): void {
    for (let i = 0; i < this.waiters.length; i++) if (of(this.waiters[i])) this.waiters[i] = NOBODY;
  }
}

export class Batch {
  /** Items, or runs of items that follow one another in memory and in a session; the first `count` hold. */
  private readonly itemBytes: Buffer[] = [];
  private count = 0;
  private readonly itemStart: number[] = [];
  private readonly itemEnd: number[] = [];
  private readonly itemSession: SessionId[] = [];
  private readonly prelude: Buffer[] = [];
  private preludeBytes = 0;
  private commandBytes = 0;
  private lastSession: SessionId | null = null;

  waiters = new EntryWaiters();

  get isEmpty(): boolean {
    return this.count === 0 && this.prelude.length === 0 && !this.hasWaiters;
  }

  get hasWaiters(): boolean {
    return this.waiters.waiters.length > 0;
  }

  /** Bytes of the payload so far. */
  get sizeBytes(): number {
    return this.commandBytes + this.preludeBytes;
  }

  addCommand(waiter: Waiter, session: SessionId, bytes: Buffer, start: number, end: number): void {
    if (session !== this.lastSession) {
      this.lastSession = session;
      this.commandBytes += SESSION_ITEM_BYTES;
      this.addRun(session, bytes, start, end);
    } else if (!this.extendsRun(bytes, start, end)) {
      this.addRun(session, bytes, start, end);
    }
    this.commandBytes += end - start;
    this.waiters.addWrite(waiter);
  }

  private addRun(session: SessionId, bytes: Buffer, start: number, end: number): void {
    const { count } = this;
    this.itemBytes[count] = bytes;
    this.itemStart[count] = start;
    this.itemEnd[count] = end;
    this.itemSession[count] = session;
    this.count = count + 1;
  }

  /** As the arena of a node's own clients hands them out: a run is copied in one go. */
  private extendsRun(bytes: Buffer, start: number, end: number): boolean {
    const last = this.count - 1;
    if (this.itemBytes[last] !== bytes || this.itemEnd[last] !== start) return false;
    this.itemEnd[last] = end;
    return true;
  }

  addPrelude(item: Buffer): void {
    this.prelude.push(item);
    this.preludeBytes += item.length;
  }

  /** The entry, with all but its place in the log; the batch is empty afterwards. */
  seal(rules: number, seed: number, stampMs: number): { entry: Buffer; waiters: EntryWaiters } {
    const preludeAt = ENTRY_HEADER_BYTES + 4 + this.commandBytes;
    const entry = Buffer.allocUnsafe(preludeAt + this.preludeBytes);
    writeU32(entry, preludeAt - ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES);
    let at = ENTRY_HEADER_BYTES + 4;
    let session: SessionId | null = null;
    for (let i = 0; i < this.count; i++) {
      if (this.itemSession[i] !== session) {
        session = this.itemSession[i];
        at = writeSessionItem(entry, at, session);
      }
      at += this.itemBytes[i].copy(entry, at, this.itemStart[i], this.itemEnd[i]);
    }
    for (const item of this.prelude) at += item.copy(entry, at);
    writeEntryHeader(entry, { kind: EntryKind.COMMANDS, rules, seed, stampMs });
    const { waiters } = this;
    this.clear();
    return { entry, waiters };
  }

  refuseAll(refusal: Refusal): void {
    const { waiters } = this;
    this.clear();
    waiters.refuseAll(refusal);
  }

  private clear(): void {
    // What they pointed to goes.
    for (let i = 0; i < this.count; i++) this.itemBytes[i] = NO_BYTES;
    this.count = 0;
    if (this.preludeBytes > 0) this.prelude.length = 0;
    this.preludeBytes = 0;
    this.commandBytes = 0;
    this.lastSession = null;
    this.waiters = new EntryWaiters();
  }
}

function writeSessionItem(entry: Buffer, at: number, session: SessionId): number {
  writeU32(entry, SESSION_ITEM_BYTES, at);
  writeU32(entry, ItemType.SESSION, at + 4);
  session.copy(entry, at + SESSION_NODE, 0, NODE_ID_BYTES);
  session.copy(entry, at + SESSION_START, NODE_ID_BYTES);
  return at + SESSION_ITEM_BYTES;
}

/** Where a session item at `at` holds its 24 bytes. */
export function sessionItemId(at: number): number {
  return at + SESSION_NODE;
}
