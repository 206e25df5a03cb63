import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isLinearizableByDefinition } from './brute-force.ts';
import type { Verdict } from './checker.ts';
import { checkLinearizable, describeViolation } from './checker.ts';
import { linearizableHistory } from './generate.ts';
import type { Operation, Reply } from './history.ts';
import { cacheModel, registerModel } from './model.ts';

let nextClient = 1;

/** `did('SET x', 0, 10, 'OK')`: called at 0, answered OK at 10. The key is k unless one is named. */
function did(text: string, callMs: number, returnMs: number, reply: Reply, key = 'k'): Operation {
  const [command, ...args] = text.split(' ');
  return { client: nextClient++, key, command, args, callMs, outcome: { kind: 'answered', returnMs, reply } };
}

/** Called, and never known to have run or not. */
function may(text: string, callMs: number, key = 'k'): Operation {
  return { ...did(text, callMs, callMs, null, key), outcome: { kind: 'unknown' } };
}

/** Called and refused for certain. */
function refused(text: string, callMs: number): Operation {
  return { ...may(text, callMs), outcome: { kind: 'not-run' } };
}

function check(history: readonly Operation[]): Verdict {
  return checkLinearizable(history, registerModel);
}

function verdict(...history: Operation[]): string {
  return check(history).verdict;
}

describe('a linearizable history', () => {
  test('of nothing is ok', () => {
    expect(check([])).toEqual({ verdict: 'ok', keys: 0, answered: 0, unknown: 0 });
  });

  test('of one client in turn', () => {
    const history = [
      did('GET', 0, 1, null),
      did('SET a', 2, 3, 'OK'),
      did('GET', 4, 5, 'a'),
      did('SETNX b', 6, 7, 0),
      did('GETSET 7', 8, 9, 'a'),
      did('INCR', 10, 11, 8),
      did('DEL', 12, 13, 1),
      did('GET', 14, 15, null),
    ];
    expect(check(history)).toEqual({ verdict: 'ok', keys: 1, answered: 8, unknown: 0 });
  });

  test('a read beside a write may see either value', () => {
    expect(verdict(did('SET a', 0, 10, 'OK'), did('GET', 2, 5, null))).toBe('ok');
    expect(verdict(did('SET a', 0, 10, 'OK'), did('GET', 2, 5, 'a'))).toBe('ok');
  });

  test('two writes at once may end either way', () => {
    const writes = [did('SET a', 0, 10, 'OK'), did('SET b', 0, 10, 'OK')];
    expect(verdict(...writes, did('GET', 20, 21, 'a'))).toBe('ok');
    expect(verdict(...writes, did('GET', 20, 21, 'b'))).toBe('ok');
  });

  test('calls at the very time of a return count as concurrent with it', () => {
    expect(verdict(did('SET a', 0, 10, 'OK'), did('GET', 10, 11, null))).toBe('ok');
  });

  test('a write of unknown outcome may be seen late, or never', () => {
    expect(verdict(may('SET a', 0), did('GET', 100, 101, null), did('GET', 200, 201, 'a'))).toBe('ok');
    expect(verdict(may('SET a', 0), did('GET', 100, 101, null), did('GET', 200, 201, null))).toBe('ok');
    expect(verdict(may('INCR', 0), may('INCR', 1), did('INCR', 100, 101, 2))).toBe('ok');
  });

  test('of several keys, each by itself', () => {
    const history = [did('SET a', 0, 1, 'OK', 'x'), did('GET', 2, 3, null, 'y'), did('GET', 4, 5, 'a', 'x')];
    expect(check(history)).toEqual({ verdict: 'ok', keys: 2, answered: 3, unknown: 0 });
  });
});

describe('a violation', () => {
  test('stale read: an acknowledged write is not seen', () => {
    expect(verdict(did('SET a', 0, 1, 'OK'), did('SET b', 2, 3, 'OK'), did('GET', 4, 5, 'a'))).toBe(
      'violation',
    );
  });

  test('reads that go back: a concurrent write is seen, then not', () => {
    expect(verdict(did('SET a', 0, 100, 'OK'), did('GET', 10, 11, 'a'), did('GET', 20, 21, null))).toBe(
      'violation',
    );
  });

  test('lost write: acknowledged, gone', () => {
    expect(verdict(did('SET a', 0, 1, 'OK'), did('GET', 2, 3, null))).toBe('violation');
  });

  test('lost update: two increments give the same number', () => {
    expect(verdict(did('INCR', 0, 10, 1), did('INCR', 0, 10, 1))).toBe('violation');
  });

  test('duplicate increment: a retry that ran twice', () => {
    expect(verdict(did('INCR', 0, 1, 1), did('INCR', 2, 3, 3))).toBe('violation');
  });

  test('two winners of one SETNX', () => {
    expect(verdict(did('SETNX a', 0, 10, 1), did('SETNX b', 0, 10, 1))).toBe('violation');
    expect(verdict(did('SET a NX', 0, 10, 'OK'), did('SET b NX', 0, 10, 'OK'))).toBe('violation');
  });

  test('back from the dead: deleted, then read', () => {
    const history = [
      did('SET a', 0, 1, 'OK'),
      did('DEL', 2, 3, 1),
      did('GET', 4, 5, null),
      did('GET', 6, 7, 'a'),
    ];
    expect(verdict(...history)).toBe('violation');
  });

  test('a value that nobody wrote', () => {
    expect(verdict(did('SET a', 0, 1, 'OK'), did('GET', 2, 3, 'z'))).toBe('violation');
  });

  test('a write of unknown outcome is seen, then not', () => {
    const history = [may('SET a', 0), did('GET', 1, 2, 'a'), did('GET', 3, 4, null)];
    expect(verdict(...history)).toBe('violation');
  });

  test('a write of unknown outcome takes effect once only', () => {
    expect(verdict(may('INCR', 0), did('INCR', 10, 11, 3))).toBe('violation');
    const back = [may('SET a', 0), did('GET', 1, 2, 'a'), did('SET b', 3, 4, 'OK'), did('GET', 5, 6, 'a')];
    expect(verdict(...back)).toBe('violation');
  });

  test('a write of unknown outcome is seen before it was sent', () => {
    expect(verdict(did('GET', 0, 1, 'a'), may('SET a', 2))).toBe('violation');
  });

  test('a write that was refused for certain is seen', () => {
    expect(verdict(refused('SET a', 0), did('GET', 1, 2, 'a'))).toBe('violation');
    expect(verdict(refused('SET a', 0), did('GET', 1, 2, null))).toBe('ok');
  });

  test('an error that the command cannot give', () => {
    const error = { error: 'ERR value is not an integer or out of range' };
    expect(verdict(did('SET a', 0, 1, 'OK'), did('INCR', 2, 3, error))).toBe('ok');
    expect(verdict(did('SET 1', 0, 1, 'OK'), did('INCR', 2, 3, error))).toBe('violation');
  });

  test('names key, state and what does not fit, and is told in words', () => {
    const bad = did('GET', 4, 5, 'a', 'bad');
    const history = [
      did('SET a', 0, 1, 'OK', 'bad'),
      did('SET b', 2, 3, 'OK', 'bad'),
      bad,
      did('GET', 0, 1, null, 'good'),
    ];
    const result = check(history);
    expect(result).toEqual({
      verdict: 'violation',
      key: 'bad',
      explained: [history[0], history[1]],
      state: 'b',
      unexplained: bad,
    });
    if (result.verdict !== 'violation') return;
    expect(describeViolation(result)).toContain('the key holds "b"');
    expect(describeViolation(result, 1)).toMatch(/\.\.\. 1 before\n.*SET bad b -> "OK" at 3/);
  });
});

describe('out of time or memory', () => {
  const hard = linearizableHistory({ seed: 5, operations: 3000, clients: 12, values: 2, unknownPercent: 5 });

  test('is unknown, never ok, and names the keys', () => {
    expect(checkLinearizable(hard, registerModel, { timeoutMs: 0 })).toEqual({
      verdict: 'unknown',
      keys: ['k'],
    });
    expect(checkLinearizable(hard, registerModel, { maxConfigurations: 100 })).toEqual({
      verdict: 'unknown',
      keys: ['k'],
    });
  });

  test('a violation on another key is reported all the same', () => {
    const history = [...hard, did('INCR', 0, 1, 2, 'other')];
    expect(checkLinearizable(history, registerModel, { maxConfigurations: 100 }).verdict).toBe('violation');
  });
});

test('an answer before its call is refused, not judged', () => {
  expect(() => check([did('GET', 5, 4, null)])).toThrow('before it was called');
  expect(() => check([did('GET', 5, NaN, null)])).toThrow('before it was called');
});

const anyOperation: fc.Arbitrary<Operation> = fc
  .record({
    text: fc.constantFrom('GET', 'GET', 'SET 1', 'SET 2', 'INCR', 'DEL', 'SETNX 1', 'GETSET 2', 'APPEND 1'),
    callMs: fc.nat(12),
    lastsMs: fc.nat(8),
    reply: fc.constantFrom<Reply>('OK', null, '1', '2', 0, 1, 2, 3),
    isUnknown: fc.integer({ min: 0, max: 2 }).map((dice) => dice === 0),
  })
  .map(({ text, callMs, lastsMs, reply, isUnknown }) =>
    isUnknown ? may(text, callMs) : did(text, callMs, callMs + lastsMs, plausible(text, reply)),
  );

/** Replies of the wrong kind make a history bad in a dull way: most are bent to what the command could say. */
function plausible(text: string, reply: Reply): Reply {
  if (text.startsWith('SET ')) return 'OK';
  if (/^(SETNX|DEL)/.test(text)) return Number(reply) > 0 ? 1 : 0;
  if (text === 'INCR') return Number(reply) || 1;
  return reply === 'OK' || reply === 0 || typeof reply === 'object' ? null : String(reply);
}

describe('against the definition', () => {
  test('the verdict on random small histories is that of trying all orders', () => {
    const verdicts = { ok: 0, violation: 0 };
    fc.assert(
      fc.property(fc.array(anyOperation, { minLength: 1, maxLength: 6 }), (history) => {
        const expected = isLinearizableByDefinition(history, registerModel) ? 'ok' : 'violation';
        expect(verdict(...history)).toBe(expected);
        verdicts[expected]++;
      }),
      { numRuns: 2500 },
    );
    // Both kinds must have come up in numbers, or this shows nothing.
    expect(Math.min(verdicts.ok, verdicts.violation)).toBeGreaterThan(250);
  });

  test('the verdict on small linearizable histories with one reply changed is that of trying all orders', () => {
    const replies = fc.constantFrom<Reply>('OK', null, '0', '1', 0, 1, 2);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), fc.nat(5), replies, (seed, index, reply) => {
        const history = linearizableHistory({
          seed,
          operations: 6,
          clients: 3,
          values: 2,
          unknownPercent: 15,
        });
        expect(verdict(...history)).toBe('ok');
        const { outcome } = history[index];
        if (outcome.kind === 'answered')
          history[index] = { ...history[index], outcome: { ...outcome, reply } };
        const expected = isLinearizableByDefinition(history, registerModel) ? 'ok' : 'violation';
        expect(verdict(...history)).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });
});

describe('300 operations of 10 clients on one key', () => {
  const seeds = [1, 2, 3, 4, 5, 6];
  // The effort allowed: some seconds' worth, but the same on a slow machine.
  const effort = { timeoutMs: Infinity, maxConfigurations: 400_000 };
  const cases = [0, 5].flatMap((unknownPercent) => seeds.map((seed) => ({ seed, unknownPercent })));
  const workload = { operations: 300, clients: 10, values: 4 };

  test.each(cases)('are found linearizable with little effort: %j', ({ seed, unknownPercent }) => {
    const history = linearizableHistory({ ...workload, seed, unknownPercent });
    expect(checkLinearizable(history, registerModel, { ...effort, maxConfigurations: 40_000 }).verdict).toBe(
      'ok',
    );
  });

  test.each(cases)('and one stale read at the end are found out: %j', ({ seed, unknownPercent }) => {
    const history = linearizableHistory({ ...workload, seed, unknownPercent: unknownPercent / 5 });
    const endMs = Math.max(...history.map(({ callMs }) => callMs)) + 100;
    history.push(
      did('SET old', endMs, endMs + 1, 'OK'),
      did('SET new', endMs + 2, endMs + 3, 'OK'),
      did('GET', endMs + 4, endMs + 5, 'old'),
    );
    expect(checkLinearizable(history, registerModel, effort).verdict).toBe('violation');
  });
});

describe('what one client sent on one connection', () => {
  const ordered = (...history: Operation[]): string => {
    for (const [i, operation] of history.entries()) if (i > 0) operation.after = history[i - 1];
    return verdict(...history);
  };

  test('takes effect in the order sent, though all of it was under way at once', () => {
    expect(verdict(did('SET a', 0, 9, 'OK'), did('GET', 0, 9, null))).toBe('ok');
    expect(ordered(did('SET a', 0, 9, 'OK'), did('GET', 0, 9, null))).toBe('violation');
    expect(ordered(did('SET a', 0, 9, 'OK'), did('GET', 0, 9, 'a'))).toBe('ok');
    expect(ordered(did('GET', 0, 9, null), did('SET a', 0, 9, 'OK'))).toBe('ok');
    expect(ordered(did('GET', 0, 9, 'a'), did('SET a', 0, 9, 'OK'))).toBe('violation');
  });

  test('also across one of unknown outcome, which may take effect later', () => {
    const unknown: Operation = { ...did('SET b', 0, 9, 'OK'), outcome: { kind: 'unknown' } };
    expect(ordered(did('SET a', 0, 9, 'OK'), { ...unknown }, did('GET', 0, 9, null))).toBe('violation');
    expect(ordered(did('SET a', 0, 9, 'OK'), { ...unknown }, did('GET', 0, 9, 'a'))).toBe('ok');
    expect(ordered(did('SET a', 0, 9, 'OK'), { ...unknown }, did('GET', 0, 9, 'b'))).toBe('ok');
    const read = did('GET', 10, 11, 'b');
    expect(ordered(did('SET a', 0, 9, 'OK'), { ...unknown }, did('GET', 0, 9, 'a'), read)).toBe('ok');
  });
});

describe('a cache', () => {
  const cache = (...history: Operation[]): string => checkLinearizable(history, cacheModel).verdict;

  test('may forget at any time, also while it is read', () => {
    expect(cache(did('SET a', 0, 1, 'OK'), did('GET', 2, 3, 'a'), did('GET', 4, 5, null))).toBe('ok');
    expect(cache(did('SET a', 0, 1, 'OK'), did('GET', 2, 9, null), did('GET', 3, 4, 'a'))).toBe('ok');
    expect(cache(did('SET a', 0, 1, 'OK'), did('DEL', 2, 3, 0))).toBe('ok');
  });

  test('remembers nothing that it had forgotten', () => {
    expect(cache(did('SET a', 0, 1, 'OK'), did('GET', 2, 3, null), did('GET', 4, 5, 'a'))).toBe('violation');
    expect(cache(did('SET a', 0, 1, 'OK'), did('SET b', 2, 3, 'OK'), did('GET', 4, 5, 'a'))).toBe(
      'violation',
    );
  });
});
