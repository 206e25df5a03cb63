/** Connections: who it is, which protocol and database it speaks. */
import { DATABASE_COUNT } from '../store/types.ts';
import { isPrintableWord, NAME_REFUSED } from './client-name.ts';
import { documented } from './documented.ts';
import { subscriptionCount } from './gate.ts';
import { integerArgument, keyword, utf8Argument } from './local-arguments.ts';
import type { ClientSession, LocalContext, NodeView } from './local-context.ts';
import { NOT_AN_INTEGER, SYNTAX, wrongArity } from './error-texts.ts';
import { localCommand } from './local-row.ts';
import { REDIS_VERSION } from './redis-version.ts';
import type { CommandFlag, LocalCommand } from './types.ts';

const DEFAULT_USER = 'default';
const WRONG_PASSWORD = 'WRONGPASS invalid username-password pair or user is disabled.';
const NO_PASSWORD_SET =
  'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?';
const HELLO_UNAUTHENTICATED =
  'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time';

/** What the options of HELLO ask for; nothing of it is done before all are read. */
interface Greeting {
  protocol: 2 | 3 | null;
  credentials: { user: string; password: string } | null;
  name: string | null;
}

function hello({ args, reply, session, node }: LocalContext): void {
  const greeting = readGreeting(args);
  if (typeof greeting === 'string') {
    reply.error(greeting);
    return;
  }
  const { credentials } = greeting;
  if (credentials !== null && !authenticate(node, session, credentials.user, credentials.password)) {
    reply.error(WRONG_PASSWORD);
    return;
  }
  if (!session.authenticated) {
    reply.error(HELLO_UNAUTHENTICATED);
    return;
  }
  if (greeting.name !== null) session.name = greeting.name;
  if (greeting.protocol !== null) session.protocol = greeting.protocol;
  reply.protocol = session.protocol;
  writeGreeting({ reply, session });
}

function readGreeting(args: LocalContext['args']): Greeting | string {
  const greeting: Greeting = { protocol: null, credentials: null, name: null };
  if (args.count >= 2) {
    const version = integerArgument(args, 1);
    if (version === null) return 'ERR Protocol version is not an integer or out of range';
    if (version !== 2 && version !== 3) return 'NOPROTO unsupported protocol version';
    greeting.protocol = version;
  }
  for (let at = 2; at < args.count; at++) {
    const left = args.count - 1 - at;
    const option = keyword(args, at);
    if (option === 'auth' && left >= 2) {
      greeting.credentials = { user: utf8Argument(args, at + 1), password: utf8Argument(args, at + 2) };
      at += 2;
    } else if (option === 'setname' && left >= 1) {
      greeting.name = args.text(at + 1);
      if (!isPrintableWord(greeting.name)) return NAME_REFUSED;
      at += 1;
    } else return `ERR Syntax error in HELLO option '${args.text(at)}'`;
  }
  return greeting;
}

function writeGreeting({ reply, session }: Pick<LocalContext, 'reply' | 'session'>): void {
  reply.mapHeader(7);
  reply.bulkText('server');
  reply.bulkText('redis');
  reply.bulkText('version');
  reply.bulkText(REDIS_VERSION);
  reply.bulkText('proto');
  reply.integer(session.protocol);
  reply.bulkText('id');
  reply.integer(session.id);
  reply.bulkText('mode');
  reply.bulkText(session.port === 'redirect' ? 'cluster' : 'standalone');
  reply.bulkText('role');
  reply.bulkText('master');
  reply.bulkText('modules');
  reply.arrayHeader(0);
}

/** Without a password set, the default user is let in with any. */
function authenticate(node: NodeView, session: ClientSession, user: string, password: string): boolean {
  const right = node.passwordRequired ? node.checkPassword(user, password) : user === DEFAULT_USER;
  if (!right) return false;
  session.authenticated = true;
  session.user = user;
  return true;
}

function auth({ args, reply, session, node }: LocalContext): void {
  if (args.count > 3) reply.error(SYNTAX);
  else if (args.count === 2 && !node.passwordRequired) reply.error(NO_PASSWORD_SET);
  else {
    const user = args.count === 3 ? utf8Argument(args, 1) : DEFAULT_USER;
    if (authenticate(node, session, user, utf8Argument(args, args.count - 1))) reply.ok();
    else reply.error(WRONG_PASSWORD);
  }
}

/** A subscribed RESP2 connection is answered in the form of a message. */
function ping({ args, reply, session }: LocalContext): void {
  if (args.count > 2) {
    reply.error(wrongArity('ping'));
    return;
  }
  const subscribed = session.protocol === 2 && subscriptionCount(session) > 0;
  if (subscribed) {
    reply.arrayHeader(2);
    reply.bulkText('pong');
  }
  if (args.count === 2) reply.bulk(args.bytes, args.start[1], args.end[1]);
  else if (subscribed) reply.bulkText('');
  else reply.simple('PONG');
}

function echo({ args, reply }: LocalContext): void {
  reply.bulk(args.bytes, args.start[1], args.end[1]);
}

function quit({ reply, session }: LocalContext): void {
  session.closeAfterReply = true;
  reply.ok();
}

/** As new, but for its id and what it said of its library. */
function reset({ reply, session, node }: LocalContext): void {
  for (const channel of session.channels) node.pubsub.unsubscribe(session, channel);
  for (const pattern of session.patterns) node.pubsub.unsubscribePattern(session, pattern);
  session.db = 0;
  session.databaseRefused = false;
  session.transactionRefused = false;
  session.protocol = 2;
  session.authenticated = !node.passwordRequired;
  session.user = DEFAULT_USER;
  session.name = '';
  session.replyMode = 'on';
  session.noEvict = false;
  session.readonlyMode = false;
  session.asking = false;
  reply.protocol = 2;
  reply.simple('RESET');
}

function select({ args, reply, session }: LocalContext): void {
  const db = integerArgument(args, 1);
  session.databaseRefused = true;
  if (db === null) reply.error(NOT_AN_INTEGER);
  else if (session.port === 'redirect' && db !== 0) reply.error('ERR SELECT is not allowed in cluster mode');
  else if (db < 0 || db >= DATABASE_COUNT) reply.error('ERR DB index is out of range');
  else {
    session.databaseRefused = false;
    session.db = db;
    reply.ok();
  }
}

const ENTRY_FLAGS: readonly CommandFlag[] = ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'];
const FAST: readonly CommandFlag[] = ['loading', 'stale', 'fast'];
const CONNECTION = ['fast', 'connection'];

const DOCS = {
  connection: `
auth 1.0.0 O(N) Authenticates the connection.
echo 1.0.0 O(1) Returns its argument.
hello 6.0.0 O(1) Chooses the protocol, authenticates and names the connection in one.
ping 1.0.0 O(1) Answers.
quit 1.0.0 O(1) Closes the connection.
reset 6.2.0 O(1) Makes the connection as new.
select 1.0.0 O(1) Chooses the database.`,
};

export const connectionCommands: readonly LocalCommand[] = documented(DOCS, [
  localCommand('hello', -1, ENTRY_FLAGS, CONNECTION, hello),
  localCommand('auth', -2, ENTRY_FLAGS, CONNECTION, auth),
  localCommand('ping', -1, ['fast'], CONNECTION, ping),
  localCommand('echo', 2, FAST, CONNECTION, echo),
  localCommand('quit', -1, ENTRY_FLAGS, CONNECTION, quit),
  localCommand('reset', 1, ENTRY_FLAGS, CONNECTION, reset),
  localCommand('select', 2, FAST, CONNECTION, select),
]);
