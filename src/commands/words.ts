/** Options and names compared as bytes, whatever their case, without making a string. */
import type { Args } from '../resp/args.ts';

/** Is argument `index` this word? `word` is lower case. */
export function isWord(args: Args, index: number, word: string): boolean {
  const start = args.start[index];
  if (args.end[index] - start !== word.length) return false;
  const { bytes } = args;
  for (let i = 0; i < word.length; i++) if (lowerCase(bytes[start + i]) !== word.charCodeAt(i)) return false;
  return true;
}

export function lowerCase(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}

/** The same bytes? */
export function sameArgument(args: Args, a: number, b: number): boolean {
  const { bytes, start, end } = args;
  return bytes.compare(bytes, start[a], end[a], start[b], end[b]) === 0;
}
