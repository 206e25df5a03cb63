/** The settings as the README's table, between two markers; the rest of the README is left as it is. */
import { GROUPS, rowOf, SETTING_KEYS, variableOf, type SettingRow } from './rows.ts';

const BEGIN = '<!-- settings: written by `npm run docs:settings` -->';
const END = '<!-- end of settings -->';

/** The README with the table as it should be. Throws when the markers are not there. */
export function withSettingsTable(readme: string): string {
  const begin = readme.indexOf(BEGIN);
  const end = readme.indexOf(END);
  if (begin === -1 || end < begin) throw new Error(`the README has no markers ${BEGIN} and ${END}`);
  return `${readme.slice(0, begin + BEGIN.length)}\n\n${settingsTable()}\n${readme.slice(end)}`;
}

/** For people: the value, how it is derived, or that there is none. */
export function defaultText(row: SettingRow): string {
  if (typeof row.default !== 'string') return row.default.derived;
  return row.default === '' ? 'none' : row.default;
}

function settingsTable(): string {
  return GROUPS.map((group) => {
    const rows = SETTING_KEYS.map(rowOf).filter((row) => row.group === group);
    return [
      `**${group}**`,
      '',
      '| Setting | Default | Allowed | Scope | Changed | Meaning |',
      '| --- | --- | --- | --- | --- | --- |',
      ...rows.map(tableLine),
      '',
    ].join('\n');
  }).join('\n');
}

function tableLine(row: SettingRow): string {
  const aliases = (row.aliases ?? []).map((alias) => ` (\`${alias}\`)`).join('');
  const cells = [
    `\`${row.name}\`${aliases}<br>\`${variableOf(row)}\``,
    defaultCell(row),
    row.kind.allowed + (row.secret === true ? '; secret' : ''),
    row.scope,
    row.changed === 'live' ? 'live' : 'at start',
    row.meaning,
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

/** Code, unless it is a phrase. */
function defaultCell(row: SettingRow): string {
  const text = defaultText(row);
  return text === 'none' || text.includes(' ') ? text : `\`${text}\``;
}
