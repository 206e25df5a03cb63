/** Finds a command's row by the bytes that a client sent, and says in Redis's words why there is none. */
import { assert } from '../assert.ts';
import type { Args } from '../resp/args.ts';
import { wrongArity } from './error-texts.ts';
import { NameIndex } from './name-index.ts';
import type { CommandRow } from './types.ts';

/** What error texts quote of a name, and of all arguments together. */
const QUOTED_NAME_BYTES = 128;
const QUOTED_ARGUMENTS_BYTES = 128;

/** A name of the first argument: a command, a container of subcommands, or (COMMAND) both. */
interface Entry {
  name: string;
  row: CommandRow | null;
  subcommands: NameIndex<CommandRow> | null;
}

export class CommandTable {
  readonly rows: readonly CommandRow[];
  private readonly entries: NameIndex<Entry>;

  constructor(families: readonly (readonly CommandRow[])[]) {
    this.rows = families.flat();
    this.entries = new NameIndex(entriesOf(this.rows));
  }

  /** The row of the command in `args`, or null when it must be refused: `refusal` says why. */
  find(args: Args): CommandRow | null {
    const row = this.findName(args);
    return row !== null && hasArity(row, args.count) ? row : null;
  }

  /** As `find`, whatever the number of arguments. */
  findName(args: Args): CommandRow | null {
    const entry = this.entries.find(args.bytes, args.start[0], args.end[0]);
    if (entry === null) return null;
    if (entry.subcommands === null || args.count === 1) return entry.row;
    return entry.subcommands.find(args.bytes, args.start[1], args.end[1]);
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

function hasArity(row: CommandRow, count: number): boolean {
  return row.arity >= 0 ? count === row.arity : count >= -row.arity;
}

/** The last argument that is a key, for a command of so many arguments; below `row.firstKey` when it has no keys. */
export function lastKeyArgument(row: CommandRow, count: number): number {
  if (row.firstKey === 0) return -1;
  return row.lastKey < 0 ? count + row.lastKey : row.lastKey;
}

function entriesOf(rows: readonly CommandRow[]): Map<string, Entry> {
  const plain = new Map<string, CommandRow>();
  const contained = new Map<string, Map<string, CommandRow>>();
  assert(new Set(rows.map(({ name }) => name)).size === rows.length, 'no two commands have the same name');
  for (const row of rows) {
    const [container, subcommand] = row.name.split('|');
    if (subcommand === undefined) {
      plain.set(container, row);
      continue;
    }
    const siblings = contained.get(container) ?? new Map<string, CommandRow>();
    contained.set(container, siblings.set(subcommand, row));
  }
  const entries = new Map<string, Entry>();
  for (const name of new Set([...plain.keys(), ...contained.keys()])) {
    const subcommands = contained.get(name);
    entries.set(name, {
      name,
      row: plain.get(name) ?? null,
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
