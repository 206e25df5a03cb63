/** Finding the key that an argument names. */
import { NO_REF } from '../store/types.ts';
import type { Ref, ValueType } from '../store/types.ts';
import { WRONG_TYPE } from './error-texts.ts';
import type { KeyContext } from './types.ts';

/** This module's own copies: V8 takes them for constant (store/desk.ts). */
const NONE = NO_REF;

/** The slot of a key argument. That of the first, usual one is known already. */
export function slotOf(context: KeyContext, argument: number): number {
  return argument === 1 ? context.slot : context.slotOf(argument);
}

/** Without noting an access: for TTL, TYPE, OBJECT and the like. */
export function findKey(context: KeyContext, argument: number): Ref {
  const { args } = context;
  return context.keyspace.find(
    context.db,
    slotOf(context, argument),
    args.bytes,
    args.start[argument],
    args.end[argument],
  );
}

/** Notes an access, and a hit or miss. */
export function readKey(context: KeyContext, argument: number): Ref {
  const ref = findKey(context, argument);
  if (ref === NONE) {
    context.misses += 1;
    return NONE;
  }
  context.hits += 1;
  touchKey(context, ref);
  return ref;
}

/** Notes an access; a hit or miss counts only for commands that reply with what they found (`countLookup`). */
export function writeKey(context: KeyContext, argument: number): Ref {
  const ref = findKey(context, argument);
  if (ref !== NONE) touchKey(context, ref);
  return ref;
}

function touchKey(context: KeyContext, ref: Ref): void {
  context.keyspace.touch(ref, context.monotonicMs, context.lfu ? context.random() : 0);
}

/** Counts a hit or miss, for a look-up that is not to count as an access, or whose command writes as well. */
export function countLookup(context: KeyContext, ref: Ref): void {
  if (ref === NONE) context.misses += 1;
  else context.hits += 1;
}

/** False, and answered, when the key holds another type. */
export function hasType(context: KeyContext, ref: Ref, type: ValueType): boolean {
  if (context.keyspace.typeOf(ref) === type) return true;
  context.reply.error(WRONG_TYPE);
  return false;
}
