/** SET and its elder relatives, and the commands that read a value and write in one. */
import { NO_REF, ValueType } from '../store/types.ts';
import type { Ref } from '../store/types.ts';
import { wrongArity } from './error-texts.ts';
import { MILLISECONDS, SECONDS, nowMs, parsePositiveExpiry } from './expiry.ts';
import { countLookup, findKey, hasType, writeKey } from './lookup.ts';
import { expiryOf, parseStringOptions } from './string-options.ts';
import { storeArgument } from './string-value.ts';
import type { KeyContext } from './types.ts';

/** This module's own copies: V8 takes them for constant (store/desk.ts). */
const NONE = NO_REF;
const { STRING } = ValueType;

export function set(context: KeyContext): void {
  if (context.args.count === 3) {
    storeArgument(context, 1, 2, 0);
    context.reply.ok();
    return;
  }
  const options = parseStringOptions(context, 3, 'set');
  if (options === null) return;
  const expireAtMs = expiryOf(context, options);
  if (Number.isNaN(expireAtMs)) return;
  const ref = writeKey(context, 1);
  if (options.get && !replyOld(context, ref)) return;
  if ((options.onlyIfAbsent && ref !== NONE) || (options.onlyIfPresent && ref === NONE)) {
    if (!options.get) context.reply.null();
    return;
  }
  const keptMs = options.keepExpiry && ref !== NONE ? context.keyspace.expireAtMs(ref) : 0;
  storeArgument(context, 1, 2, options.keepExpiry ? keptMs : expireAtMs);
  if (!options.get) context.reply.ok();
}

export function setnx(context: KeyContext): void {
  if (writeKey(context, 1) !== NONE) {
    context.reply.integer(0);
    return;
  }
  storeArgument(context, 1, 2, 0);
  context.reply.integer(1);
}

export function setex(context: KeyContext): void {
  setWithExpiry(context, SECONDS);
}

export function psetex(context: KeyContext): void {
  setWithExpiry(context, MILLISECONDS);
}

function setWithExpiry(context: KeyContext, unitMs: number): void {
  const expireAtMs = parsePositiveExpiry(context, 2, unitMs, nowMs(context));
  if (Number.isNaN(expireAtMs)) return;
  storeArgument(context, 1, 3, expireAtMs);
  context.reply.ok();
}

export function getset(context: KeyContext): void {
  if (!replyOld(context, writeKey(context, 1))) return;
  storeArgument(context, 1, 2, 0);
}

export function getdel(context: KeyContext): void {
  const ref = writeKey(context, 1);
  if (replyOld(context, ref) && ref !== NONE) context.keyspace.remove(ref);
}

export function getex(context: KeyContext): void {
  const { keyspace, timeMs } = context;
  const options = parseStringOptions(context, 2, 'getex');
  if (options === null) return;
  const ref = writeKey(context, 1);
  countLookup(context, ref);
  if (ref === NONE) {
    context.reply.null();
    return;
  }
  if (!hasType(context, ref, STRING)) return;
  const expireAtMs = expiryOf(context, options);
  if (Number.isNaN(expireAtMs)) return;
  replyString(context, ref);
  if (options.persist) {
    if (keyspace.expireAtMs(ref) !== 0) keyspace.setExpireAt(ref, 0);
  } else if (expireAtMs !== 0) {
    if (expireAtMs <= timeMs) keyspace.remove(ref);
    else keyspace.setExpireAt(ref, expireAtMs);
  }
}

export function mset(context: KeyContext): void {
  if (!hasPairs(context, 'mset')) return;
  storePairs(context);
  context.reply.ok();
}

export function msetnx(context: KeyContext): void {
  if (!hasPairs(context, 'msetnx')) return;
  for (let i = 1; i < context.args.count; i += 2) {
    if (findKey(context, i) === NONE) continue;
    context.reply.integer(0);
    return;
  }
  storePairs(context);
  context.reply.integer(1);
}

function hasPairs(context: KeyContext, name: string): boolean {
  if (context.args.count % 2 === 1) return true;
  context.reply.error(wrongArity(name));
  return false;
}

function storePairs(context: KeyContext): void {
  for (let i = 1; i < context.args.count; i += 2) storeArgument(context, i, i + 1, 0);
}

/** Replies with the value or null. False, and answered with an error, when the key holds another type. */
function replyOld(context: KeyContext, ref: Ref): boolean {
  countLookup(context, ref);
  if (ref === NONE) {
    context.reply.null();
    return true;
  }
  if (!hasType(context, ref, STRING)) return false;
  replyString(context, ref);
  return true;
}

export function replyString(context: KeyContext, ref: Ref): void {
  const window = context.keyspace.string(ref);
  context.reply.bulkUnder(window.bytes, window.view, window.start, window.end);
}
