/**
 * The deterministic keyspace of one shard's replica, off the JS heap. It reads no clock and draws no random number: the caller says
 * what time it is, and hands in the random picks. Same calls, same bytes and same accounting on every replica.
 *
 * A key is (database, bytes); its slot is that of the bytes alone. A `Ref` names a key's entry until the next call that writes; a call
 * that may move the entry returns the new Ref. Byte ranges are handed over as (buffer, start, end), and handed out through `window`.
 */

import type { SlotContent } from './slot-content.ts';

/** Both ends included. */
export interface SlotSpan {
  from: number;
  to: number;
}

export type Ref = number;
export const NO_REF: Ref = 0;

export const DATABASE_COUNT = 16;

export const ValueType = { NONE: 0, STRING: 1, HASH: 2, LIST: 3, SET: 4, ZSET: 5, STREAM: 6 } as const;
export type ValueType = (typeof ValueType)[keyof typeof ValueType];

/** What OBJECT ENCODING tells. Strings: INT is canonical decimal text of an int64; RAW also what was modified in place. */
export const Encoding = { INT: 0, EMBSTR: 1, RAW: 2, LISTPACK: 3, HASHTABLE: 4 } as const;
export type Encoding = (typeof Encoding)[keyof typeof Encoding];

export type EvictionPolicy =
  | 'noeviction'
  | 'allkeys-lru'
  | 'allkeys-lfu'
  | 'allkeys-random'
  | 'volatile-lru'
  | 'volatile-lfu'
  | 'volatile-random'
  | 'volatile-ttl';

/** Bytes of the store, valid until the next call into the keyspace that writes. */
export interface Window {
  bytes: Buffer;
  /** Of the same bytes. */
  view: DataView;
  start: number;
  end: number;
}

export type KeyVisitor = (bytes: Buffer, start: number, end: number, ref: Ref) => void;
/** Visitors may look up keys and fields; they must not write, nor visit the fields of a hash or scan within a visit. */
export type FieldVisitor = (
  fieldBytes: Buffer,
  fieldStart: number,
  fieldEnd: number,
  valueBytes: Buffer,
  valueStart: number,
  valueEnd: number,
) => void;

/** A key to be expired or evicted: the entry is a no-op when the key's version is another by then. */
export interface Victim {
  db: number;
  key: Buffer;
  version: number;
  /** What it accounts for. */
  sizeBytes: number;
}

/** `hash-max-listpack-*`: they shape replicated bytes, so they travel in the log and change only there. */
export interface KeyspaceLimits {
  hashMaxListpackEntries: number;
  hashMaxListpackValueBytes: number;
}

export interface Keyspace {
  /**
   * What the calls that follow go by: the time for expiry, and the version given to what they write (the entry's log index).
   * With `writing`, an expired key that is looked up is removed; else it is hidden only.
   */
  at(timeMs: number, version: number, writing: boolean): void;
  readonly timeMs: number;

  /** Deterministic: a pure function of the content. Keys, values, and their share of index and allocation. */
  readonly usedBytes: number;
  /** Bytes of slabs held from the system: shared by all keyspaces of the node; for metrics, not for decisions. */
  readonly slabBytes: number;
  readonly expiredCount: number;
  readonly evictedCount: number;
  /** Physical counts, keys not yet seen to have expired included. */
  keyCount(db: number, slots?: readonly SlotSpan[] | null): number;
  volatileKeyCount(db: number): number;
  totalKeyCount(): number;
  keyCountInSlot(slot: number): number;
  /** Its part of `usedBytes`. */
  bytesInSlot(slot: number): number;

  /** The live key's Ref, or NO_REF. */
  find(db: number, slot: number, bytes: Buffer, start: number, end: number): Ref;
  /** The node's clock, told before entries are applied: what they make counts as used then. */
  accessClock(monotonicMs: number): void;
  /** Notes an access for LRU and LFU (the leader's alone; outside hash and snapshot). `pick`: a random uint32. */
  touch(ref: Ref, monotonicMs: number, pick: number): void;
  typeOf(ref: Ref): ValueType;
  encodingOf(ref: Ref): Encoding;
  versionOf(ref: Ref): number;
  /** 0: none. */
  expireAtMs(ref: Ref): number;
  /** Since the last `touch`; 0 when never touched. */
  idleMs(ref: Ref, monotonicMs: number): number;
  /** The logarithmic access counter of LFU. */
  frequency(ref: Ref, monotonicMs: number): number;
  /** Bytes that this key accounts for. */
  keyUsedBytes(ref: Ref): number;

  /** Where `key`, `string`, `hashGet` put what they found. */
  readonly window: Window;
  key(ref: Ref): Window;
  databaseOf(ref: Ref): number;

  /** The string value; `ref` is a string. */
  string(ref: Ref): Window;
  /** Makes or replaces the key, whatever its type was. `encoding` is INT, EMBSTR or RAW. `expireAtMs` 0: none. `value` must not lie in the store. */
  setString(
    db: number,
    slot: number,
    keyBytes: Buffer,
    keyStart: number,
    keyEnd: number,
    valueBytes: Buffer,
    valueStart: number,
    valueEnd: number,
    expireAtMs: number,
    encoding: Encoding,
  ): Ref;
  /**
   * As `setString` for a key that was found, with a value as long as the old one and no expiry. False, and nothing is done, where that does not go
   * in place: then `setString` does it.
   */
  overwriteString(
    ref: Ref,
    valueBytes: Buffer,
    valueStart: number,
    valueEnd: number,
    encoding: Encoding,
  ): boolean;
  /** Gives a string another length, RAW; new bytes are zero; the content may then be written through `string(ref)`. Keeps the expiry. */
  resizeString(ref: Ref, lengthBytes: number): Ref;

  /** 0 removes the expiry. Counts as a write: the version changes. */
  setExpireAt(ref: Ref, expireAtMs: number): Ref;
  /** Removes the key; large ones are freed bit by bit. */
  remove(ref: Ref): void;
  /** Moves the value under another key, replacing what was there, keeping the expiry. */
  rename(ref: Ref, db: number, slot: number, keyBytes: Buffer, keyStart: number, keyEnd: number): Ref;
  /** Copies the value and expiry under another key, which must be absent. */
  copy(ref: Ref, db: number, slot: number, keyBytes: Buffer, keyStart: number, keyEnd: number): Ref;

  /** An empty hash under an absent key; the command puts a field in before it ends. */
  createHash(db: number, slot: number, keyBytes: Buffer, keyStart: number, keyEnd: number): Ref;
  hashLength(ref: Ref): number;
  /** True when the field is there; its value is in `window`. */
  hashGet(ref: Ref, fieldBytes: Buffer, fieldStart: number, fieldEnd: number): boolean;
  /** Returns the Ref; `hashCreated` tells whether the field is new. */
  hashSet(
    ref: Ref,
    fieldBytes: Buffer,
    fieldStart: number,
    fieldEnd: number,
    valueBytes: Buffer,
    valueStart: number,
    valueEnd: number,
  ): Ref;
  readonly hashCreated: boolean;
  /** True when the field was there. The command removes a hash that it left empty. */
  hashDelete(ref: Ref, fieldBytes: Buffer, fieldStart: number, fieldEnd: number): boolean;
  /** All fields, in the order of their making while LISTPACK. */
  hashEach(ref: Ref, visit: FieldVisitor): void;
  /** Like SCAN: every field that is there throughout is visited at least once. Returns the next cursor, 0 at the end. */
  hashScan(ref: Ref, cursor: number, count: number, visit: FieldVisitor): number;
  /** The fields of a hash with a table, as they are now. */
  viewHash(ref: Ref): HashView;
  /** Visits the field at a random place; `pick`: a random uint32. Uniform. */
  hashRandom(ref: Ref, pick: number, visit: FieldVisitor): void;

  /**
   * Like SCAN over the slots [slotFrom, slotTo] of one database, live keys only. The cursor is slot * 2^32 + place in the slot, and stays good
   * whatever is written meanwhile, and when the slot moves. Returns the next cursor, or -1 when the slots are done. Examines about `count` keys.
   */
  scan(db: number, cursor: number, slotTo: number, count: number, visit: KeyVisitor): number;
  /** A live key picked at random, or NO_REF; `picks` gives random uint32s. */
  randomKey(db: number, picks: () => number): Ref;
  /** Removes all keys of a database (all databases: -1) at once for readers; memory is freed bit by bit. `slots`: of these alone, as `keyCount`. */
  flush(db: number, slots?: readonly SlotSpan[] | null): void;

  /** Work left over: freeing of large values and flushed keys, in slices of about `maxItems`. True while more is left. */
  reclaim(maxItems: number): boolean;

  /** Keys whose expiry has come at `timeMs`, found by sampling about `examine` keys that have one; the ratio found is returned through `out.length`. */
  sampleExpired(timeMs: number, examine: number, out: Victim[]): void;
  /** Keys to evict under the policy until they account for `needBytes`; returns what they account for: less when none are left. */
  sampleVictims(
    policy: EvictionPolicy,
    needBytes: number,
    monotonicMs: number,
    picks: () => number,
    out: Victim[],
  ): number;
  /** Applies a victim: removes the key if its version is still this one. */
  removeVersion(
    db: number,
    slot: number,
    bytes: Buffer,
    start: number,
    end: number,
    version: number,
    reason: 'expired' | 'evicted',
  ): boolean;

  /**
   * The content as of now, in slices, while writes go on (before-images). Writes that come later have a higher version than
   * any before. Slices of 128 KiB take about half a millisecond. When before-images take more than `pendingMaxBytes` it abandons itself.
   */
  beginSnapshot(pendingMaxBytes?: number): KeyspaceSnapshot;
  /** Empties the keyspace and starts loading what a KeyspaceSnapshot gave, in the same chunks and order or cut otherwise. */
  beginLoad(): KeyspaceLoad;
  /**
   * A hash of all replicated content as of now, in slices, while writes go on, as a snapshot is made. Several at a time. When the old values
   * that it keeps take more than `keptMaxBytes` it abandons itself.
   */
  beginHash(keptMaxBytes?: number): KeyspaceHash;
}

/** What moves slots between keyspaces needs beside. */
export interface SlotKeyspace extends Keyspace {
  /** `keyCountInSlot` and `bytesInSlot` of all slots at once, into zeros. */
  contentsOfSlots(keys: Float64Array, bytes: Float64Array): void;
  /** As `beginSnapshot`, of one slot. */
  beginCut(slot: number, pendingMaxBytes: number): KeyspaceSnapshot;
  /**
   * Another keyspace of the same memory for slots on their way here: to be loaded, written and then handed over. Its versions need not rise from
   * one write to the next. `limits` as for the keyspace itself.
   */
  createStaging(limits: KeyspaceLimits): SlotKeyspace;
  /** Of a staging area: starts loading what `beginCut` gave of a slot, which is empty here. */
  beginSlotLoad(): SlotLoad;
  /** Takes a slot out, and puts it in, in a time that does not hang on its size; no version in it is above `version`. */
  detachSlot(slot: number): SlotContent;
  attachSlot(content: SlotContent, version: number): void;
  /** Removes a slot's keys of a database (all databases: -1) at once for readers; memory is freed bit by bit. */
  flushSlot(db: number, slot: number): void;
}

export interface HashView {
  /** Fields. */
  readonly length: number;
  /** What was replaced or removed since any view began, and is kept for them. */
  readonly keptBytes: number;
  visit(index: number, visitor: FieldVisitor): void;
  /** To be called once, or memory is never freed again. */
  close(): void;
}

export interface KeyspaceSnapshot {
  /** The next slice of about `maxBytes`, in `room` when there is one, of at least FRAME_HEADER_BYTES more; null at the end. */
  next(maxBytes: number, room?: Buffer): Buffer | null;
  /** Bytes of before-images waiting to be taken by `next`, and of old values kept until it comes to them. */
  readonly pendingBytes: number;
  /** More before-images than allowed: it is abandoned, and `next` must not be called any more. */
  readonly overflowed: boolean;
  abandon(): void;
}

export interface KeyspaceLoad {
  /** Any cut of the snapshot's bytes, in order. Throws when they are damaged. */
  feed(bytes: Buffer): void;
  finish(): void;
}

export interface SlotLoad extends KeyspaceLoad {
  /** All of it has come. */
  readonly isEnded: boolean;
  /** How far it has come, and back: the content itself goes its own way. */
  state(): Buffer;
  restore(state: Buffer): void;
}

export interface KeyspaceHash {
  /** Examines about `maxItems`; null until done, then 16 hex digits. */
  next(maxItems: number): string | null;
  /** More would have been kept than allowed: it is abandoned, and never done. */
  readonly overflowed: boolean;
  abandon(): void;
}
