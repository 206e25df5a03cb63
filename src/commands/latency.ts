/**
 * LATENCY: Torc keeps no samples of latency events (its stalls are in /metrics), so there are none to tell of. What HISTOGRAM would
 * tell by powers of two is in INFO latencystats and in /metrics, so it is left out.
 */
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

export const latencyCommands: readonly LocalCommand[] = [
  container('latency'),
  localCommand('latency|doctor', 2, ADMIN_FLAGS, ADMIN_CATEGORIES, doctor),
  localCommand('latency|graph', 3, ADMIN_FLAGS, ADMIN_CATEGORIES, graph),
  helpCommand('latency', HELP),
  localCommand('latency|history', 3, ADMIN_FLAGS, ADMIN_CATEGORIES, none),
  localCommand('latency|latest', 2, ADMIN_FLAGS, ADMIN_CATEGORIES, none),
  localCommand('latency|reset', -2, ADMIN_FLAGS, ADMIN_CATEGORIES, ({ reply }) => reply.integer(0)),
];
