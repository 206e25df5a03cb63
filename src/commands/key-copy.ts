/** RENAME, RENAMENX and COPY: commands over two keys of one slot. */
import type { Args } from '../resp/args.ts';
import { parseInteger } from '../resp/number.ts';
import { DATABASE_COUNT, NO_REF } from '../store/types.ts';
import type { Ref } from '../store/types.ts';
import { NOT_AN_INTEGER, NO_SUCH_KEY, SAME_OBJECT, SYNTAX } from './error-texts.ts';
import { findKey, readKey, slotOf, writeKey } from './lookup.ts';
import type { KeyContext } from './types.ts';
import { isWord, sameArgument } from './words.ts';

const OTHER_DATABASE_IN_CLUSTER = 'ERR Copying to another database is not allowed in cluster mode';
const DATABASE_OUT_OF_RANGE = 'ERR DB index is out of range';
const INT_OUT_OF_RANGE = 'ERR value is out of range, value must between -2147483648 and 2147483647';
const INT_MAX = 2147483647;

const SOURCE = 1;
const TARGET = 2;

export function rename(context: KeyContext): void {
  const { reply } = context;
  if (!hasSource(context)) return;
  if (!sameArgument(context.args, SOURCE, TARGET)) moveSource(context);
  reply.ok();
}

export function renamenx(context: KeyContext): void {
  const { args, reply } = context;
  if (!hasSource(context)) return;
  if (sameArgument(args, SOURCE, TARGET) || findKey(context, TARGET) !== NO_REF) {
    reply.integer(0);
    return;
  }
  moveSource(context);
  reply.integer(1);
}

function hasSource(context: KeyContext): boolean {
  if (writeKey(context, SOURCE) !== NO_REF) return true;
  context.reply.error(NO_SUCH_KEY);
  return false;
}

/** Looks the source up again: a look-up of the target may have removed an expired key, and moved entries. */
function moveSource(context: KeyContext): void {
  const { args, db, keyspace } = context;
  const ref = findKey(context, SOURCE);
  keyspace.rename(ref, db, slotOf(context, TARGET), args.bytes, args.start[TARGET], args.end[TARGET]);
}

export function copy(context: KeyContext): void {
  const { args, db, keyspace, reply } = context;
  const options = parseOptions(context);
  if (options === null) return;
  if (options.db === db && sameArgument(args, SOURCE, TARGET)) {
    reply.error(SAME_OBJECT);
    return;
  }
  if (readKey(context, SOURCE) === NO_REF || !clearTarget(context, options)) {
    reply.integer(0);
    return;
  }
  const ref = findKey(context, SOURCE);
  keyspace.copy(ref, options.db, slotOf(context, TARGET), args.bytes, args.start[TARGET], args.end[TARGET]);
  reply.integer(1);
}

/** A cluster has one database. What is wrong with the arguments otherwise, the command itself says. */
export function copyRefusalInCluster(args: Args): string | null {
  for (let i = 3; i + 1 < args.count; i++) {
    if (!isWord(args, i, 'db')) continue;
    const db = parseInteger(args.bytes, args.start[i + 1], args.end[i + 1]);
    if (db > 0 && db < DATABASE_COUNT) return OTHER_DATABASE_IN_CLUSTER;
    i += 1;
  }
  return null;
}

interface CopyOptions {
  db: number;
  replace: boolean;
}

function parseOptions(context: KeyContext): CopyOptions | null {
  const { args, reply } = context;
  const options = { db: context.db, replace: false };
  for (let i = 3; i < args.count; i++) {
    if (isWord(args, i, 'replace')) {
      options.replace = true;
    } else if (isWord(args, i, 'db') && i + 1 < args.count) {
      i += 1;
      options.db = parseDatabase(context, i);
      if (Number.isNaN(options.db)) return null;
    } else {
      reply.error(SYNTAX);
      return null;
    }
  }
  return options;
}

/** NaN: refused, and answered. */
function parseDatabase({ args, reply }: KeyContext, argument: number): number {
  const value = parseInteger(args.bytes, args.start[argument], args.end[argument]);
  if (value >= 0 && value < DATABASE_COUNT) return value;
  if (Number.isNaN(value)) reply.error(NOT_AN_INTEGER);
  else if (value > INT_MAX || value < -INT_MAX - 1) reply.error(INT_OUT_OF_RANGE);
  else reply.error(DATABASE_OUT_OF_RANGE);
  return NaN;
}

/** False: the target is there and may not be replaced. */
function clearTarget(context: KeyContext, { db, replace }: CopyOptions): boolean {
  const { args, keyspace } = context;
  const slot = slotOf(context, TARGET);
  const ref: Ref = keyspace.find(db, slot, args.bytes, args.start[TARGET], args.end[TARGET]);
  if (ref === NO_REF) return true;
  if (replace) keyspace.remove(ref);
  return replace;
}
