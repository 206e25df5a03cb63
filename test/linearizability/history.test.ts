import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Operation } from './history.ts';
import { readHistory, writeHistory } from './history.ts';

const time = fc.double({ min: 0, max: 1e6, noNaN: true }).map((value) => Math.abs(value));
const anyReply = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.constant(null),
  fc.record({ error: fc.string() }, { noNullPrototype: true }),
);
const anyOutcome = (callMs: number): fc.Arbitrary<Operation['outcome']> =>
  fc.oneof(
    fc
      .tuple(time, anyReply)
      .map(([lastsMs, reply]) => ({ kind: 'answered' as const, returnMs: callMs + lastsMs, reply })),
    fc.constant({ kind: 'unknown' as const }),
    fc.constant({ kind: 'not-run' as const }),
  );
const anyOperation: fc.Arbitrary<Operation> = time.chain((callMs) =>
  fc.record(
    {
      client: fc.nat(),
      key: fc.string({ unit: 'grapheme' }),
      command: fc.constantFrom('GET', 'SET'),
      args: fc.array(fc.string({ unit: 'grapheme' })),
      callMs: fc.constant(callMs),
      outcome: anyOutcome(callMs),
    },
    { noNullPrototype: true },
  ),
);

describe('a history in lines', () => {
  test('is read back as it was written', () => {
    fc.assert(
      fc.property(fc.array(anyOperation), (history) => {
        const text = writeHistory(history);
        expect(text.split('\n').length).toBe(history.length + 1);
        expect(readHistory(text)).toEqual(history);
      }),
    );
  });

  test('may be made of pieces that were appended', () => {
    fc.assert(
      fc.property(fc.array(anyOperation), fc.array(anyOperation), (first, second) => {
        expect(readHistory(writeHistory(first) + writeHistory(second))).toEqual([...first, ...second]);
      }),
      { numRuns: 20 },
    );
  });

  const good = '{"client":1,"key":"k","command":"GET","args":[],"callMs":5,"outcome":{"kind":"unknown"}}';

  test.each([
    ['a torn line', good.slice(0, -3)],
    ['a missing field', good.replace('"client":1,', '')],
    ['a field too many', good.replace('{"client"', '{"more":1,"client"')],
    ['an unknown outcome kind', good.replace('"unknown"', '"lost"')],
    ['an answer without a time', good.replace('{"kind":"unknown"}', '{"kind":"answered","reply":null}')],
    [
      'an answer before the call',
      good.replace('{"kind":"unknown"}', '{"kind":"answered","returnMs":4,"reply":null}'),
    ],
  ])('with %s is refused whole, naming the line', (_, bad) => {
    expect(readHistory(`${good}\n`)).toHaveLength(1);
    expect(() => readHistory(`${good}\n${bad}\n${good}\n`)).toThrow('line 2 is no operation');
  });
});
