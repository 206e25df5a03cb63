/**
 * Inline commands: a line split at blanks, with Redis's quoting (sdssplitargs). "…" knows \n \r \t \b \a, \xHH and \ before anything else;
 * '…' knows \' only. A closing quote must be followed by a blank or the end.
 */
import type { Args } from './args.ts';

const TAB = 9;
const CR = 13;
const SPACE = 32;
const DOUBLE_QUOTE = 34;
const SINGLE_QUOTE = 39;
const BACKSLASH = 92;
const LOWER_X = 120;

/** Splits bytes[start, end) into `args`, which are given a buffer of their own. False: the quotes are unbalanced. */
export function splitInline(bytes: Buffer, start: number, end: number, args: Args): boolean {
  const line = lineEnd(bytes, start, end);
  args.bytes = Buffer.allocUnsafe(line - start);
  args.count = 0;
  const splitter = new Splitter(bytes, start, line, args);
  while (splitter.skipBlanks()) if (!splitter.word()) return false;
  return true;
}

/** A zero byte ends the line, as it ends a C string. */
function lineEnd(bytes: Buffer, start: number, end: number): number {
  for (let at = start; at < end; at++) if (bytes[at] === 0) return at;
  return end;
}

class Splitter {
  private readonly bytes: Buffer;
  private at: number;
  private readonly end: number;
  private readonly args: Args;
  private written = 0;

  constructor(bytes: Buffer, start: number, end: number, args: Args) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    this.args = args;
  }

  /** False at the end of the line. */
  skipBlanks(): boolean {
    while (this.at < this.end && isSpace(this.bytes[this.at])) this.at += 1;
    return this.at < this.end;
  }

  /** One word: bare text and quoted parts in any mixture. False: a quote is not closed, or text follows it. */
  word(): boolean {
    const start = this.written;
    while (this.at < this.end && !endsBareWord(this.bytes[this.at])) {
      const byte = this.bytes[this.at++];
      if (byte !== DOUBLE_QUOTE && byte !== SINGLE_QUOTE) {
        this.put(byte);
        continue;
      }
      if (!(byte === DOUBLE_QUOTE ? this.doubleQuoted() : this.singleQuoted())) return false;
      if (this.at < this.end && !isSpace(this.bytes[this.at])) return false;
      break;
    }
    this.args.push(start, this.written);
    return true;
  }

  private doubleQuoted(): boolean {
    const { bytes, end } = this;
    while (this.at < end) {
      const byte = bytes[this.at++];
      if (byte === DOUBLE_QUOTE) return true;
      if (byte !== BACKSLASH || this.at === end) this.put(byte);
      else this.escape();
    }
    return false;
  }

  private escape(): void {
    const { bytes, end } = this;
    if (bytes[this.at] === LOWER_X && this.at + 2 < end) {
      const high = hexDigit(bytes[this.at + 1]);
      const low = hexDigit(bytes[this.at + 2]);
      if (high >= 0 && low >= 0) {
        this.put(high * 16 + low);
        this.at += 3;
        return;
      }
    }
    this.put(escaped(bytes[this.at++]));
  }

  private singleQuoted(): boolean {
    const { bytes, end } = this;
    while (this.at < end) {
      const byte = bytes[this.at++];
      if (byte === SINGLE_QUOTE) return true;
      if (byte === BACKSLASH && bytes[this.at] === SINGLE_QUOTE && this.at < end) {
        this.put(SINGLE_QUOTE);
        this.at += 1;
      } else {
        this.put(byte);
      }
    }
    return false;
  }

  private put(byte: number): void {
    this.args.bytes[this.written++] = byte;
  }
}

function isSpace(byte: number): boolean {
  return byte === SPACE || (byte >= TAB && byte <= CR);
}

/** Vertical tab and form feed separate words, yet do not end one: so does Redis. */
function endsBareWord(byte: number): boolean {
  return byte === SPACE || byte === TAB || byte === 10 || byte === CR;
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

function escaped(byte: number): number {
  switch (byte) {
    case 110:
      return 10;
    case 114:
      return 13;
    case 116:
      return 9;
    case 98:
      return 8;
    case 97:
      return 7;
    default:
      return byte;
  }
}
