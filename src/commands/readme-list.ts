/** The commands as the README lists them, made from the table. */
import { isOffered } from './refused.ts';
import { COMMANDS } from './table.ts';
import type { CommandRow } from './types.ts';

const START = '<!-- commands: written by `npm run docs:commands` -->';
const END = '<!-- end of commands -->';

/** Families by a category that their rows have, in this order; what is in none is for the connection and the server. */
const FAMILIES: readonly (readonly [string, string])[] = [
  ['string', 'Strings'],
  ['keyspace', 'Keys'],
  ['hash', 'Hashes'],
  ['pubsub', 'Pub/sub (channels of Sentinel)'],
];
const OTHER = 'Connection and server';

/** The README with the list between its markers made anew. */
export function withCommandList(readme: string): string {
  const start = readme.indexOf(START);
  const end = readme.indexOf(END);
  if (start < 0 || end < start) throw new Error('the README has no markers for the list of commands');
  return `${readme.slice(0, start + START.length)}\n\n${list()}\n\n${readme.slice(end)}`;
}

function list(): string {
  const families = new Map<string, string[]>(
    [...FAMILIES.map(([, title]) => title), OTHER].map((title) => [title, []]),
  );
  for (const row of COMMANDS.rows) {
    if (isLeftOut(row)) continue;
    families.get(familyOf(row))?.push(row.name.replace('|', ' ').toUpperCase());
  }
  return [...families]
    .filter(([, names]) => names.length > 0)
    .map(
      ([title, names]) =>
        `- **${title}**: ${names
          .sort()
          .map((name) => `\`${name}\``)
          .join(' ')}`,
    )
    .join('\n');
}

/** Rows that only say why Torc does not offer a command, and containers, whose subcommands are listed. */
function isLeftOut(row: CommandRow): boolean {
  return !isOffered(row) || COMMANDS.rows.some((other) => other.name.startsWith(`${row.name}|`));
}

function familyOf(row: CommandRow): string {
  return FAMILIES.find(([category]) => row.categories.includes(category))?.[1] ?? OTHER;
}
