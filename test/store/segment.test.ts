import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { endPlace, lowerPlace } from '../../src/store/segment.ts';

const HEADER_WORDS = 2;

function segmentOf(hashes: readonly number[], depth: number): Uint32Array {
  const words = new Uint32Array(HEADER_WORDS + 2 * hashes.length);
  words[0] = hashes.length;
  words[1] = (hashes.length << 8) | depth;
  for (const [i, hash] of hashes.entries()) words[HEADER_WORDS + 2 * i] = hash;
  return words;
}

describe('the place of a hash in a segment', () => {
  test('is that of the first pair whose hash is not below it, however hashes lie', () => {
    const hash = fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 0, max: 300 }));
    fc.assert(
      fc.property(fc.array(hash, { maxLength: 400, size: 'max' }), hash, (unordered, wanted) => {
        const hashes = [...unordered].sort((a, b) => a - b);
        const words = segmentOf(hashes, 0);
        const expected = hashes.filter((each) => each < wanted).length;
        expect(lowerPlace(words, 0, wanted)).toBe(HEADER_WORDS + 2 * expected);
        expect(endPlace(words, 0)).toBe(words.length);
      }),
    );
  });

  test('is found by few looks though all hashes are low: pairs that come in their order fill a segment from the front', () => {
    const words = segmentOf(
      Array.from({ length: 10_000 }, (_, i) => 5 * i),
      0,
    );
    let looks = 0;
    const counted = new Proxy(words, {
      get(target, word) {
        looks += 1;
        return target[Number(word)];
      },
    });
    for (const wanted of [0, 7, 25_000, 49_995, 60_000, 2 ** 31, 2 ** 32 - 1]) {
      looks = 0;
      lowerPlace(counted, 0, wanted);
      expect(looks).toBeLessThan(64);
    }
  });
});
