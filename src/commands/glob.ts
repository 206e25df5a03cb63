/** Redis's glob patterns over bytes, as KEYS and MATCH take them: `*` `?` `[a-z]` `[^…]` and `\` before what is meant literally. */

const STAR = 42;
const QUESTION = 63;
const OPEN = 91;
const BACKSLASH = 92;
const CLOSE = 93;
const CARET = 94;
const HYPHEN = 45;

/** Where the pattern goes on after a class, and whether the byte is in it: two results of one walk. */
let afterClass = 0;

/**
 * Does the whole of text[textStart, textEnd) match the pattern? Only the last `*` passed needs another try when the rest does not match:
 * a longer match of an earlier one leaves the rest less to choose from. So the time is at most the product of the lengths.
 */
export function matchesGlob(
  pattern: Buffer,
  patternStart: number,
  patternEnd: number,
  text: Buffer,
  textStart: number,
  textEnd: number,
): boolean {
  let p = patternStart;
  let t = textStart;
  let starAt = -1;
  let starText = 0;
  while (t < textEnd) {
    if (p < patternEnd && pattern[p] === STAR) {
      while (p < patternEnd && pattern[p] === STAR) p += 1;
      if (p === patternEnd) return true;
      starAt = p;
      starText = t;
      continue;
    }
    if (p < patternEnd && matchesOne(pattern, p, patternEnd, text[t])) {
      p = afterOne(pattern, p, patternEnd);
      t += 1;
      continue;
    }
    if (starAt < 0) return false;
    starText += 1;
    t = starText;
    p = starAt;
  }
  // Redis lets stars match the nothing that is left of a text, yet not an empty text.
  if (textStart < textEnd) while (p < patternEnd && pattern[p] === STAR) p += 1;
  return p === patternEnd;
}

function matchesOne(pattern: Buffer, p: number, end: number, byte: number): boolean {
  switch (pattern[p]) {
    case QUESTION:
      return true;
    case OPEN:
      return matchesClass(pattern, p, end, byte);
    case BACKSLASH:
      return pattern[p + 1 < end ? p + 1 : p] === byte;
    default:
      return pattern[p] === byte;
  }
}

/** After `matchesOne` at the same place. */
function afterOne(pattern: Buffer, p: number, end: number): number {
  if (pattern[p] === OPEN) return afterClass;
  return pattern[p] === BACKSLASH && p + 1 < end ? p + 2 : p + 1;
}

/** The class that begins at `p`; one that is not closed ends with the pattern. */
function matchesClass(pattern: Buffer, p: number, end: number, byte: number): boolean {
  let at = p + 1;
  const negated = at < end && pattern[at] === CARET;
  if (negated) at += 1;
  let found = false;
  while (at < end && pattern[at] !== CLOSE) {
    if (pattern[at] === BACKSLASH && at + 1 < end) {
      found ||= pattern[at + 1] === byte;
      at += 2;
    } else if (pattern[at + 1] === HYPHEN && at + 2 < end) {
      found ||= isBetween(pattern[at], pattern[at + 2], byte);
      at += 3;
    } else {
      found ||= pattern[at] === byte;
      at += 1;
    }
  }
  afterClass = Math.min(at + 1, end);
  return found !== negated;
}

/** In either order, and as signed bytes, as in C. */
function isBetween(a: number, b: number, byte: number): boolean {
  const from = signed(a);
  const to = signed(b);
  const value = signed(byte);
  return from <= to ? value >= from && value <= to : value >= to && value <= from;
}

function signed(byte: number): number {
  return (byte << 24) >> 24;
}
