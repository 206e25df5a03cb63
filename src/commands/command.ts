/** COMMAND: the table, told to clients in Redis's shapes. */
import { indexOf, rowOfCommand, takesArguments, type CommandIndex } from './command-index.ts';
import { docOf, documented } from './documented.ts';
import { keyRangesOf, tipsOf, type KeyRange } from './key-access.ts';
import { keyword, restOf } from './local-arguments.ts';
import type { LocalContext } from './local-context.ts';
import { SYNTAX } from './error-texts.ts';
import { HELP_FLAGS, helpCommand, localCommand, unknownSubcommand } from './local-row.ts';
import { matchesPattern } from './text-pattern.ts';
import type { CommandRow, LocalCommand } from './types.ts';

type Reply = LocalContext['reply'];

/** Without a subcommand: all of it. Also runs when the table found no subcommand of the name given. */
function command({ args, reply, node }: LocalContext): void {
  if (args.count > 1) {
    unknownSubcommand(reply, 'command', args.text(1));
    return;
  }
  const index = indexOf(node.commands);
  reply.arrayHeader(index.top.length);
  for (const row of index.top) writeRow(reply, index, row);
}

function info(context: LocalContext): void {
  const { args, reply, node } = context;
  const index = indexOf(node.commands);
  const rows =
    args.count === 2 ? index.top : restOf(args, 2).map((name) => index.find(name.toLowerCase()) ?? null);
  reply.arrayHeader(rows.length);
  for (const row of rows) {
    if (row === null) reply.null();
    else writeRow(reply, index, row);
  }
}

function writeRow(reply: Reply, index: CommandIndex, row: CommandRow): void {
  reply.arrayHeader(10);
  reply.bulkText(row.name);
  reply.integer(row.arity);
  writeWords(reply, row.flags);
  reply.integer(row.firstKey);
  reply.integer(row.lastKey);
  reply.integer(row.keyStep);
  writeWords(
    reply,
    row.categories.map((category) => `@${category}`),
  );
  const tips = tipsOf(row);
  reply.setHeader(tips.length);
  for (const tip of tips) reply.bulkText(tip);
  const ranges = keyRangesOf(row);
  reply.setHeader(ranges.length);
  for (const range of ranges) writeRange(reply, range);
  const subcommands = index.subcommandsOf(row);
  if (subcommands.length === 0) reply.setHeader(0);
  else reply.arrayHeader(subcommands.length);
  for (const subcommand of subcommands) writeRow(reply, index, subcommand);
}

function writeWords(reply: Reply, words: readonly string[]): void {
  reply.setHeader(words.length);
  for (const word of words) reply.simple(word);
}

function writeRange(reply: Reply, range: KeyRange): void {
  reply.mapHeader(range.notes === '' ? 3 : 4);
  if (range.notes !== '') {
    reply.bulkText('notes');
    reply.bulkText(range.notes);
  }
  reply.bulkText('flags');
  writeWords(reply, range.flags);
  reply.bulkText('begin_search');
  writeTyped(reply, 'index', { index: range.first });
  reply.bulkText('find_keys');
  writeTyped(reply, 'range', { lastkey: range.last, keystep: range.step, limit: 0 });
}

function writeTyped(reply: Reply, type: string, spec: Readonly<Record<string, number>>): void {
  reply.mapHeader(2);
  reply.bulkText('type');
  reply.bulkText(type);
  reply.bulkText('spec');
  const fields = Object.entries(spec);
  reply.mapHeader(fields.length);
  for (const [name, value] of fields) {
    reply.bulkText(name);
    reply.integer(value);
  }
}

function docs({ args, reply, node }: LocalContext): void {
  const index = indexOf(node.commands);
  const asked = restOf(args, 2).map((name) => index.find(name.toLowerCase()));
  const rows = args.count === 2 ? index.top : asked.filter((row) => row !== undefined);
  writeDocs(reply, index, rows);
}

function writeDocs(reply: Reply, index: CommandIndex, rows: readonly CommandRow[]): void {
  reply.mapHeader(rows.length);
  for (const row of rows) {
    const { summary, since, group, complexity } = docOf(row);
    const fields = ['summary', summary, 'since', since, 'group', group];
    if (complexity !== '') fields.push('complexity', complexity);
    const subcommands = index.subcommandsOf(row);
    reply.bulkText(row.name);
    reply.mapHeader(fields.length / 2 + (subcommands.length === 0 ? 0 : 1));
    for (const text of fields) reply.bulkText(text);
    if (subcommands.length === 0) continue;
    reply.bulkText('subcommands');
    writeDocs(reply, index, subcommands);
  }
}

function list({ args, reply, node }: LocalContext): void {
  const { all } = indexOf(node.commands);
  const chosen = args.count === 2 ? all : filtered(args, all);
  if (chosen === null) {
    reply.error(SYNTAX);
    return;
  }
  reply.arrayHeader(chosen.length);
  for (const row of chosen) reply.bulkText(row.name);
}

/** There are no modules, so none has a command. */
function filtered(args: LocalContext['args'], all: readonly CommandRow[]): readonly CommandRow[] | null {
  if (args.count !== 5 || keyword(args, 2) !== 'filterby') return null;
  const value = keyword(args, 4);
  switch (keyword(args, 3)) {
    case 'module':
      return [];
    case 'aclcat':
      return all.filter((row) => row.categories.includes(value));
    case 'pattern':
      return all.filter((row) => matchesPattern(value, row.name));
    default:
      return null;
  }
}

interface FoundKey {
  name: string;
  range: KeyRange;
}

function getKeys({ args, reply, node }: LocalContext): void {
  const keys = keysOf(restOf(args, 2), node.commands);
  if (typeof keys === 'string') {
    reply.error(keys);
    return;
  }
  reply.arrayHeader(keys.length);
  for (const { name } of keys) reply.bulkLatin1(name);
}

const VARIABLE_FLAGS = 'variable_flags';

function getKeysAndFlags({ args, reply, node }: LocalContext): void {
  const words = restOf(args, 2);
  const keys = keysOf(words, node.commands);
  if (typeof keys === 'string') {
    reply.error(keys);
    return;
  }
  reply.arrayHeader(keys.length);
  for (const { name, range } of keys) {
    reply.arrayHeader(2);
    reply.bulkLatin1(name);
    writeWords(reply, range.flags.includes(VARIABLE_FLAGS) ? flagsOfSet(words) : range.flags);
  }
}

/** SET is the one whose use of its key depends on an option. */
function flagsOfSet(words: readonly string[]): readonly string[] {
  const hasGet = words.slice(3).some((word) => word.toLowerCase() === 'get');
  return hasGet ? ['RW', 'access', 'update'] : ['OW', 'update'];
}

function keysOf(words: readonly string[], commands: readonly CommandRow[]): FoundKey[] | string {
  const row = rowOfCommand(indexOf(commands), words);
  if (row === undefined) return 'ERR Invalid command specified';
  const ranges = keyRangesOf(row);
  if (ranges.length === 0) return 'ERR The command has no key arguments';
  if (!takesArguments(row, words.length)) return 'ERR Invalid number of arguments specified for command';
  return ranges.flatMap((range) => {
    const last = range.last < 0 ? words.length + range.last : range.first + range.last;
    const found: FoundKey[] = [];
    for (let at = range.first; at <= last; at += range.step) found.push({ name: words[at], range });
    return found;
  });
}

const HELP = [
  '(no subcommand)',
  '    Return what INFO tells of all commands.',
  'COUNT',
  '    Return how many commands there are.',
  'DOCS [<command> ...]',
  '    Return a sentence about each command, about all when none is named.',
  'GETKEYS <command with its arguments>',
  '    Return its keys.',
  'GETKEYSANDFLAGS <command with its arguments>',
  '    Return its keys, and what is done with each.',
  'INFO [<command> ...]',
  '    Return arity, flags and keys of each command, of all when none is named.',
  'LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]',
  '    Return the names of commands.',
];

const CATEGORIES = ['slow', 'connection'];

const DOCS = {
  server: `
command 2.8.13 O(N) Returns arity, flags and keys of all commands.
command|count 2.8.13 O(1) Returns how many commands there are.
command|docs 7.0.0 O(N) Returns a sentence about each command.
command|getkeys 2.8.13 O(N) Returns the keys of a whole command.
command|getkeysandflags 7.0.0 O(N) Returns the keys of a whole command and what is done with them.
command|help 5.0.0 O(1) Lists the subcommands.
command|info 2.8.13 O(N) Returns arity, flags and keys of commands.
command|list 7.0.0 O(N) Returns the names of commands.`,
};

export const commandCommands: readonly LocalCommand[] = documented(DOCS, [
  localCommand('command', -1, HELP_FLAGS, CATEGORIES, command),
  localCommand('command|count', 2, HELP_FLAGS, CATEGORIES, ({ reply, node }) =>
    reply.integer(indexOf(node.commands).top.length),
  ),
  localCommand('command|docs', -2, HELP_FLAGS, CATEGORIES, docs),
  localCommand('command|getkeys', -3, HELP_FLAGS, CATEGORIES, getKeys),
  localCommand('command|getkeysandflags', -3, HELP_FLAGS, CATEGORIES, getKeysAndFlags),
  helpCommand('command', HELP, CATEGORIES),
  localCommand('command|info', -2, HELP_FLAGS, CATEGORIES, info),
  localCommand('command|list', -2, HELP_FLAGS, CATEGORIES, list),
]);
