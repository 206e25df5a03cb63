/** The options that SET and GETEX share. */
import { SYNTAX } from './error-texts.ts';
import { MILLISECONDS, SECONDS, nowMs, parsePositiveExpiry } from './expiry.ts';
import type { KeyContext } from './types.ts';
import { isWord } from './words.ts';

/** One instance is used again and again. */
export interface StringOptions {
  onlyIfAbsent: boolean;
  onlyIfPresent: boolean;
  get: boolean;
  keepExpiry: boolean;
  persist: boolean;
  expiry: ExpiryOption | null;
  /** The argument that holds the expiry. */
  expiryArgument: number;
}

interface ExpiryOption {
  readonly word: string;
  readonly unitMs: number;
  readonly relative: boolean;
}

const EXPIRY_OPTIONS: readonly ExpiryOption[] = [
  { word: 'ex', unitMs: SECONDS, relative: true },
  { word: 'px', unitMs: MILLISECONDS, relative: true },
  { word: 'exat', unitMs: SECONDS, relative: false },
  { word: 'pxat', unitMs: MILLISECONDS, relative: false },
];

const options: StringOptions = {
  onlyIfAbsent: false,
  onlyIfPresent: false,
  get: false,
  keepExpiry: false,
  persist: false,
  expiry: null,
  expiryArgument: 0,
};

/** The options from argument `from` on; null when they are refused, and answered. Good until the next call. */
export function parseStringOptions(
  context: KeyContext,
  from: number,
  command: 'set' | 'getex',
): StringOptions | null {
  const { args } = context;
  clear(options);
  for (let i = from; i < args.count; i++) {
    const known = command === 'set' ? takeSetOption(context, i) : takeGetexOption(context, i);
    if (known) continue;
    if (!takeExpiry(context, i)) {
      context.reply.error(SYNTAX);
      return null;
    }
    i += 1;
  }
  return options;
}

/** The expiry that the options give; 0 when they give none; NaN when it is refused, and answered. */
export function expiryOf(context: KeyContext, { expiry, expiryArgument }: StringOptions): number {
  if (expiry === null) return 0;
  return parsePositiveExpiry(context, expiryArgument, expiry.unitMs, expiry.relative ? nowMs(context) : 0);
}

function clear(options: StringOptions): void {
  options.onlyIfAbsent = false;
  options.onlyIfPresent = false;
  options.get = false;
  options.keepExpiry = false;
  options.persist = false;
  options.expiry = null;
  options.expiryArgument = 0;
}

function takeSetOption({ args }: KeyContext, i: number): boolean {
  if (isWord(args, i, 'nx') && !options.onlyIfPresent) return (options.onlyIfAbsent = true);
  if (isWord(args, i, 'xx') && !options.onlyIfAbsent) return (options.onlyIfPresent = true);
  if (isWord(args, i, 'get')) return (options.get = true);
  if (isWord(args, i, 'keepttl') && options.expiry === null) return (options.keepExpiry = true);
  return false;
}

function takeGetexOption({ args }: KeyContext, i: number): boolean {
  if (isWord(args, i, 'persist') && options.expiry === null) return (options.persist = true);
  return false;
}

/** The same option may come again, and then counts; another one may not. */
function takeExpiry({ args }: KeyContext, i: number): boolean {
  if (options.keepExpiry || options.persist || i + 1 >= args.count) return false;
  for (const option of EXPIRY_OPTIONS) {
    if (!isWord(args, i, option.word)) continue;
    if (options.expiry !== null && options.expiry !== option) return false;
    options.expiry = option;
    options.expiryArgument = i + 1;
    return true;
  }
  return false;
}
