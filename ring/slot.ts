import { crc16 } from './crc16.ts';

export const SLOT_COUNT = 16384;

const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/**
 * The hash slot of the key `bytes[start, end)`. When the key has a `{hash tag}`, that alone is hashed: what lies between the first
 * `{` and the first `}` after it, unless nothing does.
 */
export function slotOf(bytes: Uint8Array, start: number, end: number): number {
  let open = start;
  while (open < end && bytes[open] !== OPENING_BRACE) open++;
  if (open < end) {
    let close = open + 1;
    while (close < end && bytes[close] !== CLOSING_BRACE) close++;
    if (close < end && close > open + 1) return crc16(bytes, open + 1, close) & (SLOT_COUNT - 1);
  }
  return crc16(bytes, start, end) & (SLOT_COUNT - 1);
}
