/** What of a node's log is shown as a line of the run, and what is counted of it. */
import type { LogEvent, LogFields } from '../../../../src/log.ts';
import type { Situation } from './counters.ts';

export const LOGGED: ReadonlyMap<LogEvent, Situation> = new Map<LogEvent, Situation>([
  ['snapshot-made', 'snapshot made'],
  ['snapshot-sent', 'snapshot sent'],
  ['snapshot-installed', 'snapshot installed'],
  ['log-compacted', 'log file freed'],
  ['leader-changed', 'leader changed'],
  ['leader-missing', 'shard without a leader for long'],
  ['clock-differs', 'wall clock found wrong'],
  ['node-dead', 'node held dead'],
  ['node-left', 'node told that it stops'],
  ['suspicion-refuted', 'suspicion refuted'],
  ['cluster-joined', 'node taken in by a cluster'],
  ['replica-created', 'replica created'],
  ['replica-removed', 'replica removed'],
]);

/** Connections of nodes come and go too often to be of interest. */
const SILENT: ReadonlySet<LogEvent> = new Set<LogEvent>([
  'peer-connected',
  'peer-disconnected',
  'peer-unreachable',
  'peer-ready',
  'peer-not-ready',
  'node-suspected',
  'node-alive',
  'snapshot-made',
  'log-compacted',
]);
const ID = /[0-9a-f]{40}/g;

export function logLine(event: LogEvent, fields: LogFields): string | null {
  if (SILENT.has(event)) return null;
  const shown = Object.entries(fields).map(([name, value]) => `${name}=${textOf(value)}`);
  return [event, ...shown].join(' ').replaceAll(ID, (id) => id.slice(0, 6));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
