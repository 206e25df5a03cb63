/**
 * Values by names of up to eight letters, as nearly all commands have: two words are compared instead of bytes, one after the other. A bit sets
 * a letter's case and makes no letter of what is none; so other names, which it might confuse, are not here.
 */
import { readU32 } from '../little-endian.ts';

const WORD_BYTES = 4;
const NAME_BYTES = 2 * WORD_BYTES;
const LOWER_CASE = 0x20202020;
/** By length: the bytes of the words that belong to the name. */
const FIRST_MASKS = Int32Array.from({ length: NAME_BYTES + 1 }, (_, length) => maskOf(length));
const SECOND_MASKS = Int32Array.from({ length: NAME_BYTES + 1 }, (_, length) => maskOf(length - WORD_BYTES));
/** 2^32 by the golden ratio: it mixes what differs in few bits. */
const MIX = 0x9e3779b1;

export class ShortNames<T> {
  /** Two words a place; no name has none in the first. */
  private readonly words: Int32Array;
  private readonly values: (T | null)[];
  private readonly mask: number;
  private readonly shift: number;

  /** Names are lower case. */
  constructor(entries: ReadonlyMap<string, T>) {
    let capacity = 8;
    while (capacity < entries.size * 4) capacity *= 2;
    this.mask = capacity - 1;
    this.shift = Math.clz32(this.mask);
    this.words = new Int32Array(capacity * 2);
    this.values = Array.from({ length: capacity }, () => null);
    for (const [name, value] of entries) if (/^[a-z]{1,8}$/.test(name)) this.add(name, value);
  }

  find(bytes: Buffer, start: number, end: number): T | null {
    const length = end - start;
    if (length === 0 || length > NAME_BYTES || start + NAME_BYTES > bytes.length) return null;
    const first =
      (bytes[start] |
        (bytes[start + 1] << 8) |
        (bytes[start + 2] << 16) |
        (bytes[start + 3] << 24) |
        LOWER_CASE) &
      FIRST_MASKS[length];
    // Half of all commands have no more than four letters.
    const second =
      length <= WORD_BYTES ? 0 : (readU32(bytes, start + WORD_BYTES) | LOWER_CASE) & SECOND_MASKS[length];
    const { words, mask, shift } = this;
    for (let place = Math.imul(first ^ second, MIX) >>> shift; ; place = (place + 1) & mask) {
      const found = words[2 * place];
      if (found === 0) return null;
      if (found === first && words[2 * place + 1] === second) return this.values[place];
    }
  }

  private add(name: string, value: T): void {
    const bytes = Buffer.from(name.padEnd(NAME_BYTES, '\0'));
    const first = readU32(bytes, 0) | 0;
    const second = readU32(bytes, WORD_BYTES) | 0;
    const { words, mask } = this;
    let place = Math.imul(first ^ second, MIX) >>> this.shift;
    while (words[2 * place] !== 0) place = (place + 1) & mask;
    words[2 * place] = first;
    words[2 * place + 1] = second;
    this.values[place] = value;
  }
}

function maskOf(length: number): number {
  if (length >= WORD_BYTES) return -1;
  return length <= 0 ? 0 : (1 << (8 * length)) - 1;
}
