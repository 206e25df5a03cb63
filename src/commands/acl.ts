/** ACL, as far as tools read it: there is one user, `default`, who may do all; with `requirepass` it takes the password to be it. */
import { documented } from './documented.ts';
import { restOf } from './local-arguments.ts';
import type { LocalContext } from './local-context.ts';
import { SYNTAX } from './error-texts.ts';
import {
  ADMIN_CATEGORIES,
  ADMIN_FLAGS,
  container,
  helpCommand,
  localCommand,
  OPEN_FLAGS,
} from './local-row.ts';
import { CATEGORIES } from './rows.ts';
import type { LocalCommand } from './types.ts';

const USER = 'default';

function cat({ args, reply, node }: LocalContext): void {
  const [category, ...more] = restOf(args, 2);
  if (category === undefined) {
    reply.arrayHeader(CATEGORIES.length);
    for (const name of CATEGORIES) reply.bulkText(name);
    return;
  }
  const wanted = category.toLowerCase();
  if (more.length > 0) reply.error(SYNTAX);
  else if (!CATEGORIES.some((name) => name === wanted)) reply.error(`ERR Unknown category '${category}'`);
  else {
    const rows = node.commands.filter((row) => row.categories.includes(wanted));
    reply.arrayHeader(rows.length);
    for (const row of rows) reply.bulkText(row.name);
  }
}

/** Passwords are not shown, not even hashed. */
function getUser({ args, reply, node }: LocalContext): void {
  if (args.text(2) !== USER) {
    reply.null();
    return;
  }
  const flags = node.passwordRequired ? ['on'] : ['on', 'nopass'];
  reply.mapHeader(6);
  reply.bulkText('flags');
  reply.setHeader(flags.length);
  for (const flag of flags) reply.bulkText(flag);
  reply.bulkText('passwords');
  reply.arrayHeader(0);
  for (const [field, value] of [
    ['commands', '+@all'],
    ['keys', '~*'],
    ['channels', '&*'],
  ]) {
    reply.bulkText(field);
    reply.bulkText(value);
  }
  reply.bulkText('selectors');
  reply.arrayHeader(0);
}

function list({ reply, node }: LocalContext): void {
  reply.arrayHeader(1);
  reply.bulkText(`user ${USER} on ${node.passwordRequired ? '' : 'nopass '}~* &* +@all`);
}

function users({ reply }: LocalContext): void {
  reply.arrayHeader(1);
  reply.bulkText(USER);
}

const HELP = [
  'CAT [<category>]',
  '    Return the categories of commands, or the commands of one.',
  'GETUSER <user>',
  '    Return what the user may do.',
  'LIST',
  '    Return the users as lines of a configuration.',
  'USERS',
  '    Return the names of the users.',
  'WHOAMI',
  '    Return the name of the user of this connection.',
];

const DOCS = {
  server: `
acl 6.0.0 - Looks at users and categories.
acl|cat 6.0.0 O(1) Returns the categories of commands, or the commands of one.
acl|getuser 6.0.0 O(N) Returns what a user may do.
acl|help 6.0.0 O(1) Lists the subcommands.
acl|list 6.0.0 O(N) Returns the users as lines of a configuration.
acl|users 6.0.0 O(N) Returns the names of the users.
acl|whoami 6.0.0 O(1) Returns the user of the connection.`,
};

export const aclCommands: readonly LocalCommand[] = documented(DOCS, [
  container('acl'),
  localCommand('acl|cat', -2, OPEN_FLAGS, ['slow'], cat),
  localCommand('acl|getuser', 3, ADMIN_FLAGS, ADMIN_CATEGORIES, getUser),
  helpCommand('acl', HELP),
  localCommand('acl|list', 2, ADMIN_FLAGS, ADMIN_CATEGORIES, list),
  localCommand('acl|users', 2, ADMIN_FLAGS, ADMIN_CATEGORIES, users),
  localCommand('acl|whoami', 2, OPEN_FLAGS, ['slow'], ({ reply, session }) => reply.bulkText(session.user)),
]);
