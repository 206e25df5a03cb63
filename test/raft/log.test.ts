import { array, assert, constant, double, integer, oneof, property, record } from 'fast-check';
import { describe, expect, it } from 'vitest';

import { RaftLog } from '../../src/raft/log.ts';
import { quorumValue } from '../../src/raft/quorum.ts';
import { entriesOf } from './rig.ts';

describe('the log in memory (correctness.md 1.2, #21)', () => {
  it('agrees with a plain list under appends, truncations and compactions', () => {
    const operation = oneof(
      record({ kind: constant('append' as const), count: integer({ min: 1, max: 4 }) }),
      record({ kind: constant('truncate' as const), part: double({ min: 0, max: 1, noNaN: true }) }),
      record({ kind: constant('compact' as const), part: double({ min: 0, max: 1, noNaN: true }) }),
    );
    assert(
      property(array(operation, { maxLength: 40 }), (operations) => {
        const log = new RaftLog(0, 0, 1);
        const terms = [0];
        let base = 0;
        let term = 1;
        for (const op of operations) {
          const length = terms.length - 1 - base;
          if (op.kind === 'append') {
            term++;
            for (const entry of entriesOf(Array(op.count).fill(term), terms.length)) {
              log.append(entry);
              terms.push(term);
            }
          } else if (op.kind === 'truncate' && length > 0) {
            const from = base + 1 + Math.min(length - 1, Math.floor(op.part * length));
            log.truncateFrom(from);
            terms.length = from;
          } else if (op.kind === 'compact') {
            base += Math.floor(op.part * length);
            log.compact(base);
          }
          expect([log.firstIndex, log.lastIndex]).toEqual([base + 1, terms.length - 1]);
          expect(log.bytes).toBe(40 * (terms.length - 1 - base));
          for (let i = 0; i < terms.length + 2; i++) {
            expect(log.termAt(i)).toBe(i < base || i >= terms.length ? -1 : terms[i]);
          }
          expect(log.range(base + 1, terms.length - 1).map((entry) => entry.term)).toEqual(
            terms.slice(base + 1),
          );
        }
      }),
    );
  });

  it('batches by number and by bytes, and never less than one', () => {
    const log = new RaftLog(0, 0, 1);
    for (const entry of entriesOf([1, 1, 1, 1, 1])) log.append(entry);
    expect(log.batch(1, 3, 1000).length).toBe(3);
    expect(log.batch(1, 10, 85).length).toBe(2);
    expect(log.batch(2, 10, 1).length).toBe(1);
    expect(log.batch(6, 10, 1000)).toEqual([]);
  });
});

describe('quorums', () => {
  it('a value is reached by a majority, and by no majority is a higher one', () => {
    assert(
      property(array(integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 7 }), (values) => {
        const voters = values.map((_, i) => i + 1);
        const value = quorumValue({ voters, votersOld: [], learners: [] }, (member) => values[member - 1]);
        const reached = (least: number) => values.filter((v) => v >= least).length * 2 > values.length;
        expect(reached(value)).toBe(true);
        expect(reached(value + 1)).toBe(false);
      }),
    );
  });

  it('a joint configuration needs both majorities (§6)', () => {
    const membership = { voters: [1, 2, 3], votersOld: [3, 4, 5], learners: [] };
    expect(quorumValue(membership, (member) => (member <= 3 ? 7 : 2))).toBe(2);
    expect(quorumValue(membership, (member) => (member <= 2 ? 1 : 5))).toBe(1);
  });
});
