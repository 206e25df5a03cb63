/** The documented replies of the commands on keys of any type. */
import { beforeEach, describe, expect, test } from 'vitest';

import { CommandRunner } from './command-runner.ts';
import { parseReply } from '../differential/reply.ts';

const OK = '+OK\r\n';
const NULL = '$-1\r\n';
const SYNTAX = '-ERR syntax error\r\n';
const NOT_INTEGER = '-ERR value is not an integer or out of range\r\n';

let redis: CommandRunner;

function run(line: string): string {
  return redis.run(...line.split(' '));
}

beforeEach(() => {
  redis = new CommandRunner();
  for (const line of ['set text hello', 'set number 10', 'hset hash f v', 'set fading x px 60000']) run(line);
});

describe('replies', () => {
  const both = '-ERR NX and XX, GT or LT options at the same time are not compatible\r\n';
  test.each([
    ['del text hash absent text', ':2\r\n'],
    ['unlink text absent', ':1\r\n'],
    ['exists text text absent', ':2\r\n'],
    ['touch text hash absent', ':2\r\n'],
    ['type text', '+string\r\n'],
    ['type hash', '+hash\r\n'],
    ['type absent', '+none\r\n'],
    ['expire absent 10', ':0\r\n'],
    ['expire text 10', ':1\r\n'],
    ['expire text x', NOT_INTEGER],
    ['expire text 9223372036854775807', "-ERR invalid expire time in 'expire' command\r\n"],
    ['pexpire text 9223372036854775807', "-ERR invalid expire time in 'pexpire' command\r\n"],
    ['expireat text 9223372036854775807', "-ERR invalid expire time in 'expireat' command\r\n"],
    ['pexpireat text 9223372036854775807', ':1\r\n'],
    ['expire text 10 nx', ':1\r\n'],
    ['expire text 10 xx', ':0\r\n'],
    ['expire text 10 gt', ':0\r\n'],
    ['expire text 10 lt', ':1\r\n'],
    ['expire fading 10 NX', ':0\r\n'],
    ['expire fading 10 xx', ':1\r\n'],
    ['expire fading 10 gt', ':0\r\n'],
    ['expire fading 60 gt', ':0\r\n'],
    ['expire fading 61 gt', ':1\r\n'],
    ['expire fading 60 lt', ':0\r\n'],
    ['expire fading 59 xx lt', ':1\r\n'],
    ['expire text 10 nx xx', both],
    ['expire text 10 nx gt', both],
    ['expire text 10 gt lt', '-ERR GT and LT options at the same time are not compatible\r\n'],
    ['expire text 10 foo', '-ERR Unsupported option foo\r\n'],
    ['expire text x foo', '-ERR Unsupported option foo\r\n'],
    ['ttl absent', ':-2\r\n'],
    ['ttl text', ':-1\r\n'],
    ['ttl fading', ':60\r\n'],
    ['pttl fading', ':60000\r\n'],
    ['expiretime fading', ':1700000060\r\n'],
    ['pexpiretime fading', ':1700000060000\r\n'],
    ['expiretime text', ':-1\r\n'],
    ['persist fading', ':1\r\n'],
    ['persist text', ':0\r\n'],
    ['persist absent', ':0\r\n'],
    ['rename text new', OK],
    ['rename text text', OK],
    ['rename absent new', '-ERR no such key\r\n'],
    ['rename absent absent', '-ERR no such key\r\n'],
    ['renamenx text number', ':0\r\n'],
    ['renamenx text text', ':0\r\n'],
    ['renamenx text new', ':1\r\n'],
    ['copy text new', ':1\r\n'],
    ['copy text number', ':0\r\n'],
    ['copy text number replace', ':1\r\n'],
    ['copy absent new', ':0\r\n'],
    ['copy text text', '-ERR source and destination objects are the same\r\n'],
    ['copy text text db 1', ':1\r\n'],
    ['copy text new db 16', '-ERR DB index is out of range\r\n'],
    ['copy text new db x', NOT_INTEGER],
    [
      'copy text new db 2147483648',
      '-ERR value is out of range, value must between -2147483648 and 2147483647\r\n',
    ],
    ['copy text new foo', SYNTAX],
    ['dbsize', ':4\r\n'],
    ['flushdb', OK],
    ['flushall async', OK],
    ['flushall SYNC', OK],
    ['flushall now', SYNTAX],
    ['flushdb sync async', SYNTAX],
    ['keys t*', '*1\r\n$4\r\ntext\r\n'],
    ['keys nothing', '*0\r\n'],
    ['scan x', '-ERR invalid cursor\r\n'],
    ['scan 18446744073709551616', '-ERR invalid cursor\r\n'],
    ['scan 18446744073709551615', '*2\r\n$1\r\n0\r\n*0\r\n'],
    ['scan 0 count 0', SYNTAX],
    ['scan 0 count x', NOT_INTEGER],
    ['scan 0 count', SYNTAX],
    ['scan 0 type hash', '*2\r\n$1\r\n0\r\n*1\r\n$4\r\nhash\r\n'],
    ['scan 0 match n* count 100', '*2\r\n$1\r\n0\r\n*1\r\n$6\r\nnumber\r\n'],
    ['scan 0 type nonsense', '*2\r\n$1\r\n0\r\n*0\r\n'],
    ['object encoding hash', '$8\r\nlistpack\r\n'],
    ['object encoding absent', NULL],
    ['object refcount text', ':1\r\n'],
    ['object refcount number', ':2147483647\r\n'],
    ['object idletime absent', NULL],
    ['memory usage absent', NULL],
    ['memory usage text samples x', NOT_INTEGER],
    ['memory usage text samples -1', SYNTAX],
    ['memory usage text foo 1', SYNTAX],
  ])('%s', (line, reply) => {
    expect(run(line)).toBe(reply);
  });

  test('null in RESP3', () => {
    redis.protocol = 3;
    expect(run('object encoding absent')).toBe('_\r\n');
    run('flushall');
    expect(run('randomkey')).toBe('_\r\n');
  });

  test('FREQ and IDLETIME need the policy that tracks them', () => {
    expect(run('object idletime text')).toMatch(/^:\d+\r\n$/);
    expect(run('object freq text')).toMatch(
      /^-ERR An LFU maxmemory policy is not selected, access frequency not tracked/,
    );
    redis.context.lfu = true;
    expect(run('object freq text')).toMatch(/^:\d+\r\n$/);
    expect(run('object idletime text')).toMatch(
      /^-ERR An LFU maxmemory policy is selected, idle time not tracked/,
    );
  });

  test('HELP as Redis 7.2 words it', () => {
    expect(run('object help')).toMatch(
      /^\*15\r\n\+OBJECT <subcommand> .*\+HELP\r\n\+ {4}Print this help\.\r\n$/s,
    );
  });
});

describe('effects', () => {
  test.each([
    'expire fading 0',
    'expire fading -1',
    'pexpireat fading 1',
    'expireat fading -9223372036854775',
  ])('%s removes the key', (line) => {
    expect(run(line)).toBe(':1\r\n');
    expect(run('exists fading')).toBe(':0\r\n');
  });

  test('RENAME and COPY take the expiry along and replace the target', () => {
    run('rename fading number');
    expect(run('pttl number')).toBe(':60000\r\n');
    run('copy number text replace');
    expect(run('pttl text')).toBe(':60000\r\n');
    run('copy hash other');
    run('hset other f w');
    expect(run('hget hash f')).toBe('$1\r\nv\r\n');
  });

  test('an expired target or source counts as absent', () => {
    redis.timeMs += 60_000;
    expect(run('renamenx text fading')).toBe(':1\r\n');
    run('set fading x px 1');
    redis.timeMs += 1;
    expect(run('copy number fading')).toBe(':1\r\n');
  });

  test('log time has fractions, expiries have none', () => {
    redis.timeMs += 0.7;
    for (const line of ['expire text 10', 'set a x px 10000', 'psetex b 10000 x', 'set c x ex 10']) run(line);
    for (const key of ['text', 'a', 'b', 'c']) {
      expect(run(`pttl ${key}`)).toBe(':10000\r\n');
      expect(run(`pexpiretime ${key}`)).toBe(':1700000010000\r\n');
    }
    expect(run('expire text 9007199254740')).toBe(':1\r\n');
    redis.timeMs += 9999.2;
    expect(run('exists a b c')).toBe(':3\r\n');
    redis.timeMs += 0.2;
    expect(run('exists a b c')).toBe(':0\r\n');
  });

  test('databases are apart, and FLUSHALL empties all', () => {
    run('copy text text db 3');
    redis.context.db = 3;
    expect(run('keys *')).toBe('*1\r\n$4\r\ntext\r\n');
    run('flushdb');
    redis.context.db = 0;
    expect(run('dbsize')).toBe(':4\r\n');
    run('copy text text db 3');
    run('flushall');
    redis.context.db = 3;
    expect(run('dbsize')).toBe(':0\r\n');
  });
});

describe('SCAN', () => {
  function scanAll(...options: string[]): string[] {
    const found: string[] = [];
    let cursor = '0';
    do {
      const reply = parseReply(Buffer.from(redis.run('scan', cursor, ...options), 'latin1'), 0);
      cursor = reply?.children[0].text ?? '0';
      for (const key of reply?.children[1].children ?? []) found.push(key.text ?? '');
    } while (cursor !== '0');
    return found.sort();
  }

  test('a whole scan finds each key once, whatever the count', () => {
    const names = Array.from({ length: 100 }, (_, i) => `key:${i}`);
    for (const name of names) redis.run('set', name, 'x');
    for (const count of ['1', '7', '1000', '9223372036854775807']) {
      expect(scanAll('count', count, 'match', 'key:*')).toEqual([...names].sort());
    }
  });

  test('at the end of the run of slots the cursor goes on behind it', () => {
    redis.context.scanTo = 4095;
    expect(run('scan 0 count 1000')).toMatch(new RegExp(`^\\*2\\r\\n\\$14\\r\\n${4096 * 2 ** 32}\\r\\n`));
    redis.context.scanTo = 16383;
    expect(run(`scan ${4096 * 2 ** 32} count 1000`)).toMatch(/^\*2\r\n\$1\r\n0\r\n/);
  });
});

test('SCAN and HSCAN examine a limited number of items a call, whatever COUNT says, and miss none', () => {
  for (let i = 0; i < 5000; i++) run(`hset big field${i} ${i}`);
  for (let i = 0; i < 5000; i++) run(`set key${i} v`);
  for (const [command, wanted] of [
    ['scan', 5005],
    ['hscan big', 10_000],
  ] as const) {
    let found = 0;
    let cursor = '0';
    let calls = 0;
    do {
      const page = parseReply(Buffer.from(run(`${command} ${cursor} count 1000000`)), 0);
      const elements = page?.children[1].children ?? [];
      expect(elements.length).toBeLessThanOrEqual(2 * 2200);
      found += elements.length;
      cursor = page?.children[0].text ?? '';
      calls += 1;
    } while (cursor !== '0');
    expect(calls).toBeGreaterThan(2);
    expect(found).toBe(wanted);
  }
});
