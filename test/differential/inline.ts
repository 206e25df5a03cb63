/** Commands as a person would type them. */
import { encodeCommand } from '../commands/command-runner.ts';
import type { Command } from './generator.ts';

/** redis-server takes no longer line. */
const LINE_MAX_BYTES = 60_000;
const PLAIN = /^[A-Za-z0-9{}.+*:_-]+$/;
const NOT_PLAIN = /[^A-Za-z0-9{}.+*:_-]/g;

/** In quotes where it must be; as an array where a line cannot say it. */
export function encodeInline(command: Command): Buffer {
  const line = command.map((word) => quoted(String(word))).join(' ');
  // A line that begins with `*` would be an array.
  if (line.length > LINE_MAX_BYTES || line.startsWith('*')) return encodeCommand(command);
  return Buffer.from(`${line}\r\n`, 'latin1');
}

function quoted(word: string): string {
  if (PLAIN.test(word)) return word;
  const escaped = word.replaceAll(
    NOT_PLAIN,
    (letter) => `\\x${letter.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  return `"${escaped}"`;
}
