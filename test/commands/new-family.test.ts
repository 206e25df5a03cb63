/** A new family is its own file, and its line in the table: what COMMAND, ACL and the README tell of it follows from its rows. */
import { expect, test } from 'vitest';

import { CommandTable } from '../../src/commands/command-table.ts';
import { documented } from '../../src/commands/documented.ts';
import { localCommands } from '../../src/commands/local-table.ts';
import { withCommandList } from '../../src/commands/readme-list.ts';
import { keyCommand, ONE_KEY } from '../../src/commands/rows.ts';
import { compileCommands } from '../../src/server/compiled-command.ts';
import { FakeNode } from './local/fake-node.ts';
import { fieldsOf, parseReply } from './local/parse-reply.ts';

const DOCS = {
  list: 'llen 1.0.0 O(1) Returns how long a list is.\nlpush 1.0.0 O(N) Puts elements at the head of a list.',
};
const LISTS = documented(DOCS, [
  keyCommand('lpush', -3, ['write', 'denyoom', 'fast'], ['list'], ONE_KEY, ({ reply }) => reply.integer(1)),
  keyCommand('llen', 2, ['readonly', 'fast'], ['list'], ONE_KEY, ({ reply }) => reply.integer(0)),
]);
const table = new CommandTable([LISTS, localCommands]);

test('COMMAND, its docs and ACL know it', () => {
  const node = new FakeNode();
  Object.assign(node, { commands: table.rows });
  const session = node.connect();
  const ask = (...words: string[]): unknown => parseReply(node.send(session, ...words));
  expect(fieldsOf(ask('COMMAND', 'DOCS', 'lpush'))['lpush']).toEqual(
    expect.arrayContaining(['Puts elements at the head of a list.', 'list', 'O(N)']),
  );
  expect(ask('COMMAND', 'GETKEYS', 'lpush', 'k', 'a')).toEqual(['k']);
  expect(ask('ACL', 'CAT', 'list')).toEqual(['lpush', 'llen']);
  expect(LISTS[0].categories).toEqual(['write', 'list', 'fast']);
  expect(compileCommands(table.rows)[table.rows.indexOf(LISTS[0])]).toMatchObject({
    isWrite: true,
    denyOom: true,
  });
});

test('the README lists it', () => {
  const readme = '<!-- commands: written by `npm run docs:commands` -->\n<!-- end of commands -->';
  expect(withCommandList(readme, table.rows)).toContain('- **Lists**: `LLEN` `LPUSH`\n');
});

test('a command without its line, or a line without its command, is a mistake', () => {
  const [lpush] = LISTS;
  expect(() => documented(DOCS, [lpush])).toThrow('no command llen');
  expect(() => documented({}, [lpush])).toThrow('lpush has no line');
});
