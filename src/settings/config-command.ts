/** What CONFIG GET and CONFIG SET see: every row under its name and its aliases, and fixed answers that clients of Redis ask for. */
import { checkTogether } from './check.ts';
import { memoryShareBytes } from './derived.ts';
import { parseSetting, SettingError } from './load.ts';
import { keyOf, rowOf, SETTING_KEYS, type SettingKey, type Settings } from './rows.ts';
import { formatSetting } from './views.ts';

/** Redis's settings that Torc has only one value for. Tools ask for them: redis-benchmark for `save` and `appendonly`. */
const FIXED: ReadonlyMap<string, (settings: Settings) => string> = new Map<
  string,
  (settings: Settings) => string
>([
  ['save', () => ''],
  ['appendonly', () => 'yes'],
  ['appendfsync', (settings) => (settings.durability === 'fsync' ? 'always' : 'everysec')],
  ['databases', () => '16'],
  ['cluster-enabled', () => 'no'],
  ['notify-keyspace-events', () => ''],
  ['latency-monitor-threshold', () => '0'],
  ['maxmemory-samples', () => '5'],
  ['lfu-log-factor', () => '10'],
  ['lfu-decay-time', () => '1'],
  ['lazyfree-lazy-eviction', () => 'yes'],
  ['lazyfree-lazy-expire', () => 'yes'],
  ['lazyfree-lazy-server-del', () => 'yes'],
  ['lazyfree-lazy-user-del', () => 'yes'],
  ['lazyfree-lazy-user-flush', () => 'yes'],
]);

/** Calls `found` with each name that `matches` accepts and its value. */
export function configGet(
  settings: Settings,
  matches: (name: string) => boolean,
  found: (name: string, value: string) => void,
): void {
  for (const key of SETTING_KEYS) {
    const row = rowOf(key);
    if (matches(row.name)) found(row.name, formatSetting(settings, key));
    for (const alias of row.aliases ?? []) if (matches(alias)) found(alias, formatSetting(settings, key));
  }
  for (const [name, valueOf] of FIXED) if (matches(name)) found(name, valueOf(settings));
}

/** Why nothing was set: `reason` is a sentence, or the part of one that Redis puts behind the name. */
export interface ConfigRefusal {
  readonly kind: 'unknown' | 'immutable' | 'invalid';
  readonly name: string;
  readonly reason: string;
}

export type ConfigSetOutcome =
  /** The settings that have another value now. */
  | { readonly ok: true; readonly changed: readonly SettingKey[] }
  | { readonly ok: false; readonly refusal: ConfigRefusal };

/** Changes `settings` in place, all pairs or none. `pairs`: name, value, name, value. `memoryBytes`: the machine's. */
export function configSet(
  settings: Settings,
  pairs: readonly string[],
  memoryBytes: number,
): ConfigSetOutcome {
  const next: Partial<Record<SettingKey, unknown>> = {};
  for (let at = 0; at + 1 < pairs.length; at += 2) {
    const name = pairs[at];
    const problem = changeOne(settings, next, name, pairs[at + 1], memoryBytes);
    if (problem !== null) return { ok: false, refusal: problem };
  }
  const together = checkTogether({ ...settings, ...next } as Settings);
  if (together !== null) return { ok: false, refusal: { kind: 'invalid', name: pairs[0], reason: together } };
  const changed = (Object.keys(next) as SettingKey[]).filter((key) => next[key] !== settings[key]);
  Object.assign(settings, next);
  return { ok: true, changed };
}

/** Puts the parsed value into `next`; or says why not. */
function changeOne(
  settings: Settings,
  next: Partial<Record<SettingKey, unknown>>,
  name: string,
  text: string,
  memoryBytes: number,
): ConfigRefusal | null {
  const refused = (kind: ConfigRefusal['kind'], reason: string): ConfigRefusal => ({ kind, name, reason });
  const key = keyOf(name);
  if (key === undefined) {
    const fixed = FIXED.get(name.toLowerCase());
    if (fixed === undefined) return refused('unknown', 'unknown option');
    return fixed(settings) === text.toLowerCase() ? null : refused('immutable', "can't set immutable config");
  }
  const row = rowOf(key);
  if (key in next) return refused('invalid', 'duplicate parameter');
  if (row.changed === 'start') {
    if (row.scope === 'cluster')
      return refused(
        'immutable',
        `${row.name} is a setting of the cluster: it changes only at start, on all nodes`,
      );
    return refused('immutable', `${row.name} changes only at start of the node`);
  }
  try {
    next[key] = parseSetting(row, text, memoryShareBytes(settings, memoryBytes));
  } catch (error) {
    if (error instanceof SettingError) return refused('invalid', error.message);
    throw error;
  }
  return null;
}
