import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { matchesPattern } from '../../../src/commands/text-pattern.ts';

test.each([
  ['*', '', true],
  ['', '', true],
  ['', 'a', false],
  ['a*b*c', 'axxbyyc', true],
  ['a*b*c', 'axxbyy', false],
  ['h?llo', 'hello', true],
  ['h?llo', 'hllo', false],
  ['h[ae]llo', 'hallo', true],
  ['h[^e]llo', 'hello', false],
  ['h[a-c]llo', 'hbllo', true],
  ['h[c-a]llo', 'hbllo', true],
  ['[-+]sdown', '+sdown', true],
  ['[-+]sdown', '-sdown', true],
  ['[-+]sdown', ',sdown', false],
  ['\\*', '*', true],
  ['\\*', 'a', false],
  ['[\\]]', ']', true],
  ['a[bc', 'ab', true],
  ['a\\', 'a\\', true],
])('%s on %s: %s', (pattern, text, matches) => {
  expect(matchesPattern(pattern, text)).toBe(matches);
});

test('stars and question marks mean what a regular expression means by them', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 });
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 });
  fc.assert(
    fc.property(pattern, word, (pattern, text) => {
      const expression = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`);
      expect(matchesPattern(pattern, text)).toBe(expression.test(text));
    }),
  );
});

test('many stars take no exponential time', () => {
  expect(matchesPattern('*a'.repeat(2_000), 'a'.repeat(1_999))).toBe(false);
});
