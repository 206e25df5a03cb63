/** What COMMAND DOCS and the README say of a command stands in its family's file, a line each, and is bound to its row here. */
import type { CommandDoc, CommandRow } from './types.ts';

/**
 * By group of COMMAND DOCS, lines of `name since complexity summary`; `since` is the version of Redis that has had the command first, and a
 * complexity of `-` is none.
 */
type Docs = Readonly<Record<string, string>>;

const UNDOCUMENTED: CommandDoc = { summary: '', since: '1.0.0', complexity: '', group: 'generic' };

/** The rows of a family, each with its line; a line without a row, or a row without a line, is a mistake. */
export function documented<Row extends CommandRow>(docs: Docs, rows: readonly Row[]): readonly Row[] {
  const byName = new Map<string, CommandDoc>();
  for (const [group, lines] of Object.entries(docs)) {
    for (const line of lines.trim().split('\n')) {
      const [name, since, growth, ...words] = line.split(' ');
      const complexity = growth === '-' ? '' : growth;
      byName.set(name, { summary: words.join(' '), since, complexity, group });
    }
  }
  const found = rows.map((row) => {
    const doc = byName.get(row.name);
    if (doc === undefined) throw new TypeError(`${row.name} has no line of documentation`);
    byName.delete(row.name);
    return { ...row, doc };
  });
  if (byName.size > 0) throw new TypeError(`there is no command ${[...byName.keys()].join(', ')}`);
  return found;
}

export function docOf(row: CommandRow): CommandDoc {
  return row.doc ?? UNDOCUMENTED;
}
