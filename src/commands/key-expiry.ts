/** EXPIRE, TTL, PERSIST and their variants. */
import { NO_REF } from '../store/types.ts';
import type { Ref } from '../store/types.ts';
import { MILLISECONDS, SECONDS, nowMs, parseExpiry } from './expiry.ts';
import { countLookup, findKey, writeKey } from './lookup.ts';
import type { KeyContext } from './types.ts';
import { isWord } from './words.ts';

const NX_WITH_OTHERS = 'ERR NX and XX, GT or LT options at the same time are not compatible';
const GT_WITH_LT = 'ERR GT and LT options at the same time are not compatible';

const NO_KEY = -2;
const NO_EXPIRY = -1;

/** Bits of the options of EXPIRE. */
const NX = 1;
const XX = 2;
const GT = 4;
const LT = 8;
const REFUSED = -1;

export function expire(context: KeyContext): void {
  expireBy(context, SECONDS, nowMs(context));
}

export function pexpire(context: KeyContext): void {
  expireBy(context, MILLISECONDS, nowMs(context));
}

export function expireat(context: KeyContext): void {
  expireBy(context, SECONDS, 0);
}

export function pexpireat(context: KeyContext): void {
  expireBy(context, MILLISECONDS, 0);
}

function expireBy(context: KeyContext, unitMs: number, fromMs: number): void {
  const { keyspace, reply } = context;
  const options = parseOptions(context);
  if (options === REFUSED) return;
  const expireAtMs = parseExpiry(context, 2, unitMs, fromMs);
  if (Number.isNaN(expireAtMs)) return;
  const ref = writeKey(context, 1);
  if (ref === NO_REF || !allows(options, keyspace.expireAtMs(ref), expireAtMs)) {
    reply.integer(0);
    return;
  }
  if (expireAtMs <= context.timeMs) keyspace.remove(ref);
  else keyspace.setExpireAt(ref, expireAtMs);
  reply.integer(1);
}

function parseOptions({ args, reply }: KeyContext): number {
  let options = 0;
  for (let i = 3; i < args.count; i++) {
    if (isWord(args, i, 'nx')) options |= NX;
    else if (isWord(args, i, 'xx')) options |= XX;
    else if (isWord(args, i, 'gt')) options |= GT;
    else if (isWord(args, i, 'lt')) options |= LT;
    else {
      reply.error(`ERR Unsupported option ${args.text(i).split('\0', 1)[0]}`);
      return REFUSED;
    }
  }
  const error = clash(options);
  if (error === '') return options;
  reply.error(error);
  return REFUSED;
}

function clash(options: number): string {
  if (options & NX && options !== NX) return NX_WITH_OTHERS;
  return options & GT && options & LT ? GT_WITH_LT : '';
}

/** `currentMs` 0: the key does not expire, which GT and LT take for never. */
function allows(options: number, currentMs: number, nextMs: number): boolean {
  if (options & NX && currentMs !== 0) return false;
  if (options & XX && currentMs === 0) return false;
  if (options & GT && (currentMs === 0 || nextMs <= currentMs)) return false;
  return !(options & LT && currentMs !== 0 && nextMs >= currentMs);
}

export function persist(context: KeyContext): void {
  const { keyspace, reply } = context;
  const ref = writeKey(context, 1);
  if (ref === NO_REF || keyspace.expireAtMs(ref) === 0) {
    reply.integer(0);
    return;
  }
  keyspace.setExpireAt(ref, 0);
  reply.integer(1);
}

export function ttl(context: KeyContext): void {
  replyExpiry(context, SECONDS, nowMs(context));
}

export function pttl(context: KeyContext): void {
  replyExpiry(context, MILLISECONDS, nowMs(context));
}

export function expiretime(context: KeyContext): void {
  replyExpiry(context, SECONDS, 0);
}

export function pexpiretime(context: KeyContext): void {
  replyExpiry(context, MILLISECONDS, 0);
}

/** In units after `fromMs`, rounded half up. */
function replyExpiry(context: KeyContext, unitMs: number, fromMs: number): void {
  const ref: Ref = findKey(context, 1);
  countLookup(context, ref);
  if (ref === NO_REF) {
    context.reply.integer(NO_KEY);
    return;
  }
  const expireAtMs = context.keyspace.expireAtMs(ref);
  if (expireAtMs === 0) context.reply.integer(NO_EXPIRY);
  else
    context.reply.integer(Math.floor((Math.max(0, expireAtMs - fromMs) + Math.floor(unitMs / 2)) / unitMs));
}
