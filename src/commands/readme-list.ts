/** The commands as the README lists them, made from the table. */
import { docOf } from './documented.ts';
import { isOffered } from './refused.ts';
import { COMMANDS } from './table.ts';
import type { CommandRow } from './types.ts';

const START = '<!-- commands: written by `npm run docs:commands` -->';
const END = '<!-- end of commands -->';

/** What the README calls the groups of Redis's commands, in this order; the rest is for the connection and the server. */
const TITLES: Readonly<Record<string, string>> = {
  string: 'Strings',
  generic: 'Keys',
  hash: 'Hashes',
  list: 'Lists',
  set: 'Sets',
  'sorted-set': 'Sorted sets',
  stream: 'Streams',
  bitmap: 'Bitmaps',
  hyperloglog: 'HyperLogLogs',
  geo: 'Geospatial indexes',
  transactions: 'Transactions',
  scripting: 'Scripts',
  pubsub: 'Pub/sub (channels of Sentinel)',
};
const OTHER = 'Connection and server';

/** The README with the list between its markers made anew. */
export function withCommandList(readme: string, rows: readonly CommandRow[] = COMMANDS.rows): string {
  const start = readme.indexOf(START);
  const end = readme.indexOf(END);
  if (start < 0 || end < start) throw new Error('the README has no markers for the list of commands');
  return `${readme.slice(0, start + START.length)}\n\n${list(rows)}\n\n${readme.slice(end)}`;
}

function list(rows: readonly CommandRow[]): string {
  const families = new Map<string, string[]>([...Object.values(TITLES), OTHER].map((title) => [title, []]));
  for (const row of rows) {
    if (isLeftOut(row, rows)) continue;
    families.get(titleOf(row))?.push(row.name.replace('|', ' ').toUpperCase());
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
function isLeftOut(row: CommandRow, rows: readonly CommandRow[]): boolean {
  return !isOffered(row) || rows.some((other) => other.name.startsWith(`${row.name}|`));
}

function titleOf(row: CommandRow): string {
  const { group } = docOf(row);
  // DBSIZE and its like: of the server to Redis, but about keys.
  return TITLES[group === 'server' && row.kind === 'key' ? 'generic' : group] ?? OTHER;
}
