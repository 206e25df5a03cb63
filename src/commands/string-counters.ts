/** INCR and its relatives: integers exact over all of int64, floats in the arithmetic of `long double`. */
import { LONG_DOUBLE_ZERO, addLongDouble, formatLongDouble, parseLongDouble } from '../resp/long-double.ts';
import type { LongDouble } from '../resp/long-double.ts';
import {
  INT64_MAX,
  INT64_MAX_DIGITS,
  INT64_MIN,
  formatInteger,
  parseBigInt64,
  parseInteger,
} from '../resp/number.ts';
import { Encoding, NO_REF, ValueType } from '../store/types.ts';
import type { Ref, Window } from '../store/types.ts';
import { NOT_AN_INTEGER, NOT_A_FLOAT, WOULD_BE_INFINITE, WOULD_OVERFLOW } from './error-texts.ts';
import { hasType, writeKey } from './lookup.ts';
import { storeString, textEncodingOf } from './string-value.ts';
import type { KeyContext } from './types.ts';

/** This module's own copies: V8 takes them for constant (store/desk.ts). */
const NONE = NO_REF;
const { STRING } = ValueType;
const { INT } = Encoding;

const DECREMENT_WOULD_OVERFLOW = 'ERR decrement would overflow';

const digits = Buffer.alloc(INT64_MAX_DIGITS);

export function incr(context: KeyContext): void {
  addInteger(context, 1);
}

export function decr(context: KeyContext): void {
  addInteger(context, -1);
}

export function incrby(context: KeyContext): void {
  const { args, reply } = context;
  const by = parseInteger(args.bytes, args.start[2], args.end[2]);
  if (Number.isNaN(by)) reply.error(NOT_AN_INTEGER);
  else if (Number.isFinite(by)) addInteger(context, by);
  else addBigInteger(context, parseBigInt64(args.bytes, args.start[2], args.end[2]));
}

export function decrby(context: KeyContext): void {
  const { args, reply } = context;
  const by = parseInteger(args.bytes, args.start[2], args.end[2]);
  if (Number.isNaN(by)) {
    reply.error(NOT_AN_INTEGER);
  } else if (Number.isFinite(by)) {
    addInteger(context, -by);
  } else {
    const big = parseBigInt64(args.bytes, args.start[2], args.end[2]);
    if (big === INT64_MIN) reply.error(DECREMENT_WOULD_OVERFLOW);
    else addBigInteger(context, -big);
  }
}

function addInteger(context: KeyContext, by: number): void {
  const { keyspace, reply } = context;
  const ref = writeKey(context, 1);
  let value = 0;
  if (ref !== NONE) {
    if (!hasType(context, ref, STRING)) return;
    value = parseWindow(keyspace.string(ref));
    if (Number.isNaN(value)) {
      reply.error(NOT_AN_INTEGER);
      return;
    }
  }
  const sum = value + by;
  if (!Number.isSafeInteger(sum)) {
    addBigToKey(context, ref, BigInt(by));
    return;
  }
  const size = formatInteger(sum, digits, 0);
  if (ref === NONE || !keyspace.overwriteString(ref, digits, 0, size, INT))
    storeString(context, 1, digits, 0, size, expiryOf(context, ref), INT);
  reply.integer(sum);
}

function addBigInteger(context: KeyContext, by: bigint): void {
  const { keyspace, reply } = context;
  const ref = writeKey(context, 1);
  if (ref !== NONE) {
    if (!hasType(context, ref, STRING)) return;
    if (Number.isNaN(parseWindow(keyspace.string(ref)))) {
      reply.error(NOT_AN_INTEGER);
      return;
    }
  }
  addBigToKey(context, ref, by);
}

/** `ref` is NONE, or holds an int64. */
function addBigToKey(context: KeyContext, ref: Ref, by: bigint): void {
  const { keyspace, reply } = context;
  let value = 0n;
  if (ref !== NONE) {
    const window = keyspace.string(ref);
    value = parseBigInt64(window.bytes, window.start, window.end);
  }
  const sum = value + by;
  if (sum > INT64_MAX || sum < INT64_MIN) {
    reply.error(WOULD_OVERFLOW);
    return;
  }
  const size = digits.write(sum.toString(), 0, 'latin1');
  storeString(context, 1, digits, 0, size, expiryOf(context, ref), INT);
  reply.bigInteger(sum);
}

export function incrbyfloat(context: KeyContext): void {
  const { args, keyspace, reply } = context;
  const ref = writeKey(context, 1);
  let value: LongDouble | null = LONG_DOUBLE_ZERO;
  if (ref !== NONE) {
    if (!hasType(context, ref, STRING)) return;
    const window = keyspace.string(ref);
    value = parseLongDouble(window.bytes, window.start, window.end);
  }
  const by = value === null ? null : parseLongDouble(args.bytes, args.start[2], args.end[2]);
  if (value === null || by === null) {
    reply.error(NOT_A_FLOAT);
    return;
  }
  const sum = addLongDouble(value, by);
  if (sum === null) {
    reply.error(WOULD_BE_INFINITE);
    return;
  }
  const result = Buffer.from(formatLongDouble(sum), 'latin1');
  const encoding = textEncodingOf(result.length);
  storeString(context, 1, result, 0, result.length, expiryOf(context, ref), encoding);
  reply.bulk(result, 0, result.length);
}

function parseWindow(window: Window): number {
  return parseInteger(window.bytes, window.start, window.end);
}

function expiryOf(context: KeyContext, ref: Ref): number {
  return ref === NONE ? 0 : context.keyspace.expireAtMs(ref);
}
