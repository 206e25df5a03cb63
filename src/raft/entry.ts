import { crc32 } from 'node:zlib';

import { assert } from '../assert.ts';
import { readF64, readU16, readU32, writeF64, writeU16, writeU32 } from '../little-endian.ts';

/**
 * A log entry, encoded once by its leader: the same bytes go to the log on disk and over the wire, and the checksum is verified
 * wherever they land. Little-endian.
 *
 * | offset | size | field |
 * | 0  | 4 | sizeBytes, all of it |
 * | 4  | 4 | checksum: CRC-32 of the bytes from 8 on |
 * | 8  | 1 | format: 1 |
 * | 9  | 1 | kind |
 * | 10 | 2 | rules: the version of the rules that it is applied by |
 * | 12 | 4 | seed: the leader's randomness for what applies it |
 * | 16 | 8 | term, float64 |
 * | 24 | 8 | index, float64 |
 * | 32 | 8 | stampMs, float64: the leader's log time |
 * | 40 |   | payload |
 */
export const ENTRY_HEADER_BYTES = 40;
export const ENTRY_FORMAT = 1;
export const ENTRY_MAX_BYTES = 128 * 1024 * 1024;

const SIZE = 0;
const CHECKSUM = 4;
const FORMAT = 8;
const KIND = 9;
const RULES = 10;
const SEED = 12;
const TERM = 16;
const INDEX = 24;
const STAMP = 32;

export const EntryKind = {
  /** A new leader's first entry (§6.4): nothing to apply. */
  NOOP: 0,
  /** A batch of commands; the payload belongs to src/shard. */
  COMMANDS: 1,
  /** A change of membership; the payload belongs to src/raft. */
  MEMBERSHIP: 2,
  /** Steps of moves of slots; the payload belongs to src/shard/moves. */
  MOVE: 3,
} as const;
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];

/** `bytes` is the whole entry, header included; it never changes. */
export interface Entry {
  readonly term: number;
  readonly index: number;
  readonly kind: EntryKind;
  readonly bytes: Buffer;
}

export interface EntryFields {
  kind: EntryKind;
  rules: number;
  seed: number;
  stampMs: number;
}

/** Writes what the proposer knows; the core fills in term, index and checksum with `sealEntry`. */
export function writeEntryHeader(bytes: Buffer, fields: EntryFields): void {
  writeU32(bytes, bytes.length, SIZE);
  bytes[FORMAT] = ENTRY_FORMAT;
  bytes[KIND] = fields.kind;
  writeU16(bytes, fields.rules, RULES);
  writeU32(bytes, fields.seed >>> 0, SEED);
  writeF64(bytes, fields.stampMs, STAMP);
}

/** Gives the entry its place in the log. Its bytes are final afterwards. */
export function sealEntry(bytes: Buffer, term: number, index: number): Entry {
  assert(bytes.length >= ENTRY_HEADER_BYTES && bytes.length <= ENTRY_MAX_BYTES, 'an entry has a legal size');
  writeF64(bytes, term, TERM);
  writeF64(bytes, index, INDEX);
  writeU32(bytes, checksumOf(bytes), CHECKSUM);
  return { term, index, kind: entryKind(bytes), bytes };
}

/** Reads an entry that was received or recovered; null when its bytes are damaged or not an entry. */
export function parseEntry(bytes: Buffer): Entry | null {
  if (bytes.length < ENTRY_HEADER_BYTES || readU32(bytes, SIZE) !== bytes.length) return null;
  if (bytes[FORMAT] !== ENTRY_FORMAT || bytes[KIND] > EntryKind.MOVE) return null;
  if (readU32(bytes, CHECKSUM) !== checksumOf(bytes)) return null;
  return { term: readF64(bytes, TERM), index: readF64(bytes, INDEX), kind: entryKind(bytes), bytes };
}

/** The size that the header at `offset` claims; 0 when there are too few bytes to tell. */
export function entrySizeAt(bytes: Buffer, offset: number): number {
  return offset + ENTRY_HEADER_BYTES <= bytes.length ? readU32(bytes, offset + SIZE) : 0;
}

export function entryStampMs(entry: Entry): number {
  return readF64(entry.bytes, STAMP);
}

/** Made once, by the leader: whoever stores the entry need not sum its bytes again. */
export function entryChecksum(entry: Entry): number {
  return readU32(entry.bytes, CHECKSUM);
}

export function entryRules(entry: Entry): number {
  return readU16(entry.bytes, RULES);
}

export function entrySeed(entry: Entry): number {
  return readU32(entry.bytes, SEED);
}

function entryKind(bytes: Buffer): EntryKind {
  return bytes[KIND] as EntryKind;
}

function checksumOf(bytes: Buffer): number {
  return crc32(bytes.subarray(FORMAT));
}
