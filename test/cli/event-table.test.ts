import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { withEventTable } from '../../src/cli/event-table.ts';
import { LOG_EVENTS } from '../../src/log.ts';

/** Prettier sets the columns of tables; what it says is what counts. */
function withoutLayout(markdown: string): string {
  return markdown.replaceAll(/ +/g, ' ').replaceAll(/-{3,}/g, '---').trim();
}

it('the README has the events of the log as they are: else `npm run docs:events`', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  expect(withoutLayout(withEventTable(readme))).toBe(withoutLayout(readme));
});

it('events are in kebab case, and a README needs the markers', () => {
  for (const event of Object.keys(LOG_EVENTS)) expect(event).toMatch(/^[a-z]+(-[a-z]+)*$/);
  expect(() => withEventTable('# Torc')).toThrow('no markers');
});
