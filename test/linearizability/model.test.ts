import { describe, expect, test } from 'vitest';
import type { State } from './model.ts';
import { registerModel } from './model.ts';

const notInteger = { error: 'ERR value is not an integer or out of range' };
const overflow = { error: 'ERR increment or decrement would overflow' };

/** What Redis answers and keeps, row by row. */
const rows: [before: State, call: string, after: State, reply: unknown][] = [
  [null, 'GET', null, null],
  ['a', 'GET', 'a', 'a'],
  [null, 'EXISTS', null, 0],
  ['a', 'EXISTS', 'a', 1],
  [null, 'STRLEN', null, 0],
  ['äb', 'STRLEN', 'äb', 3],
  [null, 'SET x', 'x', 'OK'],
  ['a', 'SET x', 'x', 'OK'],
  ['a', 'SET x NX', 'a', null],
  [null, 'SET x NX', 'x', 'OK'],
  [null, 'SET x XX', null, null],
  ['a', 'SET x XX', 'x', 'OK'],
  ['a', 'SET x GET', 'x', 'a'],
  ['a', 'SET x NX GET', 'a', 'a'],
  [null, 'SET x NX GET', 'x', null],
  [null, 'SETNX x', 'x', 1],
  ['a', 'SETNX x', 'a', 0],
  ['a', 'GETSET x', 'x', 'a'],
  ['a', 'GETDEL', null, 'a'],
  ['a', 'DEL', null, 1],
  [null, 'DEL', null, 0],
  ['a', 'APPEND bc', 'abc', 3],
  [null, 'APPEND bc', 'bc', 2],
  [null, 'INCR', '1', 1],
  ['-1', 'INCR', '0', 0],
  [null, 'DECR', '-1', -1],
  ['5', 'INCRBY 37', '42', 42],
  ['a', 'INCR', 'a', notInteger],
  ['01', 'INCR', '01', notInteger],
  ['-0', 'INCR', '-0', notInteger],
  ['9223372036854775808', 'INCR', '9223372036854775808', notInteger],
  ['9223372036854775807', 'INCR', '9223372036854775807', overflow],
  ['-9223372036854775808', 'DECR', '-9223372036854775808', overflow],
  ['5', 'INCRBY x', '5', notInteger],
];

describe('the register', () => {
  test.each(rows)('holding %j, told %j, holds %j and answers %j', (before, call, after, reply) => {
    const [command, ...args] = call.split(' ');
    expect(registerModel.apply(before, command, args)).toEqual({ state: after, reply });
  });

  test('knows no other command and no other option, rather than guess', () => {
    expect(() => registerModel.apply(null, 'LPUSH', ['x'])).toThrow('knows no command LPUSH');
    expect(() => registerModel.apply(null, 'SET', ['x', 'EX', '5'])).toThrow('knows no SET option EX');
  });
});
