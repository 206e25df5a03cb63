/**
 * What was done to a slot while it was exported, as the target does it again: the commands that ran, with the time, version, rules and draws that
 * they ran by; what expired, was evicted or flushed; rows and floors of sessions. The target holds what the source held when it was cut, and the
 * same code runs on it, so the same comes of it. One stream of records a slot, told by offsets in it, so that a record goes over in any pieces.
 *
 * Every record: | 0: size, u32 | 4: kind | 5: database; 255: all | 8: version, float64 | 16: time in whole ms, float64 | 24: by kind |
 *
 * RUN:    | 24: rules, u16 | 28: seed, u32 | 32, 36: limits of listpacks, u32 | 40: a command item |
 * REMOVE: | 6: reason | 24: version of the key, float64 | 32: key |
 * FLUSH:  nothing more
 * FLOOR:  | 24: session, 24 bytes | 48: floor, float64 |
 * ROW:    | 24: session | 48: floor | 56: sequence, float64 | 64: reply |
 */
import { readF64, readU16, readU32, writeF64, writeU16, writeU32 } from '../../little-endian.ts';
import type { KeyspaceLimits } from '../../store/types.ts';
import type { SessionId } from '../batch.ts';
import { NODE_ID_BYTES } from '../sessions-image.ts';

export const EffectKind = { RUN: 1, REMOVE: 2, FLUSH: 3, FLOOR: 4, ROW: 5 } as const;
export type EffectKind = (typeof EffectKind)[keyof typeof EffectKind];

export const EFFECT_HEADER_BYTES = 24;
const ALL_DATABASES = 255;
const RUN_BYTES = 40;
const REMOVE_BYTES = 32;
const SESSION = 24;
const FLOOR = SESSION + NODE_ID_BYTES + 4;
const FLOOR_BYTES = FLOOR + 8;
const SEQUENCE = FLOOR_BYTES;
const ROW_BYTES = SEQUENCE + 8;

/** Of the entry of the source's log that did it. */
export interface EffectTime {
  version: number;
  timeMs: number;
}

/** By what a command ran. */
export interface RunBy extends EffectTime {
  rules: number;
  seed: number;
  limits: KeyspaceLimits;
}

export function runEffect(by: RunBy, db: number, item: Buffer, start: number, end: number): Buffer {
  const effect = newEffect(EffectKind.RUN, db, by, RUN_BYTES + end - start);
  writeU16(effect, by.rules, 24);
  writeU32(effect, by.seed, 28);
  writeU32(effect, by.limits.hashMaxListpackEntries, 32);
  writeU32(effect, by.limits.hashMaxListpackValueBytes, 36);
  item.copy(effect, RUN_BYTES, start, end);
  return effect;
}

export function readRunBy(bytes: Buffer, at: number): RunBy {
  return {
    ...effectTime(bytes, at),
    rules: readU16(bytes, at + 24),
    seed: readU32(bytes, at + 28),
    limits: {
      hashMaxListpackEntries: readU32(bytes, at + 32),
      hashMaxListpackValueBytes: readU32(bytes, at + 36),
    },
  };
}

/** Where the command item of a RUN lies. */
export function runItemAt(at: number): number {
  return at + RUN_BYTES;
}

export interface KeyRemoval {
  db: number;
  version: number;
  reason: 'expired' | 'evicted';
  keyStart: number;
  keyEnd: number;
}

export function removeEffect(time: EffectTime, bytes: Buffer, removal: KeyRemoval): Buffer {
  const { db, version, reason, keyStart, keyEnd } = removal;
  const effect = newEffect(EffectKind.REMOVE, db, time, REMOVE_BYTES + keyEnd - keyStart);
  effect[6] = reason === 'expired' ? 0 : 1;
  writeF64(effect, version, 24);
  bytes.copy(effect, REMOVE_BYTES, keyStart, keyEnd);
  return effect;
}

export function readRemoveEffect(bytes: Buffer, at: number): KeyRemoval {
  return {
    db: bytes[at + 5],
    version: readF64(bytes, at + 24),
    reason: bytes[at + 6] === 0 ? 'expired' : 'evicted',
    keyStart: at + REMOVE_BYTES,
    keyEnd: at + effectBytes(bytes, at),
  };
}

/** `db` -1: all. */
export function flushEffect(time: EffectTime, db: number): Buffer {
  return newEffect(EffectKind.FLUSH, db < 0 ? ALL_DATABASES : db, time, EFFECT_HEADER_BYTES);
}

export function floorEffect(time: EffectTime, session: SessionId, floor: number): Buffer {
  const effect = newEffect(EffectKind.FLOOR, 0, time, FLOOR_BYTES);
  session.copy(effect, SESSION);
  writeF64(effect, floor, FLOOR);
  return effect;
}

/** The reply is `bytes[start, end)`. */
export function rowEffect(
  time: EffectTime,
  session: SessionId,
  sequence: number,
  floor: number,
  bytes: Buffer,
  start: number,
  end: number,
): Buffer {
  const effect = newEffect(EffectKind.ROW, 0, time, ROW_BYTES + end - start);
  session.copy(effect, SESSION);
  writeF64(effect, floor, FLOOR);
  writeF64(effect, sequence, SEQUENCE);
  bytes.copy(effect, ROW_BYTES, start, end);
  return effect;
}

/** Of FLOOR and ROW: where the session's bytes lie. */
export function effectSessionAt(at: number): number {
  return at + SESSION;
}

export function effectFloor(bytes: Buffer, at: number): number {
  return readF64(bytes, at + FLOOR);
}

export function rowSequence(bytes: Buffer, at: number): number {
  return readF64(bytes, at + SEQUENCE);
}

export function rowReplyAt(at: number): number {
  return at + ROW_BYTES;
}

export function effectBytes(bytes: Buffer, at: number): number {
  return readU32(bytes, at);
}

export function effectKind(bytes: Buffer, at: number): EffectKind {
  return bytes[at + 4] as EffectKind;
}

/** -1: all. */
export function effectDb(bytes: Buffer, at: number): number {
  const db = bytes[at + 5];
  return db === ALL_DATABASES ? -1 : db;
}

export function effectTime(bytes: Buffer, at: number): EffectTime {
  return { version: readF64(bytes, at + 8), timeMs: readF64(bytes, at + 16) };
}

function newEffect(kind: EffectKind, db: number, { version, timeMs }: EffectTime, sizeBytes: number): Buffer {
  const effect = Buffer.alloc(sizeBytes);
  writeU32(effect, sizeBytes, 0);
  effect[4] = kind;
  effect[5] = db;
  writeF64(effect, version, 8);
  writeF64(effect, timeMs, 16);
  return effect;
}
