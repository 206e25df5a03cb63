/** Builds the rows of local commands, and the replies that their families share. */
import type { ReplyWriter } from '../resp/reply-writer.ts';
import type { LocalContext } from './local-context.ts';
import type { CommandFlag, LocalCommand } from './types.ts';

type Run = (context: LocalContext) => void;

/** Sets of flags that come again and again. */
export const ADMIN_FLAGS = ['admin', 'noscript', 'loading', 'stale'] as const;
export const OPEN_FLAGS = ['noscript', 'loading', 'stale'] as const;
export const HELP_FLAGS = ['loading', 'stale'] as const;
export const ADMIN_CATEGORIES = ['admin', 'slow', 'dangerous'] as const;

/** How much of an unknown name an error repeats. */
const NAME_LIMIT = 128;

export function localCommand(
  name: string,
  arity: number,
  flags: readonly CommandFlag[],
  categories: readonly string[],
  run: Run,
  isPush = false,
): LocalCommand {
  return { kind: 'local', name, arity, flags, categories, firstKey: 0, lastKey: 0, keyStep: 0, isPush, run };
}

/** A command of subcommands only: it runs when the table found none of the name given. */
export function container(
  name: string,
  flags: readonly CommandFlag[] = [],
  categories: readonly string[] = ['slow'],
): LocalCommand {
  return localCommand(name, -2, flags, categories, ({ args, reply }) => {
    unknownSubcommand(reply, name, args.text(1));
  });
}

/** The HELP subcommand. A line of usage, then indented what it does. */
export function helpCommand(
  name: string,
  lines: readonly string[],
  categories: readonly string[] = ['slow'],
): LocalCommand {
  return localCommand(`${name}|help`, 2, HELP_FLAGS, categories, ({ reply }) => {
    reply.arrayHeader(lines.length + 3);
    reply.simple(`${name.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`);
    for (const line of lines) reply.simple(line);
    reply.simple('HELP');
    reply.simple('    Print this help.');
  });
}

export function unknownSubcommand(reply: ReplyWriter, name: string, subcommand: string): void {
  reply.error(`ERR unknown subcommand '${subcommand.slice(0, NAME_LIMIT)}'. Try ${name.toUpperCase()} HELP.`);
}
