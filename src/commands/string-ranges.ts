/** Parts and lengths of strings. */
import { parseBigInt64, parseInteger } from '../resp/number.ts';
import { Encoding, NO_REF, ValueType } from '../store/types.ts';
import type { Ref } from '../store/types.ts';
import { NOT_AN_INTEGER } from './error-texts.ts';
import { hasType, readKey, writeKey } from './lookup.ts';
import { hasLegalLength, storeArgument, storeString } from './string-value.ts';
import type { KeyContext } from './types.ts';

const NEGATIVE_OFFSET = 'ERR offset is out of range';

const NOTHING = Buffer.alloc(0);

export function strlen(context: KeyContext): void {
  const ref = readKey(context, 1);
  if (ref === NO_REF) {
    context.reply.integer(0);
    return;
  }
  if (hasType(context, ref, ValueType.STRING)) context.reply.integer(lengthOf(context, ref));
}

export function getrange(context: KeyContext): void {
  const { args, keyspace, reply } = context;
  let from = parseInteger(args.bytes, args.start[2], args.end[2]);
  let to = parseInteger(args.bytes, args.start[3], args.end[3]);
  if (Number.isNaN(from) || Number.isNaN(to)) {
    reply.error(NOT_AN_INTEGER);
    return;
  }
  const ref = readKey(context, 1);
  if (ref === NO_REF) {
    reply.bulk(NOTHING, 0, 0);
    return;
  }
  if (!hasType(context, ref, ValueType.STRING)) return;
  const window = keyspace.string(ref);
  const lengthBytes = window.end - window.start;
  const reversed = to < 0 && isReversed(context, from, to);
  if (from < 0) from = Math.max(0, lengthBytes + from);
  if (to < 0) to = Math.max(0, lengthBytes + to);
  to = Math.min(to, lengthBytes - 1);
  if (reversed || from > to) reply.bulk(NOTHING, 0, 0);
  else reply.bulk(window.bytes, window.start + from, window.start + to + 1);
}

/** Do the ends, both counted from the back, stand the wrong way round, beyond the front of the string too? */
function isReversed({ args }: KeyContext, from: number, to: number): boolean {
  if (from !== to || Number.isFinite(from)) return from < 0 && from > to;
  const { bytes, start, end } = args;
  return parseBigInt64(bytes, start[2], end[2]) > parseBigInt64(bytes, start[3], end[3]);
}

export function setrange(context: KeyContext): void {
  const { args, keyspace, reply } = context;
  const offset = parseInteger(args.bytes, args.start[2], args.end[2]);
  if (Number.isNaN(offset)) {
    reply.error(NOT_AN_INTEGER);
    return;
  }
  if (offset < 0) {
    reply.error(NEGATIVE_OFFSET);
    return;
  }
  let ref = writeKey(context, 1);
  if (ref !== NO_REF && !hasType(context, ref, ValueType.STRING)) return;
  const oldBytes = ref === NO_REF ? 0 : lengthOf(context, ref);
  const addedBytes = args.lengthBytes(3);
  if (addedBytes === 0) {
    reply.integer(oldBytes);
    return;
  }
  if (!hasLegalLength(context, offset + addedBytes)) return;
  if (ref === NO_REF) ref = storeString(context, 1, NOTHING, 0, 0, 0, Encoding.RAW);
  const newBytes = Math.max(oldBytes, offset + addedBytes);
  overwrite(context, keyspace.resizeString(ref, newBytes), offset, 3);
  reply.integer(newBytes);
}

export function append(context: KeyContext): void {
  const { args, keyspace, reply } = context;
  const ref = writeKey(context, 1);
  const addedBytes = args.lengthBytes(2);
  if (ref === NO_REF) {
    storeArgument(context, 1, 2, 0);
    reply.integer(addedBytes);
    return;
  }
  if (!hasType(context, ref, ValueType.STRING)) return;
  const oldBytes = lengthOf(context, ref);
  if (!hasLegalLength(context, oldBytes + addedBytes)) return;
  overwrite(context, keyspace.resizeString(ref, oldBytes + addedBytes), oldBytes, 2);
  reply.integer(oldBytes + addedBytes);
}

/** Writes an argument into a string that is long enough. */
function overwrite({ args, keyspace }: KeyContext, ref: Ref, offset: number, argument: number): void {
  const window = keyspace.string(ref);
  args.bytes.copy(window.bytes, window.start + offset, args.start[argument], args.end[argument]);
}

function lengthOf({ keyspace }: KeyContext, ref: Ref): number {
  const window = keyspace.string(ref);
  return window.end - window.start;
}
