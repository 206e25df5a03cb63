/** Settings from all their sources, checked: a flag goes before a variable, a variable before the file, the file before the default. */
import { StartupError } from '../errors.ts';
import { checkTogether } from './check.ts';
import { deriveDefault, memoryShareBytes, type MachineFacts } from './derived.ts';
import { resolveShareOfMemory } from './kinds.ts';
import {
  rowOf,
  SETTING_KEYS,
  variableOf,
  type DerivedKey,
  type SettingKey,
  type SettingRow,
  type Settings,
} from './rows.ts';

/** What the configuration file says: text by setting, and its path for messages. */
export interface FileValues {
  readonly path: string;
  readonly values: ReadonlyMap<SettingKey, string>;
}

export interface SettingSources {
  /** By name, without dashes in front: those that were given. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
  /** Flags that were given by another name, for messages: that name by the setting's. */
  readonly flagsGivenAs?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly file?: FileValues | null;
  readonly machine: MachineFacts;
}

/** A setting that is not allowed: one sentence, naming the setting, the value and what is allowed. */
export class SettingError extends StartupError {
  constructor(message: string) {
    super('TORC_SETTING', message);
  }
}

interface Given {
  text: string;
  /** For the message: where the value was given. */
  place: string;
}

/** Throws SettingError. */
export function loadSettings(sources: SettingSources): Settings {
  const settings: Partial<Record<SettingKey, unknown>> = {};
  for (const key of SETTING_KEYS) {
    const row = rowOf(key);
    const given = valueGiven(key, row, sources);
    // Its row comes before those that it concerns.
    const { memorySharedBy = 1 } = settings as Partial<Settings>;
    const shareBytes = memoryShareBytes({ memorySharedBy }, sources.machine.memoryBytes);
    if (given !== null) settings[key] = parseSetting(row, given.text, shareBytes, given.place);
    else if (typeof row.default === 'string')
      settings[key] = parseSetting(row, row.default, shareBytes, 'the default');
  }
  for (const key of SETTING_KEYS) {
    if (key in settings) continue;
    // Only settings with a derived default are left; they follow in the order of their dependencies.
    settings[key] = deriveDefault(key as DerivedKey, settings as Settings, sources.machine);
  }
  const complete = settings as Settings;
  const problem = checkTogether(complete);
  if (problem !== null) throw new SettingError(problem);
  return complete;
}

/** The value, or a SettingError. A percentage is resolved where the setting takes one. */
export function parseSetting(row: SettingRow, text: string, memoryBytes: number, place = ''): unknown {
  const value = row.kind.parse(
    row.kind.shareOfMemory === true ? resolveShareOfMemory(text, memoryBytes) : text,
  );
  if (value !== undefined) return value;
  const shown = row.secret === true ? 'the value given' : `'${text}'`;
  const origin = place === '' ? '' : ` (from ${place})`;
  throw new SettingError(`${row.name}: ${shown}${origin} is not allowed: it must be ${row.kind.allowed}.`);
}

function valueGiven(key: SettingKey, row: SettingRow, sources: SettingSources): Given | null {
  const flag = sources.flags?.[row.name];
  if (flag !== undefined) return { text: flag, place: `--${sources.flagsGivenAs?.[row.name] ?? row.name}` };
  const variable = variableOf(row);
  const inEnvironment = sources.environment?.[variable];
  // An empty variable is one that was not given: compose files and shells make such.
  if (inEnvironment !== undefined && inEnvironment !== '') return { text: inEnvironment, place: variable };
  const inFile = sources.file?.values.get(key);
  if (inFile !== undefined) return { text: inFile, place: sources.file?.path ?? '' };
  return null;
}
