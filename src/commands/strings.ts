/** The string commands' rows, and GET and MGET. */
import { NO_REF, ValueType } from '../store/types.ts';
import { documented } from './documented.ts';
import { hasType, readKey } from './lookup.ts';
import { ALL_KEYS, KEY_PAIRS, ONE_KEY, TWO_KEYS, keyCommand } from './rows.ts';
import { decr, decrby, incr, incrby, incrbyfloat } from './string-counters.ts';
import { lcs } from './string-lcs.ts';
import { append, getrange, setrange, strlen } from './string-ranges.ts';
import { getdel, getex, getset, mset, msetnx, psetex, replyString, set, setex, setnx } from './string-set.ts';
import type { CommandFlag, KeyCommand, KeyContext } from './types.ts';

const READ: readonly CommandFlag[] = ['readonly'];
const FAST_READ: readonly CommandFlag[] = ['readonly', 'fast'];
const FAST_WRITE: readonly CommandFlag[] = ['write', 'fast'];
const GROWING: readonly CommandFlag[] = ['write', 'denyoom'];
const FAST_GROWING: readonly CommandFlag[] = ['write', 'denyoom', 'fast'];
const STRING = ['string'] as const;

const DOCS = {
  string: `
append 2.0.0 O(N) Appends to a string, which is made when absent.
decr 1.0.0 O(1) Takes one from a number.
decrby 1.0.0 O(1) Takes an amount from a number.
get 1.0.0 O(1) Returns a string.
getdel 6.2.0 O(1) Returns a string and deletes its key.
getex 6.2.0 O(1) Returns a string and changes when it expires.
getrange 2.4.0 O(N) Returns a part of a string.
getset 1.0.0 O(1) Sets a string and returns what it was.
incr 1.0.0 O(1) Adds one to a number.
incrby 1.0.0 O(1) Adds an amount to a number.
incrbyfloat 2.6.0 O(1) Adds a fraction to a number.
lcs 7.0.0 O(N*M) Finds the longest common subsequence of two strings.
mget 1.0.0 O(N) Returns several strings.
mset 1.0.1 O(N) Sets several strings.
msetnx 1.0.1 O(N) Sets several strings when none of their keys is there.
psetex 2.6.0 O(1) Sets a string that expires, in milliseconds.
set 1.0.0 O(1) Sets a string, with conditions and expiry.
setex 2.0.0 O(1) Sets a string that expires, in seconds.
setnx 1.0.0 O(1) Sets a string when its key is absent.
setrange 2.2.0 O(N) Overwrites a part of a string.
strlen 2.2.0 O(1) Returns the length of a string.
substr 1.0.0 O(N) Returns a part of a string; GETRANGE by its old name.`,
};

export const STRINGS: readonly KeyCommand[] = documented(DOCS, [
  keyCommand('get', 2, FAST_READ, STRING, ONE_KEY, get),
  keyCommand('set', -3, GROWING, STRING, ONE_KEY, set),
  keyCommand('setnx', 3, FAST_GROWING, STRING, ONE_KEY, setnx),
  keyCommand('setex', 4, GROWING, STRING, ONE_KEY, setex),
  keyCommand('psetex', 4, GROWING, STRING, ONE_KEY, psetex),
  keyCommand('mget', -2, FAST_READ, STRING, ALL_KEYS, mget, { by: 'keys', merge: 'array' }),
  keyCommand('mset', -3, GROWING, STRING, KEY_PAIRS, mset),
  keyCommand('msetnx', -3, GROWING, STRING, KEY_PAIRS, msetnx),
  keyCommand('getset', 3, FAST_GROWING, STRING, ONE_KEY, getset),
  keyCommand('getdel', 2, FAST_WRITE, STRING, ONE_KEY, getdel),
  keyCommand('getex', -2, FAST_WRITE, STRING, ONE_KEY, getex),
  keyCommand('append', 3, FAST_GROWING, STRING, ONE_KEY, append),
  keyCommand('strlen', 2, FAST_READ, STRING, ONE_KEY, strlen),
  keyCommand('getrange', 4, READ, STRING, ONE_KEY, getrange),
  keyCommand('substr', 4, READ, STRING, ONE_KEY, getrange),
  keyCommand('setrange', 4, GROWING, STRING, ONE_KEY, setrange),
  keyCommand('incr', 2, FAST_GROWING, STRING, ONE_KEY, incr),
  keyCommand('decr', 2, FAST_GROWING, STRING, ONE_KEY, decr),
  keyCommand('incrby', 3, FAST_GROWING, STRING, ONE_KEY, incrby),
  keyCommand('decrby', 3, FAST_GROWING, STRING, ONE_KEY, decrby),
  keyCommand('incrbyfloat', 3, FAST_GROWING, STRING, ONE_KEY, incrbyfloat),
  keyCommand('lcs', -3, READ, STRING, TWO_KEYS, lcs),
]);

function get(context: KeyContext): void {
  const ref = readKey(context, 1);
  if (ref === NO_REF) context.reply.null();
  else if (hasType(context, ref, ValueType.STRING)) replyString(context, ref);
}

function mget(context: KeyContext): void {
  const { args, keyspace, reply } = context;
  reply.arrayHeader(args.count - 1);
  for (let i = 1; i < args.count; i++) {
    const ref = readKey(context, i);
    if (ref === NO_REF || keyspace.typeOf(ref) !== ValueType.STRING) reply.null();
    else replyString(context, ref);
  }
}
