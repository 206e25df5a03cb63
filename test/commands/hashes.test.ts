/** The documented replies of the hash commands. */
import { beforeEach, describe, expect, test } from 'vitest';

import { parseReply } from '../differential/reply.ts';
import { CommandRunner } from './command-runner.ts';

const NULL = '$-1\r\n';
const WRONG_TYPE = '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n';
const SYNTAX = '-ERR syntax error\r\n';
const NOT_INTEGER = '-ERR value is not an integer or out of range\r\n';

let redis: CommandRunner;

function bulk(...texts: string[]): string {
  return texts.map((text) => `$${text.length}\r\n${text}\r\n`).join('');
}

function run(line: string): string {
  return redis.run(...line.split(' '));
}

function texts(reply: string): string[] {
  const children = parseReply(Buffer.from(reply, 'latin1'), 0)?.children ?? [];
  return children.map(({ text }) => text ?? '');
}

beforeEach(() => {
  redis = new CommandRunner();
  for (const line of ['hset hash a 1 b text c 2.5', 'set text hello']) run(line);
});

describe('replies', () => {
  test.each([
    ['hset hash a 2 d 4', ':1\r\n'],
    ['hset new a 1 a 2', ':1\r\n'],
    ['hset hash a', "-ERR wrong number of arguments for 'hset' command\r\n"],
    ['hset hash a 1 b', "-ERR wrong number of arguments for 'hset' command\r\n"],
    ['hset text a 1', WRONG_TYPE],
    ['hmset hash a 2 d 4', '+OK\r\n'],
    ['hmset text a 1 b', "-ERR wrong number of arguments for 'hmset' command\r\n"],
    ['hsetnx hash a 2', ':0\r\n'],
    ['hsetnx hash d 2', ':1\r\n'],
    ['hsetnx new d 2', ':1\r\n'],
    ['hsetnx text d 2', WRONG_TYPE],
    ['hget hash b', bulk('text')],
    ['hget hash x', NULL],
    ['hget absent a', NULL],
    ['hget text a', WRONG_TYPE],
    ['hmget hash a x c', `*3\r\n${bulk('1')}${NULL}${bulk('2.5')}`],
    ['hmget absent a b', `*2\r\n${NULL}${NULL}`],
    ['hmget text a', WRONG_TYPE],
    ['hgetall hash', `*6\r\n${bulk('a', '1', 'b', 'text', 'c', '2.5')}`],
    ['hgetall absent', '*0\r\n'],
    ['hgetall text', WRONG_TYPE],
    ['hkeys hash', `*3\r\n${bulk('a', 'b', 'c')}`],
    ['hvals hash', `*3\r\n${bulk('1', 'text', '2.5')}`],
    ['hkeys absent', '*0\r\n'],
    ['hdel hash a x b', ':2\r\n'],
    ['hdel absent a', ':0\r\n'],
    ['hdel text a', WRONG_TYPE],
    ['hexists hash a', ':1\r\n'],
    ['hexists hash x', ':0\r\n'],
    ['hexists absent x', ':0\r\n'],
    ['hlen hash', ':3\r\n'],
    ['hlen absent', ':0\r\n'],
    ['hlen text', WRONG_TYPE],
    ['hstrlen hash b', ':4\r\n'],
    ['hstrlen hash x', ':0\r\n'],
    ['hincrby hash a 5', ':6\r\n'],
    ['hincrby hash new -5', ':-5\r\n'],
    ['hincrby absent f 9223372036854775807', ':9223372036854775807\r\n'],
    ['hincrby hash a 9223372036854775807', '-ERR increment or decrement would overflow\r\n'],
    ['hincrby hash b 1', '-ERR hash value is not an integer\r\n'],
    ['hincrby hash a x', NOT_INTEGER],
    ['hincrby text a 1', WRONG_TYPE],
    ['hincrbyfloat hash c 0.1', bulk('2.6')],
    ['hincrbyfloat absent f 1e2', bulk('100')],
    ['hincrbyfloat hash b 1', '-ERR hash value is not a float\r\n'],
    ['hincrbyfloat hash a x', '-ERR value is not a valid float\r\n'],
    ['hincrbyfloat hash a inf', '-ERR value is NaN or Infinity\r\n'],
    ['hincrbyfloat text a 1', WRONG_TYPE],
    ['hscan hash 0', `*2\r\n${bulk('0')}*6\r\n${bulk('a', '1', 'b', 'text', 'c', '2.5')}`],
    ['hscan hash 0 match [ab] count 1', `*2\r\n${bulk('0')}*4\r\n${bulk('a', '1', 'b', 'text')}`],
    ['hscan absent 0 foo', `*2\r\n${bulk('0')}*0\r\n`],
    ['hscan hash 0 foo', SYNTAX],
    ['hscan hash 0 novalues', SYNTAX],
    ['hscan hash 0 type hash', SYNTAX],
    ['hscan hash 0 count 0', SYNTAX],
    ['hscan hash x', '-ERR invalid cursor\r\n'],
    ['hscan text 0', WRONG_TYPE],
    ['hrandfield absent', NULL],
    ['hrandfield absent 3', '*0\r\n'],
    ['hrandfield hash 0', '*0\r\n'],
    ['hrandfield hash 3', `*3\r\n${bulk('a', 'b', 'c')}`],
    ['hrandfield hash 10 withvalues', `*6\r\n${bulk('a', '1', 'b', 'text', 'c', '2.5')}`],
    ['hrandfield hash x', NOT_INTEGER],
    ['hrandfield hash 1 foo', SYNTAX],
    ['hrandfield hash 1 withvalues x', SYNTAX],
    ['hrandfield hash 4611686018427387904 withvalues', '-ERR value is out of range\r\n'],
    [
      'hrandfield hash -9223372036854775808',
      '-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807\r\n',
    ],
    ['hrandfield hash -1000000000', '-ERR value is out of range\r\n'],
    ['hrandfield text', WRONG_TYPE],
    ['hrandfield text 1', WRONG_TYPE],
  ])('%s', (line, reply) => {
    expect(run(line)).toBe(reply);
  });

  test.each([
    ['hgetall hash', `%3\r\n${bulk('a', '1', 'b', 'text', 'c', '2.5')}`],
    ['hgetall absent', '%0\r\n'],
    ['hget hash x', '_\r\n'],
    ['hmget hash a x', `*2\r\n${bulk('1')}_\r\n`],
    [
      'hrandfield hash 5 withvalues',
      `*3\r\n*2\r\n${bulk('a', '1')}*2\r\n${bulk('b', 'text')}*2\r\n${bulk('c', '2.5')}`,
    ],
    ['hrandfield absent', '_\r\n'],
    ['hincrbyfloat hash c 1', bulk('3.5')],
  ])('RESP3: %s', (line, reply) => {
    redis.protocol = 3;
    expect(run(line)).toBe(reply);
  });
});

describe('effects', () => {
  test('a hash without fields is gone', () => {
    expect(run('hdel hash a b c d')).toBe(':3\r\n');
    expect(run('exists hash')).toBe(':0\r\n');
  });

  test('a refused command makes no hash', () => {
    for (const line of ['hincrby new f x', 'hincrbyfloat new f x', 'hincrbyfloat new f inf', 'hset new f'])
      run(line);
    expect(run('exists new')).toBe(':0\r\n');
  });

  test('writes keep the expiry', () => {
    run('pexpire hash 5000');
    for (const line of ['hset hash a 2', 'hdel hash a', 'hincrby hash n 1', 'hincrbyfloat hash n 1'])
      run(line);
    expect(run('pttl hash')).toBe(':5000\r\n');
  });

  test('an expired hash is a new one for a write', () => {
    run('pexpire hash 5000');
    redis.timeMs += 5000;
    expect(run('hset hash x 1')).toBe(':1\r\n');
    expect(run('hgetall hash')).toBe(`*2\r\n${bulk('x', '1')}`);
    expect(run('ttl hash')).toBe(':-1\r\n');
  });

  test('long fields make a hash table', () => {
    run(`hset hash long ${'x'.repeat(65)}`);
    expect(run('object encoding hash')).toBe(bulk('hashtable'));
  });

  test('a large hash is scanned in parts, each field once or more', () => {
    for (let i = 0; i < 600; i++) redis.run('hset', 'large', `f${i}`, i);
    const found = new Set<string>();
    let cursor = '0';
    let calls = 0;
    do {
      const reply = parseReply(Buffer.from(run(`hscan large ${cursor} count 50`), 'latin1'), 0);
      cursor = reply?.children[0].text ?? '0';
      for (const [i, { text }] of (reply?.children[1].children ?? []).entries())
        if (i % 2 === 0) found.add(text ?? '');
      calls += 1;
    } while (cursor !== '0');
    expect(found.size).toBe(600);
    expect(calls).toBeGreaterThan(5);
  });
});

describe('HRANDFIELD', () => {
  beforeEach(() => {
    for (let i = 0; i < 20; i++) redis.run('hset', 'many', `f${i}`, i);
  });

  test.each([1, 3, 6, 7, 13, 19])('%i distinct fields of 20', (count) => {
    const fields = texts(run(`hrandfield many ${count}`));
    expect(new Set(fields).size).toBe(count);
  });

  test('a negative count repeats', () => {
    const fields = texts(run('hrandfield many -100'));
    expect(fields.length).toBe(100);
    expect(new Set(fields).size).toBeLessThanOrEqual(20);
  });

  test('values belong to their fields', () => {
    for (const count of [2, 15, -10]) {
      const pairs = texts(run(`hrandfield many ${count} withvalues`));
      for (let i = 0; i < pairs.length; i += 2) expect(pairs[i]).toBe(`f${pairs[i + 1]}`);
    }
  });

  test.each(['hrandfield many', 'hrandfield many 2', 'hrandfield many 10', 'hrandfield many -5'])(
    '%s: each field has the same chance',
    (line) => {
      const counts = new Map<string, number>();
      let total = 0;
      for (let i = 0; i < 2000; i++) {
        const reply = run(line);
        const fields = reply.startsWith('$') ? [reply.split('\r\n')[1]] : texts(reply);
        for (const field of fields) counts.set(field, (counts.get(field) ?? 0) + 1);
        total += fields.length;
      }
      expect(counts.size).toBe(20);
      for (const count of counts.values()) expect(Math.abs(count / (total / 20) - 1)).toBeLessThan(0.4);
    },
  );
});
