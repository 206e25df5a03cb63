/** HINCRBY and HINCRBYFLOAT. */
import { LONG_DOUBLE_ZERO, addLongDouble, formatLongDouble, parseLongDouble } from '../resp/long-double.ts';
import {
  INT64_MAX,
  INT64_MAX_DIGITS,
  INT64_MIN,
  formatInteger,
  parseBigInt64,
  parseInteger,
} from '../resp/number.ts';
import { NO_REF, ValueType } from '../store/types.ts';
import type { Ref } from '../store/types.ts';
import { NOT_AN_INTEGER, NOT_A_FLOAT, WOULD_BE_INFINITE, WOULD_OVERFLOW } from './error-texts.ts';
import { createHash, getField, setField } from './hash-fields.ts';
import { hasType, writeKey } from './lookup.ts';
import type { KeyContext } from './types.ts';

const FIELD_NOT_AN_INTEGER = 'ERR hash value is not an integer';
const FIELD_NOT_A_FLOAT = 'ERR hash value is not a float';
const INCREMENT_INFINITE = 'ERR value is NaN or Infinity';

const FIELD = 2;
const INCREMENT = 3;

const digits = Buffer.alloc(INT64_MAX_DIGITS);

export function hincrby(context: KeyContext): void {
  const { args, keyspace, reply } = context;
  const by = parseInteger(args.bytes, args.start[INCREMENT], args.end[INCREMENT]);
  if (Number.isNaN(by)) {
    reply.error(NOT_AN_INTEGER);
    return;
  }
  const ref = writeKey(context, 1);
  if (ref !== NO_REF && !hasType(context, ref, ValueType.HASH)) return;
  const there = ref !== NO_REF && getField(context, ref, FIELD);
  const { bytes, start, end } = keyspace.window;
  const value = there ? parseInteger(bytes, start, end) : 0;
  if (Number.isNaN(value)) {
    reply.error(FIELD_NOT_AN_INTEGER);
    return;
  }
  const sum = value + by;
  if (Number.isSafeInteger(sum)) {
    storeDigits(context, ref, formatInteger(sum, digits, 0));
    reply.integer(sum);
  } else {
    addBig(context, ref, there ? parseBigInt64(bytes, start, end) : 0n);
  }
}

function addBig(context: KeyContext, ref: Ref, value: bigint): void {
  const { args, reply } = context;
  const sum = value + parseBigInt64(args.bytes, args.start[INCREMENT], args.end[INCREMENT]);
  if (sum > INT64_MAX || sum < INT64_MIN) {
    reply.error(WOULD_OVERFLOW);
    return;
  }
  storeDigits(context, ref, digits.write(sum.toString(), 0, 'latin1'));
  reply.bigInteger(sum);
}

function storeDigits(context: KeyContext, ref: Ref, size: number): void {
  setField(context, ref === NO_REF ? createHash(context) : ref, FIELD, digits, 0, size);
}

export function hincrbyfloat(context: KeyContext): void {
  const { args, keyspace, reply } = context;
  const by = parseLongDouble(args.bytes, args.start[INCREMENT], args.end[INCREMENT]);
  if (by === null || by.infinite) {
    reply.error(by === null ? NOT_A_FLOAT : INCREMENT_INFINITE);
    return;
  }
  const ref = writeKey(context, 1);
  if (ref !== NO_REF && !hasType(context, ref, ValueType.HASH)) return;
  const there = ref !== NO_REF && getField(context, ref, FIELD);
  const { bytes, start, end } = keyspace.window;
  const value = there ? parseLongDouble(bytes, start, end) : LONG_DOUBLE_ZERO;
  if (value === null) {
    reply.error(FIELD_NOT_A_FLOAT);
    return;
  }
  const sum = addLongDouble(value, by);
  if (sum === null) {
    reply.error(WOULD_BE_INFINITE);
    return;
  }
  const result = Buffer.from(formatLongDouble(sum), 'latin1');
  setField(context, ref === NO_REF ? createHash(context) : ref, FIELD, result, 0, result.length);
  reply.bulk(result, 0, result.length);
}
