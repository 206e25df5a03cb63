import { CRC16_TABLE, crc16 } from './crc16.ts';

export const SLOT_COUNT = 16384;

const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/**
 * The hash slot of the key `bytes[start, end)`. When the key has a `{hash tag}`, that alone is hashed: what lies between the first
 * `{` and the first `}` after it, unless nothing does.
 */
export function slotOf(bytes: Uint8Array, start: number, end: number): number {
  // Run for each command: one pass (most keys have no brace), and four bytes a round, which costs as much as they do.
  const table = CRC16_TABLE;
  let crc = 0;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const a = bytes[at];
    const b = bytes[at + 1];
    const c = bytes[at + 2];
    const d = bytes[at + 3];
    if (a === OPENING_BRACE || b === OPENING_BRACE || c === OPENING_BRACE || d === OPENING_BRACE)
      return slotWithBrace(bytes, start, end);
    crc = ((crc << 8) & 0xffff) ^ table[(crc >>> 8) ^ a];
    crc = ((crc << 8) & 0xffff) ^ table[(crc >>> 8) ^ b];
    crc = ((crc << 8) & 0xffff) ^ table[(crc >>> 8) ^ c];
    crc = ((crc << 8) & 0xffff) ^ table[(crc >>> 8) ^ d];
  }
  for (; at < end; at++) {
    if (bytes[at] === OPENING_BRACE) return slotWithBrace(bytes, start, end);
    crc = ((crc << 8) & 0xffff) ^ table[(crc >>> 8) ^ bytes[at]];
  }
  return crc & (SLOT_COUNT - 1);
}

function slotWithBrace(bytes: Uint8Array, start: number, end: number): number {
  let open = start;
  while (bytes[open] !== OPENING_BRACE) open++;
  let close = open + 1;
  while (close < end && bytes[close] !== CLOSING_BRACE) close++;
  const isTag = close < end && close > open + 1;
  const crc = isTag ? crc16(bytes, open + 1, close) : crc16(bytes, start, end);
  return crc & (SLOT_COUNT - 1);
}
