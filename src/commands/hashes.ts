/** The hash commands' rows, and those that walk through a whole hash. */
import { Encoding, NO_REF, ValueType } from '../store/types.ts';
import type { FieldVisitor } from '../store/types.ts';
import { documented } from './documented.ts';
import { hincrby, hincrbyfloat } from './hash-counters.ts';
import { hdel, hexists, hget, hlen, hmget, hmset, hset, hsetnx, hstrlen } from './hash-fields.ts';
import { hrandfield } from './hash-random.ts';
import { replyScan } from './key-scan.ts';
import { AllFieldsRead, isLongHash } from './long-read.ts';
import { hasType, readKey } from './lookup.ts';
import { ONE_KEY, keyCommand } from './rows.ts';
import { matchesArgument, parseCursor, parseScanOptions, scanPage } from './scan-options.ts';
import type { CommandFlag, KeyCommand, KeyContext } from './types.ts';

const READ: readonly CommandFlag[] = ['readonly'];
const FAST_READ: readonly CommandFlag[] = ['readonly', 'fast'];
const FAST_WRITE: readonly CommandFlag[] = ['write', 'fast'];
const FAST_GROWING: readonly CommandFlag[] = ['write', 'denyoom', 'fast'];
const HASH = ['hash'] as const;

const DOCS = {
  hash: `
hdel 2.0.0 O(N) Deletes fields of a hash.
hexists 2.0.0 O(1) Tells whether a hash has a field.
hget 2.0.0 O(1) Returns a field of a hash.
hgetall 2.0.0 O(N) Returns all fields of a hash with their values.
hincrby 2.0.0 O(1) Adds an amount to a field of a hash.
hincrbyfloat 2.6.0 O(1) Adds a fraction to a field of a hash.
hkeys 2.0.0 O(N) Returns the names of the fields of a hash.
hlen 2.0.0 O(1) Returns how many fields a hash has.
hmget 2.0.0 O(N) Returns several fields of a hash.
hmset 2.0.0 O(N) Sets several fields of a hash; HSET by its old name.
hrandfield 6.2.0 O(N) Returns fields of a hash picked at random.
hscan 2.8.0 O(1) Goes through the fields of a hash bit by bit.
hset 2.0.0 O(N) Sets fields of a hash.
hsetnx 2.0.0 O(1) Sets a field of a hash when it is absent.
hstrlen 3.2.0 O(1) Returns the length of a field of a hash.
hvals 2.0.0 O(N) Returns the values of the fields of a hash.`,
};

export const HASHES: readonly KeyCommand[] = documented(DOCS, [
  keyCommand('hset', -4, FAST_GROWING, HASH, ONE_KEY, hset),
  keyCommand('hmset', -4, FAST_GROWING, HASH, ONE_KEY, hmset),
  keyCommand('hsetnx', 4, FAST_GROWING, HASH, ONE_KEY, hsetnx),
  keyCommand('hget', 3, FAST_READ, HASH, ONE_KEY, hget),
  keyCommand('hmget', -3, FAST_READ, HASH, ONE_KEY, hmget),
  keyCommand('hgetall', 2, READ, HASH, ONE_KEY, hgetall),
  keyCommand('hkeys', 2, READ, HASH, ONE_KEY, hkeys),
  keyCommand('hvals', 2, READ, HASH, ONE_KEY, hvals),
  keyCommand('hdel', -3, FAST_WRITE, HASH, ONE_KEY, hdel),
  keyCommand('hexists', 3, FAST_READ, HASH, ONE_KEY, hexists),
  keyCommand('hlen', 2, FAST_READ, HASH, ONE_KEY, hlen),
  keyCommand('hstrlen', 3, FAST_READ, HASH, ONE_KEY, hstrlen),
  keyCommand('hincrby', 4, FAST_GROWING, HASH, ONE_KEY, hincrby),
  keyCommand('hincrbyfloat', 4, FAST_GROWING, HASH, ONE_KEY, hincrbyfloat),
  keyCommand('hscan', -3, READ, HASH, ONE_KEY, hscan),
  keyCommand('hrandfield', -2, READ, HASH, ONE_KEY, hrandfield),
]);

function hgetall(context: KeyContext): void {
  const { keyspace, reply } = context;
  const ref = readKey(context, 1);
  if (ref !== NO_REF && !hasType(context, ref, ValueType.HASH)) return;
  if (ref !== NO_REF && isLongHash(context, ref)) {
    context.long = new AllFieldsRead(keyspace.viewHash(ref), 'both');
    return;
  }
  reply.mapHeader(ref === NO_REF ? 0 : keyspace.hashLength(ref));
  if (ref === NO_REF) return;
  keyspace.hashEach(ref, (field, fieldStart, fieldEnd, value, valueStart, valueEnd) => {
    reply.bulk(field, fieldStart, fieldEnd);
    reply.bulk(value, valueStart, valueEnd);
  });
}

function hkeys(context: KeyContext): void {
  const { reply } = context;
  replyEach(context, 'fields', (field, start, end) => reply.bulk(field, start, end));
}

function hvals(context: KeyContext): void {
  const { reply } = context;
  replyEach(context, 'values', (_field, _fieldStart, _fieldEnd, value, start, end) =>
    reply.bulk(value, start, end),
  );
}

/** An array of what `visit` replies for each field. */
function replyEach(context: KeyContext, what: 'fields' | 'values', visit: FieldVisitor): void {
  const { keyspace, reply } = context;
  const ref = readKey(context, 1);
  if (ref !== NO_REF && !hasType(context, ref, ValueType.HASH)) return;
  if (ref !== NO_REF && isLongHash(context, ref)) {
    context.long = new AllFieldsRead(keyspace.viewHash(ref), what);
    return;
  }
  reply.arrayHeader(ref === NO_REF ? 0 : keyspace.hashLength(ref));
  if (ref !== NO_REF) keyspace.hashEach(ref, visit);
}

/** As in Redis, the options are looked at only where there is a hash; a small hash comes whole. */
function hscan(context: KeyContext): void {
  const { args, keyspace, reply } = context;
  const cursor = parseCursor(context, 2);
  if (Number.isNaN(cursor)) return;
  const ref = readKey(context, 1);
  if (ref === NO_REF) {
    replyScan(context, reply.size, 0, 0);
    return;
  }
  if (!hasType(context, ref, ValueType.HASH)) return;
  const options = parseScanOptions(context, 3, false);
  if (options === null) return;
  const begin = reply.size;
  let count = 0;
  const visit: FieldVisitor = (field, fieldStart, fieldEnd, value, valueStart, valueEnd) => {
    if (!matchesArgument(args, options.patternArgument, field, fieldStart, fieldEnd)) return;
    reply.bulk(field, fieldStart, fieldEnd);
    reply.bulk(value, valueStart, valueEnd);
    count += 2;
  };
  let next = 0;
  if (keyspace.encodingOf(ref) === Encoding.LISTPACK) keyspace.hashEach(ref, visit);
  else
    next = scanPage(
      options.count,
      cursor,
      () => reply.size - begin,
      (from, items) => keyspace.hashScan(ref, from, items, visit),
    );
  replyScan(context, begin, next, count);
}
