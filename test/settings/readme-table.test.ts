import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { withSettingsTable } from '../../src/settings/readme-table.ts';
import { rowOf, SETTING_KEYS, variableOf } from '../../src/settings/rows.ts';
import { VERSION } from '../../src/version.ts';

function read(file: string): string {
  return readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
}

/** Prettier sets the columns of tables; what it says is what counts. */
function withoutLayout(markdown: string): string {
  return markdown.replaceAll(/ +/g, ' ').replaceAll(/-{3,}/g, '---').trim();
}

it('the README has the table of the settings as they are: else `npm run docs:settings`', () => {
  const readme = read('README.md');
  expect(withoutLayout(withSettingsTable(readme))).toBe(withoutLayout(readme));
  for (const key of SETTING_KEYS) expect(readme).toContain(variableOf(rowOf(key)));
});

it('refuses a README without markers', () => {
  expect(() => withSettingsTable('# Torc')).toThrow('no markers');
});

it('the version is that of the package', () => {
  expect((JSON.parse(read('package.json')) as { version: string }).version).toBe(VERSION);
});
