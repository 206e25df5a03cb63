/**
 * What nodes tell each other of moves. A MOVES section holds messages, one after the other, all with the same head, little-endian: each slot that moves is
 * told of several times, by code that is young while slots move, so numbers stand where they are looked for, and nothing is parsed.
 *
 * | size of all of it, u32 | 4: kind, refusal, u8 | 6: shard, u16 | 8: number, u32 | 12: how many | 16: float64 | 24: answers, u32 | 28: rows | … | items |
 *
 * ask:    shard, number; 16: move; rows: slots, u16. Behind it items for the target's log (move-item.ts).
 * answer: refusal, number, answers; 16: how late; rows: slot, u16, state, outcome, whether it is cut, u8, 3 free, index and term of the cut, offset, float64.
 * owner:  shard; 16: move; rows: from, to, u16.
 *
 * Cuts and effects go over the bulk connection; what clients wait for, answers and news over the control connection, which is quicker.
 */
import { unreachable } from '../../assert.ts';
import { readF64, readU16, readU32, writeF64, writeU16, writeU32 } from '../../little-endian.ts';
import { MoveAnswer, MoveOutcome, SlotState } from '../../shard/moves/slot-state.ts';
import type { ImportPosition } from '../../shard/moves/types.ts';
import { Refusal } from '../../shard/waiter.ts';
import { SLOT_COUNT, type MoveId, type ShardId, type SlotRange } from '../../topology/types.ts';

/** To the target's leader: log these items, and say what is needed next of their slots, and of these. */
export interface MoveQuestion {
  kind: 'ask';
  number: number;
  shard: ShardId;
  move: MoveId;
  slots: readonly number[];
}

export interface MoveReply {
  kind: 'answer';
  number: number;
  /** Why there are no answers; 0: there are. */
  refusal: Refusal | 0;
  /** What became of the items: a bit for each answer that some slot of theirs has got (`answerBit`). */
  answers: number;
  positions: readonly ImportPosition[];
  /** How late the event loop of the target's leader came, when it was looked at last. */
  lateMs: number;
}

/** To everybody: the move has given these slots to the shard. */
export interface OwnerNews {
  kind: 'owner';
  move: MoveId;
  shard: ShardId;
  slots: readonly SlotRange[];
}

export type MoveMessage = MoveQuestion | MoveReply | OwnerNews;

const Kind = { ASK: 1, ANSWER: 2, OWNER: 3 } as const;

const KIND = 4;
const REFUSAL = 5;
const SHARD = 6;
const NUMBER = 8;
const COUNT = 12;
/** The move; how late. */
const REAL = 16;
const ANSWERS = 24;
const ROWS = 28;
const SLOT_BYTES = 2;
const RANGE_BYTES = 4;
const POSITION_BYTES = 32;

const ANSWERS_END = 2 << Math.max(...Object.values(MoveAnswer));
const LAST_REFUSAL = Math.max(...Object.values(Refusal));
const LAST_STATE = Math.max(...Object.values(SlotState));
const LAST_OUTCOME = Math.max(...Object.values(MoveOutcome));

export const NO_ITEMS = Buffer.alloc(0);

export function answerBit(answer: MoveAnswer): number {
  return 1 << answer;
}

export function encodeMoveMessage(message: MoveMessage, items: Buffer): Buffer {
  switch (message.kind) {
    case 'ask':
      return encodeQuestion(message, items);
    case 'answer':
      return encodeReply(message, items);
    case 'owner':
      return encodeNews(message, items);
    default:
      return unreachable(message, 'message');
  }
}

function encodeQuestion({ number, shard, move, slots }: MoveQuestion, items: Buffer): Buffer {
  const bytes = newMessage(Kind.ASK, slots.length, SLOT_BYTES, items);
  writeU16(bytes, shard, SHARD);
  writeU32(bytes, number, NUMBER);
  writeF64(bytes, move, REAL);
  for (let i = 0, at = ROWS; i < slots.length; i++, at += SLOT_BYTES) writeU16(bytes, slots[i], at);
  return bytes;
}

function encodeReply({ number, refusal, answers, positions, lateMs }: MoveReply, items: Buffer): Buffer {
  const bytes = newMessage(Kind.ANSWER, positions.length, POSITION_BYTES, items);
  bytes[REFUSAL] = refusal;
  writeU32(bytes, number, NUMBER);
  writeF64(bytes, lateMs, REAL);
  writeU32(bytes, answers, ANSWERS);
  for (let i = 0, at = ROWS; i < positions.length; i++, at += POSITION_BYTES)
    writePosition(bytes, positions[i], at);
  return bytes;
}

function writePosition(bytes: Buffer, position: ImportPosition, at: number): void {
  writeU16(bytes, position.slot, at);
  bytes[at + 2] = position.state;
  bytes[at + 3] = position.ended;
  bytes[at + 4] = position.isCut ? 1 : 0;
  writeF64(bytes, position.cutIndex, at + 8);
  writeF64(bytes, position.cutTerm, at + 16);
  writeF64(bytes, position.offset, at + 24);
}

function encodeNews({ move, shard, slots }: OwnerNews, items: Buffer): Buffer {
  const bytes = newMessage(Kind.OWNER, slots.length, RANGE_BYTES, items);
  writeU16(bytes, shard, SHARD);
  writeF64(bytes, move, REAL);
  for (let i = 0, at = ROWS; i < slots.length; i++, at += RANGE_BYTES) {
    writeU16(bytes, slots[i].from, at);
    writeU16(bytes, slots[i].to, at + 2);
  }
  return bytes;
}

function newMessage(kind: number, count: number, rowBytes: number, items: Buffer): Buffer {
  const bytes = Buffer.alloc(ROWS + count * rowBytes + items.length);
  writeU32(bytes, bytes.length, 0);
  bytes[KIND] = kind;
  writeU32(bytes, count, COUNT);
  items.copy(bytes, ROWS + count * rowBytes);
  return bytes;
}

/** False when the section is malformed. */
export function readMoveMessages(
  bytes: Buffer,
  start: number,
  end: number,
  take: (message: MoveMessage, items: Buffer) => void,
): boolean {
  let at = start;
  while (at < end) {
    if (at + ROWS > end) return false;
    const to = at + readU32(bytes, at);
    const itemsAt = at + ROWS + readU32(bytes, at + COUNT) * rowBytesOf(bytes[at + KIND]);
    if (to > end || itemsAt > to) return false;
    const message = readMessage(bytes, at, itemsAt);
    if (message === null) return false;
    take(message, bytes.subarray(itemsAt, to));
    at = to;
  }
  return true;
}

function rowBytesOf(kind: number): number {
  if (kind === Kind.ANSWER) return POSITION_BYTES;
  return kind === Kind.ASK ? SLOT_BYTES : RANGE_BYTES;
}

/** Its rows end at `end`. Null: it says what cannot be. */
function readMessage(bytes: Buffer, at: number, end: number): MoveMessage | null {
  const rows = at + ROWS;
  const shard = readU16(bytes, at + SHARD);
  const number = readU32(bytes, at + NUMBER);
  const real = readF64(bytes, at + REAL);
  switch (bytes[at + KIND]) {
    case Kind.ASK: {
      const slots = readSlots(bytes, rows, end);
      return isMove(real) && slots !== null ? { kind: 'ask', number, shard, move: real, slots } : null;
    }
    case Kind.ANSWER: {
      const refusal = bytes[at + REFUSAL];
      const answers = readU32(bytes, at + ANSWERS);
      const positions = readPositions(bytes, rows, end);
      const isKnown = refusal <= LAST_REFUSAL && answers < ANSWERS_END && real >= 0 && real < Infinity;
      if (!isKnown || positions === null) return null;
      return { kind: 'answer', number, refusal: refusal as Refusal | 0, answers, positions, lateMs: real };
    }
    case Kind.OWNER: {
      const slots = readRanges(bytes, rows, end);
      return isMove(real) && slots !== null ? { kind: 'owner', move: real, shard, slots } : null;
    }
    default:
      return null;
  }
}

function readSlots(bytes: Buffer, start: number, end: number): number[] | null {
  const slots: number[] = [];
  for (let at = start; at < end; at += SLOT_BYTES) {
    const slot = readU16(bytes, at);
    if (slot >= SLOT_COUNT) return null;
    slots.push(slot);
  }
  return slots;
}

function readRanges(bytes: Buffer, start: number, end: number): SlotRange[] | null {
  const ranges: SlotRange[] = [];
  for (let at = start; at < end; at += RANGE_BYTES) {
    const range = { from: readU16(bytes, at), to: readU16(bytes, at + 2) };
    if (range.from > range.to || range.to >= SLOT_COUNT) return null;
    ranges.push(range);
  }
  return ranges;
}

function readPositions(bytes: Buffer, start: number, end: number): ImportPosition[] | null {
  const positions: ImportPosition[] = [];
  for (let at = start; at < end; at += POSITION_BYTES) {
    const position: ImportPosition = {
      slot: readU16(bytes, at),
      state: bytes[at + 2] as SlotState,
      ended: bytes[at + 3] as MoveOutcome,
      cutIndex: readF64(bytes, at + 8),
      cutTerm: readF64(bytes, at + 16),
      isCut: bytes[at + 4] === 1,
      offset: readF64(bytes, at + 24),
    };
    if (!isPosition(position)) return null;
    positions.push(position);
  }
  return positions;
}

function isPosition({ slot, state, ended, cutIndex, cutTerm, offset }: ImportPosition): boolean {
  const isKnown = slot < SLOT_COUNT && state <= LAST_STATE && ended <= LAST_OUTCOME;
  return isKnown && isWhole(cutIndex) && isWhole(cutTerm) && isWhole(offset);
}

function isWhole(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function isMove(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}
