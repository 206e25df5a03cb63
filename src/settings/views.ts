/** The settings as text by name: for the handshake between nodes, and for people. */
import { rowOf, SETTING_KEYS, type SettingKey, type Settings } from './rows.ts';

/** Shown in the place of a secret that is set. */
const MASK = '(secret)';

/** As text; a secret is masked. */
export function formatSetting(settings: Settings, key: SettingKey): string {
  const row = rowOf(key);
  const text = row.kind.format(settings[key]);
  return row.secret === true && text !== '' ? MASK : text;
}

/** What must be the same on all nodes, by name: nodes that differ refuse each other. Secrets are proven, not compared. */
export function clusterScoped(settings: Settings): Record<string, string> {
  const values: Record<string, string> = {};
  for (const key of SETTING_KEYS) {
    const row = rowOf(key);
    if (row.scope === 'cluster' && row.secret !== true) values[row.name] = row.kind.format(settings[key]);
  }
  return values;
}

/** All settings, secrets masked: for logs. */
export function redacted(settings: Settings): Record<string, string> {
  return Object.fromEntries(SETTING_KEYS.map((key) => [rowOf(key).name, formatSetting(settings, key)]));
}

/** The values of the secrets that are set: no log line may hold one. */
export function secretsOf(settings: Settings): string[] {
  return SETTING_KEYS.filter((key) => rowOf(key).secret === true)
    .map((key) => rowOf(key).kind.format(settings[key]))
    .filter((value) => value !== '');
}
