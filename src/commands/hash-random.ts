/** HRANDFIELD. */
import { INT64_MIN, parseBigInt64, parseInteger } from '../resp/number.ts';
import type { ReplyWriter } from '../resp/reply-writer.ts';
import { NO_REF, ValueType } from '../store/types.ts';
import type { FieldVisitor, Ref } from '../store/types.ts';
import { NOT_AN_INTEGER, OUT_OF_RANGE, SYNTAX } from './error-texts.ts';
import { DistinctFieldsRead, isLongHash, RepeatedFieldsRead } from './long-read.ts';
import { hasType, readKey } from './lookup.ts';
import type { KeyContext } from './types.ts';
import { isWord } from './words.ts';

const OUT_OF_LONG =
  'ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807';
const LONG_MAX_HALF = 4611686018427387903n;

/** Picks with repetition that one command may ask for; Redis has no limit, and dies of it. */
const PICKS_MAX = 1024 * 1024;
/** So many are picked at once, from however large a hash. */
const QUICK_PICKS = 1024;
/** Above so many fields for each one asked for, picking at random beats walking through all. */
const SPARSE_RATIO = 3;

export function hrandfield(context: KeyContext): void {
  const { args, reply } = context;
  if (args.count === 2) {
    pickOne(context);
    return;
  }
  const count = parseCount(context);
  if (Number.isNaN(count)) return;
  const ref = readKey(context, 1);
  if (ref === NO_REF) {
    reply.arrayHeader(0);
    return;
  }
  if (!hasType(context, ref, ValueType.HASH)) return;
  const withValues = args.count === 4;
  if (beginLong(context, ref, count, withValues)) return;
  if (count < 0) pickRepeatedly(context, ref, -count, withValues);
  else pickDistinct(context, ref, count, withValues);
}

/** True: it goes on in the turns that follow. */
function beginLong(context: KeyContext, ref: Ref, count: number, withValues: boolean): boolean {
  if (Math.abs(count) <= QUICK_PICKS || count < -PICKS_MAX || !isLongHash(context, ref)) return false;
  const view = context.keyspace.viewHash(ref);
  const random = randomFrom(context.random());
  context.long =
    count < 0
      ? new RepeatedFieldsRead(view, -count, withValues, random)
      : new DistinctFieldsRead(view, Math.min(count, view.length), withValues, random);
  return true;
}

/** xorshift32: the context's numbers are another command's by then. */
function randomFrom(seed: number): () => number {
  let x = seed === 0 ? 1 : seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

function pickOne(context: KeyContext): void {
  const { keyspace, reply } = context;
  const ref = readKey(context, 1);
  if (ref === NO_REF) {
    reply.null();
    return;
  }
  if (!hasType(context, ref, ValueType.HASH)) return;
  keyspace.hashRandom(ref, context.random(), (bytes, start, end) => reply.bulk(bytes, start, end));
}

/** NaN: refused, and answered. */
function parseCount(context: KeyContext): number {
  const { args, reply } = context;
  const count = parseInteger(args.bytes, args.start[2], args.end[2]);
  const error = countError(context, count);
  if (error === '') return count;
  reply.error(error);
  return NaN;
}

function countError({ args }: KeyContext, count: number): string {
  if (Number.isNaN(count)) return NOT_AN_INTEGER;
  const big = Number.isFinite(count) ? 0n : parseBigInt64(args.bytes, args.start[2], args.end[2]);
  if (big === INT64_MIN) return OUT_OF_LONG;
  if (args.count > 4 || (args.count === 4 && !isWord(args, 3, 'withvalues'))) return SYNTAX;
  return args.count === 4 && (big > LONG_MAX_HALF || big < -LONG_MAX_HALF) ? OUT_OF_RANGE : '';
}

function pickRepeatedly(context: KeyContext, ref: Ref, count: number, withValues: boolean): void {
  const { keyspace, reply } = context;
  if (count > PICKS_MAX) {
    reply.error(OUT_OF_RANGE);
    return;
  }
  replyHeader(reply, count, withValues);
  const visit = replyVisitor(reply, withValues);
  for (let i = 0; i < count; i++) keyspace.hashRandom(ref, context.random(), visit);
}

function pickDistinct(context: KeyContext, ref: Ref, count: number, withValues: boolean): void {
  const { keyspace, reply } = context;
  const size = keyspace.hashLength(ref);
  const picks = Math.min(count, size);
  replyHeader(reply, picks, withValues);
  if (picks * SPARSE_RATIO > size) selectInOrder(context, ref, picks, size, withValues);
  else pickUnseen(context, ref, picks, withValues);
}

/** Knuth's selection sampling: each field is taken with the chance that makes all subsets equally likely. */
function selectInOrder(
  context: KeyContext,
  ref: Ref,
  picks: number,
  size: number,
  withValues: boolean,
): void {
  const reply = replyVisitor(context.reply, withValues);
  let wanted = picks;
  let left = size;
  context.keyspace.hashEach(ref, (bytes, start, end, valueBytes, valueStart, valueEnd) => {
    if (wanted === left || (context.random() / 2 ** 32) * left < wanted) {
      reply(bytes, start, end, valueBytes, valueStart, valueEnd);
      wanted -= 1;
    }
    left -= 1;
  });
}

function pickUnseen(context: KeyContext, ref: Ref, picks: number, withValues: boolean): void {
  const reply = replyVisitor(context.reply, withValues);
  const seen = new Set<string>();
  while (seen.size < picks) {
    context.keyspace.hashRandom(
      ref,
      context.random(),
      (bytes, start, end, valueBytes, valueStart, valueEnd) => {
        const field = bytes.toString('latin1', start, end);
        if (seen.has(field)) return;
        seen.add(field);
        reply(bytes, start, end, valueBytes, valueStart, valueEnd);
      },
    );
  }
}

/** With values: an array of pairs in RESP3, flat in RESP2. */
function replyHeader(reply: ReplyWriter, count: number, withValues: boolean): void {
  reply.arrayHeader(withValues && reply.protocol === 2 ? count * 2 : count);
}

function replyVisitor(reply: ReplyWriter, withValues: boolean): FieldVisitor {
  return (bytes, start, end, valueBytes, valueStart, valueEnd) => {
    if (withValues && reply.protocol === 3) reply.arrayHeader(2);
    reply.bulk(bytes, start, end);
    if (withValues) reply.bulk(valueBytes, valueStart, valueEnd);
  };
}
