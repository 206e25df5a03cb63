import { beforeEach, expect, test } from 'vitest';

import { FakeNode, type FakeSession } from './fake-node.ts';
import { fieldsOf, parseReply } from './parse-reply.ts';

let node: FakeNode;
let session: FakeSession;

beforeEach(() => {
  node = new FakeNode();
  session = node.connect();
});

const config = (...words: string[]): string => node.send(session, 'CONFIG', ...words);

test('GET by names and patterns, each setting once', () => {
  // Called as it was asked for first, unless by a pattern.
  expect(config('GET', 'MAXMEMORY')).toBe('*2\r\n$9\r\nMAXMEMORY\r\n$1\r\n0\r\n');
  expect(config('GET', 'MaxMemory', 'maxmemory', 'MAXMEMOR?')).toBe('*2\r\n$9\r\nMaxMemory\r\n$1\r\n0\r\n');
  expect(config('GET', 'MAXMEMOR?', 'MaxMemory')).toBe('*2\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n');
  expect(fieldsOf(parseReply(config('GET', 'maxmem*', 'maxmemory', 't?meout')))).toEqual({
    maxmemory: '0',
    'maxmemory-policy': 'noeviction',
    timeout: '0',
  });
  expect(config('GET', 'nothing')).toBe('*0\r\n');
  session.protocol = 3;
  expect(config('GET', 'timeout')).toBe('%1\r\n$7\r\ntimeout\r\n$1\r\n0\r\n');
  expect(config('GET', 'nothing')).toBe('%0\r\n');
});

test('SET', () => {
  expect(config('SET', 'MaxMemory', '100', 'timeout', '3')).toBe('+OK\r\n');
  expect(fieldsOf(parseReply(config('GET', 'maxmemory', 'timeout')))).toEqual({
    maxmemory: '100',
    timeout: '3',
  });
});

test('values are UTF-8 both ways', () => {
  const bytes = Buffer.from('é').toString('latin1');
  expect(config('SET', 'timeout', bytes)).toBe('+OK\r\n');
  expect(node.settingRows[2].value).toBe('é');
  expect(config('GET', 'timeout')).toBe(`*2\r\n$7\r\ntimeout\r\n$2\r\n${bytes}\r\n`);
});

test('so are reasons for a refusal', () => {
  const bytes = Buffer.from('bad µs').toString('latin1');
  expect(config('SET', 'maxmemory', bytes)).toBe(
    `-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - '${bytes}' is not allowed\r\n`,
  );
});

test.each([
  [['a', 'b'], "ERR Unknown option or number of arguments for CONFIG SET - 'a'"],
  [
    ['maxmemory', 'bad'],
    "ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value",
  ],
  [
    ['maxmemory', '1', 'MAXMEMORY', '2'],
    "ERR CONFIG SET failed (possibly related to argument 'maxmemory') - duplicate parameter",
  ],
  [['maxmemory'], "ERR wrong number of arguments for 'config|set' command"],
  [['maxmemory', '1', 'timeout'], 'ERR syntax error'],
])('SET %j', (words, answer) => {
  expect(config('SET', ...words)).toBe(`-${answer}\r\n`);
  expect(node.settingRows[0].value).toBe('0');
});

test('RESETSTAT and REWRITE', () => {
  expect(config('RESETSTAT')).toBe('+OK\r\n');
  expect(node.statisticsReset).toBe(1);
  expect(config('REWRITE')).toMatch(/^-ERR CONFIG REWRITE is not offered/);
});
