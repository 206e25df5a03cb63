/** A format's number with its complement: one that was damaged is told from one that is newer, whatever the layout that follows it. */
import { DamagedError, NewerFormatError } from './errors.ts';

const NUMBER_MASK = 0xffff;

export function formatWord(format: number): number {
  return (format | (~format << 16)) >>> 0;
}

/** Whether it is a format's number at all, known or not. */
export function isFormatWord(word: number): boolean {
  return word === 1 || (word === formatWord(word & NUMBER_MASK) && (word & NUMBER_MASK) !== 0);
}

/** The format's number, up to `known`. Format 1 was written without a complement before there was one. */
export function readFormatWord(path: string, offset: number, word: number, known: number): number {
  if (word === 1) return word;
  if (!isFormatWord(word)) throw new DamagedError(path, offset, 'the number of its format cannot be read');
  const format = word & NUMBER_MASK;
  if (format > known) throw new NewerFormatError(path, format, known);
  return format;
}
