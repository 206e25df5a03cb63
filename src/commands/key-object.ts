/** OBJECT and MEMORY USAGE: what is known about a key beside its value. */
import { parseInteger } from '../resp/number.ts';
import { Encoding, NO_REF } from '../store/types.ts';
import type { Ref } from '../store/types.ts';
import { NOT_AN_INTEGER, SYNTAX } from './error-texts.ts';
import type { LocalContext } from './local-context.ts';
import { findKey } from './lookup.ts';
import type { KeyContext } from './types.ts';
import { isWord } from './words.ts';

const ADJUSTS =
  'Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.';
const IDLE_TIME_UNKNOWN = `ERR An LFU maxmemory policy is selected, idle time not tracked. ${ADJUSTS}`;
const FREQUENCY_UNKNOWN = `ERR An LFU maxmemory policy is not selected, access frequency not tracked. ${ADJUSTS}`;

const ENCODING_NAMES: Record<Encoding, string> = {
  [Encoding.INT]: 'int',
  [Encoding.EMBSTR]: 'embstr',
  [Encoding.RAW]: 'raw',
  [Encoding.LISTPACK]: 'listpack',
  [Encoding.HASHTABLE]: 'hashtable',
};

/** Redis shares the objects of small integers, and tells so. */
const SHARED_INTEGERS = 10000;
const SHARED_REFERENCES = 2147483647;

const OBJECT_HELP = [
  'OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'ENCODING <key>',
  '    Return the kind of internal representation used in order to store the value',
  '    associated with a <key>.',
  'FREQ <key>',
  '    Return the access frequency index of the <key>. The returned integer is',
  '    proportional to the logarithm of the recent access frequency of the key.',
  'IDLETIME <key>',
  '    Return the idle time of the <key>, that is the approximated number of',
  '    seconds elapsed since the last access to the key.',
  'REFCOUNT <key>',
  '    Return the number of references of the value associated with the specified',
  '    <key>.',
  'HELP',
  '    Print this help.',
];

export function objectEncoding(context: KeyContext): void {
  const ref = findOrReplyNull(context);
  if (ref !== NO_REF) context.reply.bulkText(ENCODING_NAMES[context.keyspace.encodingOf(ref)]);
}

export function objectRefcount(context: KeyContext): void {
  const ref = findOrReplyNull(context);
  if (ref === NO_REF) return;
  context.reply.integer(isSharedInteger(context, ref) ? SHARED_REFERENCES : 1);
}

function isSharedInteger({ keyspace }: KeyContext, ref: Ref): boolean {
  if (keyspace.encodingOf(ref) !== Encoding.INT) return false;
  const window = keyspace.string(ref);
  const value = parseInteger(window.bytes, window.start, window.end);
  return value >= 0 && value < SHARED_INTEGERS;
}

export function objectIdletime(context: KeyContext): void {
  const ref = findOrReplyNull(context);
  if (ref === NO_REF) return;
  if (context.lfu) context.reply.error(IDLE_TIME_UNKNOWN);
  else context.reply.integer(Math.floor(context.keyspace.idleMs(ref, context.monotonicMs) / 1000));
}

export function objectFreq(context: KeyContext): void {
  const ref = findOrReplyNull(context);
  if (ref === NO_REF) return;
  if (context.lfu) context.reply.integer(context.keyspace.frequency(ref, context.monotonicMs));
  else context.reply.error(FREQUENCY_UNKNOWN);
}

export function objectHelp({ reply }: LocalContext): void {
  reply.arrayHeader(OBJECT_HELP.length);
  for (const line of OBJECT_HELP) reply.simple(line);
}

/** Nothing is sampled: the store knows what each key accounts for. */
export function memoryUsage(context: KeyContext): void {
  const { args, keyspace, reply } = context;
  for (let i = 3; i < args.count; i += 2) {
    if (i + 1 >= args.count || !isWord(args, i, 'samples')) {
      reply.error(SYNTAX);
      return;
    }
    const samples = parseInteger(args.bytes, args.start[i + 1], args.end[i + 1]);
    if (samples >= 0) continue;
    reply.error(Number.isNaN(samples) ? NOT_AN_INTEGER : SYNTAX);
    return;
  }
  const ref = findOrReplyNull(context);
  if (ref !== NO_REF) reply.integer(keyspace.keyUsedBytes(ref));
}

/** The key after the subcommand's name. */
function findOrReplyNull(context: KeyContext): Ref {
  const ref = findKey(context, 2);
  if (ref === NO_REF) context.reply.null();
  return ref;
}
