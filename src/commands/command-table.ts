/** Finds a command's row by the bytes that a client sent, and says in Redis's words why there is none. */
import { assert } from '../assert.ts';
import type { Args } from '../resp/args.ts';
import { wrongArity } from './error-texts.ts';
import { NameIndex } from './name-index.ts';
import type { CommandRow } from './types.ts';

/** What error texts quote of a name, and of all arguments together. */
const QUOTED_NAME_BYTES = 128;
const QUOTED_ARGUMENTS_BYTES = 128;

/** No place in the table. */
const NONE = -1;

/** A name of the first argument: a command, a container of subcommands, or (COMMAND) both. Commands by their places in the table. */
interface Entry {
  name: string;
  place: number;
  subcommands: NameIndex<number> | null;
}

export class CommandTable {
  readonly rows: readonly CommandRow[];
  private readonly entries: NameIndex<Entry>;
  /** By place. Rows have many shapes, so that asking them costs more. */
  private readonly arities: Int32Array;

  constructor(families: readonly (readonly CommandRow[])[]) {
    this.rows = families.flat();
    this.entries = new NameIndex(entriesOf(this.rows));
    this.arities = Int32Array.from(this.rows, ({ arity }) => arity);
  }

  /** The place in `rows` of the command in `args`; negative when it must be refused: `refusal` says why. */
  placeOf(args: Args): number {
    const place = this.placeOfName(args);
    if (place === NONE) return NONE;
    const arity = this.arities[place];
    return (arity >= 0 ? args.count === arity : args.count >= -arity) ? place : NONE;
  }

  /** The row of the command in `args`, or null when it must be refused. */
  find(args: Args): CommandRow | null {
    return this.rows[this.placeOf(args)] ?? null;
  }

  /** As `find`, whatever the number of arguments. */
  findName(args: Args): CommandRow | null {
    return this.rows[this.placeOfName(args)] ?? null;
  }

  /** As `placeOf`, whatever the number of arguments. */
  placeOfName(args: Args): number {
    const entry = this.entries.find(args.bytes, args.start[0], args.end[0]);
    if (entry === null) return NONE;
    if (entry.subcommands === null || args.count === 1) return entry.place;
    return entry.subcommands.find(args.bytes, args.start[1], args.end[1]) ?? NONE;
  }

  /** The error for a command that `find` refused. */
  refusal(args: Args): string {
    const entry = this.entries.find(args.bytes, args.start[0], args.end[0]);
    if (entry === null) return unknownCommand(args);
    const row = this.findName(args);
    if (row !== null) return wrongArity(row.name);
    if (args.count === 1) return wrongArity(entry.name);
    const container = args.text(0).toUpperCase();
    return `ERR unknown subcommand '${quoted(args, 1, QUOTED_NAME_BYTES)}'. Try ${container} HELP.`;
  }
}

/** The last argument that is a key, for a command of so many arguments; below `row.firstKey` when it has no keys. */
export function lastKeyArgument(row: Pick<CommandRow, 'firstKey' | 'lastKey'>, count: number): number {
  if (row.firstKey === 0) return -1;
  return row.lastKey < 0 ? count + row.lastKey : row.lastKey;
}

function entriesOf(rows: readonly CommandRow[]): Map<string, Entry> {
  const plain = new Map<string, number>();
  const contained = new Map<string, Map<string, number>>();
  assert(new Set(rows.map(({ name }) => name)).size === rows.length, 'no two commands have the same name');
  for (const [place, row] of rows.entries()) {
    const [container, subcommand] = row.name.split('|');
    if (subcommand === undefined) {
      plain.set(container, place);
      continue;
    }
    const siblings = contained.get(container) ?? new Map<string, number>();
    contained.set(container, siblings.set(subcommand, place));
  }
  const entries = new Map<string, Entry>();
  for (const name of new Set([...plain.keys(), ...contained.keys()])) {
    const subcommands = contained.get(name);
    entries.set(name, {
      name,
      place: plain.get(name) ?? NONE,
      subcommands: subcommands === undefined ? null : new NameIndex(subcommands),
    });
  }
  return entries;
}

function unknownCommand(args: Args): string {
  let quotedArguments = '';
  for (let i = 1; i < args.count && quotedArguments.length < QUOTED_ARGUMENTS_BYTES; i++) {
    quotedArguments += `'${quoted(args, i, QUOTED_ARGUMENTS_BYTES - quotedArguments.length)}' `;
  }
  const name = quoted(args, 0, QUOTED_NAME_BYTES);
  return `ERR unknown command '${name}', with args beginning with: ${quotedArguments}`;
}

/** At most `maxBytes` of an argument, up to a zero byte, as C prints a string. */
function quoted(args: Args, index: number, maxBytes: number): string {
  const start = args.start[index];
  const text = args.bytes.toString('latin1', start, Math.min(args.end[index], start + maxBytes));
  const zero = text.indexOf('\0');
  return zero < 0 ? text : text.slice(0, zero);
}
