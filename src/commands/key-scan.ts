/** KEYS, SCAN and RANDOMKEY. */
import { type KeyVisitor, NO_REF, ValueType } from '../store/types.ts';
import { isLongDatabase, KeysRead } from './long-read.ts';
import { matchesArgument, parseCursor, parseScanOptions, scanPage } from './scan-options.ts';
import type { ScanOptions } from './scan-options.ts';
import type { KeyContext } from './types.ts';
import { isWord } from './words.ts';

const LAST_SLOT = 16383;
/** A cursor is slot * SLOT_STRIDE + place in the slot. */
const SLOT_STRIDE = 2 ** 32;
const SLICE_KEYS = 4096;
const STAR = 42;

export const TYPE_NAMES: Record<ValueType, string> = {
  [ValueType.NONE]: 'none',
  [ValueType.STRING]: 'string',
  [ValueType.HASH]: 'hash',
  [ValueType.LIST]: 'list',
  [ValueType.SET]: 'set',
  [ValueType.ZSET]: 'zset',
  [ValueType.STREAM]: 'stream',
};

export function keys(context: KeyContext): void {
  if (isLongDatabase(context)) {
    context.long = new KeysRead(context);
    return;
  }
  const { args, db, keyspace, reply } = context;
  const all = args.lengthBytes(1) === 1 && args.bytes[args.start[1]] === STAR;
  const begin = reply.size;
  let count = 0;
  let cursor = 0;
  while (cursor >= 0) {
    cursor = keyspace.scan(db, cursor, LAST_SLOT, SLICE_KEYS, (bytes, start, end) => {
      if (!all && !matchesArgument(args, 1, bytes, start, end)) return;
      reply.bulk(bytes, start, end);
      count += 1;
    });
  }
  const end = reply.size;
  reply.arrayHeader(count);
  reply.moveBefore(begin, end);
}

/** Over this shard's run of slots, which ends at `scanTo`; the cursor after it lies in the next shard's. */
export function scan(context: KeyContext): void {
  const cursor = parseCursor(context, 1);
  if (Number.isNaN(cursor)) return;
  const options = parseScanOptions(context, 2, true);
  if (options === null) return;
  const { db, keyspace, reply, scanTo } = context;
  const begin = reply.size;
  let count = 0;
  let next = -1;
  if (cursor < (scanTo + 1) * SLOT_STRIDE) {
    const visit: KeyVisitor = (bytes, start, end, ref) => {
      if (!matchesArgument(context.args, options.patternArgument, bytes, start, end)) return;
      if (!hasScannedType(context, options, keyspace.typeOf(ref))) return;
      reply.bulk(bytes, start, end);
      count += 1;
    };
    const scanSome = (from: number, items: number): number => keyspace.scan(db, from, scanTo, items, visit);
    next = scanPage(options.count, cursor, () => reply.size - begin, scanSome);
  }
  if (next < 0) next = scanTo >= LAST_SLOT ? 0 : (scanTo + 1) * SLOT_STRIDE;
  replyScan(context, begin, next, count);
}

function hasScannedType({ args }: KeyContext, { typeArgument }: ScanOptions, type: ValueType): boolean {
  return typeArgument === 0 || isWord(args, typeArgument, TYPE_NAMES[type]);
}

/** Puts the cursor and the array's header before the elements, written since `begin`. */
export function replyScan({ reply }: KeyContext, begin: number, cursor: number, count: number): void {
  const end = reply.size;
  reply.arrayHeader(2);
  reply.bulkText(String(cursor));
  reply.arrayHeader(count);
  reply.moveBefore(begin, end);
}

export function randomkey(context: KeyContext): void {
  const { db, keyspace, reply } = context;
  const ref = keyspace.randomKey(db, () => context.random());
  if (ref === NO_REF) {
    reply.null();
    return;
  }
  const key = keyspace.key(ref);
  reply.bulk(key.bytes, key.start, key.end);
}
