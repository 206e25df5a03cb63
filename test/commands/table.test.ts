import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { lastKeyArgument } from '../../src/commands/command-table.ts';
import { COMMANDS } from '../../src/commands/table.ts';
import type { CommandRow } from '../../src/commands/types.ts';
import { Args } from '../../src/resp/args.ts';
import { RedisServer, redisVersion } from '../differential/redis-server.ts';
import { type Reply, parseReply } from '../differential/reply.ts';
import { RespClient } from '../differential/resp-client.ts';
import { CommandRunner } from './command-runner.ts';

function argsOf(...words: string[]): Args {
  const args = new Args();
  args.bytes = Buffer.from(words.join(''), 'latin1');
  let at = 0;
  for (const word of words) {
    args.push(at, at + word.length);
    at += word.length;
  }
  return args;
}

describe('look-up', () => {
  test('finds every command in any case, and nothing else', () => {
    for (const row of COMMANDS.rows) {
      const words = row.name.split('|');
      expect(COMMANDS.findName(argsOf(...words))).toBe(row);
      expect(COMMANDS.findName(argsOf(...words.map((word) => word.toUpperCase())))).toBe(row);
      expect(COMMANDS.findName(argsOf(`${words[0]}x`))).toBeNull();
    }
  });

  test('finds a name by its own bytes alone, and takes no other byte for a letter', () => {
    const found = (name: string): CommandRow | null => {
      const args = new Args();
      args.bytes = Buffer.from(`ab${name}cdefghij`, 'latin1');
      args.push(2, 2 + name.length);
      return COMMANDS.findName(args);
    };
    for (const row of COMMANDS.rows) {
      if (row.name.includes('|')) continue;
      expect(found(row.name)).toBe(row);
      expect(found(row.name.toUpperCase())).toBe(row);
      for (let at = 0; at < row.name.length; at++) {
        for (const bit of [1, 64, 128]) {
          const other = String.fromCharCode(row.name.charCodeAt(at) ^ bit);
          const name = row.name.slice(0, at) + other + row.name.slice(at + 1);
          expect(found(name)?.name).toBe(
            COMMANDS.rows.find((each) => each.name === name.toLowerCase())?.name,
          );
        }
      }
    }
    expect(found('')).toBeNull();
  });

  test('names differ', () => {
    const names = COMMANDS.rows.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  test.each([
    [['get', 'a'], 1],
    [['mset', 'a', '1', 'b', '2'], 4],
    [['rename', 'a', 'b'], 2],
    [['object', 'encoding', 'a'], 2],
    [['dbsize'], -1],
  ])('the last key of %j is argument %i', (words, last) => {
    const row = COMMANDS.find(argsOf(...words));
    expect(row === null ? null : lastKeyArgument(row, words.length)).toBe(last);
  });
});

describe('refusals', () => {
  const long = 'x'.repeat(200);
  test.each<[string[], string]>([
    [['foo'], "ERR unknown command 'foo', with args beginning with: "],
    [['foo', 'a', 'b c'], "ERR unknown command 'foo', with args beginning with: 'a' 'b c' "],
    [
      [long, long, 'z'],
      `ERR unknown command '${long.slice(0, 128)}', with args beginning with: '${long.slice(0, 128)}' `,
    ],
    [[''], "ERR unknown command '', with args beginning with: "],
    [['fo\0o', 'a\0b'], "ERR unknown command 'fo', with args beginning with: 'a' "],
    [['Get'], "ERR wrong number of arguments for 'get' command"],
    [['get', 'a', 'b'], "ERR wrong number of arguments for 'get' command"],
    [['object'], "ERR wrong number of arguments for 'object' command"],
    [['object', 'ENCODING'], "ERR wrong number of arguments for 'object|encoding' command"],
    [['Object', 'foo'], "ERR unknown subcommand 'foo'. Try OBJECT HELP."],
  ])('%j', (words, error) => {
    const args = argsOf(...words);
    expect(COMMANDS.find(args)).toBeNull();
    expect(COMMANDS.refusal(args)).toBe(error);
  });
});

test('no input makes a command throw', () => {
  const words = ['{t}', '', '0', '-1', 'x', '9223372036854775807', 'nx', 'match'];
  const runner = new CommandRunner();
  for (const row of COMMANDS.rows.filter(({ kind }) => kind === 'key')) {
    for (let i = 0; i < 64; i++) {
      const count = Math.max(1, Math.abs(row.arity) - 1 + (i % 4) - (row.name.includes('|') ? 1 : 0));
      const rest = Array.from({ length: count }, (_, j) => words[(i * 7 + j * 3 + (i >> 3)) % words.length]);
      expect(runner.run(...row.name.split('|'), ...rest)).toMatch(/^[+\-:$*_%].*\r\n$/s);
    }
  }
});

const version = redisVersion();
describe.skipIf(version === null)(`beside COMMAND INFO of redis-server ${version}`, () => {
  const told = new Map<string, Reply>();
  let server: RedisServer;

  beforeAll(async () => {
    server = await RedisServer.start();
    const client = await RespClient.open(server.port);
    const names = COMMANDS.rows.filter(({ kind }) => kind === 'key').map(({ name }) => name);
    const [reply] = await client.run([['command', 'info', ...names]]);
    client.close();
    for (const info of parseReply(Buffer.from(reply, 'latin1'), 0)?.children ?? []) {
      told.set(info.children[0].text ?? '', info);
    }
  });

  afterAll(async () => {
    await server.stop();
  });

  const rows = COMMANDS.rows.filter(({ kind }) => kind === 'key');
  test.each(rows.map((row) => [row.name, row] as const))('%s', (name, row) => {
    const [, arity, flags, first, last, step, categories] = told.get(name)?.children ?? [];
    const texts = (reply: Reply | undefined): string[] =>
      (reply?.children ?? []).map(({ text }) => text ?? '');
    expect({
      arity: row.arity,
      flags: [...row.flags].sort(),
      keys: [row.firstKey, row.lastKey, row.keyStep],
      categories: row.categories.map((category) => `@${category}`).sort(),
    }).toEqual({
      arity: Number(arity?.text),
      flags: texts(flags).sort(),
      keys: [first, last, step].map((reply) => Number(reply?.text)),
      categories: texts(categories).sort(),
    });
  });
});
