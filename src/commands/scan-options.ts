/** What SCAN and HSCAN share: the cursor, and the options MATCH, COUNT and TYPE. */
import { parseInteger } from '../resp/number.ts';
import type { Args } from '../resp/args.ts';
import { NOT_AN_INTEGER, SYNTAX } from './error-texts.ts';
import { matchesGlob } from './glob.ts';
import type { KeyContext } from './types.ts';
import { isWord } from './words.ts';

const INVALID_CURSOR = 'ERR invalid cursor';
const DEFAULT_COUNT = 10;
const STAR = 42;
const CURSOR_MAX_BYTES = 1024;
const UINT64_MAX = 18446744073709551615n;

export interface ScanOptions {
  count: number;
  /** The argument that holds the pattern; 0: everything matches. */
  patternArgument: number;
  /** The argument that names the type; 0 when every type is wanted. */
  typeArgument: number;
}

/** As strtoul reads it, up to a zero byte. NaN: refused, and answered. Beyond all safe integers it is rounded: no SCAN gave it. */
export function parseCursor({ args, reply }: KeyContext, argument: number): number {
  const text = args.lengthBytes(argument) > CURSOR_MAX_BYTES ? '?' : args.text(argument).split('\0', 1)[0];
  if (text === '') return 0;
  const match = /^([+-]?)(\d+)$/.exec(text);
  const value = BigInt(match?.[2] ?? UINT64_MAX + 1n);
  if (match === null || value > UINT64_MAX) {
    reply.error(INVALID_CURSOR);
    return NaN;
  }
  return Number(match[1] === '-' ? BigInt.asUintN(64, -value) : value);
}

/** One call of SCAN or HSCAN examines no more, whatever COUNT says: it is a hint, as in Redis. */
const SCAN_MOST_ITEMS = 2048;
/** And a page ends once it holds so much. */
const SCAN_PAGE_BYTES = 256 * 1024;
/** Examined at a time, before the page is looked at. */
const SCAN_STEP_ITEMS = 64;

/** The options from argument `from` on; null when they are refused, and answered. */
export function parseScanOptions(
  { args, reply }: KeyContext,
  from: number,
  withType: boolean,
): ScanOptions | null {
  const options: ScanOptions = { count: DEFAULT_COUNT, patternArgument: 0, typeArgument: 0 };
  for (let i = from; i < args.count; i += 2) {
    const hasValue = i + 1 < args.count;
    if (hasValue && isWord(args, i, 'count')) {
      options.count = parseInteger(args.bytes, args.start[i + 1], args.end[i + 1]);
      if (options.count >= 1) {
        options.count = Math.min(options.count, Number.MAX_SAFE_INTEGER);
        continue;
      }
      reply.error(Number.isNaN(options.count) ? NOT_AN_INTEGER : SYNTAX);
      return null;
    } else if (hasValue && isWord(args, i, 'match')) {
      options.patternArgument = isStar(args, i + 1) ? 0 : i + 1;
    } else if (hasValue && withType && isWord(args, i, 'type')) {
      options.typeArgument = i + 1;
    } else {
      reply.error(SYNTAX);
      return null;
    }
  }
  return options;
}

function isStar(args: Args, argument: number): boolean {
  return args.lengthBytes(argument) === 1 && args.bytes[args.start[argument]] === STAR;
}

/** Does the text match the pattern in the argument? */
export function matchesArgument(
  args: Args,
  argument: number,
  text: Buffer,
  start: number,
  end: number,
): boolean {
  if (argument === 0) return true;
  return matchesGlob(args.bytes, args.start[argument], args.end[argument], text, start, end);
}

/**
 * Scans on from `cursor` until about `count` items are examined, fewer when the page grows large. `scanSome` examines so many from a cursor
 * and returns the next one, not above 0 at the end.
 */
export function scanPage(
  count: number,
  cursor: number,
  pageBytes: () => number,
  scanSome: (cursor: number, items: number) => number,
): number {
  let left = Math.min(count, SCAN_MOST_ITEMS);
  let at = cursor;
  for (;;) {
    const items = Math.min(left, SCAN_STEP_ITEMS);
    at = scanSome(at, items);
    left -= items;
    if (at <= 0 || left === 0 || pageBytes() >= SCAN_PAGE_BYTES) return at;
  }
}
