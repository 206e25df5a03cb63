/** Reading arguments on the rare path: as text, without care for speed. */
import type { Args } from '../resp/args.ts';

const DECIMAL = /^(?:0|-?[1-9][0-9]*)$/;

/** Of the least int64. */
const INT64_MAX_LETTERS = 20;

/** Options are compared in lower case. */
export function keyword(args: Args, index: number): string {
  return args.text(index).toLowerCase();
}

/**
 * A whole number as Redis reads it: no plus sign, no leading zero, no space; null when it is none or does not fit 64 bits. Beyond 2^53 it is
 * rounded, as nothing that is counted or numbered here gets there.
 */
export function parseInteger(text: string): number | null {
  if (!DECIMAL.test(text) || text.length > INT64_MAX_LETTERS) return null;
  return BigInt.asIntN(64, BigInt(text)) === BigInt(text) ? Number(text) : null;
}

export function integerArgument(args: Args, index: number): number | null {
  return parseInteger(args.text(index));
}

/** The argument read as UTF-8: for what is compared with, or kept as, a setting. */
export function utf8Argument(args: Args, index: number): string {
  return args.bytes.toString('utf8', args.start[index], args.end[index]);
}

/** All arguments from `first` on. */
export function restOf(args: Args, first: number): string[] {
  const texts: string[] = [];
  for (let index = first; index < args.count; index++) texts.push(args.text(index));
  return texts;
}
