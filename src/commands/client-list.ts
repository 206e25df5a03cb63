/** CLIENT LIST and INFO: a line a connection. */
import { subscriptionCount } from './gate.ts';
import { keyword, parseInteger, restOf } from './local-arguments.ts';
import type { ClientSession, LocalContext } from './local-context.ts';
import { SYNTAX } from './error-texts.ts';

const CLIENT_TYPES = ['normal', 'master', 'replica', 'slave', 'pubsub'] as const;
type ClientType = (typeof CLIENT_TYPES)[number];

/** Torc's nodes speak to each other on another port: no connection here is of type master or replica. */
export function hasType(session: ClientSession, type: ClientType): boolean {
  return type === (subscriptionCount(session) > 0 ? 'pubsub' : 'normal');
}

export function clientType(text: string): ClientType | undefined {
  return CLIENT_TYPES.find((type) => type === text);
}

export function clientList(context: LocalContext): void {
  const chosen = chooseSessions(context);
  if (typeof chosen === 'string') {
    context.reply.error(chosen);
    return;
  }
  const now = { monotonicMs: context.node.clock.monotonicMs(), wallMs: context.node.clock.wallMs() };
  context.reply.verbatim('txt', chosen.map((session) => `${describe(session, now)}\n`).join(''));
}

export function clientInfo({ reply, session, node }: LocalContext): void {
  const now = { monotonicMs: node.clock.monotonicMs(), wallMs: node.clock.wallMs() };
  reply.verbatim('txt', `${describe(session, now)}\n`);
}

function chooseSessions({ args, node }: LocalContext): ClientSession[] | string {
  if (args.count === 2) return [...node.sessions()];
  const option = keyword(args, 2);
  if (option === 'type' && args.count === 4) {
    const type = clientType(keyword(args, 3));
    if (type === undefined) return `ERR Unknown client type '${args.text(3)}'`;
    return [...node.sessions()].filter((session) => hasType(session, type));
  }
  if (option !== 'id' || args.count < 4) return SYNTAX;
  const chosen: ClientSession[] = [];
  for (const text of restOf(args, 3)) {
    const id = parseInteger(text);
    if (id === null) return 'ERR Invalid client ID';
    const session = node.session(id);
    if (session !== undefined) chosen.push(session);
  }
  return chosen;
}

/** The fields of Redis 7.2 in their order. There is no file descriptor to tell, no transaction and no tracking yet. */
function describe(session: ClientSession, now: { monotonicMs: number; wallMs: number }): string {
  const buffers = session.buffers();
  const fields: [string, string | number][] = [
    ['id', session.id],
    ['addr', session.address],
    ['laddr', session.localAddress],
    ['fd', -1],
    ['name', session.name],
    ['age', seconds(now.wallMs - session.createdWallMs)],
    ['idle', seconds(now.monotonicMs - session.lastCommandMonotonicMs)],
    ['flags', flagsOf(session)],
    ['db', session.db],
    ['sub', session.channels.size],
    ['psub', session.patterns.size],
    ['ssub', 0],
    ['multi', -1],
    ['qbuf', buffers.queryBytes],
    ['qbuf-free', buffers.queryFreeBytes],
    ['argv-mem', buffers.argumentBytes],
    ['multi-mem', 0],
    ['rbs', buffers.replyBufferBytes],
    ['rbp', buffers.replyPeakBytes],
    ['obl', 0],
    ['oll', buffers.queuedReplies],
    ['omem', buffers.queuedBytes],
    ['tot-mem', buffers.totalBytes],
    ['events', buffers.queuedBytes > 0 ? 'rw' : 'r'],
    ['cmd', session.lastCommand === '' ? 'NULL' : session.lastCommand],
    ['user', session.user],
    ['redir', -1],
    ['resp', session.protocol],
    ['lib-name', session.libraryName],
    ['lib-ver', session.libraryVersion],
  ];
  return fields.map(([name, value]) => `${name}=${value}`).join(' ');
}

function flagsOf(session: ClientSession): string {
  let flags = '';
  if (subscriptionCount(session) > 0) flags += 'P';
  if (session.blocked) flags += 'b';
  if (session.closeAfterReply) flags += 'c';
  if (session.readonlyMode) flags += 'r';
  if (session.noEvict) flags += 'e';
  return flags === '' ? 'N' : flags;
}

/** A wall clock that was set back must not show a negative age. */
function seconds(durationMs: number): number {
  return Math.max(0, Math.floor(durationMs / 1000));
}
