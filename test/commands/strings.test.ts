/** The documented replies of the string commands, each option, success and error, in both protocols. */
import { beforeEach, describe, expect, test } from 'vitest';

import { CommandRunner } from './command-runner.ts';

const OK = '+OK\r\n';
const NULL = '$-1\r\n';
const WRONG_TYPE = '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n';
const SYNTAX = '-ERR syntax error\r\n';
const NOT_INTEGER = '-ERR value is not an integer or out of range\r\n';
const NOT_FLOAT = '-ERR value is not a valid float\r\n';
const OVERFLOW = '-ERR increment or decrement would overflow\r\n';
const TOO_LONG = '-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n';

let redis: CommandRunner;

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

function run(line: string): string {
  return redis.run(...line.split(' ').map((word) => (word === '""' ? '' : word)));
}

beforeEach(() => {
  redis = new CommandRunner();
  for (const line of ['set text hello', 'set number 10', 'hset hash f v', 'set fading x px 60000']) run(line);
});

describe('replies', () => {
  test.each([
    ['get text', bulk('hello')],
    ['get absent', NULL],
    ['get hash', WRONG_TYPE],
    ['set text new', OK],
    ['set hash new', OK],
    ['set text new nx', NULL],
    ['set absent new nx', OK],
    ['set text new xx', OK],
    ['set absent new XX', NULL],
    ['set text new get', bulk('hello')],
    ['set absent new get', NULL],
    ['set hash new get', WRONG_TYPE],
    ['set text new nx get', bulk('hello')],
    ['set absent new nx get', NULL],
    ['set absent new xx get', NULL],
    ['set text new nx xx', SYNTAX],
    ['set text new ex 10 px 10', SYNTAX],
    ['set text new ex 10 keepttl', SYNTAX],
    ['set text new ex', SYNTAX],
    ['set text new persist', SYNTAX],
    ['set text new ex 1 ex 2', OK],
    ['set text new ex x', NOT_INTEGER],
    ['set text new ex 0', "-ERR invalid expire time in 'set' command\r\n"],
    ['set text new px -1', "-ERR invalid expire time in 'set' command\r\n"],
    ['set text new ex 9223372036854775807', "-ERR invalid expire time in 'set' command\r\n"],
    ['set text new px 9223372036854775807', "-ERR invalid expire time in 'set' command\r\n"],
    ['set text new pxat 9223372036854775807', OK],
    ['setnx text new', ':0\r\n'],
    ['setnx absent new', ':1\r\n'],
    ['setex text 10 new', OK],
    ['setex text 0 new', "-ERR invalid expire time in 'setex' command\r\n"],
    ['psetex text x new', NOT_INTEGER],
    ['psetex text -1 new', "-ERR invalid expire time in 'psetex' command\r\n"],
    ['mget text absent hash number', `*4\r\n${bulk('hello')}${NULL}${NULL}${bulk('10')}`],
    ['mset a 1 b 2', OK],
    ['mset a 1 b', "-ERR wrong number of arguments for 'mset' command\r\n"],
    ['msetnx a 1 text 2', ':0\r\n'],
    ['msetnx a 1 a 2', ':1\r\n'],
    ['msetnx a 1 b', "-ERR wrong number of arguments for 'msetnx' command\r\n"],
    ['getset text new', bulk('hello')],
    ['getset hash new', WRONG_TYPE],
    ['getdel text', bulk('hello')],
    ['getdel absent', NULL],
    ['getdel hash', WRONG_TYPE],
    ['getex text', bulk('hello')],
    ['getex text ex 10', bulk('hello')],
    ['getex text persist ex 10', SYNTAX],
    ['getex text keepttl', SYNTAX],
    ['getex text ex 0', "-ERR invalid expire time in 'getex' command\r\n"],
    ['getex absent ex 0', NULL],
    ['getex hash', WRONG_TYPE],
    ['append text !', ':6\r\n'],
    ['append absent abc', ':3\r\n'],
    ['append hash x', WRONG_TYPE],
    ['strlen text', ':5\r\n'],
    ['strlen absent', ':0\r\n'],
    ['getrange text 1 -2', bulk('ell')],
    ['getrange text -100 100', bulk('hello')],
    ['getrange text 3 1', bulk('')],
    ['getrange text -1 -3', bulk('')],
    ['getrange text 9223372036854775807 -1', bulk('')],
    ['getrange text -9223372036854775808 9223372036854775807', bulk('hello')],
    ['getrange text -9223372036854775807 -9223372036854775808', bulk('')],
    ['getrange text -9223372036854775808 -9223372036854775807', bulk('h')],
    ['getrange text x 1', NOT_INTEGER],
    ['substr text 0 1', bulk('he')],
    ['setrange text 1 a', ':5\r\n'],
    ['setrange absent 3 x', ':4\r\n'],
    ['setrange absent 3 ""', ':0\r\n'],
    ['setrange text 3 ""', ':5\r\n'],
    ['setrange text -1 x', '-ERR offset is out of range\r\n'],
    ['setrange text 67108864 x', TOO_LONG],
    ['setrange text 9223372036854775807 x', TOO_LONG],
    ['incr number', ':11\r\n'],
    ['incr absent', ':1\r\n'],
    ['incr text', NOT_INTEGER],
    ['incr hash', WRONG_TYPE],
    ['decr number', ':9\r\n'],
    ['incrby number 9223372036854775797', ':9223372036854775807\r\n'],
    ['incrby number 9223372036854775798', OVERFLOW],
    ['incrby number x', NOT_INTEGER],
    ['decrby number 9223372036854775807', ':-9223372036854775797\r\n'],
    ['decrby number -9223372036854775808', '-ERR decrement would overflow\r\n'],
    ['incrbyfloat number 0.1', bulk('10.1')],
    ['incrbyfloat absent 3.0e3', bulk('3000')],
    ['incrbyfloat text 1', NOT_FLOAT],
    ['incrbyfloat number x', NOT_FLOAT],
    ['incrbyfloat number inf', '-ERR increment would produce NaN or Infinity\r\n'],
  ])('%s', (line, reply) => {
    expect(run(line)).toBe(reply);
  });

  test.each([
    ['get absent', '_\r\n'],
    ['set text new nx', '_\r\n'],
    ['mget absent', '*1\r\n_\r\n'],
    ['incrbyfloat number 1', bulk('11')],
    ['incrby number 9223372036854775797', ':9223372036854775807\r\n'],
  ])('RESP3: %s', (line, reply) => {
    redis.protocol = 3;
    expect(run(line)).toBe(reply);
  });
});

describe('effects', () => {
  test.each([
    ['set fading y', ':-1\r\n'],
    ['set fading y keepttl', ':60000\r\n'],
    ['set fading y ex 5', ':5000\r\n'],
    ['getset fading y', ':-1\r\n'],
    ['incr fading', ':60000\r\n'],
    ['append fading y', ':60000\r\n'],
    ['setrange fading 0 y', ':60000\r\n'],
    ['getex fading', ':60000\r\n'],
    ['getex fading persist', ':-1\r\n'],
    ['getex fading px 7', ':7\r\n'],
    ['getex fading exat 1', ':-2\r\n'],
    ['mset fading 1', ':-1\r\n'],
    ['set fading y exat 1', ':-2\r\n'],
  ])('%s: PTTL says %s', (line, pttl) => {
    run(line);
    expect(run('pttl fading')).toBe(pttl);
  });

  test('a key is gone at its time, by the time that is handed in', () => {
    redis.timeMs += 59_999;
    expect(run('get fading')).toBe(bulk('x'));
    redis.timeMs += 1;
    expect(run('get fading')).toBe(NULL);
    expect(run('dbsize')).toBe(':4\r\n');
    expect(run('del fading')).toBe(':0\r\n');
    expect(run('dbsize')).toBe(':3\r\n');
  });

  test.each([
    ['set k 12', 'int'],
    ['set k 012', 'embstr'],
    [`set k ${'x'.repeat(44)}`, 'embstr'],
    [`set k ${'x'.repeat(45)}`, 'raw'],
    ['append number 1', 'raw'],
    ['setrange k 0 1', 'raw'],
    ['incrbyfloat k 12', 'embstr'],
    ['incr k', 'int'],
  ])('%s is stored as %s', (line, encoding) => {
    run(line);
    expect(run(`object encoding ${line.split(' ')[1]}`)).toBe(bulk(encoding));
  });

  test('zeros fill the gap', () => {
    run('setrange text 7 x');
    expect(run('get text')).toBe(bulk('hello\0\0x'));
  });

  test('INCR is exact to the last value and no further', () => {
    run('set k 9223372036854775806');
    expect(run('incr k')).toBe(':9223372036854775807\r\n');
    expect(run('incr k')).toBe(OVERFLOW);
    expect(run('get k')).toBe(bulk('9223372036854775807'));
    expect(run('incrby k -9223372036854775808')).toBe(':-1\r\n');
  });

  test('APPEND stops at the limit of length', () => {
    redis.run('setrange', 'k', 64 * 1024 * 1024 - 1, 'x');
    expect(run('append k y')).toBe(TOO_LONG);
    expect(run('strlen k')).toBe(`:${64 * 1024 * 1024}\r\n`);
  });

  test('reads count hits and misses', () => {
    run('mget text absent hash');
    run('set text x get');
    expect([redis.context.hits, redis.context.misses]).toEqual([3, 1]);
  });
});

describe('LCS', () => {
  beforeEach(() => run('mset a ohmytext b mynewtext'));

  const matches = (length: string): string =>
    `$7\r\nmatches\r\n*2\r\n*${length === '' ? 2 : 3}\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n${length}` +
    `*${length === '' ? 2 : 3}\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n${length.replace('4', '2')}$3\r\nlen\r\n:6\r\n`;

  test.each([
    ['lcs a b', bulk('mytext')],
    ['lcs a b len', ':6\r\n'],
    ['lcs a absent', bulk('')],
    ['lcs a b idx', `*4\r\n${matches('')}`],
    ['lcs a b idx withmatchlen', `*4\r\n${matches(':4\r\n')}`],
    [
      'lcs a b idx minmatchlen 4',
      '*4\r\n$7\r\nmatches\r\n*1\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n$3\r\nlen\r\n:6\r\n',
    ],
    ['lcs a b len idx', '-ERR If you want both the length and indexes, please just use IDX.\r\n'],
    ['lcs a b foo', SYNTAX],
    ['lcs a hash', '-ERR The specified keys must contain string values\r\n'],
  ])('%s', (line, reply) => {
    expect(run(line)).toBe(reply);
  });

  test('a map in RESP3', () => {
    redis.protocol = 3;
    expect(run('lcs a b idx')).toBe(`%2\r\n${matches('')}`);
  });

  test('a table over the limit is refused', () => {
    run('setrange a 5000 x');
    run('setrange b 5000 x');
    expect(run('lcs a b')).toBe(
      '-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len\r\n',
    );
  });
});
