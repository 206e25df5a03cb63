/**
 * Integers as Redis reads and writes them: canonical decimal text of an int64, so no sign `+`, no leading zero, no `-0`, no blank.
 * What fits a double exactly is a number; the rest of int64 is a BigInt, on a slow path of its own.
 */
export const INT64_MAX = 9223372036854775807n;
export const INT64_MIN = -9223372036854775808n;

/** The longest text of an int64: `-9223372036854775808`. */
export const INT64_MAX_DIGITS = 20;

const MINUS = 45;
const ZERO = 48;
const NINE = 57;
/** Any so many digits are a safe integer. */
const SAFE_DIGITS = 15;

/**
 * The integer in bytes[start, end). NaN: it is none. Infinity or -Infinity: it is an int64 but not a safe integer; `parseBigInt64` reads it,
 * and who only compares it to smaller numbers need not.
 */
export function parseInteger(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  const negative = at < end && bytes[at] === MINUS;
  if (negative) at += 1;
  const digits = end - at;
  if (digits === 0 || digits > INT64_MAX_DIGITS) return NaN;
  if (bytes[at] === ZERO) return digits === 1 && !negative ? 0 : NaN;
  let value = 0;
  for (let i = at; i < end; i++) {
    const byte = bytes[i];
    if (byte < ZERO || byte > NINE) return NaN;
    value = value * 10 + (byte - ZERO);
  }
  if (digits > SAFE_DIGITS && value > Number.MAX_SAFE_INTEGER)
    return parseUnsafe(bytes, start, end, negative);
  return negative ? -value : value;
}

function parseUnsafe(bytes: Uint8Array, start: number, end: number, negative: boolean): number {
  const value = parseBigInt64(bytes, start, end);
  if (value > INT64_MAX || value < INT64_MIN) return NaN;
  return negative ? -Infinity : Infinity;
}

/** The integer in bytes[start, end), which `parseInteger` did not refuse. */
export function parseBigInt64(bytes: Uint8Array, start: number, end: number): bigint {
  return BigInt(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1'));
}

/** Writes a safe integer as text at `target[at]`; returns the end. */
export function formatInteger(value: number, target: Buffer, at: number): number {
  if (value < 0 || value > 0x7fffffff) return at + target.write(value.toString(), at, 'latin1');
  let digits = 1;
  for (let rest = value; rest >= 10; rest = (rest / 10) | 0) digits += 1;
  let rest = value;
  for (let i = at + digits - 1; i >= at; i--) {
    const quotient = (rest / 10) | 0;
    target[i] = ZERO + rest - quotient * 10;
    rest = quotient;
  }
  return at + digits;
}
