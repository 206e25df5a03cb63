/** Log lines for people: `12:00:01.123 WARN  peer-lost peer=node-2 reason="no answer"`. */
import { paint, type Colour } from './colour.ts';

interface LogRecord {
  level: string;
  time: string;
  event: string;
  [field: string]: unknown;
}

const COLOURS: Readonly<Record<string, Colour>> = {
  debug: 'gray',
  info: 'green',
  warn: 'yellow',
  error: 'red',
};
/** Ids of nodes and clusters: their beginning is enough to tell them apart on a screen. */
const LONG_ID = /^([0-9a-f]{8})[0-9a-f]{32}$/;
/** Shown by their place, or known already: the line stands under the node's name. */
const UNNAMED = new Set(['level', 'time', 'event', 'node']);

/** From a line of JSON, without the line feed at the end. A bug shows where it was: the stack of an error follows in lines of its own. */
export function prettyLine(json: string, coloured: boolean): string {
  const record = JSON.parse(json) as LogRecord;
  const time = record.time.slice(11, 23);
  const level = record.level.toUpperCase().padEnd(5);
  const fields = Object.entries(record)
    .filter(([name]) => !UNNAMED.has(name))
    .map(([name, value]) => `${name}=${fieldText(value)}`);
  const line = [time, paint(COLOURS[record.level] ?? 'gray', level, coloured), record.event, ...fields].join(
    ' ',
  );
  return [line, ...stackOf(record)].join('\n');
}

function fieldText(value: unknown): string {
  if (typeof value === 'string' && LONG_ID.test(value)) return value.replace(LONG_ID, '$1');
  if (typeof value === 'string') return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  if (isLoggedError(value)) return JSON.stringify(value.message);
  return JSON.stringify(value);
}

/** Without its first line, which is the message again. */
function stackOf(record: LogRecord): string[] {
  const { error } = record;
  if (record.level !== 'error' || !isLoggedError(error)) return [];
  return error.stack.split('\n').filter((line) => line.startsWith('    at '));
}

/** As pino writes errors. */
function isLoggedError(value: unknown): value is { message: string; stack: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'message' in value &&
    'stack' in value &&
    typeof value.stack === 'string'
  );
}
