/** CLIENT: the connection's own settings, and a look at the others. */
import { clientInfo, clientList } from './client-list.ts';
import { clientKill } from './client-kill.ts';
import { isPrintableWord, NAME_REFUSED } from './client-name.ts';
import { documented } from './documented.ts';
import { integerArgument, keyword } from './local-arguments.ts';
import type { ClientSession, LocalContext } from './local-context.ts';
import { NOT_AN_INTEGER, SYNTAX } from './error-texts.ts';
import { ADMIN_FLAGS, container, helpCommand, localCommand, OPEN_FLAGS } from './local-row.ts';
import type { LocalCommand } from './types.ts';

/** Tracking comes with client-side caching: until then it is off for everybody, and says so. */
const NO_TRACKING = 'ERR CLIENT TRACKING is not offered yet: invalidation messages would never come';
const TRACKING_MODES = new Set(['bcast', 'optin', 'optout', 'noloop']);
const NOT_TRACKING =
  'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled';
const NO_NO_TOUCH =
  'ERR CLIENT NO-TOUCH is not offered: every look-up counts as an access, on whichever node it runs';
const NO_PAUSE =
  'ERR CLIENT PAUSE is not offered: it would hold the clients of this node alone, while those of the other nodes go on';

function id({ reply, session }: LocalContext): void {
  reply.integer(session.id);
}

function getName({ reply, session }: LocalContext): void {
  if (session.name === '') reply.null();
  else reply.bulkLatin1(session.name);
}

function setName({ args, reply, session }: LocalContext): void {
  const name = args.text(2);
  if (!isPrintableWord(name)) {
    reply.error(NAME_REFUSED);
    return;
  }
  session.name = name;
  reply.ok();
}

function setInfo({ args, reply, session }: LocalContext): void {
  const attribute = keyword(args, 2);
  const value = args.text(3);
  if (attribute !== 'lib-name' && attribute !== 'lib-ver') {
    reply.error(`ERR Unrecognized option '${args.text(2)}'`);
  } else if (!isPrintableWord(value)) {
    reply.error(`ERR ${args.text(2)} cannot contain spaces, newlines or special characters.`);
  } else {
    if (attribute === 'lib-name') session.libraryName = value;
    else session.libraryVersion = value;
    reply.ok();
  }
}

/** Only ON is answered. */
function replyMode({ args, reply, session }: LocalContext): void {
  switch (keyword(args, 2)) {
    case 'on':
      session.replyMode = 'on';
      reply.ok();
      return;
    case 'off':
      session.replyMode = 'off';
      return;
    case 'skip':
      if (session.replyMode === 'on') session.replyMode = 'skip-next';
      return;
    default:
      reply.error(SYNTAX);
  }
}

/** No connection is ever closed to make room, so that ON holds for all. */
function noEvict({ args, reply, session }: LocalContext): void {
  const choice = keyword(args, 2);
  if (choice !== 'on' && choice !== 'off') {
    reply.error(SYNTAX);
    return;
  }
  session.noEvict = choice === 'on';
  reply.ok();
}

function noTouch({ args, reply }: LocalContext): void {
  const choice = keyword(args, 2);
  if (choice === 'on') reply.error(NO_NO_TOUCH);
  else if (choice === 'off') reply.ok();
  else reply.error(SYNTAX);
}

function unblock({ args, reply, node }: LocalContext): void {
  const choice = args.count === 4 ? keyword(args, 3) : 'timeout';
  if (args.count > 4) {
    reply.error(
      `ERR unknown subcommand or wrong number of arguments for '${args.text(1)}'. Try CLIENT HELP.`,
    );
  } else if (choice !== 'timeout' && choice !== 'error') {
    reply.error('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR');
  } else {
    const target = integerArgument(args, 2);
    if (target === null) reply.error(NOT_AN_INTEGER);
    else reply.integer(wake(node.session(target), choice) ? 1 : 0);
  }
}

function wake(session: ClientSession | undefined, reason: 'timeout' | 'error'): boolean {
  return session !== undefined && session.unblock(reason);
}

function tracking(context: LocalContext): void {
  const { args, reply } = context;
  const choice = keyword(args, 2);
  const refusal = choice === 'on' ? NO_TRACKING : refusalOfTracking(context);
  if (refusal !== null) reply.error(refusal);
  else if (choice === 'off') reply.ok();
  else reply.error(SYNTAX);
}

/** The options are read, and may be wrong, whatever they are for. */
function refusalOfTracking({ args, node }: LocalContext): string | null {
  let redirected = false;
  for (let at = 3; at < args.count; at++) {
    const option = keyword(args, at);
    if (TRACKING_MODES.has(option)) continue;
    if (at + 1 === args.count || (option !== 'prefix' && option !== 'redirect')) return SYNTAX;
    at += 1;
    if (option === 'prefix') continue;
    if (redirected) return 'ERR A client can only redirect to a single other client';
    const id = integerArgument(args, at);
    if (id === null) return NOT_AN_INTEGER;
    if (node.session(id) === undefined) return 'ERR The client ID you want redirect to does not exist';
    redirected = true;
  }
  return null;
}

function trackingInfo({ reply }: LocalContext): void {
  reply.mapHeader(3);
  reply.bulkText('flags');
  reply.setHeader(1);
  reply.bulkText('off');
  reply.bulkText('redirect');
  reply.integer(-1);
  reply.bulkText('prefixes');
  reply.arrayHeader(0);
}

const HELP = [
  'CACHING (YES|NO)',
  '    Refused: tracking is not offered yet.',
  'GETNAME',
  '    Return the name of this connection.',
  'GETREDIR',
  '    Return -1: tracking is off.',
  'ID',
  '    Return the number of this connection; later ones have higher numbers.',
  'INFO',
  '    Return what LIST tells of this connection.',
  'KILL <host:port>',
  '    Close the connection that comes from this address.',
  'KILL <option> <value> [<option> <value> [...]]',
  '    Close the connections of this node for which all options hold, and return how many:',
  '    ID <id>, ADDR <host:port>, LADDR <host:port>, USER <name>,',
  '    TYPE (NORMAL|MASTER|REPLICA|PUBSUB), SKIPME (YES|NO) (default: yes).',
  'LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <id> [<id> ...]]',
  '    Return the connections of this node.',
  'NO-EVICT (ON|OFF)',
  '    Keep this connection when memory for clients runs out.',
  'NO-TOUCH (ON|OFF)',
  '    ON is refused: every look-up counts as an access.',
  'REPLY (ON|OFF|SKIP)',
  '    Send replies to this connection, none, or not the next one.',
  'SETINFO (LIB-NAME|LIB-VER) <value>',
  '    Tell which client library this is.',
  'SETNAME <name>',
  '    Name this connection.',
  'TRACKING (ON|OFF)',
  '    ON is refused: tracking is not offered yet.',
  'TRACKINGINFO',
  '    Return how this connection tracks keys.',
  'UNBLOCK <id> [TIMEOUT|ERROR]',
  '    End the WAIT of another connection.',
  'UNPAUSE',
  '    Does nothing: PAUSE is not offered.',
];

const OPEN = ['slow', 'connection'];
const ADMIN = ['admin', 'slow', 'dangerous', 'connection'];

const DOCS = {
  connection: `
client 2.4.0 - Looks at connections and changes them.
client|caching 6.0.0 O(1) Tells which keys of the next command to track; tracking is not offered yet.
client|getname 2.6.9 O(1) Returns the name of the connection.
client|getredir 6.0.0 O(1) Returns which connection gets the invalidations.
client|help 5.0.0 O(1) Lists the subcommands.
client|id 5.0.0 O(1) Returns the number of the connection.
client|info 6.2.0 O(1) Returns what is known of the connection.
client|kill 2.4.0 O(N) Closes connections.
client|list 2.4.0 O(N) Returns what is known of all connections of the node.
client|no-evict 7.0.0 O(1) Keeps the connection when memory for clients runs out.
client|no-touch 7.2.0 O(1) Leaves the access times of keys alone; not offered.
client|pause 2.9.50 O(1) Holds the commands of all clients; not offered.
client|reply 3.2.0 O(1) Switches replies on or off.
client|setinfo 7.2.0 O(1) Tells the client library and its version.
client|setname 2.6.9 O(1) Names the connection.
client|tracking 6.0.0 O(1) Switches client-side caching; not offered yet.
client|trackinginfo 6.2.0 O(1) Returns how the connection tracks keys.
client|unblock 5.0.0 O(1) Ends the WAIT of another connection.
client|unpause 6.2.0 O(N) Lets held commands go on.`,
};

export const clientCommands: readonly LocalCommand[] = documented(DOCS, [
  container('client'),
  localCommand('client|caching', 3, OPEN_FLAGS, OPEN, ({ reply }) => reply.error(NOT_TRACKING)),
  localCommand('client|getname', 2, OPEN_FLAGS, OPEN, getName),
  localCommand('client|getredir', 2, OPEN_FLAGS, OPEN, ({ reply }) => reply.integer(-1)),
  helpCommand('client', HELP, OPEN),
  localCommand('client|id', 2, OPEN_FLAGS, OPEN, id),
  localCommand('client|info', 2, OPEN_FLAGS, OPEN, clientInfo),
  localCommand('client|kill', -3, ADMIN_FLAGS, ADMIN, clientKill),
  localCommand('client|list', -2, ADMIN_FLAGS, ADMIN, clientList),
  localCommand('client|no-evict', 3, ADMIN_FLAGS, ADMIN, noEvict),
  localCommand('client|no-touch', 3, OPEN_FLAGS, OPEN, noTouch),
  localCommand('client|pause', -3, ADMIN_FLAGS, ADMIN, ({ reply }) => reply.error(NO_PAUSE)),
  localCommand('client|reply', 3, OPEN_FLAGS, OPEN, replyMode),
  localCommand('client|setinfo', 4, OPEN_FLAGS, OPEN, setInfo),
  localCommand('client|setname', 3, OPEN_FLAGS, OPEN, setName),
  localCommand('client|tracking', -3, OPEN_FLAGS, OPEN, tracking),
  localCommand('client|trackinginfo', 2, OPEN_FLAGS, OPEN, trackingInfo),
  localCommand('client|unblock', -3, ADMIN_FLAGS, ADMIN, unblock),
  localCommand('client|unpause', 2, ADMIN_FLAGS, ADMIN, ({ reply }) => reply.ok()),
]);
