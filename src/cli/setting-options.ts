/** The settings as options of a command, and back: flags and the configuration file become sources of Settings. */
import { readFileSync } from 'node:fs';
import { Option, type Command } from 'commander';
import { parseConfigFile } from '../settings/config-file.ts';
import { SettingError, type FileValues } from '../settings/load.ts';
import { defaultText } from '../settings/readme-table.ts';
import { GROUPS, rowOf, SETTING_KEYS, type SettingRow } from '../settings/rows.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Adds an option for each setting that `wanted` accepts, and `--config`. */
export function addSettingOptions(command: Command, wanted: (row: SettingRow) => boolean): Command {
  command.option(
    '--config <file>',
    'File of settings: a JSON object, or lines of "name value". [TORC_CONFIG]',
  );
  for (const group of GROUPS) {
    const rows = SETTING_KEYS.map(rowOf).filter((row) => row.group === group && wanted(row));
    for (const row of rows) command.addOption(optionOf(row).helpGroup(`${group}:`));
  }
  return command;
}

/** The flags that were given, by the setting's name. */
export function givenFlags(command: Command): Record<string, string> {
  const options: Record<string, unknown> = command.opts();
  const flags: Record<string, string> = {};
  for (const key of SETTING_KEYS) {
    const row = rowOf(key);
    const value = options[optionOf(row).attributeName()];
    if (typeof value === 'string') flags[row.name] = value;
  }
  return flags;
}

/** The file that `--config` or TORC_CONFIG names; null when none does. Throws SettingError. */
export function readConfigFile(command: Command, environment: Environment): FileValues | null {
  const { config } = command.opts<{ config?: string }>();
  const path = config ?? environment['TORC_CONFIG'] ?? '';
  if (path === '') return null;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new SettingError(`config: '${path}' cannot be read: ${(error as Error).message}.`);
  }
  return parseConfigFile(text, path);
}

function optionOf(row: SettingRow): Option {
  const unit = row.kind.unit.replace(' or ', '|');
  const everywhere = row.scope === 'cluster' ? ' The same on all nodes.' : '';
  return new Option(
    `--${row.name} <${unit === '' ? 'value' : unit}>`,
    `${row.meaning}${everywhere} [${row.kind.allowed}; default: ${defaultText(row)}]`,
  );
}
