/** LCS: the longest common subsequence of two strings, by the table of dynamic programming. */
import { parseInteger } from '../resp/number.ts';
import { NO_REF, ValueType } from '../store/types.ts';
import type { Ref } from '../store/types.ts';
import { NOT_AN_INTEGER, SYNTAX } from './error-texts.ts';
import { readKey } from './lookup.ts';
import { STRING_MAX_BYTES } from './string-value.ts';
import type { KeyContext } from './types.ts';
import { isWord } from './words.ts';

const NOT_STRINGS = 'ERR The specified keys must contain string values';
const LENGTH_AND_INDEXES = 'ERR If you want both the length and indexes, please just use IDX.';
const TABLE_TOO_LARGE = 'ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len';

interface Options {
  length: boolean;
  indexes: boolean;
  withMatchLength: boolean;
  minMatchLength: number;
}

/** lengths[i * (b.length + 1) + j]: of the longest common subsequence of the first i bytes of a and the first j of b. */
interface Table {
  a: Buffer;
  b: Buffer;
  lengths: Uint32Array;
}

/** A stretch that is common to both: a[aFrom, aTo] and b[bFrom, bTo], inclusive. */
interface Match {
  aFrom: number;
  aTo: number;
  bFrom: number;
  bTo: number;
}

export function lcs(context: KeyContext): void {
  const { reply } = context;
  const aRef = readKey(context, 1);
  const bRef = readKey(context, 2);
  if (!isStringOrAbsent(context, aRef) || !isStringOrAbsent(context, bRef)) {
    reply.error(NOT_STRINGS);
    return;
  }
  const options = parseOptions(context);
  if (options === null) return;
  const a = copyOf(context, aRef);
  const b = copyOf(context, bRef);
  if ((a.length + 1) * (b.length + 1) * Uint32Array.BYTES_PER_ELEMENT > STRING_MAX_BYTES) {
    reply.error(TABLE_TOO_LARGE);
    return;
  }
  const table = tabulate(a, b);
  if (options.indexes) replyMatches(context, table, options);
  else if (options.length) reply.integer(lengthOf(table));
  else replyText(context, table);
}

function isStringOrAbsent({ keyspace }: KeyContext, ref: Ref): boolean {
  return ref === NO_REF || keyspace.typeOf(ref) === ValueType.STRING;
}

function copyOf({ keyspace }: KeyContext, ref: Ref): Buffer {
  if (ref === NO_REF) return Buffer.alloc(0);
  const window = keyspace.string(ref);
  return Buffer.from(window.bytes.subarray(window.start, window.end));
}

function parseOptions({ args, reply }: KeyContext): Options | null {
  const options = { length: false, indexes: false, withMatchLength: false, minMatchLength: 0 };
  for (let i = 3; i < args.count; i++) {
    if (isWord(args, i, 'idx')) options.indexes = true;
    else if (isWord(args, i, 'len')) options.length = true;
    else if (isWord(args, i, 'withmatchlen')) options.withMatchLength = true;
    else if (isWord(args, i, 'minmatchlen') && i + 1 < args.count) {
      i += 1;
      options.minMatchLength = parseInteger(args.bytes, args.start[i], args.end[i]);
      if (!Number.isNaN(options.minMatchLength)) continue;
      reply.error(NOT_AN_INTEGER);
      return null;
    } else {
      reply.error(SYNTAX);
      return null;
    }
  }
  if (!options.length || !options.indexes) return options;
  reply.error(LENGTH_AND_INDEXES);
  return null;
}

function tabulate(a: Buffer, b: Buffer): Table {
  const width = b.length + 1;
  const lengths = new Uint32Array((a.length + 1) * width);
  for (let i = 1; i <= a.length; i++) {
    const byte = a[i - 1];
    let at = i * width + 1;
    for (let j = 1; j < width; j++, at++) {
      if (byte === b[j - 1]) lengths[at] = lengths[at - width - 1] + 1;
      else lengths[at] = Math.max(lengths[at - width], lengths[at - 1]);
    }
  }
  return { a, b, lengths };
}

function lengthOf({ lengths }: Table): number {
  return lengths[lengths.length - 1];
}

/** Walks back from the ends of both strings, over each pair of bytes of the subsequence, last first. */
function walk({ a, b, lengths }: Table, pair: (i: number, j: number) => void): void {
  const width = b.length + 1;
  let i = a.length;
  let j = b.length;
  while (i > 0 && j > 0) {
    if (a[i - 1] === b[j - 1]) {
      i -= 1;
      j -= 1;
      pair(i, j);
    } else if (lengths[(i - 1) * width + j] > lengths[i * width + j - 1]) {
      i -= 1;
    } else {
      j -= 1;
    }
  }
}

function replyText({ reply }: KeyContext, table: Table): void {
  const text = Buffer.alloc(lengthOf(table));
  let at = text.length;
  walk(table, (i) => {
    at -= 1;
    text[at] = table.a[i];
  });
  reply.bulk(text, 0, text.length);
}

function replyMatches({ reply }: KeyContext, table: Table, options: Options): void {
  const matches = matchesOf(table).filter((match) => match.aTo - match.aFrom + 1 >= options.minMatchLength);
  reply.mapHeader(2);
  reply.bulkText('matches');
  reply.arrayHeader(matches.length);
  for (const { aFrom, aTo, bFrom, bTo } of matches) {
    reply.arrayHeader(options.withMatchLength ? 3 : 2);
    reply.arrayHeader(2);
    reply.integer(aFrom);
    reply.integer(aTo);
    reply.arrayHeader(2);
    reply.integer(bFrom);
    reply.integer(bTo);
    if (options.withMatchLength) reply.integer(aTo - aFrom + 1);
  }
  reply.bulkText('len');
  reply.integer(lengthOf(table));
}

function matchesOf(table: Table): Match[] {
  const matches: Match[] = [];
  let last: Match | null = null;
  walk(table, (i, j) => {
    if (last !== null && last.aFrom === i + 1 && last.bFrom === j + 1) {
      last.aFrom = i;
      last.bFrom = j;
    } else {
      last = { aFrom: i, aTo: i, bFrom: j, bTo: j };
      matches.push(last);
    }
  });
  return matches;
}
