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
/** Shown by their place, or known already: the line stands under the node's name. */
const UNNAMED = new Set(['level', 'time', 'event', 'node']);

/** From a line of JSON, without the line feed. */
export function prettyLine(json: string, coloured: boolean): string {
  const record = JSON.parse(json) as LogRecord;
  const time = record.time.slice(11, 23);
  const level = record.level.toUpperCase().padEnd(5);
  const fields = Object.entries(record)
    .filter(([name]) => !UNNAMED.has(name))
    .map(([name, value]) => `${name}=${fieldText(value)}`);
  return [time, paint(COLOURS[record.level] ?? 'gray', level, coloured), record.event, ...fields].join(' ');
}

function fieldText(value: unknown): string {
  if (typeof value === 'string') return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  if (isLoggedError(value)) return JSON.stringify(value.message);
  return JSON.stringify(value);
}

/** As pino writes errors. The stack is in the JSON format only. */
function isLoggedError(value: unknown): value is { message: string } {
  return typeof value === 'object' && value !== null && 'stack' in value && 'message' in value;
}
