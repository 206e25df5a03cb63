/** Storing string values with Redis's choice of encoding, and its limit of length. */
import { INT64_MAX_DIGITS, parseInteger } from '../resp/number.ts';
import { Encoding } from '../store/types.ts';
import type { Ref } from '../store/types.ts';
import { STRING_TOO_LONG } from './error-texts.ts';
import { slotOf } from './lookup.ts';
import type { KeyContext } from './types.ts';

/** This module's own copies: V8 takes them for constant (store/desk.ts). */
const { INT, EMBSTR, RAW } = Encoding;
const INTEGER_MAX_BYTES = INT64_MAX_DIGITS;

/** No command makes a longer string. A constant, since all replicas must come to the same verdict. */
export const STRING_MAX_BYTES = 64 * 1024 * 1024;

const EMBSTR_MAX_BYTES = 44;

function encodingOf(bytes: Buffer, start: number, end: number): Encoding {
  const lengthBytes = end - start;
  if (lengthBytes <= INTEGER_MAX_BYTES && !Number.isNaN(parseInteger(bytes, start, end))) return INT;
  return textEncodingOf(lengthBytes);
}

/** Of a value that is stored as text even where it looks like an integer. */
export function textEncodingOf(lengthBytes: number): Encoding {
  return lengthBytes <= EMBSTR_MAX_BYTES ? EMBSTR : RAW;
}

/** Sets the key in argument `key` to the value in argument `value`. */
export function storeArgument(context: KeyContext, key: number, value: number, expireAtMs: number): Ref {
  const { args } = context;
  const start = args.start[value];
  const end = args.end[value];
  return storeString(context, key, args.bytes, start, end, expireAtMs, encodingOf(args.bytes, start, end));
}

/** Sets the key in argument `key` to bytes[start, end). */
export function storeString(
  context: KeyContext,
  key: number,
  bytes: Buffer,
  start: number,
  end: number,
  expireAtMs: number,
  encoding: Encoding,
): Ref {
  const { args } = context;
  return context.keyspace.setString(
    context.db,
    slotOf(context, key),
    args.bytes,
    args.start[key],
    args.end[key],
    bytes,
    start,
    end,
    expireAtMs,
    encoding,
  );
}

/** False, and answered, when a string of so many bytes is too long. */
export function hasLegalLength(context: KeyContext, lengthBytes: number): boolean {
  if (lengthBytes <= STRING_MAX_BYTES) return true;
  context.reply.error(STRING_TOO_LONG);
  return false;
}
