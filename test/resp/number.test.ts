import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { addLongDouble, formatLongDouble, parseLongDouble } from '../../src/resp/long-double.ts';
import { formatInteger, parseBigInt64, parseInteger } from '../../src/resp/number.ts';

function integer(text: string): number {
  const bytes = Buffer.from(`#${text}#`, 'latin1');
  return parseInteger(bytes, 1, bytes.length - 1);
}

function longDouble(text: string): string | null {
  const bytes = Buffer.from(text, 'latin1');
  const value = parseLongDouble(bytes, 0, bytes.length);
  if (value === null) return null;
  return value.infinite ? 'inf' : formatLongDouble(value);
}

function sum(a: string, b: string): string | null {
  const [x, y] = [a, b].map((text) => parseLongDouble(Buffer.from(text), 0, text.length));
  if (x === null || y === null) throw new Error('not a float');
  const result = addLongDouble(x, y);
  return result === null ? null : formatLongDouble(result);
}

describe('integers', () => {
  test.each([
    '',
    '-',
    '+1',
    '01',
    '-0',
    '00',
    ' 1',
    '1 ',
    '1.0',
    '0x1',
    '1e3',
    '--1',
    '9223372036854775808',
    '-9223372036854775809',
  ])('%j is none', (text) => {
    expect(integer(text)).toBeNaN();
  });

  test('past the safe integers only the sign is told', () => {
    expect(integer('9007199254740991')).toBe(Number.MAX_SAFE_INTEGER);
    expect(integer('9007199254740992')).toBe(Infinity);
    expect(integer('9223372036854775807')).toBe(Infinity);
    expect(integer('-9223372036854775808')).toBe(-Infinity);
    const bytes = Buffer.from('-9223372036854775808');
    expect(parseBigInt64(bytes, 0, bytes.length)).toBe(-9223372036854775808n);
  });

  test('every safe integer is read as it was written', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        const target = Buffer.alloc(24);
        const end = formatInteger(value, target, 2);
        expect(target.toString('latin1', 2, end)).toBe(String(value));
        expect(parseInteger(target, 2, end)).toBe(value === 0 ? 0 : value);
      }),
    );
  });

  test('what is read is what BigInt reads, in the range of int64', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }), (value) => {
        const inRange = BigInt.asIntN(64, value) === value;
        expect(Number.isNaN(integer(value.toString()))).toBe(!inRange);
      }),
    );
  });
});

describe('long double', () => {
  test.each([
    ['0.1', '0.2', '0.3'],
    ['10.5', '0.1', '10.6'],
    ['3.0e3', '200', '3200'],
    ['5.0e3', '2.0e2', '5200'],
    ['10.6', '-5', '5.6'],
    ['0', '1.23456789012345678', '1.23456789012345678'],
    ['1e17', '0.5', '100000000000000000.5'],
    ['9223372036854775807', '1', '9223372036854775808'],
    ['1e22', '1e-3', '10000000000000000000000'],
    ['-0.1', '0.1', '0'],
    ['0', '1e-18', '0'],
    ['0', '-1e-18', '0'],
    ['0', '0x1.8p1', '3'],
  ])('%s + %s = %s', (a, b, expected) => {
    expect(sum(a, b)).toBe(expected);
  });

  test('above that, the 17 decimals show the rounding, as in Redis', () => {
    expect(longDouble('-130.1')).toBe('-130.10000000000000001');
  });

  test('what is printed is rounded half to even, from the exact value', () => {
    expect(longDouble('0.5')).toBe('0.5');
    // 2^-18 has 18 decimals, the last a 5.
    expect(longDouble('0.000003814697265625')).toBe('0.00000381469726562');
  });

  test('the largest and the smallest', () => {
    expect(longDouble('1.18973149535723176502e4932')?.length).toBe(4933);
    expect(longDouble('1.2e4932')).toBeNull();
    expect(longDouble('1e-4950')).toBe('0');
    expect(longDouble('1e-4960')).toBeNull();
    expect(sum('1.18973149535723176502e4932', '1.18973149535723176502e4932')).toBeNull();
  });

  test.each([
    '',
    '.',
    'e5',
    '0x',
    '1e',
    'nan',
    ' 1',
    '1 ',
    '1,5',
    '0xg',
    '1\0',
    'infin',
    '1e99999999999',
    '0x1p99999',
  ])('%j is none', (text) => {
    expect(longDouble(text)).toBeNull();
  });

  test.each(['inf', '-INF', '+Infinity'])('%s is infinite', (text) => {
    expect(longDouble(text)).toBe('inf');
  });

  test('short decimals below 128 come back as they were written', () => {
    fc.assert(
      fc.property(fc.integer({ min: -127, max: 127 }), fc.nat(99_999_999), (whole, fraction) => {
        const text = `${whole}.${String(fraction).padStart(8, '0')}`;
        const expected = text.includes('.') ? text.replace(/\.?0+$/, '') : text;
        expect(longDouble(text)).toBe(expected === '-0' ? '0' : expected);
      }),
    );
  });
});
