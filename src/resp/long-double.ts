/**
 * INCRBYFLOAT and HINCRBYFLOAT compute in x86's 80-bit `long double`: 0.1 + 0.2 is 0.3 there, and 0.30000000000000004 in a double. So that
 * replies agree to the last digit, and replicas on any machine agree with each other, its arithmetic is done here exactly, on integers:
 * a value is mantissa * 2^exponent with a mantissa of 64 bits; what is parsed or added is rounded once, half to even; and printing is
 * `%.17Lf` without trailing zeros.
 */

export interface LongDouble {
  /** Signed; at most 64 bits. */
  readonly mantissa: bigint;
  readonly exponent: number;
  readonly infinite: boolean;
}

const MANTISSA_BITS = 64;
/** The exponent of the last bit of the smallest numbers. */
const EXPONENT_MIN = -16445;
/** All finite numbers are below 2 to this. */
const MAGNITUDE_MAX = 16384;

/** The longest text that Redis reads as a float, and one more. */
const TEXT_MAX_BYTES = 5 * 1024;
/** Powers of ten out of reach of any `long double`: no need to compute them. */
const DECIMAL_MAGNITUDE_MAX = 5000;
const DECIMAL_MAGNITUDE_MIN = -5100;

const FRACTION_DIGITS = 17;
const FRACTION_SCALE = 10n ** BigInt(FRACTION_DIGITS);

export const LONG_DOUBLE_ZERO: LongDouble = { mantissa: 0n, exponent: 0, infinite: false };
const INFINITY: LongDouble = { mantissa: 1n, exponent: 0, infinite: true };

const DECIMAL = /^([+-]?)(?:(\d+)\.?(\d*)|\.(\d+))(?:e([+-]?\d+))?$/i;
const HEXADECIMAL = /^([+-]?)0x(?:([\da-f]+)\.?([\da-f]*)|\.([\da-f]+))(?:p([+-]?\d+))?$/i;
const INFINITE = /^[+-]?inf(?:inity)?$/i;

/** What strtold reads from the whole of bytes[start, end); null when it is no number, or too large or too small for one. */
export function parseLongDouble(bytes: Buffer, start: number, end: number): LongDouble | null {
  if (end - start >= TEXT_MAX_BYTES) return null;
  const text = bytes.toString('latin1', start, end);
  const decimal = DECIMAL.exec(text);
  if (decimal !== null) return read(decimal, 10);
  const hexadecimal = HEXADECIMAL.exec(text);
  if (hexadecimal !== null) return read(hexadecimal, 16);
  return INFINITE.test(text) ? INFINITY : null;
}

function read(match: RegExpExecArray, base: 10 | 16): LongDouble | null {
  const whole = match[2] ?? '';
  const fraction = match[3] ?? match[4] ?? '';
  const significant = (whole + fraction).replace(/^0+/, '');
  if (significant === '') return LONG_DOUBLE_ZERO;
  const digits = BigInt(base === 16 ? `0x${significant}` : significant);
  const power = Number(match[5] ?? '0');
  const magnitude =
    base === 10
      ? decimal(digits, significant.length, power - fraction.length)
      : binary(digits, power - 4 * fraction.length);
  if (magnitude === null || magnitude.infinite || magnitude.mantissa === 0n) return null;
  return match[1] === '-' ? { ...magnitude, mantissa: -magnitude.mantissa } : magnitude;
}

/** digits * 10^power. */
function decimal(digits: bigint, count: number, power: number): LongDouble | null {
  if (count + power > DECIMAL_MAGNITUDE_MAX || count + power < DECIMAL_MAGNITUDE_MIN) return null;
  if (power >= 0) return round(digits * 10n ** BigInt(power), 0, false);
  const divisor = 10n ** BigInt(-power);
  // Enough bits for the quotient to be rounded; the remainder tells whether it lies past the half.
  const shift = Math.max(0, MANTISSA_BITS + 2 + bitLength(divisor) - bitLength(digits));
  const scaled = digits << BigInt(shift);
  return round(scaled / divisor, -shift, scaled % divisor !== 0n);
}

/** digits * 2^power. */
function binary(digits: bigint, power: number): LongDouble | null {
  if (Math.abs(power) > MAGNITUDE_MAX + 8 * TEXT_MAX_BYTES) return null;
  return round(digits, power, false);
}

/** Rounds `mantissa`, which is positive, and a little more than it says when `sticky`. */
function round(mantissa: bigint, exponent: number, sticky: boolean): LongDouble {
  const drop = Math.max(bitLength(mantissa) - MANTISSA_BITS, EXPONENT_MIN - exponent);
  if (drop <= 0) return limit(mantissa, exponent);
  const dropped = mantissa & ((1n << BigInt(drop)) - 1n);
  const half = 1n << BigInt(drop - 1);
  let kept = mantissa >> BigInt(drop);
  if (dropped > half || (dropped === half && (sticky || (kept & 1n) === 1n))) kept += 1n;
  return limit(kept, exponent + drop);
}

function limit(mantissa: bigint, exponent: number): LongDouble {
  return bitLength(mantissa) + exponent > MAGNITUDE_MAX ? INFINITY : { mantissa, exponent, infinite: false };
}

/** Null: the sum is infinite or not a number. */
export function addLongDouble(a: LongDouble, b: LongDouble): LongDouble | null {
  if (a.infinite || b.infinite) return null;
  const exponent = Math.min(a.exponent, b.exponent);
  const sum = aligned(a, exponent) + aligned(b, exponent);
  if (sum === 0n) return LONG_DOUBLE_ZERO;
  const rounded = round(sum < 0n ? -sum : sum, exponent, false);
  if (rounded.infinite) return null;
  return sum < 0n ? { ...rounded, mantissa: -rounded.mantissa } : rounded;
}

function aligned(value: LongDouble, exponent: number): bigint {
  return value.mantissa << BigInt(value.exponent - exponent);
}

/** `%.17Lf` without trailing zeros, of a finite value. */
export function formatLongDouble(value: LongDouble): string {
  const magnitude = value.mantissa < 0n ? -value.mantissa : value.mantissa;
  const scaled = scaleDown(magnitude * FRACTION_SCALE, value.exponent);
  if (scaled === 0n) return '0';
  const digits = scaled.toString().padStart(FRACTION_DIGITS + 1, '0');
  const whole = digits.slice(0, -FRACTION_DIGITS);
  const fraction = digits.slice(-FRACTION_DIGITS).replace(/0+$/, '');
  return `${value.mantissa < 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}

/** value * 2^exponent as an integer, rounded half to even. */
function scaleDown(value: bigint, exponent: number): bigint {
  if (exponent >= 0) return value << BigInt(exponent);
  const shift = BigInt(-exponent);
  const kept = value >> shift;
  const dropped = value - (kept << shift);
  const half = 1n << (shift - 1n);
  return dropped > half || (dropped === half && (kept & 1n) === 1n) ? kept + 1n : kept;
}

function bitLength(value: bigint): number {
  const text = value.toString(16);
  return text.length * 4 - Math.clz32(Number.parseInt(text[0], 16)) + 28;
}
