/** Redis's glob patterns over short texts (names of settings, channels and commands): `*`, `?`, `[a-z]`, `[^a]`, `\x`. */

const BACKSLASH = '\\';

/**
 * Whether all of `text` matches. Of the stars only the last is gone back to, which is enough, so time is at most the product of the
 * two lengths.
 */
export function matchesPattern(pattern: string, text: string): boolean {
  let at = 0;
  let star = -1;
  let starText = 0;
  let index = 0;
  while (index < text.length) {
    if (pattern[at] === '*') {
      star = at++;
      starText = index;
      continue;
    }
    const next = at < pattern.length ? stepOver(pattern, at, text[index]) : -1;
    if (next >= 0) {
      at = next;
      index += 1;
    } else if (star >= 0) {
      at = star + 1;
      index = ++starText;
    } else return false;
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
}

/** Where the pattern goes on when its piece at `at` matches the character; else -1. */
function stepOver(pattern: string, at: number, character: string): number {
  if (pattern[at] === '?') return at + 1;
  if (pattern[at] === '[') return stepOverClass(pattern, at + 1, character);
  const literal = pattern[at] === BACKSLASH && at + 1 < pattern.length ? at + 1 : at;
  return pattern[literal] === character ? literal + 1 : -1;
}

/** A class without its end reaches to the end of the pattern, as in Redis. */
function stepOverClass(pattern: string, first: number, character: string): number {
  const negated = pattern[first] === '^';
  let at = negated ? first + 1 : first;
  let found = false;
  while (at < pattern.length && pattern[at] !== ']') {
    if (pattern[at] === BACKSLASH && at + 1 < pattern.length) {
      found ||= pattern[at + 1] === character;
      at += 2;
    } else if (pattern[at + 1] === '-' && at + 2 < pattern.length) {
      found ||= isBetween(pattern[at], pattern[at + 2], character);
      at += 3;
    } else {
      found ||= pattern[at] === character;
      at += 1;
    }
  }
  return found !== negated ? Math.min(at + 1, pattern.length) : -1;
}

function isBetween(one: string, other: string, character: string): boolean {
  return one <= other ? one <= character && character <= other : other <= character && character <= one;
}
