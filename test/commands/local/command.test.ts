import { beforeEach, describe, expect, test } from 'vitest';

import { docOf } from '../../../src/commands/documented.ts';
import { localCommands } from '../../../src/commands/local-table.ts';
import { isOffered } from '../../../src/commands/refused.ts';
import { COMMANDS } from '../../../src/commands/table.ts';
import { FakeNode, type FakeSession } from './fake-node.ts';
import { parseReply } from './parse-reply.ts';

let node: FakeNode;
let session: FakeSession;

beforeEach(() => {
  node = new FakeNode();
  session = node.connect();
});

const command = (...words: string[]): string => node.send(session, 'COMMAND', ...words);

test('rows have unique names, and each subcommand a container', () => {
  const names = localCommands.map((row) => row.name);
  expect(new Set(names).size).toBe(names.length);
  for (const name of names.filter((name) => name.includes('|'))) expect(names).toContain(name.split('|')[0]);
});

test('each command that is offered has a sentence about it', () => {
  const without = localCommands.filter((row) => isOffered(row) && docOf(row).summary === '');
  expect(without.map((row) => row.name)).toEqual([]);
});

test('each container has HELP, in the form of lines', () => {
  const containers = new Set(
    localCommands.map((row) => row.name.split('|')).flatMap(([name, sub]) => (sub ? [name] : [])),
  );
  session = node.connect('redirect');
  for (const name of containers) {
    const lines = parseReply(node.send(session, name, 'HELP')) as string[];
    expect(lines[0]).toBe(`${name.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`);
    expect(lines.slice(-2)).toEqual(['HELP', '    Print this help.']);
    expect(node.send(session, name, 'nonsense')).toBe(
      `-ERR unknown subcommand 'nonsense'. Try ${name.toUpperCase()} HELP.\r\n`,
    );
  }
});

describe('INFO', () => {
  test('in RESP3, as Redis writes it', () => {
    session.protocol = 3;
    expect(command('INFO', 'GET', 'nothing')).toBe(
      '*2\r\n*10\r\n$3\r\nget\r\n:2\r\n~2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n~3\r\n+@read\r\n+@string\r\n+@fast\r\n~0\r\n~1\r\n%3\r\n$5\r\nflags\r\n~2\r\n+RO\r\n+access\r\n$12\r\nbegin_search\r\n%2\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n%1\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n%2\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n%3\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n~0\r\n_\r\n',
    );
  });

  test('in RESP2', () => {
    expect(command('INFO', 'nothing')).toBe('*1\r\n$-1\r\n');
    const [ping] = parseReply(command('INFO', 'ping')) as unknown[];
    expect(ping).toEqual([
      'ping',
      -1,
      ['fast'],
      0,
      0,
      0,
      ['@fast', '@connection'],
      ['request_policy:all_shards', 'response_policy:all_succeeded'],
      [],
      [],
    ]);
  });

  test('two keys of different use are two ranges; several keys are one', () => {
    const [rename, mset, usage] = parseReply(
      command('INFO', 'rename', 'mset', 'memory|usage'),
    ) as unknown[][];
    const range = (flags: string[], first: number, last: number, step: number): unknown => [
      'flags',
      flags,
      'begin_search',
      ['type', 'index', 'spec', ['index', first]],
      'find_keys',
      ['type', 'range', 'spec', ['lastkey', last, 'keystep', step, 'limit', 0]],
    ];
    expect(rename[8]).toEqual([range(['RW', 'access', 'delete'], 1, 0, 1), range(['OW', 'update'], 2, 0, 1)]);
    expect(mset[8]).toEqual([range(['OW', 'update'], 1, -1, 2)]);
    expect(usage[8]).toEqual([range(['RO'], 2, 0, 1)]);
  });

  test('has subcommands within, and those by name', () => {
    const [slowlog, get] = parseReply(command('INFO', 'slowlog', 'SLOWLOG|GET')) as unknown[][];
    const within = slowlog[9] as unknown[][];
    expect(within.map((row) => row[0])).toEqual([
      'slowlog|get',
      'slowlog|help',
      'slowlog|len',
      'slowlog|reset',
    ]);
    expect(within[0]).toEqual(get);
  });
});

test('a container without a row of its own is told as Redis tells it', () => {
  const [object] = parseReply(command('INFO', 'object')) as unknown[][];
  expect(object.slice(0, 9)).toEqual(['object', -2, [], 0, 0, 0, ['@slow'], [], []]);
  expect(command('GETKEYS', 'object', 'encoding', 'k')).toBe('*1\r\n$1\r\nk\r\n');
});

test('COMMAND and COMMAND INFO tell all commands but subcommands, COUNT counts them', () => {
  const all = parseReply(command()) as unknown[][];
  expect(all.map((row) => row[0])).toContain('get');
  expect(all.some((row) => String(row[0]).includes('|'))).toBe(false);
  expect(parseReply(command('INFO'))).toEqual(all);
  expect(command('COUNT')).toBe(`:${all.length}\r\n`);
});

test('what is refused is not listed', () => {
  expect(node.send(session, 'BGSAVE')).toBe(
    '-ERR BGSAVE is not offered: Torc writes its own log and snapshots by itself\r\n',
  );
  expect(command('INFO', 'bgsave', 'multi')).toBe('*2\r\n$-1\r\n$-1\r\n');
  expect(command('LIST')).not.toContain('bgsave');
});

describe('LIST', () => {
  test('names all, subcommands too', () => {
    const names = parseReply(command('LIST')) as string[];
    expect(names).toEqual(
      expect.arrayContaining(['object|encoding', 'get', 'client', 'client|list', 'memory|usage']),
    );
  });

  test('is an array in RESP3, too', () => {
    const third = node.connect();
    node.send(third, 'HELLO', '3');
    expect(node.send(third, 'COMMAND', 'LIST')).toMatch(/^\*/);
    expect(node.send(third, 'COMMAND', 'LIST', 'FILTERBY', 'MODULE', 'any')).toBe('*0\r\n');
  });

  test('filters', () => {
    const list = (...words: string[]): unknown => parseReply(command('LIST', 'FILTERBY', ...words));
    expect(list('PATTERN', 'slowlog|*')).toEqual([
      'slowlog|get',
      'slowlog|help',
      'slowlog|len',
      'slowlog|reset',
    ]);
    expect(list('ACLCAT', 'string')).toEqual(['get', 'set', 'mset']);
    expect(list('ACLCAT', 'nothing')).toEqual([]);
    expect(list('MODULE', 'any')).toEqual([]);
    expect(command('LIST', 'FILTERBY', 'foo', 'x')).toBe('-ERR syntax error\r\n');
    expect(command('LIST', 'FILTERBY', 'foo')).toBe('-ERR syntax error\r\n');
  });
});

describe('GETKEYS', () => {
  test('finds the keys', () => {
    expect(parseReply(command('GETKEYS', 'get', 'k'))).toEqual(['k']);
    expect(parseReply(command('GETKEYS', 'MSET', 'a', '1', 'b', '2'))).toEqual(['a', 'b']);
    expect(parseReply(command('GETKEYS', 'memory', 'usage', 'k'))).toEqual(['k']);
    expect(parseReply(command('GETKEYSANDFLAGS', 'rename', 'a', 'b'))).toEqual([
      ['a', ['RW', 'access', 'delete']],
      ['b', ['OW', 'update']],
    ]);
  });

  test.each([
    [['foo', 'a'], 'ERR Invalid command specified'],
    [['object', 'foo', 'k'], 'ERR Invalid command specified'],
    [['ping', 'a'], 'ERR The command has no key arguments'],
    [['client', 'list'], 'ERR The command has no key arguments'],
    [['mset', 'a'], 'ERR Invalid number of arguments specified for command'],
  ])('GETKEYS %j', (words, answer) => {
    expect(command('GETKEYS', ...words)).toBe(`-${answer}\r\n`);
    expect(command('GETKEYSANDFLAGS', ...words)).toBe(`-${answer}\r\n`);
  });
});

test('DOCS', () => {
  expect(parseReply(command('DOCS', 'get', 'nothing'))).toEqual([
    'get',
    ['summary', 'Returns a string.', 'since', '1.0.0', 'group', 'string', 'complexity', 'O(1)'],
  ]);
  const [, memory] = parseReply(command('DOCS', 'memory')) as unknown[][];
  const subcommands = memory[7] as string[];
  expect([memory[6], subcommands.length % 2, subcommands[0]]).toEqual(['subcommands', 0, 'memory|doctor']);
  session.protocol = 3;
  expect(command('DOCS', 'nothing')).toBe('%0\r\n');
  expect(command('DOCS', 'ping')).toMatch(/^%1\r\n\$4\r\nping\r\n%4\r\n/);
});

test('every command says how its work grows; containers leave it to their subcommands', () => {
  for (const row of COMMANDS.rows.filter(isOffered)) {
    const { complexity, summary } = docOf(row);
    const isContainer = COMMANDS.rows.some(({ name }) => name.startsWith(`${row.name}|`));
    if (isContainer && complexity === '') continue;
    expect([row.name, complexity]).toEqual([row.name, expect.stringMatching(/^O\([^ ]+\)$/)]);
    expect(summary).toMatch(/^[A-Z].*\.$/);
  }
});
