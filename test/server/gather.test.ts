import { describe, expect, it } from 'vitest';

import type { Connection } from '../../src/server/connection.ts';
import { Gather } from '../../src/server/gather.ts';
import type { Merge } from '../../src/server/merged-reply.ts';
import { Request } from '../../src/server/request.ts';

/** What a command becomes whose parts are answered in this order: `answers[i]` is [part, reply]. */
function gathered(
  merge: Merge,
  isWrite: boolean,
  answers: readonly (readonly [number, string])[],
  order: readonly number[] = [],
): string {
  let result = '';
  let parts = 0;
  const connection = {
    protocol: 2,
    partFinished: () => (parts += 1),
    keepPart: () => undefined,
  } as unknown as Connection;
  const gather = new Gather(connection, new Request(), merge, isWrite, answers.length, order, (_, reply) => {
    result = reply.buffer.toString('latin1', 0, reply.size);
  });
  for (const [part, text] of answers) {
    expect(result).toBe('');
    const request = new Request();
    request.part = part;
    request.replyBytes = Buffer.from(`??${text}??`);
    request.replyStart = 2;
    request.replyEnd = 2 + text.length;
    gather.finished(request);
  }
  expect(parts).toBe(answers.length);
  return result;
}

describe('a command over several shards', () => {
  it('sums, puts elements in order, joins, or says OK, whichever part answers first', () => {
    expect(
      gathered('sum', true, [
        [1, ':2\r\n'],
        [0, ':40\r\n'],
      ]),
    ).toBe(':42\r\n');
    const elements = [
      [1, '*1\r\n$2\r\n\r\n\r\n'],
      [0, '*2\r\n$-1\r\n$1\r\nc\r\n'],
    ] as const;
    expect(gathered('array', false, elements, [0, 1, 0])).toBe('*3\r\n$-1\r\n$2\r\n\r\n\r\n$1\r\nc\r\n');
    expect(
      gathered('concat', false, [
        [1, '*1\r\n$1\r\nb\r\n'],
        [0, '*0\r\n'],
      ]),
    ).toBe('*1\r\n$1\r\nb\r\n');
    expect(
      gathered('ok', true, [
        [1, '+OK\r\n'],
        [0, '+OK\r\n'],
      ]),
    ).toBe('+OK\r\n');
  });

  it('is of unknown outcome when a part is, or when some parts ran and others did not', () => {
    const down = '-CLUSTERDOWN no\r\n';
    const unknown = '-INDETERMINATE maybe\r\n';
    expect(
      gathered('sum', true, [
        [0, down],
        [1, unknown],
      ]),
    ).toBe(unknown);
    expect(
      gathered('sum', true, [
        [0, ':1\r\n'],
        [1, down],
      ]),
    ).toMatch(/^-INDETERMINATE /);
    expect(
      gathered('sum', true, [
        [0, down],
        [1, down],
      ]),
    ).toBe(down);
    expect(
      gathered('sum', false, [
        [0, ':1\r\n'],
        [1, down],
      ]),
    ).toBe(down);
  });
});
