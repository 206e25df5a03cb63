/** Reading and writing the fields of a hash. */
import { NO_REF, ValueType } from '../store/types.ts';
import type { Ref } from '../store/types.ts';
import { wrongArity } from './error-texts.ts';
import { hasType, readKey, writeKey } from './lookup.ts';
import type { KeyContext } from './types.ts';

/** This module's own copies: V8 takes them for constant (store/desk.ts). */
const NONE = NO_REF;
const { HASH } = ValueType;

export function hset(context: KeyContext): void {
  const created = setPairs(context, 'hset');
  if (created >= 0) context.reply.integer(created);
}

export function hmset(context: KeyContext): void {
  if (setPairs(context, 'hmset') >= 0) context.reply.ok();
}

/** How many fields are new; -1: refused, and answered. */
function setPairs(context: KeyContext, name: string): number {
  const { args, keyspace } = context;
  if (args.count % 2 === 1) {
    context.reply.error(wrongArity(name));
    return -1;
  }
  let ref = writeKey(context, 1);
  if (ref !== NONE && !hasType(context, ref, HASH)) return -1;
  if (ref === NONE) ref = createHash(context);
  let created = 0;
  for (let i = 2; i < args.count; i += 2) {
    ref = setField(context, ref, i, args.bytes, args.start[i + 1], args.end[i + 1]);
    if (keyspace.hashCreated) created += 1;
  }
  return created;
}

export function hsetnx(context: KeyContext): void {
  const { args, reply } = context;
  let ref = writeKey(context, 1);
  if (ref !== NONE && !hasType(context, ref, HASH)) return;
  if (ref !== NONE && getField(context, ref, 2)) {
    reply.integer(0);
    return;
  }
  if (ref === NONE) ref = createHash(context);
  setField(context, ref, 2, args.bytes, args.start[3], args.end[3]);
  reply.integer(1);
}

export function hget(context: KeyContext): void {
  const ref = readKey(context, 1);
  if (ref === NONE) context.reply.null();
  else if (hasType(context, ref, HASH)) replyField(context, ref, 2);
}

export function hmget(context: KeyContext): void {
  const { args, reply } = context;
  const ref = readKey(context, 1);
  if (ref !== NONE && !hasType(context, ref, HASH)) return;
  reply.arrayHeader(args.count - 2);
  for (let i = 2; i < args.count; i++) {
    if (ref === NONE) reply.null();
    else replyField(context, ref, i);
  }
}

export function hdel(context: KeyContext): void {
  const { args, keyspace, reply } = context;
  const ref = writeKey(context, 1);
  if (ref === NONE) {
    reply.integer(0);
    return;
  }
  if (!hasType(context, ref, HASH)) return;
  let deleted = 0;
  for (let i = 2; i < args.count; i++) {
    if (!keyspace.hashDelete(ref, args.bytes, args.start[i], args.end[i])) continue;
    deleted += 1;
    if (keyspace.hashLength(ref) > 0) continue;
    keyspace.remove(ref);
    break;
  }
  reply.integer(deleted);
}

export function hexists(context: KeyContext): void {
  const ref = readHash(context);
  if (ref !== NONE) context.reply.integer(getField(context, ref, 2) ? 1 : 0);
}

export function hlen(context: KeyContext): void {
  const ref = readHash(context);
  if (ref !== NONE) context.reply.integer(context.keyspace.hashLength(ref));
}

export function hstrlen(context: KeyContext): void {
  const { keyspace, reply } = context;
  const ref = readHash(context);
  if (ref === NONE) return;
  reply.integer(getField(context, ref, 2) ? keyspace.window.end - keyspace.window.start : 0);
}

/** NONE, and answered with 0 or an error, when there is no hash to count in. */
function readHash(context: KeyContext): Ref {
  const ref = readKey(context, 1);
  if (ref === NONE) {
    context.reply.integer(0);
    return NONE;
  }
  return hasType(context, ref, HASH) ? ref : NONE;
}

export function createHash({ args, db, keyspace, slot }: KeyContext): Ref {
  return keyspace.createHash(db, slot, args.bytes, args.start[1], args.end[1]);
}

/** Looks up the field that the argument names: its value is in the keyspace's window. */
export function getField({ args, keyspace }: KeyContext, ref: Ref, argument: number): boolean {
  return keyspace.hashGet(ref, args.bytes, args.start[argument], args.end[argument]);
}

export function setField(
  { args, keyspace }: KeyContext,
  ref: Ref,
  argument: number,
  value: Buffer,
  start: number,
  end: number,
): Ref {
  return keyspace.hashSet(ref, args.bytes, args.start[argument], args.end[argument], value, start, end);
}

function replyField(context: KeyContext, ref: Ref, argument: number): void {
  const { keyspace, reply } = context;
  if (!getField(context, ref, argument)) {
    reply.null();
  } else {
    const { bytes, view, start, end } = keyspace.window;
    reply.bulkUnder(bytes, view, start, end);
  }
}
