/**
 * The target's side: a hidden staging area of slots on their way here. A slot's cut is loaded bit by bit, then every effect since is done again.
 * Both are streams told by offsets, so that what comes twice does nothing and what is missing is asked for again. Nothing here expires or is
 * evicted but by an effect. Replicated state, all of it.
 */
import { crc32 } from 'node:zlib';
import { slotOf } from '../../../ring/index.ts';
import { assert } from '../../assert.ts';
import { readU32 } from '../../little-endian.ts';
import { SnapshotDamagedError } from '../../store/snapshot-format.ts';
import type { KeyspaceLimits, SlotKeyspace, SlotLoad } from '../../store/types.ts';
import type { MoveId } from '../../topology/types.ts';
import { Sessions } from '../sessions.ts';
import {
  EffectKind,
  effectBytes,
  effectDb,
  effectFloor,
  effectKind,
  effectSessionAt,
  effectTime,
  readRemoveEffect,
  readRunBy,
  rowReplyAt,
  rowSequence,
  runItemAt,
  type RunBy,
} from './effect.ts';
import type { CutEnd, SlotProof } from './move-item.ts';

/** Runs a command item on a staging area, as its source did. */
export type Rerun = (keyspace: SlotKeyspace, by: RunBy, bytes: Buffer, at: number) => void;

const NO_BYTES = Buffer.alloc(0);
/** A cut begins with the length of its sessions' records. */
const CUT_HEADER_BYTES = 4;

export class SlotImport {
  readonly slot: number;
  readonly move: MoveId;
  /** The cut that is being loaded or is loaded; 0: none. */
  cutTerm = 0;
  cutIndex = 0;
  isCut = false;
  /** Of the cut so far. */
  cutBytes = 0;
  cutSum = Number.NaN;
  /** Of the effects so far, those that the cut held included. */
  effectsEnd = 0;
  effectsSum = Number.NaN;
  /** The cut's records of sessions, until they are all there; then null. */
  sessionParts: Buffer[] | null = [];
  sessionPartsBytes = 0;
  load: SlotLoad | null = null;
  /** An effect of which not all has come. */
  tail: Buffer[] = [];
  tailBytes = 0;

  constructor(slot: number, move: MoveId) {
    this.slot = slot;
    this.move = move;
    // Sums are doubles from the start: the first that is no small integer would change the shape of the import.
    this.cutSum = 0;
    this.effectsSum = 0;
  }
}

export class Imports {
  readonly slots = new Map<number, SlotImport>();
  /** Of each move the highest term of its source that was heard. */
  readonly terms = new Map<MoveId, number>();
  /** Slots of which the cut is not whole, and those that it is of. */
  readonly loading: SlotKeyspace;
  readonly ready: SlotKeyspace;
  sessions = new Sessions();
  private readonly limits: KeyspaceLimits;
  private readonly rerun: Rerun;

  constructor(keyspace: SlotKeyspace, rerun: Rerun) {
    this.limits = { hashMaxListpackEntries: 0, hashMaxListpackValueBytes: 0 };
    this.loading = keyspace.createStaging(this.limits);
    this.ready = keyspace.createStaging(this.limits);
    this.rerun = rerun;
  }

  get isActive(): boolean {
    return this.slots.size > 0;
  }

  /** It counts against the shard's budget. */
  get usedBytes(): number {
    return this.loading.usedBytes + this.ready.usedBytes;
  }

  begin(slot: number, move: MoveId): void {
    this.slots.set(slot, new SlotImport(slot, move));
  }

  /** False: a leader of the source with a later term was heard. */
  hears(move: MoveId, term: number): boolean {
    if (term < (this.terms.get(move) ?? 0)) return false;
    this.terms.set(move, term);
    return true;
  }

  /** Takes in a piece of a cut; false when it is not the next one of this cut, or not of a newer one from its start. */
  cut(one: SlotImport, term: number, index: number, offset: number, piece: Buffer): boolean {
    const isNewer = term > one.cutTerm || (term === one.cutTerm && index > one.cutIndex);
    if (isNewer && offset === 0) this.beginCut(one, term, index);
    if (term !== one.cutTerm || index !== one.cutIndex || offset > one.cutBytes) return false;
    const known = one.cutBytes - offset;
    if (one.isCut || known >= piece.length) return true;
    // It was not what the source made: another is wanted.
    if (one.load === null) return false;
    const bytes = piece.subarray(known);
    one.cutSum = crc32(bytes, one.cutSum);
    one.cutBytes += bytes.length;
    this.feed(one, bytes);
    return one.load !== null;
  }

  private beginCut(one: SlotImport, term: number, index: number): void {
    this.discard(one);
    one.cutTerm = term;
    one.cutIndex = index;
    one.load = this.loading.beginSlotLoad();
  }

  /** The sessions' records first, then the keys. */
  private feed(one: SlotImport, bytes: Buffer): void {
    const keys = one.sessionParts === null ? bytes : this.feedSessions(one, one.sessionParts, bytes);
    assert(one.load !== null, 'a cut that comes in is loaded');
    if (keys.length === 0) return;
    try {
      one.load.feed(keys);
    } catch (error) {
      // Every replica finds the same: another cut is wanted.
      if (!(error instanceof SnapshotDamagedError)) throw error;
      this.discard(one);
    }
  }

  /** What comes behind the records. They are put together once, when all are there. */
  private feedSessions(one: SlotImport, parts: Buffer[], bytes: Buffer): Buffer {
    parts.push(bytes);
    one.sessionPartsBytes += bytes.length;
    if (one.sessionPartsBytes < CUT_HEADER_BYTES) return NO_BYTES;
    if (parts[0].length < CUT_HEADER_BYTES) parts.splice(0, parts.length, Buffer.concat(parts));
    const end = CUT_HEADER_BYTES + readU32(parts[0], 0);
    if (one.sessionPartsBytes < end) return NO_BYTES;
    const all = parts.length === 1 ? parts[0] : Buffer.concat(parts);
    for (let at = CUT_HEADER_BYTES; at < end; at += 4 + readU32(all, at))
      this.sessions.load(all.subarray(at + 4, at + 4 + readU32(all, at)));
    one.sessionParts = null;
    one.sessionPartsBytes = 0;
    return all.subarray(end);
  }

  /** False: the cut is not what the source made, and is wanted anew. */
  cutEnd(one: SlotImport, term: number, index: number, end: CutEnd): boolean {
    if (term !== one.cutTerm || index !== one.cutIndex) return false;
    if (one.isCut) return true;
    if (one.load === null || one.cutBytes < end.cutBytes) return false;
    const isWhole =
      one.cutBytes === end.cutBytes &&
      one.cutSum === end.cutSum &&
      one.load.isEnded &&
      this.loading.keyCountInSlot(one.slot) === end.keys;
    if (!isWhole) {
      this.discard(one);
      return false;
    }
    one.load.finish();
    one.load = null;
    this.ready.attachSlot(this.loading.detachSlot(one.slot), 0);
    one.isCut = true;
    one.effectsEnd = end.effectsFrom;
    one.effectsSum = end.effectsSum;
    return true;
  }

  /** Takes in effects; false when some before them are missing. Those that are known already do nothing. */
  effects(one: SlotImport, offset: number, piece: Buffer): boolean {
    if (!one.isCut || offset > one.effectsEnd) return false;
    const known = one.effectsEnd - offset;
    if (known >= piece.length) return true;
    const bytes = piece.subarray(known);
    one.effectsSum = crc32(bytes, one.effectsSum);
    one.effectsEnd += bytes.length;
    one.tail.push(bytes);
    one.tailBytes += bytes.length;
    this.redo(one);
    return true;
  }

  private redo(one: SlotImport): void {
    // A large effect comes in many pieces: they are put together once.
    if (one.tail[0].length >= 4 && one.tailBytes < effectBytes(one.tail[0], 0)) return;
    const bytes = one.tail.length === 1 ? one.tail[0] : Buffer.concat(one.tail);
    let at = 0;
    while (at + 4 <= bytes.length && at + effectBytes(bytes, at) <= bytes.length) {
      this.redoOne(one.slot, bytes, at);
      at += effectBytes(bytes, at);
    }
    one.tail = at === bytes.length ? [] : [Buffer.from(bytes.subarray(at))];
    one.tailBytes = bytes.length - at;
  }

  private redoOne(slot: number, bytes: Buffer, at: number): void {
    const { ready, sessions } = this;
    const time = effectTime(bytes, at);
    ready.at(time.timeMs, time.version, true);
    switch (effectKind(bytes, at)) {
      case EffectKind.RUN: {
        const by = readRunBy(bytes, at);
        Object.assign(this.limits, by.limits);
        this.rerun(ready, by, bytes, runItemAt(at));
        break;
      }
      case EffectKind.REMOVE: {
        const { db, version, reason, keyStart, keyEnd } = readRemoveEffect(bytes, at);
        assert(slotOf(bytes, keyStart, keyEnd) === slot, 'an effect is on its own slot');
        ready.removeVersion(db, slot, bytes, keyStart, keyEnd, version, reason);
        break;
      }
      case EffectKind.FLUSH:
        ready.flushSlot(effectDb(bytes, at), slot);
        break;
      case EffectKind.FLOOR:
        sessions.raiseFloor(sessions.open(bytes, effectSessionAt(at)), slot, effectFloor(bytes, at));
        break;
      case EffectKind.ROW:
        this.redoRow(slot, bytes, at);
        break;
      default:
        assert(false, 'effects are of known kinds');
    }
  }

  private redoRow(slot: number, bytes: Buffer, at: number): void {
    const { sessions } = this;
    const session = sessions.open(bytes, effectSessionAt(at));
    if (session < 0) return;
    sessions.raiseFloor(session, slot, effectFloor(bytes, at));
    sessions.record(
      session,
      slot,
      rowSequence(bytes, at),
      bytes,
      rowReplyAt(at),
      at + effectBytes(bytes, at),
    );
  }

  /** All that the source had at its fence is here, and nothing else. */
  matches(slot: number, move: MoveId, proof: SlotProof): boolean {
    const one = this.slots.get(slot);
    return (
      one?.move === move &&
      one.isCut &&
      one.tailBytes === 0 &&
      one.effectsEnd === proof.effectsEnd &&
      one.effectsSum === proof.effectsSum &&
      this.ready.keyCountInSlot(slot) === proof.keys &&
      this.ready.bytesInSlot(slot) === proof.usedBytes
    );
  }

  /** The slot is served here from now on: the keyspace takes over its keys, of which none has a version above `version`. */
  handOver(slot: number, keyspace: SlotKeyspace, version: number): void {
    keyspace.attachSlot(this.ready.detachSlot(slot), version);
    this.sessions.dropSlot(slot);
    this.forget(slot);
  }

  drop(slot: number): void {
    const one = this.slots.get(slot);
    if (one !== undefined) this.discard(one);
    this.forget(slot);
  }

  private forget(slot: number): void {
    const move = this.slots.get(slot)?.move;
    this.slots.delete(slot);
    for (const one of this.slots.values()) if (one.move === move) return;
    if (move !== undefined) this.terms.delete(move);
    if (!this.isActive) this.sessions = new Sessions();
  }

  /** What came of the slot so far counts for nothing. */
  private discard(one: SlotImport): void {
    const { slot } = one;
    this.loading.flushSlot(-1, slot);
    this.ready.flushSlot(-1, slot);
    this.sessions.dropSlot(slot);
    one.load = null;
    one.isCut = false;
    one.cutBytes = 0;
    one.cutSum = 0;
    one.effectsEnd = 0;
    one.effectsSum = 0;
    one.sessionParts = [];
    one.sessionPartsBytes = 0;
    one.tail = [];
    one.tailBytes = 0;
  }

  clear(): void {
    for (const one of this.slots.values()) this.discard(one);
    this.slots.clear();
    this.terms.clear();
    this.sessions = new Sessions();
  }
}
