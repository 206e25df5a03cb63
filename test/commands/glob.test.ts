import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { matchesGlob } from '../../src/commands/glob.ts';

function matches(pattern: string, text: string): boolean {
  const bytes = Buffer.from(`#${pattern}#${text}#`, 'latin1');
  const textStart = pattern.length + 2;
  return matchesGlob(bytes, 1, 1 + pattern.length, bytes, textStart, textStart + text.length);
}

test.each([
  ['h?llo', 'hello'],
  ['h*llo', 'heeeello'],
  ['h*llo', 'hllo'],
  ['h[ae]llo', 'hallo'],
  ['h[^e]llo', 'hallo'],
  ['h[a-b]llo', 'hbllo'],
  ['h[b-a]llo', 'hallo'],
  ['h\\?llo', 'h?llo'],
  ['[\\]]', ']'],
  // No closing bracket is left after the range from `]` to `a`.
  ['[a-]', '^'],
  ['[abc', 'c'],
  ['[^', 'x'],
  ['\\', '\\'],
  ['a\\', 'a\\'],
  ['**a**b**', 'xaxbx'],
  ['a*', 'a'],
  ['a***', 'a'],
  ['', ''],
  ['[\x80-\x90]', '\x88'],
  ['*a*b', 'aab'],
])('%j matches %j', (pattern, text) => {
  expect(matches(pattern, text)).toBe(true);
});

test.each([
  ['h?llo', 'hllo'],
  ['h[ae]llo', 'hillo'],
  ['h[^e]llo', 'hello'],
  ['hello', 'Hello'],
  ['', 'a'],
  ['a', ''],
  ['[a-]', '-'],
  ['[', 'a'],
  ['[]', 'a'],
  ['**', ''],
  ['a*b', 'abc'],
  ['[\x7f-\x80]', '\x90\x90'],
])('%j does not match %j', (pattern, text) => {
  expect(matches(pattern, text)).toBe(false);
});

test('stars and marks mean what a regular expression says', () => {
  const part = fc.constantFrom('*', '?', 'a', 'b', 'c');
  const letter = fc.constantFrom('a', 'b', 'c');
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 10 }),
      fc.array(letter, { minLength: 1, maxLength: 12 }),
      (parts, letters) => {
        const expression = parts.join('').replaceAll('?', '.').replaceAll('*', '.*');
        expect(matches(parts.join(''), letters.join(''))).toBe(
          new RegExp(`^${expression}$`).test(letters.join('')),
        );
      },
    ),
    { numRuns: 2000 },
  );
});

test('many stars do not take for ever', () => {
  expect(matches(`${'a*'.repeat(1000)}b`, 'a'.repeat(20_000))).toBe(false);
});
