/** Makes the rows of the families of data commands. */
import type { LocalContext } from './local-context.ts';
import type { CommandFlag, KeyCommand, KeyContext, LocalCommand, Spread } from './types.ts';

const BY_SLOT: Spread = { by: 'slot' };

/** ACL categories in the order in which COMMAND INFO tells them. */
export const CATEGORIES = [
  'keyspace',
  'read',
  'write',
  'set',
  'sortedset',
  'list',
  'hash',
  'string',
  'bitmap',
  'hyperloglog',
  'geo',
  'stream',
  'pubsub',
  'admin',
  'fast',
  'slow',
  'blocking',
  'dangerous',
  'connection',
  'transaction',
  'scripting',
] as const;
type Category = (typeof CATEGORIES)[number];

/** Where the keys are, as in COMMAND: first, last (negative: from the end), step. */
type KeyPositions = readonly [firstKey: number, lastKey: number, keyStep: number];

export const NO_KEYS: KeyPositions = [0, 0, 0];
export const ONE_KEY: KeyPositions = [1, 1, 1];
export const TWO_KEYS: KeyPositions = [1, 2, 1];
export const ALL_KEYS: KeyPositions = [1, -1, 1];
/** Keys and values in turn. */
export const KEY_PAIRS: KeyPositions = [1, -1, 2];
/** After the name of a subcommand. */
export const SECOND_ARGUMENT: KeyPositions = [2, 2, 1];

/** `categories`: those that do not follow from the flags, as `read`, `write`, `fast` and `slow` do. */
export function keyCommand(
  name: string,
  arity: number,
  flags: readonly CommandFlag[],
  categories: readonly Category[],
  keys: KeyPositions,
  run: (context: KeyContext) => void,
  spread: Spread = BY_SLOT,
): KeyCommand {
  const [firstKey, lastKey, keyStep] = keys;
  const all = allCategories(flags, categories);
  return { kind: 'key', name, arity, flags, categories: all, firstKey, lastKey, keyStep, spread, run };
}

/** A subcommand that needs no shard: HELP. */
export function localCommand(
  name: string,
  arity: number,
  flags: readonly CommandFlag[],
  categories: readonly Category[],
  run: (context: LocalContext) => void,
): LocalCommand {
  const all = allCategories(flags, categories);
  return {
    kind: 'local',
    name,
    arity,
    flags,
    categories: all,
    firstKey: 0,
    lastKey: 0,
    keyStep: 0,
    isPush: false,
    run,
  };
}

function allCategories(flags: readonly CommandFlag[], given: readonly Category[]): readonly Category[] {
  const all = new Set(given).add(flags.includes('fast') ? 'fast' : 'slow');
  if (flags.includes('write')) all.add('write');
  if (flags.includes('readonly')) all.add('read');
  return CATEGORIES.filter((category) => all.has(category));
}
