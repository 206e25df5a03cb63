/** What a client asks of the node itself: its role, the time, how far its writes have come. */
import { documented } from './documented.ts';
import { REDIS_VERSION } from './redis-version.ts';
import { integerArgument } from './local-arguments.ts';
import type { LocalContext } from './local-context.ts';
import { NOT_AN_INTEGER } from './error-texts.ts';
import { container, helpCommand, localCommand, OPEN_FLAGS } from './local-row.ts';
import type { CommandFlag, LocalCommand } from './types.ts';

const MICROSECONDS_PER_MILLISECOND = 1000;
const MICROSECONDS_PER_SECOND = 1_000_000;
const UNBLOCKED = 'UNBLOCKED client unblocked via CLIENT UNBLOCK';

function time({ reply, node }: LocalContext): void {
  const nowUs = Math.floor(node.clock.wallMs() * MICROSECONDS_PER_MILLISECOND);
  reply.arrayHeader(2);
  reply.bulkText(String(Math.floor(nowUs / MICROSECONDS_PER_SECOND)));
  reply.bulkText(String(nowUs % MICROSECONDS_PER_SECOND));
}

function role({ reply, session, node }: LocalContext): void {
  reply.arrayHeader(3);
  reply.bulkText('master');
  reply.integer(node.figures(session.port).replication.offset);
  reply.arrayHeader(0);
}

/** An acknowledged write is on a majority already: WAIT asks for more replicas than that, or tells how many there are. */
function wait(context: LocalContext): void {
  const { args, reply, session, node } = context;
  const replicas = integerArgument(args, 1);
  const timeoutMs = integerArgument(args, 2);
  if (replicas === null) reply.error(NOT_AN_INTEGER);
  else if (timeoutMs === null) reply.error('ERR timeout is not an integer or out of range');
  else if (timeoutMs < 0) reply.error('ERR timeout is negative');
  // The time at which it ends must fit 64 bits.
  else if (timeoutMs > 2 ** 63 - node.clock.wallMs()) reply.error('ERR timeout is out of range');
  else {
    const deferred = context.defer();
    node.waitForReplicas(session, replicas, timeoutMs, (held) => {
      deferred.answer((later) => {
        if (held === 'unblocked') later.error(UNBLOCKED);
        else later.integer(held);
      });
    });
  }
}

function lastSave({ reply, session, node }: LocalContext): void {
  reply.integer(node.figures(session.port).persistence.lastSnapshotUnixSeconds);
}

/** The letters of the name, on a ring. */
function lolwut({ reply, node }: LocalContext): void {
  const drawing = ['    t  .', '  .      o', ' c        .', '  .      r', '    .  .'];
  reply.verbatim('txt', `${drawing.join('\n')}\n\nTorc ver. ${node.version}, Redis ver. ${REDIS_VERSION}\n`);
}

const FAST: readonly CommandFlag[] = ['loading', 'stale', 'fast'];

const DOCS = {
  generic: `
wait 3.0.0 O(1) Waits until so many replicas hold the last write of this connection.`,
  server: `
lastsave 1.0.0 O(1) Returns when the last snapshot was finished.
lolwut 5.0.0 O(1) Draws.
module 4.0.0 - Looks at modules, of which there are none.
module|help 5.0.0 O(1) Lists the subcommands.
module|list 4.0.0 O(N) Returns the loaded modules.
role 2.8.12 O(1) Returns the role of the node, to a client always a master.
time 2.6.0 O(1) Returns the wall clock of the node.`,
};

export const serverCommands: readonly LocalCommand[] = documented(DOCS, [
  localCommand('time', 1, FAST, ['fast'], time),
  localCommand('role', 1, [...OPEN_FLAGS, 'fast'], ['admin', 'fast', 'dangerous'], role),
  localCommand('wait', 3, ['noscript', 'blocking'], ['slow', 'blocking', 'connection'], wait),
  localCommand('lastsave', 1, FAST, ['admin', 'fast', 'dangerous'], lastSave),
  localCommand('lolwut', -1, ['readonly', 'fast'], ['read', 'fast'], lolwut),
  container('module'),
  localCommand('module|list', 2, ['admin', 'noscript'], ['admin', 'slow', 'dangerous'], ({ reply }) =>
    reply.arrayHeader(0),
  ),
  helpCommand('module', ['LIST', '    Return no modules: none can be loaded.']),
]);
