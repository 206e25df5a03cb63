/** The rows of the commands on keys of any type, and those on many keys at once. */
import { NO_REF, ValueType } from '../store/types.ts';
import { documented } from './documented.ts';
import { container } from './local-row.ts';
import { SYNTAX } from './error-texts.ts';
import { copy, copyRefusalInCluster, rename, renamenx } from './key-copy.ts';
import {
  expire,
  expireat,
  expiretime,
  persist,
  pexpire,
  pexpireat,
  pexpiretime,
  pttl,
  ttl,
} from './key-expiry.ts';
import {
  memoryUsage,
  objectEncoding,
  objectFreq,
  objectHelp,
  objectIdletime,
  objectRefcount,
} from './key-object.ts';
import { TYPE_NAMES, keys, randomkey, scan } from './key-scan.ts';
import { countLookup, findKey, readKey } from './lookup.ts';
import { ALL_KEYS, NO_KEYS, ONE_KEY, SECOND_ARGUMENT, TWO_KEYS, keyCommand, localCommand } from './rows.ts';
import type { CommandFlag, CommandRow, KeyContext, Spread } from './types.ts';
import { isWord } from './words.ts';

const READ: readonly CommandFlag[] = ['readonly'];
const FAST_READ: readonly CommandFlag[] = ['readonly', 'fast'];
const WRITE: readonly CommandFlag[] = ['write'];
const FAST_WRITE: readonly CommandFlag[] = ['write', 'fast'];
const GROWING: readonly CommandFlag[] = ['write', 'denyoom'];
const HELP: readonly CommandFlag[] = ['loading', 'stale'];

const KEYSPACE = ['keyspace'] as const;
const DANGEROUS = ['keyspace', 'dangerous'] as const;

const COUNTED: Spread = { by: 'keys', merge: 'sum' };
const FLUSHED: Spread = { by: 'shards', merge: 'ok' };

const DOCS = {
  generic: `
copy 6.2.0 O(N) Copies a value to another key.
del 1.0.0 O(N) Deletes keys.
exists 1.0.0 O(N) Counts those of the keys that are there.
expire 1.0.0 O(1) Sets when a key expires, in seconds from now.
expireat 1.2.0 O(1) Sets when a key expires, as a Unix time in seconds.
expiretime 7.0.0 O(1) Returns when a key expires, as a Unix time in seconds.
keys 1.0.0 O(N) Returns the keys that match a pattern.
object 2.2.3 - Looks into how a value is kept.
object|encoding 2.2.3 O(1) Returns how a value is encoded.
object|freq 4.0.0 O(1) Returns how often a key was accessed, on a logarithmic scale.
object|help 6.2.0 O(1) Lists the subcommands.
object|idletime 2.2.3 O(1) Returns the seconds since a key was last accessed.
object|refcount 2.2.3 O(1) Returns how many references there are to a value.
persist 2.2.0 O(1) Lets a key expire no more.
pexpire 2.6.0 O(1) Sets when a key expires, in milliseconds from now.
pexpireat 2.6.0 O(1) Sets when a key expires, as a Unix time in milliseconds.
pexpiretime 7.0.0 O(1) Returns when a key expires, as a Unix time in milliseconds.
pttl 2.6.0 O(1) Returns the milliseconds that a key still has.
randomkey 1.0.0 O(1) Returns a key picked at random.
rename 1.0.0 O(1) Renames a key, replacing what has the new name.
renamenx 1.0.0 O(1) Renames a key when the new name is free.
scan 2.8.0 O(1) Goes through the keys bit by bit.
touch 3.2.1 O(N) Counts those of the keys that are there, and marks them as accessed.
ttl 1.0.0 O(1) Returns the seconds that a key still has.
type 1.0.0 O(1) Returns the type of a value.
unlink 4.0.0 O(N) Deletes keys, and frees their memory later.`,
  server: `
dbsize 1.0.0 O(N) Returns how many keys the database has.
flushall 1.0.0 O(N) Deletes all keys of all databases.
flushdb 1.0.0 O(N) Deletes all keys of the database.
memory|usage 4.0.0 O(N) Returns the bytes that a key accounts for.`,
};

export const KEYS: readonly CommandRow[] = documented<CommandRow>(DOCS, [
  keyCommand('del', -2, WRITE, KEYSPACE, ALL_KEYS, del, COUNTED),
  keyCommand('unlink', -2, FAST_WRITE, KEYSPACE, ALL_KEYS, del, COUNTED),
  keyCommand('exists', -2, FAST_READ, KEYSPACE, ALL_KEYS, exists, COUNTED),
  keyCommand('touch', -2, FAST_READ, KEYSPACE, ALL_KEYS, touch, COUNTED),
  keyCommand('type', 2, FAST_READ, KEYSPACE, ONE_KEY, type),
  keyCommand('expire', -3, FAST_WRITE, KEYSPACE, ONE_KEY, expire),
  keyCommand('pexpire', -3, FAST_WRITE, KEYSPACE, ONE_KEY, pexpire),
  keyCommand('expireat', -3, FAST_WRITE, KEYSPACE, ONE_KEY, expireat),
  keyCommand('pexpireat', -3, FAST_WRITE, KEYSPACE, ONE_KEY, pexpireat),
  keyCommand('ttl', 2, FAST_READ, KEYSPACE, ONE_KEY, ttl),
  keyCommand('pttl', 2, FAST_READ, KEYSPACE, ONE_KEY, pttl),
  keyCommand('expiretime', 2, FAST_READ, KEYSPACE, ONE_KEY, expiretime),
  keyCommand('pexpiretime', 2, FAST_READ, KEYSPACE, ONE_KEY, pexpiretime),
  keyCommand('persist', 2, FAST_WRITE, KEYSPACE, ONE_KEY, persist),
  keyCommand('rename', 3, WRITE, KEYSPACE, TWO_KEYS, rename),
  keyCommand('renamenx', 3, FAST_WRITE, KEYSPACE, TWO_KEYS, renamenx),
  {
    ...keyCommand('copy', -3, GROWING, KEYSPACE, TWO_KEYS, copy),
    clusterRefusal: copyRefusalInCluster,
  },
  keyCommand('randomkey', 1, READ, KEYSPACE, NO_KEYS, randomkey, { by: 'random' }),
  keyCommand('keys', 2, READ, DANGEROUS, NO_KEYS, keys, { by: 'shards', merge: 'concat' }),
  keyCommand('scan', -2, READ, KEYSPACE, NO_KEYS, scan, { by: 'scan' }),
  keyCommand('dbsize', 1, FAST_READ, KEYSPACE, NO_KEYS, dbsize, { by: 'shards', merge: 'sum' }),
  keyCommand('flushdb', -1, WRITE, DANGEROUS, NO_KEYS, flushdb, FLUSHED),
  keyCommand('flushall', -1, WRITE, DANGEROUS, NO_KEYS, flushall, FLUSHED),
  container('object'),
  keyCommand('object|encoding', 3, READ, KEYSPACE, SECOND_ARGUMENT, objectEncoding),
  keyCommand('object|freq', 3, READ, KEYSPACE, SECOND_ARGUMENT, objectFreq),
  keyCommand('object|idletime', 3, READ, KEYSPACE, SECOND_ARGUMENT, objectIdletime),
  keyCommand('object|refcount', 3, READ, KEYSPACE, SECOND_ARGUMENT, objectRefcount),
  localCommand('object|help', 2, HELP, KEYSPACE, objectHelp),
  keyCommand('memory|usage', -3, READ, [], SECOND_ARGUMENT, memoryUsage),
]);

function del(context: KeyContext): void {
  const { args, keyspace, reply } = context;
  let removed = 0;
  for (let i = 1; i < args.count; i++) {
    const ref = findKey(context, i);
    if (ref === NO_REF) continue;
    keyspace.remove(ref);
    removed += 1;
  }
  reply.integer(removed);
}

function exists(context: KeyContext): void {
  let found = 0;
  for (let i = 1; i < context.args.count; i++) {
    const ref = findKey(context, i);
    countLookup(context, ref);
    if (ref !== NO_REF) found += 1;
  }
  context.reply.integer(found);
}

function touch(context: KeyContext): void {
  let found = 0;
  for (let i = 1; i < context.args.count; i++) if (readKey(context, i) !== NO_REF) found += 1;
  context.reply.integer(found);
}

function type(context: KeyContext): void {
  const ref = findKey(context, 1);
  countLookup(context, ref);
  context.reply.simple(TYPE_NAMES[ref === NO_REF ? ValueType.NONE : context.keyspace.typeOf(ref)]);
}

function dbsize(context: KeyContext): void {
  context.reply.integer(context.keyspace.keyCount(context.db, context.slots));
}

function flushdb(context: KeyContext): void {
  flush(context, context.db);
}

function flushall(context: KeyContext): void {
  flush(context, -1);
}

/** ASYNC and SYNC are the same here: readers see the keys gone at once, and memory is freed bit by bit. */
function flush({ args, keyspace, slots, reply }: KeyContext, db: number): void {
  if (args.count > 2 || (args.count === 2 && !isWord(args, 1, 'async') && !isWord(args, 1, 'sync'))) {
    reply.error(SYNTAX);
    return;
  }
  keyspace.flush(db, slots);
  reply.ok();
}
