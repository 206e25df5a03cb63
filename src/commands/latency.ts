/**
 * LATENCY: Torc keeps no samples of latency events (its stalls are in /metrics), so there are none to tell of. What HISTOGRAM would
 * tell by powers of two is in INFO latencystats and in /metrics, so it is left out.
 */
import { documented } from './documented.ts';
import type { LocalContext } from './local-context.ts';
import { ADMIN_CATEGORIES, ADMIN_FLAGS, container, helpCommand, localCommand } from './local-row.ts';
import type { LocalCommand } from './types.ts';

function none({ reply }: LocalContext): void {
  reply.arrayHeader(0);
}

function doctor({ reply }: LocalContext): void {
  reply.verbatim(
    'txt',
    'Torc keeps no samples of latency events. See INFO latencystats, SLOWLOG, and the metrics of event-loop delay and syncs.',
  );
}

function graph({ args, reply }: LocalContext): void {
  reply.error(`ERR No samples available for event '${args.text(2)}'`);
}

const HELP = [
  'DOCTOR',
  '    Return where to look for what makes commands slow.',
  'GRAPH <event>',
  '    Refused: there are no samples.',
  'HISTORY <event>',
  '    Return no samples.',
  'LATEST',
  '    Return no samples.',
  'RESET [<event> ...]',
  '    Return 0: there is nothing to forget.',
];

const DOCS = {
  server: `
latency 2.8.13 - Looks at what makes commands slow.
latency|doctor 2.8.13 O(1) Returns where to look for what makes commands slow.
latency|graph 2.8.13 O(1) Draws the samples of an event; there are none.
latency|help 2.8.13 O(1) Lists the subcommands.
latency|history 2.8.13 O(1) Returns the samples of an event; there are none.
latency|latest 2.8.13 O(1) Returns the newest samples; there are none.
latency|reset 2.8.13 O(1) Forgets the samples of events.`,
};

export const latencyCommands: readonly LocalCommand[] = documented(DOCS, [
  container('latency'),
  localCommand('latency|doctor', 2, ADMIN_FLAGS, ADMIN_CATEGORIES, doctor),
  localCommand('latency|graph', 3, ADMIN_FLAGS, ADMIN_CATEGORIES, graph),
  helpCommand('latency', HELP),
  localCommand('latency|history', 3, ADMIN_FLAGS, ADMIN_CATEGORIES, none),
  localCommand('latency|latest', 2, ADMIN_FLAGS, ADMIN_CATEGORIES, none),
  localCommand('latency|reset', -2, ADMIN_FLAGS, ADMIN_CATEGORIES, ({ reply }) => reply.integer(0)),
]);
