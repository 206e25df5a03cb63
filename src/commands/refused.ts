/**
 * Commands of Redis that Torc refuses with a reason, where `unknown command` would leave people guessing. They are rows so that they are
 * found, but COMMAND does not list them.
 */
import { localCommand } from './local-row.ts';
import type { CommandRow, LocalCommand } from './types.ts';

const OWN_PERSISTENCE = 'Torc writes its own log and snapshots by itself';
const BY_SIGNAL = 'stop the node with SIGTERM, which hands its leadership over first';
const OWN_REPLICATION = 'Torc places and promotes its replicas by itself';
const OWN_PLACEMENT = 'Torc places slots and leaders by itself';
const LATER = 'not yet';

const CLUSTER_CHANGES =
  'addslots addslotsrange bumpepoch delslots delslotsrange failover flushslots forget meet replicate reset saveconfig set-config-epoch setslot';

const REASONS: Readonly<Record<string, string>> = {
  save: OWN_PERSISTENCE,
  bgsave: OWN_PERSISTENCE,
  bgrewriteaof: OWN_PERSISTENCE,
  shutdown: BY_SIGNAL,
  replicaof: OWN_REPLICATION,
  slaveof: OWN_REPLICATION,
  failover: OWN_REPLICATION,
  sync: OWN_REPLICATION,
  psync: OWN_REPLICATION,
  replconf: OWN_REPLICATION,
  debug: 'it could break what the replicas agree on',
  monitor: 'see SLOWLOG and the metrics',
  publish: LATER,
  spublish: LATER,
  ssubscribe: LATER,
  sunsubscribe: LATER,
  watch: LATER,
  unwatch: LATER,
  ...Object.fromEntries(CLUSTER_CHANGES.split(' ').map((name) => [`cluster|${name}`, OWN_PLACEMENT])),
};

const refusals = Object.entries(REASONS).map(([name, reason]) =>
  localCommand(name, -1, [], [], ({ reply }) =>
    reply.error(`ERR ${name.replace('|', ' ').toUpperCase()} is not offered: ${reason}`),
  ),
);

/**
 * MULTI is refused, and with it all that was meant to be queued: it must not run as single commands. Clients send the whole transaction
 * in one pipeline, so the refusal lasts until EXEC or DISCARD (gate.ts).
 */
const multi = localCommand('multi', 1, [], [], ({ reply, session }) => {
  session.transactionRefused = true;
  reply.error('ERR MULTI is not offered: not yet; what follows up to EXEC or DISCARD is not run');
});

const exec = localCommand('exec', 1, [], [], ({ reply, session }) => {
  if (session.transactionRefused) {
    session.transactionRefused = false;
    reply.error('EXECABORT Transaction discarded because MULTI is not offered: nothing of it was run');
  } else reply.error('ERR EXEC without MULTI');
});

const discard = localCommand('discard', 1, [], [], ({ reply, session }) => {
  if (session.transactionRefused) {
    session.transactionRefused = false;
    reply.ok();
  } else reply.error('ERR DISCARD without MULTI');
});

export const refusedCommands: readonly LocalCommand[] = [...refusals, multi, exec, discard];

const refused = new Set<CommandRow>(refusedCommands);

export function isOffered(row: CommandRow): boolean {
  return !refused.has(row);
}
