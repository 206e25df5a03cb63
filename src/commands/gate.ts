/** Which commands a connection may run in the state it is in: asked before each command, whatever its kind. */
import type { ClientSession } from './local-context.ts';
import type { CommandRow } from './types.ts';

const DATABASE_EXEMPT = new Set(['select', 'reset', 'quit', 'hello', 'auth']);
const TRANSACTION_EXEMPT = new Set(['exec', 'discard', 'reset', 'quit']);
const SUBSCRIBED_ALLOWED = new Set([
  'subscribe',
  'unsubscribe',
  'psubscribe',
  'punsubscribe',
  'ping',
  'quit',
  'reset',
]);

/** True in the common state, in which every command may run: the server asks `refusalOf` only when this is false. */
export function isUnrestricted(session: ClientSession): boolean {
  return (
    session.authenticated &&
    !session.databaseRefused &&
    !session.transactionRefused &&
    (session.protocol === 3 || subscriptionCount(session) === 0)
  );
}

/** The error to answer instead of running the command; null when it may run. */
export function refusalOf(session: ClientSession, row: CommandRow): string | null {
  if (!session.authenticated && !row.flags.includes('no_auth')) return 'NOAUTH Authentication required.';
  if (session.transactionRefused && !TRANSACTION_EXEMPT.has(row.name)) {
    return 'ERR not run: MULTI was refused, and this was meant for its transaction; EXEC or DISCARD ends it';
  }
  if (session.databaseRefused && !DATABASE_EXEMPT.has(row.name)) {
    return 'ERR not run: the last SELECT on this connection failed, and this was meant for another database; SELECT one first';
  }
  if (session.protocol === 2 && subscriptionCount(session) > 0 && !SUBSCRIBED_ALLOWED.has(row.name)) {
    return `ERR Can't execute '${row.name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`;
  }
  return null;
}

export function subscriptionCount(session: ClientSession): number {
  return session.channels.size + session.patterns.size;
}
