import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc16, SLOT_COUNT, slotOf } from '../index.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function slotOfText(text: string): number {
  const bytes = bytesOf(text);
  return slotOf(bytes, 0, bytes.length);
}

/** Bit by bit, from the definition: long division by x^16 + x^12 + x^5 + 1. */
function crc16ByDefinition(bytes: Uint8Array): number {
  let remainder = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      const carry = (remainder >>> 15) ^ ((byte >>> bit) & 1);
      remainder = (remainder << 1) & 0xffff;
      if (carry) remainder ^= 0x1021;
    }
  }
  return remainder;
}

describe('crc16', () => {
  test('gives the check value of the Redis Cluster specification', () => {
    expect(crc16(bytesOf('123456789'), 0, 9)).toBe(0x31c3);
  });

  test('is 0 for no bytes', () => {
    expect(crc16(bytesOf('abc'), 1, 1)).toBe(0);
  });

  test('agrees with the definition on every byte range', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(64), fc.nat(64), (bytes, a, b) => {
        const start = Math.min(a, b, bytes.length);
        const end = Math.min(Math.max(a, b), bytes.length);
        expect(crc16(bytes, start, end)).toBe(crc16ByDefinition(bytes.subarray(start, end)));
      }),
    );
  });
});

describe('slotOf', () => {
  // CLUSTER KEYSLOT of redis-server 7.0; the first three are those of its documentation.
  test.each([
    ['somekey', 11058],
    ['foo{hash_tag}', 2515],
    ['bar{hash_tag}', 2515],
    ['foo', 12182],
    ['bar', 5061],
    ['hello', 866],
    ['', 0],
    ['123456789', 12739],
  ])('of %j is %i, as in Redis', (key, slot) => {
    expect(slotOfText(key)).toBe(slot);
  });

  test.each([
    ['{user1000}.following', 'user1000'],
    ['foo{{bar}}zap', '{bar'],
    ['foo{bar}{zap}', 'bar'],
    ['a}b{c}d', 'c'],
    ['{a}', 'a'],
  ])('of %j hashes %j alone', (key, hashed) => {
    expect(slotOfText(key)).toBe(crc16(bytesOf(hashed), 0, hashed.length) % SLOT_COUNT);
  });

  test.each(['foo{}{bar}', '{}', 'foo{bar', 'foo}bar', '{', '}{'])('of %j hashes the whole key', (key) => {
    expect(slotOfText(key)).toBe(crc16(bytesOf(key), 0, key.length) % SLOT_COUNT);
  });

  test('reads its range alone', () => {
    const bytes = bytesOf('{x}somekey}y');
    expect(slotOf(bytes, 3, 10)).toBe(11058);
    expect(slotOf(bytesOf('{a'), 0, 2)).toBe(slotOf(bytesOf('{a}'), 0, 2));
  });

  test('of a key without a tag is the CRC16 of it all, at any place and of any length', () => {
    const byte = fc.integer({ min: 0, max: 255 }).filter((value) => value !== 0x7b);
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 40 }), fc.nat(8), (key, start) => {
        const bytes = Uint8Array.from([
          ...Array.from({ length: start }, () => 0x7b),
          ...key,
          0x7b,
          0x61,
          0x7d,
        ]);
        const end = start + key.length;
        expect(slotOf(bytes, start, end)).toBe(crc16ByDefinition(bytes.subarray(start, end)) % SLOT_COUNT);
      }),
    );
  });

  test('of keys with one tag is one slot', () => {
    const text = fc.string({ minLength: 1 }).filter((part) => !/[{}]/.test(part));
    fc.assert(
      fc.property(text, text, text, (before, tag, after) => {
        expect(slotOfText(`${before}{${tag}}${after}`)).toBe(slotOfText(tag));
      }),
    );
  });
});
