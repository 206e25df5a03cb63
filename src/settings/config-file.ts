/** The configuration file: a JSON object, or lines of `name value` with `#` comments, as redis.conf has them. */
import { SettingError, type FileValues } from './load.ts';
import { keyOf, type SettingKey } from './rows.ts';

/** `path` is for messages. Throws SettingError. */
export function parseConfigFile(text: string, path: string): FileValues {
  const pairs = text.trimStart().startsWith('{') ? jsonPairs(text, path) : linePairs(text, path);
  const values = new Map<SettingKey, string>();
  for (const { name, value, place } of pairs) {
    const key = keyOf(name);
    if (key === undefined) throw new SettingError(`${place}: there is no setting '${name}'.`);
    if (values.has(key)) throw new SettingError(`${place}: '${name}' is given twice.`);
    values.set(key, value);
  }
  return { path, values };
}

interface Pair {
  name: string;
  value: string;
  place: string;
}

function jsonPairs(text: string, path: string): Pair[] {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new SettingError(`${path}: this is not JSON: ${(error as Error).message}.`);
  }
  if (typeof content !== 'object' || content === null)
    throw new SettingError(`${path}: this is no JSON object.`);
  return Object.entries(content).map(([name, value]) => ({
    name,
    value: jsonText(name, value, path),
    place: path,
  }));
}

function jsonText(name: string, value: unknown, path: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value) && value.every((part) => typeof part === 'string')) return value.join(',');
  throw new SettingError(`${path}: ${name} must be a text, a number, true, false or a list of texts.`);
}

function linePairs(text: string, path: string): Pair[] {
  const pairs: Pair[] = [];
  for (const [at, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const place = `${path}:${at + 1}`;
    const [, name, rest] = /^(\S+)\s*(.*)$/.exec(line) ?? [];
    pairs.push({ name, value: unquoted(rest), place });
  }
  return pairs;
}

function unquoted(value: string): string {
  const [, double, single] = /^(?:"(.*)"|'(.*)')$/.exec(value) ?? [];
  return double ?? single ?? value;
}
