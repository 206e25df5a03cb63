/** INFO: the sections and fields that clients and tools read, by Redis's names. What Torc has no part of is left out or says so. */
import { documented } from './documented.ts';
import { INFO_SECTIONS, type InfoSection } from './info-sections.ts';
import { restOf } from './local-arguments.ts';
import type { LocalContext } from './local-context.ts';
import { HELP_FLAGS, localCommand } from './local-row.ts';
import type { LocalCommand } from './types.ts';

function info(context: LocalContext): void {
  const wanted = wantedSections(restOf(context.args, 1).map((name) => name.toLowerCase()));
  const figures = context.node.figures(context.session.port);
  const texts = wanted.map((section) => {
    const lines = section.lines(context, figures).map(([name, value]) => `${name}:${value}\r\n`);
    return `# ${section.title}\r\n${lines.join('')}`;
  });
  context.reply.verbatim('txt', texts.join('\r\n'));
}

/** Each section once, in the order of the table, whatever was asked for. */
function wantedSections(names: readonly string[]): InfoSection[] {
  const all = names.includes('all') || names.includes('everything');
  const usual = names.length === 0 || names.includes('default');
  return INFO_SECTIONS.filter(
    (section) => all || (usual && section.usual) || names.includes(section.title.toLowerCase()),
  );
}

const DOCS = {
  server: `
info 1.0.0 O(1) Returns what the node counts and measures.`,
};

export const infoCommands: readonly LocalCommand[] = documented(DOCS, [
  localCommand('info', -1, HELP_FLAGS, ['slow', 'dangerous'], info),
]);
