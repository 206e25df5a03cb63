/** What a leader counts at each acknowledgement, against plain lists. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';

import { Inflight } from '../../src/raft/inflight.ts';
import { isQuorum, quorumValue } from '../../src/raft/quorum.ts';
import { Rounds } from '../../src/raft/rounds.ts';

const MAX_MESSAGES = 200;
const MAX_BYTES = 5000;

it('appends in flight are those that were added and not answered, however many came and went', () => {
  const step = fc.record({
    kind: fc.constantFrom('add', 'add', 'add', 'free', 'free', 'clear'),
    count: fc.integer({ min: 1, max: 90 }),
    sizeBytes: fc.nat(40),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const inflight = new Inflight(MAX_MESSAGES, MAX_BYTES);
      let model: { index: number; sizeBytes: number }[] = [];
      let last = 0;
      let answered = 0;
      for (const { kind, count, sizeBytes } of steps) {
        if (kind === 'add') {
          for (let i = 0; i < count; i++) {
            last += 1 + (i % 3);
            inflight.add(last, sizeBytes);
            model.push({ index: last, sizeBytes });
          }
        } else if (kind === 'free') {
          answered = Math.min(last, answered + count);
          inflight.freeTo(answered);
          model = model.filter(({ index }) => index > answered);
        } else if (count < 20) {
          inflight.clear();
          model = [];
          // As after a refusal: the same indexes go out again.
          last = answered;
        }
        const bytes = model.reduce((sum, each) => sum + each.sizeBytes, 0);
        expect([inflight.messages, inflight.bytes]).toEqual([model.length, bytes]);
        expect(inflight.isFull).toBe(model.length >= MAX_MESSAGES || bytes >= MAX_BYTES);
      }
    }),
    { numRuns: 200 },
  );
});

it('a round is told as it was sent until a later one is passed', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(40), fc.nat(60)), { maxLength: 60, size: 'max' }), (steps) => {
      const rounds = new Rounds();
      let confirmed = 0;
      for (const [sent, acknowledged] of steps) {
        for (let i = 0; i < sent; i++) {
          const number = rounds.last + 1;
          expect(rounds.start(number * 10, number * 100, number).number).toBe(number);
        }
        confirmed = Math.min(rounds.last, confirmed + acknowledged);
        if (confirmed === 0) continue;
        rounds.forgetBefore(confirmed);
        for (let number = confirmed; number <= rounds.last; number++)
          expect(rounds.get(number)).toMatchObject({ number, sentMonotonicMs: number * 10, timeMs: number });
      }
    }),
    { numRuns: 200 },
  );
});

it('a quorum has reached what more than half of each set of voters has', () => {
  const value = fc.oneof(fc.nat(5), fc.constantFrom(-Infinity, 0, 2 ** 40, 2 ** 40 + 0.5));
  const voters = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 7 });
  fc.assert(
    fc.property(
      voters,
      fc.oneof(fc.constant([]), voters),
      fc.array(value, { minLength: 10, maxLength: 10 }),
      (now, old, values) => {
        const membership = { voters: now, votersOld: old, learners: [] };
        const least = (members: readonly number[]): number =>
          Math.max(
            ...values.filter(
              (wanted) => members.filter((member) => values[member] >= wanted).length * 2 > members.length,
            ),
            -Infinity,
          );
        const expected = old.length === 0 ? least(now) : Math.min(least(now), least(old));
        expect(quorumValue(membership, (member) => values[member])).toBe(expected);
        for (const wanted of values)
          expect(isQuorum(membership, (member) => values[member] >= wanted)).toBe(expected >= wanted);
      },
    ),
    { numRuns: 300 },
  );
});
