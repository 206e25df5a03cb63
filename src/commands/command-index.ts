/** The table as COMMAND looks at it: commands with their subcommands, by name. */
import { container } from './local-row.ts';
import { isOffered } from './refused.ts';
import type { CommandRow } from './types.ts';

export interface CommandIndex {
  /** The commands that are no subcommands, in the table's order. */
  top: readonly CommandRow[];
  /** All that are offered, subcommands behind their container. */
  all: readonly CommandRow[];
  find(name: string): CommandRow | undefined;
  subcommandsOf(row: CommandRow): readonly CommandRow[];
}

const SEPARATOR = '|';
const indexes = new WeakMap<readonly CommandRow[], CommandIndex>();

/** Made once a table. */
export function indexOf(commands: readonly CommandRow[]): CommandIndex {
  const known = indexes.get(commands);
  if (known !== undefined) return known;
  const index = makeIndex(commands.filter(isOffered));
  indexes.set(commands, index);
  return index;
}

function makeIndex(given: readonly CommandRow[]): CommandIndex {
  const rows = [...given, ...missingContainers(given)];
  const byName = new Map(rows.map((row) => [row.name, row]));
  const subcommands = new Map<string, CommandRow[]>();
  const top: CommandRow[] = [];
  for (const row of rows) {
    const [name, subcommand] = row.name.split(SEPARATOR);
    if (subcommand === undefined) top.push(row);
    else subcommands.set(name, [...(subcommands.get(name) ?? []), row]);
  }
  const subcommandsOf = (row: CommandRow): readonly CommandRow[] => subcommands.get(row.name) ?? [];
  return {
    top,
    all: top.flatMap((row) => [row, ...subcommandsOf(row)]),
    find: (name) => byName.get(name),
    subcommandsOf,
  };
}

/** A family may give subcommands alone. */
function missingContainers(rows: readonly CommandRow[]): CommandRow[] {
  const names = new Set(rows.map((row) => row.name));
  const containers = new Set(rows.flatMap(({ name }) => name.split(SEPARATOR).slice(0, -1)));
  return [...containers].filter((name) => !names.has(name)).map((name) => container(name));
}

/** The row that a whole command names: a subcommand where its container has it. */
export function rowOfCommand(index: CommandIndex, words: readonly string[]): CommandRow | undefined {
  const name = words[0].toLowerCase();
  const row = index.find(name);
  if (row === undefined || words.length < 2 || index.subcommandsOf(row).length === 0) return row;
  return index.find(`${name}${SEPARATOR}${words[1].toLowerCase()}`);
}

export function takesArguments(row: CommandRow, count: number): boolean {
  return row.arity >= 0 ? count === row.arity : count >= -row.arity;
}
