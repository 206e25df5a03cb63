/**
 * Exactly once (design section 5): which writes of which session have run, with their replies. Replicated state of a shard.
 *
 * A session is (node, start). Sequences, floor and rows are per (session, slot), so that they can move with the slot: all below the floor is
 * answered; a row says that its sequence ran, and what it replied. However many writes of a slot are under way, each costs the same.
 */
import { assert } from '../assert.ts';
import { readF64, readU16, readU32, writeU32 } from '../little-endian.ts';
import type { ReplyWriter } from '../resp/reply-writer.ts';
import { equalAt } from '../store/byte-hash.ts';
import { NO_ROW, RowReply, SessionRows } from './session-rows.ts';
import {
  FLOOR_AT,
  ImageRecord,
  NODE_ID_BYTES,
  ROWS_AT,
  rowsFrom,
  SessionsImage,
  type SessionImage,
  SLOT_AT,
  SLOT_COUNT,
} from './sessions-image.ts';
import { SlotSet } from './slot-set.ts';

/** This module's own copies: V8 takes them for constant (store/desk.ts). */
const NONE = NO_ROW;
const SLOTS = SLOT_COUNT;
const ID_BYTES = NODE_ID_BYTES;
const NO_BYTES = Buffer.alloc(0);

/** What a session keeps of each slot's rows: the newest, and how many. */
const FIELDS = 2;
const HEAD_AT = 0;
const COUNT_AT = 1;

/** No start of a node is greater: ended with it, none of its sessions opens again. */
export const LAST_START = 2 ** 32 - 1;

interface Session {
  /** Told by no other of this shard. With the slot in its low bits: a place. */
  number: number;
  node: string;
  nodeBytes: Buffer;
  /** Node and start, as items hold them. */
  id: Buffer;
  start: number;
  /** Of each slot, by pages: those of slots that there is nothing of are one and the same, and only read. */
  floors: Float64Array[];
  /** Those with a floor or a row: only of them there is anything to tell. */
  used: SlotSet;
  /** Of each slot its newest row and how many there are. Integers apart: as a double a row's number would stay one wherever it is kept. */
  lists: Int32Array[];
}

/** A slot that is on its way from shard to shard has sessions of its own: all slots of each would be 256 KiB for one of them. */
const PAGE_SHIFT = 6;
const PAGE_SLOTS = 1 << PAGE_SHIFT;
const PAGE_MASK = PAGE_SLOTS - 1;
const PAGES = SLOTS >>> PAGE_SHIFT;
const EMPTY_FLOORS = new Float64Array(PAGE_SLOTS);
const EMPTY_LISTS = Int32Array.from({ length: PAGE_SLOTS * FIELDS }, (_, at) =>
  at % FIELDS === HEAD_AT ? NONE : 0,
);
const NO_FLOORS: readonly Float64Array[] = Array.from({ length: PAGES }, () => EMPTY_FLOORS);
const NO_LISTS: readonly Int32Array[] = Array.from({ length: PAGES }, () => EMPTY_LISTS);

const NONE_ENDED: ReadonlyMap<string, number> = new Map();

/** Numbers and slots fit into 31 bits together. */
const SESSIONS_MAX = 2 ** 17;

export const Admission = {
  /** New: run it, then `record` its reply. */
  RUN: 0,
  /** It ran: `repeatReply` tells the reply. */
  REPEAT: 1,
  /** Below the floor: whoever sent it has its answer. */
  BELOW_FLOOR: 2,
  /** The session has ended. */
  NOT_OPEN: 3,
} as const;
export type Admission = (typeof Admission)[keyof typeof Admission];
const { RUN, REPEAT, BELOW_FLOOR, NOT_OPEN } = Admission;

export class Sessions {
  private sessions: Session[] = [];
  /** The highest ended start of each node, kept for ever. */
  private ended = new Map<string, number>();
  private readonly rows = new SessionRows();
  private found = NONE;

  /** How many rows are kept. */
  get rowCount(): number {
    return this.rows.count;
  }

  /** Bytes of replies kept in rows that are not short ones. */
  get blobBytes(): number {
    return this.rows.blobBytes;
  }

  /** Opens the session of the 20 + 4 bytes at `at`; a later start ends the earlier ones. Returns its index, or -1 when it has ended. */
  open(bytes: Buffer, at: number): number {
    const start = readU32(bytes, at + ID_BYTES);
    for (let i = 0; i < this.sessions.length; i++) {
      const session = this.sessions[i];
      if (session.start === start && equalAt(session.nodeBytes, 0, bytes, at, at + ID_BYTES)) return i;
    }
    return this.openNew(bytes.toString('hex', at, at + ID_BYTES), start);
  }

  private openNew(node: string, start: number): number {
    if (start <= (this.ended.get(node) ?? 0)) return -1;
    this.end(node, start - 1);
    this.sessions.push({
      number: this.freeNumber(),
      node,
      nodeBytes: Buffer.from(node, 'hex'),
      id: idOf(node, start),
      start,
      floors: NO_FLOORS.slice(),
      used: new SlotSet(),
      lists: NO_LISTS.slice(),
    });
    return this.sessions.length - 1;
  }

  private freeNumber(): number {
    let number = 0;
    while (this.sessions.some((session) => session.number === number)) number += 1;
    assert(number < SESSIONS_MAX, 'sessions are fewer than their numbers');
    return number;
  }

  /** Ends all sessions of the node up to `start`, for ever, and drops their rows. */
  end(node: string, start: number): void {
    if (start <= (this.ended.get(node) ?? 0)) return;
    this.ended.set(node, start);
    const kept: Session[] = [];
    for (const session of this.sessions) {
      if (session.node !== node || session.start > start) kept.push(session);
      else this.dropAll(session);
    }
    this.sessions = kept;
  }

  /** Whether no session of the node opens again. */
  hasDeparted(node: string): boolean {
    return this.ended.get(node) === LAST_START;
  }

  /** Whether a write may run. Raises the floor first. */
  admit(index: number, slot: number, sequence: number, floor: number): Admission {
    if (index < 0) return NOT_OPEN;
    const session = this.sessions[index];
    if (floor > floorAt(session, slot)) this.raise(session, slot, floor);
    if (sequence < floorAt(session, slot)) return BELOW_FLOOR;
    if (listsAt(session, slot)[atOf(slot) + COUNT_AT] === 0) return RUN;
    this.found = this.rows.find(placeOf(session, slot), sequence);
    return this.found === NONE ? RUN : REPEAT;
  }

  raiseFloor(index: number, slot: number, floor: number): void {
    if (index >= 0) this.raise(this.sessions[index], slot, floor);
  }

  /** Writes the reply of the row that the last `admit` found; false when it was too large to keep. */
  repeatReply(reply: ReplyWriter): boolean {
    return this.rows.repeat(this.found, reply);
  }

  /** Keeps the reply `bytes[start, end)` of a sequence that has just run. */
  record(index: number, slot: number, sequence: number, bytes: Buffer, start: number, end: number): void {
    this.rows.keep(this.addRow(this.sessions[index], slot, sequence), bytes, start, end);
  }

  /** The 24 bytes of a session that is open. */
  idOf(index: number): Buffer {
    return this.sessions[index].id;
  }

  floorOf(index: number, slot: number): number {
    return floorAt(this.sessions[index], slot);
  }

  /** Of each node that has one: its highest ended start. */
  endedStarts(): { node: string; start: number }[] {
    return [...this.ended].map(([node, start]) => ({ node, start }));
  }

  /** What there is of one slot, good until the next change. */
  slotView(slot: number): SessionsImage {
    const all = this.sessions.filter(({ used }) => used.has(slot));
    return new SessionsImage(
      all.map((session) => imageOf(session, Uint16Array.of(slot))),
      NONE_ENDED,
      this.rows,
    );
  }

  /** Takes over what another has of the slot; this one has nothing of it. What has ended here is left out. */
  takeSlot(slot: number, from: Sessions): void {
    for (const theirs of from.sessions) {
      if (!theirs.used.has(slot)) continue;
      const index = this.open(theirs.id, 0);
      if (index < 0) continue;
      const session = this.sessions[index];
      this.raise(session, slot, floorAt(theirs, slot));
      const head = listsAt(theirs, slot)[atOf(slot) + HEAD_AT];
      if (head !== NONE) this.takeRows(session, slot, from.rows, head);
    }
  }

  /** The lowest sequence first: a slot's newest row is its last one. */
  private takeRows(session: Session, slot: number, from: SessionRows, head: number): void {
    const theirs = rowsFrom(from, head);
    for (const one of theirs) {
      const kind = from.kind(one);
      const row = this.addRow(session, slot, from.sequence(one));
      const replyNumber = kind === RowReply.INTEGER ? from.replyNumber(one) : 0;
      const blob = kind === RowReply.BLOB ? from.blob(one) : NO_BYTES;
      assert(blob !== null, 'a row of kind BLOB has its bytes');
      this.rows.restore(row, kind, replyNumber, Buffer.from(blob));
    }
  }

  /** Forgets rows and floors of the slot: it is another shard's. */
  dropSlot(slot: number): void {
    for (const session of this.sessions) {
      const { used } = session;
      if (!used.has(slot)) continue;
      this.removeRows(session, slot);
      setFloor(session, slot, 0);
      used.delete(slot);
    }
  }

  /** A copy to be written into a snapshot bit by bit, while this one goes on. */
  image(): SessionsImage {
    return new SessionsImage(this.images(), this.ended, this.rows.copy());
  }

  /** The same, good until the next change. */
  view(): SessionsImage {
    return new SessionsImage(this.images(), this.ended, this.rows);
  }

  private images(): SessionImage[] {
    return this.sessions.map((session) => imageOf(session));
  }

  /** Takes in one record that an image wrote. */
  load(record: Buffer): void {
    const kind = record[0];
    if (kind === ImageRecord.ENDED) {
      const node = record.toString('hex', 1, 1 + ID_BYTES);
      const start = readU32(record, 1 + ID_BYTES);
      this.ended.set(node, Math.max(start, this.ended.get(node) ?? 0));
      return;
    }
    const index = this.open(record, 1);
    if (index < 0 || kind === ImageRecord.SESSION) return;
    const session = this.sessions[index];
    const slot = readU16(record, SLOT_AT);
    this.raise(session, slot, readF64(record, FLOOR_AT));
    const { rows } = this;
    let at = ROWS_AT;
    while (at < record.length) {
      const row = this.addRow(session, slot, readF64(record, at));
      const blobBytes = readU32(record, at + 17);
      const blob = Buffer.from(record.subarray(at + 21, at + 21 + blobBytes));
      rows.restore(row, record[at + 8], readF64(record, at + 9), blob);
      at += 21 + blobBytes;
    }
  }

  private addRow(session: Session, slot: number, sequence: number): number {
    const lists = ownLists(session, slot);
    const at = atOf(slot);
    if (lists[at + COUNT_AT] === 0) session.used.add(slot);
    const row = this.rows.add(placeOf(session, slot), sequence, lists[at + HEAD_AT]);
    lists[at + HEAD_AT] = row;
    lists[at + COUNT_AT] += 1;
    return row;
  }

  private removeRow(session: Session, slot: number, row: number): void {
    const lists = listsAt(session, slot);
    const at = atOf(slot);
    lists[at + HEAD_AT] = this.rows.drop(row, lists[at + HEAD_AT]);
    lists[at + COUNT_AT] -= 1;
  }

  /** Looks at the sequences passed or at the rows, whichever are fewer: no sequence is passed twice. */
  private raise(session: Session, slot: number, floor: number): void {
    const from = floorAt(session, slot);
    if (floor <= from) return;
    if (from === 0) session.used.add(slot);
    setFloor(session, slot, floor);
    const { rows } = this;
    const lists = listsAt(session, slot);
    const at = atOf(slot);
    if (floor - from < lists[at + COUNT_AT]) {
      const place = placeOf(session, slot);
      for (let sequence = from; sequence < floor; sequence++) {
        const row = rows.find(place, sequence);
        if (row !== NONE) this.removeRow(session, slot, row);
      }
      return;
    }
    for (let row = lists[at + HEAD_AT]; row !== NONE;) {
      const older = rows.older(row);
      if (rows.sequence(row) < floor) this.removeRow(session, slot, row);
      row = older;
    }
  }

  private dropAll(session: Session): void {
    for (const slot of session.used.slots()) this.removeRows(session, slot);
  }

  private removeRows(session: Session, slot: number): void {
    const lists = listsAt(session, slot);
    for (let at = atOf(slot) + HEAD_AT; lists[at] !== NONE;) this.removeRow(session, slot, lists[at]);
  }
}

function floorAt({ floors }: Session, slot: number): number {
  return floors[slot >>> PAGE_SHIFT][slot & PAGE_MASK];
}

function setFloor({ floors }: Session, slot: number, floor: number): void {
  const page = slot >>> PAGE_SHIFT;
  if (floors[page] === EMPTY_FLOORS) floors[page] = new Float64Array(PAGE_SLOTS);
  floors[page][slot & PAGE_MASK] = floor;
}

/** Of the page of the slot; where in it the slot's are, says `atOf`. */
function listsAt({ lists }: Session, slot: number): Int32Array {
  return lists[slot >>> PAGE_SHIFT];
}

/** To be written. */
function ownLists({ lists }: Session, slot: number): Int32Array {
  const page = slot >>> PAGE_SHIFT;
  if (lists[page] === EMPTY_LISTS) lists[page] = EMPTY_LISTS.slice();
  return lists[page];
}

function atOf(slot: number): number {
  return (slot & PAGE_MASK) * FIELDS;
}

function idOf(node: string, start: number): Buffer {
  const id = Buffer.alloc(ID_BYTES + 4);
  id.write(node, 0, 'hex');
  writeU32(id, start, ID_BYTES);
  return id;
}

function imageOf(session: Session, slots = session.used.slots()): SessionImage {
  const { nodeBytes, node, start } = session;
  const heads = new Int32Array(slots.length);
  const floorsOf = new Float64Array(slots.length);
  for (let i = 0; i < slots.length; i += 1) {
    heads[i] = listsAt(session, slots[i])[atOf(slots[i]) + HEAD_AT];
    floorsOf[i] = floorAt(session, slots[i]);
  }
  return { node, nodeBytes, start, slots, floors: floorsOf, heads };
}

function placeOf({ number }: Session, slot: number): number {
  return number * SLOTS + slot;
}
