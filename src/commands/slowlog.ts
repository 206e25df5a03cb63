/** SLOWLOG: the commands that took long on this node. */
import { documented } from './documented.ts';
import { integerArgument } from './local-arguments.ts';
import type { LocalContext, SlowLogEntry } from './local-context.ts';
import { ADMIN_CATEGORIES, container, helpCommand, localCommand } from './local-row.ts';
import type { CommandFlag, LocalCommand } from './types.ts';

const DEFAULT_COUNT = 10;
const ALL = -1;

function get({ args, reply, node }: LocalContext): void {
  if (args.count > 3) {
    reply.error(
      `ERR unknown subcommand or wrong number of arguments for '${args.text(1)}'. Try SLOWLOG HELP.`,
    );
    return;
  }
  const count = args.count === 3 ? integerArgument(args, 2) : DEFAULT_COUNT;
  if (count === null || count < ALL) {
    reply.error('ERR count should be greater than or equal to -1');
    return;
  }
  const entries = node.slowLog.newest(count === ALL ? node.slowLog.length : count);
  reply.arrayHeader(entries.length);
  for (const entry of entries) writeEntry(reply, entry);
}

function writeEntry(reply: LocalContext['reply'], entry: SlowLogEntry): void {
  reply.arrayHeader(6);
  reply.integer(entry.id);
  reply.integer(entry.unixSeconds);
  reply.integer(entry.durationUs);
  reply.arrayHeader(entry.args.length);
  for (const argument of entry.args) reply.bulkLatin1(argument);
  reply.bulkText(entry.address);
  reply.bulkLatin1(entry.clientName);
}

function reset({ reply, node }: LocalContext): void {
  node.slowLog.reset();
  reply.ok();
}

const HELP = [
  'GET [<count>]',
  '    Return the newest entries (default: 10, all: -1), each of: number, unix time, duration in',
  '    microseconds, arguments, address of the client, name of the client.',
  'LEN',
  '    Return how many entries there are.',
  'RESET',
  '    Forget all entries.',
];

const FLAGS: readonly CommandFlag[] = ['admin', 'loading', 'stale'];

const DOCS = {
  server: `
slowlog 2.2.12 - Looks at commands that took long.
slowlog|get 2.2.12 O(N) Returns the newest slow commands.
slowlog|help 6.2.0 O(1) Lists the subcommands.
slowlog|len 2.2.12 O(1) Returns how many slow commands are kept.
slowlog|reset 2.2.12 O(N) Forgets the slow commands.`,
};

export const slowlogCommands: readonly LocalCommand[] = documented(DOCS, [
  container('slowlog'),
  localCommand('slowlog|get', -2, FLAGS, ADMIN_CATEGORIES, get),
  helpCommand('slowlog', HELP),
  localCommand('slowlog|len', 2, FLAGS, ADMIN_CATEGORIES, ({ reply, node }) =>
    reply.integer(node.slowLog.length),
  ),
  localCommand('slowlog|reset', 2, FLAGS, ADMIN_CATEGORIES, reset),
]);
