import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { withCommandList } from '../../src/commands/readme-list.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

it('the README lists the commands as they are: else `npm run docs:commands`', () => {
  expect(withCommandList(readme).replaceAll(/\s+/g, ' ')).toBe(readme.replaceAll(/\s+/g, ' '));
  expect(readme).toContain('`HRANDFIELD`');
});

it('refuses a README without markers', () => {
  expect(() => withCommandList('# Torc')).toThrow('no markers');
});
