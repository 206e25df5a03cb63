/**
 * What the logs of a move's source and target carry: an entry of kind MOVE holds items, one after the other, of one move or several. Items for
 * the target are made whole by the source's leader, and go over the mesh and into the target's log as they are. Little-endian.
 *
 * Every item: | 0: size of all of it, u32 | 4: type | 8: move, float64 | 16: by type |
 *
 * Sets of slots: | 16: the other shard, u32 | 20: from, to, u16 each, again and again |
 * CUT, EFFECTS:  | 16: the source's term, float64 | 24: index of the cut | 32: offset of the bytes | 40: slot, u16 | 44: bytes |
 * CUT_END:       as CUT, its offset the length of the cut | 44: offset of the first effect after it, float64 |
 *                | 52: sums of cut, of effects, u32 | 60: keys, u32 |
 * LOGGED:        | 16: slot, u16, offset of effects, float64, again and again |
 * ACTIVATE:      | 16: the source's term | 24: its time | 32: its highest version, float64 | 40: how many slots, ended starts, u32 |
 *                | 48: them |
 */
import { ENTRY_HEADER_BYTES, EntryKind, writeEntryHeader } from '../../raft/entry.ts';
import { readF64, readU16, readU32, writeF64, writeU16, writeU32 } from '../../little-endian.ts';
import { SLOT_COUNT, type MoveId, type ShardId, type SlotRange } from '../../topology/types.ts';
import { NODE_ID_BYTES } from '../sessions-image.ts';

export const MoveItemType = {
  /** The slots that the group was made with: its first leader says so before anything else. */
  FOUND: 1,
  /** Source: from here every replica keeps the effects on the slots. The other shard is the target. */
  EXPORT_BEGIN: 2,
  /** Source: the target has logged the effects up to these offsets; they need not be kept. */
  LOGGED: 3,
  /** Source: later commands on the slots are refused, unless more was done to them than a little since it was proposed. */
  FENCE: 4,
  /** Source: the target's log holds an `Activate` that took effect for the slots. Its answer is the proof. */
  MOVED: 5,
  /** Source: the target's log has ended the move without them. */
  THAW: 6,
  /** Target: a staging area for the slots. The other shard is the source. */
  IMPORT_BEGIN: 7,
  /** Target: bytes of a slot as it was when it was cut. */
  CUT: 8,
  CUT_END: 9,
  /** Target: what was done to the slot after the cut. */
  EFFECTS: 10,
  /** Target: the one decision. Where its check fails it is an IMPORT_ABORT. */
  ACTIVATE: 11,
  /** Target: the only way back. Before an IMPORT_BEGIN it bars it. */
  IMPORT_ABORT: 12,
  /** The group's end: no slot is its own, and none comes later. Its move is of the epoch that marked the shard closing. */
  CLOSE: 13,
} as const;
export type MoveItemType = (typeof MoveItemType)[keyof typeof MoveItemType];

type SlotSetType = Extract<MoveItemType, 1 | 2 | 4 | 5 | 6 | 7 | 12 | 13>;

const TYPE = 4;
const MOVE = 8;
const BODY = 16;
const RANGES = BODY + 4;
const CUT_INDEX = 24;
const OFFSET = 32;
const SLOT = 40;
export const PIECE_HEADER_BYTES = 44;
const EFFECTS_FROM = PIECE_HEADER_BYTES;
const CUT_SUM = 52;
const EFFECTS_SUM = 56;
const KEYS = 60;
const CUT_END_BYTES = 64;
const LOGGED_BYTES = 10;
const TIME = 24;
const VERSION = 32;
const COUNTS = 40;
const LISTS = 48;
/** Of a slot in ACTIVATE: slot, epoch, keys, sum of effects, their end, bytes. */
const PROOF_BYTES = 32;
const ENDED_BYTES = NODE_ID_BYTES + 4;

/** What the target checks before it takes a slot over. */
export interface SlotProof {
  slot: number;
  /** The slot's epoch at the source: the target's is the next one. */
  epoch: number;
  keys: number;
  /** What the keys account for: a function of their content alone. */
  usedBytes: number;
  /** Of all effects up to the fence. */
  effectsSum: number;
  effectsEnd: number;
}

/** A node's highest ended start, as sessions know it. */
export interface EndedStart {
  node: string;
  start: number;
}

export interface Activation {
  move: MoveId;
  sourceTerm: number;
  /** The source's log time after the fence was applied. */
  sourceTimeMs: number;
  /** No key of the source has a higher version. */
  sourceVersion: number;
  slots: readonly SlotProof[];
  ended: readonly EndedStart[];
}

export interface CutEnd {
  cutBytes: number;
  cutSum: number;
  /** Where in the slot's effects those begin that the cut does not hold, and the sum of those before. */
  effectsFrom: number;
  effectsSum: number;
  keys: number;
}

/** An item on a set of slots. `word`: of EXPORT_BEGIN and IMPORT_BEGIN the shard of the other side, of FENCE the `Exports.endsOf` its slots; else 0. */
export function slotsItem(
  type: SlotSetType,
  move: MoveId,
  word: number,
  slots: readonly SlotRange[],
): Buffer {
  const item = newItem(type, move, RANGES + slots.length * 4);
  writeU32(item, word, BODY);
  let at = RANGES;
  for (const { from, to } of slots) {
    writeU16(item, from, at);
    writeU16(item, to, at + 2);
    at += 4;
  }
  return item;
}

export function itemShard(bytes: Buffer, at: number): ShardId {
  return readU32(bytes, at + BODY);
}

/** Of a FENCE. */
export function itemEffectsEnds(bytes: Buffer, at: number): number {
  return readU32(bytes, at + BODY);
}

export function itemRanges(bytes: Buffer, at: number): SlotRange[] {
  const ranges: SlotRange[] = [];
  const end = at + itemBytes(bytes, at);
  for (let i = at + RANGES; i < end; i += 4)
    ranges.push({ from: readU16(bytes, i), to: readU16(bytes, i + 2) });
  return ranges;
}

/** `bytes[start, end)` of a cut or of effects, from `offset` on. `cutIndex` 0: effects. */
export function pieceItem(
  move: MoveId,
  sourceTerm: number,
  slot: number,
  cutIndex: number,
  offset: number,
  bytes: Buffer,
): Buffer {
  const type = cutIndex === 0 ? MoveItemType.EFFECTS : MoveItemType.CUT;
  const item = newPiece(type, move, sourceTerm, slot, cutIndex, offset, PIECE_HEADER_BYTES + bytes.length);
  bytes.copy(item, PIECE_HEADER_BYTES);
  return item;
}

export function cutEndItem(
  move: MoveId,
  sourceTerm: number,
  slot: number,
  cutIndex: number,
  end: CutEnd,
): Buffer {
  const item = newPiece(MoveItemType.CUT_END, move, sourceTerm, slot, cutIndex, end.cutBytes, CUT_END_BYTES);
  writeF64(item, end.effectsFrom, EFFECTS_FROM);
  writeU32(item, end.cutSum, CUT_SUM);
  writeU32(item, end.effectsSum, EFFECTS_SUM);
  writeU32(item, end.keys, KEYS);
  return item;
}

export function readCutEnd(bytes: Buffer, at: number): CutEnd {
  return {
    cutBytes: pieceOffset(bytes, at),
    effectsFrom: readF64(bytes, at + EFFECTS_FROM),
    cutSum: readU32(bytes, at + CUT_SUM),
    effectsSum: readU32(bytes, at + EFFECTS_SUM),
    keys: readU32(bytes, at + KEYS),
  };
}

/** Of CUT, CUT_END, EFFECTS and ACTIVATE. */
export function itemSourceTerm(bytes: Buffer, at: number): number {
  return readF64(bytes, at + BODY);
}

export function pieceSlot(bytes: Buffer, at: number): number {
  return readU16(bytes, at + SLOT);
}

export function pieceCutIndex(bytes: Buffer, at: number): number {
  return readF64(bytes, at + CUT_INDEX);
}

export function pieceOffset(bytes: Buffer, at: number): number {
  return readF64(bytes, at + OFFSET);
}

/** Up to where the target has logged the effects on each slot. */
export function loggedItem(move: MoveId, slots: readonly number[], offsets: readonly number[]): Buffer {
  const item = newItem(MoveItemType.LOGGED, move, BODY + slots.length * LOGGED_BYTES);
  for (const [i, slot] of slots.entries()) {
    const at = BODY + i * LOGGED_BYTES;
    writeU16(item, slot, at);
    writeF64(item, offsets[i], at + 2);
  }
  return item;
}

export function eachLogged(bytes: Buffer, at: number, visit: (slot: number, offset: number) => void): void {
  const end = at + itemBytes(bytes, at);
  for (let i = at + BODY; i < end; i += LOGGED_BYTES) visit(readU16(bytes, i), readF64(bytes, i + 2));
}

export function activateItem(activation: Activation): Buffer {
  const { slots, ended } = activation;
  const sizeBytes = LISTS + slots.length * PROOF_BYTES + ended.length * ENDED_BYTES;
  const item = newItem(MoveItemType.ACTIVATE, activation.move, sizeBytes);
  writeF64(item, activation.sourceTerm, BODY);
  writeF64(item, activation.sourceTimeMs, TIME);
  writeF64(item, activation.sourceVersion, VERSION);
  writeU32(item, slots.length, COUNTS);
  writeU32(item, ended.length, COUNTS + 4);
  let at = LISTS;
  for (const { slot, epoch, keys, usedBytes, effectsSum, effectsEnd } of slots) {
    writeU16(item, slot, at);
    writeU32(item, epoch, at + 4);
    writeU32(item, keys, at + 8);
    writeU32(item, effectsSum, at + 12);
    writeF64(item, effectsEnd, at + 16);
    writeF64(item, usedBytes, at + 24);
    at += PROOF_BYTES;
  }
  for (const { node, start } of ended) {
    item.write(node, at, 'hex');
    writeU32(item, start, at + NODE_ID_BYTES);
    at += ENDED_BYTES;
  }
  return item;
}

export function readActivation(bytes: Buffer, at: number): Activation {
  const slots: SlotProof[] = [];
  const ended: EndedStart[] = [];
  let from = at + LISTS;
  for (let left = readU32(bytes, at + COUNTS); left > 0; left -= 1, from += PROOF_BYTES)
    slots.push({
      slot: readU16(bytes, from),
      epoch: readU32(bytes, from + 4),
      keys: readU32(bytes, from + 8),
      effectsSum: readU32(bytes, from + 12),
      effectsEnd: readF64(bytes, from + 16),
      usedBytes: readF64(bytes, from + 24),
    });
  for (let left = readU32(bytes, at + COUNTS + 4); left > 0; left -= 1, from += ENDED_BYTES)
    ended.push({
      node: bytes.toString('hex', from, from + NODE_ID_BYTES),
      start: readU32(bytes, from + NODE_ID_BYTES),
    });
  return {
    move: itemMove(bytes, at),
    sourceTerm: itemSourceTerm(bytes, at),
    sourceTimeMs: readF64(bytes, at + TIME),
    sourceVersion: readF64(bytes, at + VERSION),
    slots,
    ended,
  };
}

export function itemBytes(bytes: Buffer, at: number): number {
  return readU32(bytes, at);
}

export function moveItemType(bytes: Buffer, at: number): MoveItemType {
  return bytes[at + TYPE] as MoveItemType;
}

export function itemMove(bytes: Buffer, at: number): MoveId {
  return readF64(bytes, at + MOVE);
}

/** An entry of these items, with all but its place in the log. */
export function moveEntry(rules: number, stampMs: number, items: Buffer): Buffer {
  const entry = Buffer.allocUnsafe(ENTRY_HEADER_BYTES + items.length);
  items.copy(entry, ENTRY_HEADER_BYTES);
  writeEntryHeader(entry, { kind: EntryKind.MOVE, rules, seed: 0, stampMs });
  return entry;
}

/** Whether the bytes are well-formed items of a move for this side: asked of what another node sends for the target's log. */
export function areTargetItems(bytes: Buffer): boolean {
  let at = 0;
  while (at + BODY <= bytes.length) {
    const sizeBytes = itemBytes(bytes, at);
    if (sizeBytes < BODY || at + sizeBytes > bytes.length || !isTargetItem(bytes, at, sizeBytes))
      return false;
    at += sizeBytes;
  }
  return at === bytes.length && at > 0;
}

function isTargetItem(bytes: Buffer, at: number, sizeBytes: number): boolean {
  const move = itemMove(bytes, at);
  if (!Number.isSafeInteger(move) || move <= 0) return false;
  switch (moveItemType(bytes, at)) {
    case MoveItemType.IMPORT_BEGIN:
    case MoveItemType.IMPORT_ABORT:
      return areRanges(bytes, at, sizeBytes);
    case MoveItemType.CUT:
    case MoveItemType.EFFECTS:
      return sizeBytes > PIECE_HEADER_BYTES && pieceSlot(bytes, at) < SLOT_COUNT;
    case MoveItemType.CUT_END:
      return sizeBytes === CUT_END_BYTES && pieceSlot(bytes, at) < SLOT_COUNT;
    case MoveItemType.ACTIVATE: {
      if (sizeBytes < LISTS) return false;
      const lists = readU32(bytes, at + COUNTS) * PROOF_BYTES + readU32(bytes, at + COUNTS + 4) * ENDED_BYTES;
      return sizeBytes === LISTS + lists;
    }
    case MoveItemType.FOUND:
    case MoveItemType.EXPORT_BEGIN:
    case MoveItemType.LOGGED:
    case MoveItemType.FENCE:
    case MoveItemType.MOVED:
    case MoveItemType.THAW:
    case MoveItemType.CLOSE:
      return false;
    default:
      // No type at all.
      return false;
  }
}

function areRanges(bytes: Buffer, at: number, sizeBytes: number): boolean {
  if (sizeBytes <= RANGES || (sizeBytes - RANGES) % 4 !== 0) return false;
  return itemRanges(bytes, at).every(({ from, to }) => from <= to && to < SLOT_COUNT);
}

function newPiece(
  type: MoveItemType,
  move: MoveId,
  sourceTerm: number,
  slot: number,
  cutIndex: number,
  offset: number,
  sizeBytes: number,
): Buffer {
  const item = newItem(type, move, sizeBytes);
  writeF64(item, sourceTerm, BODY);
  writeF64(item, cutIndex, CUT_INDEX);
  writeF64(item, offset, OFFSET);
  writeU16(item, slot, SLOT);
  return item;
}

function newItem(type: MoveItemType, move: MoveId, sizeBytes: number): Buffer {
  const item = Buffer.alloc(sizeBytes);
  writeU32(item, sizeBytes, 0);
  item[TYPE] = type;
  writeF64(item, move, MOVE);
  return item;
}
