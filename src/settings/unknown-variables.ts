/** Variables that were meant for Torc and are no setting: a misspelt `TORC_REQUIREPAS` must not pass without a word. */
import { rowOf, SETTING_KEYS, variableOf } from './rows.ts';

const PREFIX = 'TORC_';
/** Names the configuration file. */
const CONFIG = 'TORC_CONFIG';

const KNOWN: ReadonlySet<string> = new Set([CONFIG, ...SETTING_KEYS.map((key) => variableOf(rowOf(key)))]);

/** Their names, sorted. An empty variable counts as not given. */
export function unknownVariables(environment: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(environment)
    .filter(
      ([name, value]) => name.startsWith(PREFIX) && !KNOWN.has(name) && value !== undefined && value !== '',
    )
    .map(([name]) => name)
    .sort();
}
