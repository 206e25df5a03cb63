import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Sequences } from '../../src/server/sequences.ts';

describe('sequences', () => {
  it('are given once each, and the floor is the lowest that is not answered', () => {
    const step = fc.tuple(fc.constantFrom(3, 9), fc.boolean(), fc.nat());
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const sequences = new Sequences();
        const open = new Map<number, number[]>([
          [3, []],
          [9, []],
        ]);
        const given = new Map<number, number>();
        for (const [slot, takes, pick] of steps) {
          const waiting = open.get(slot) ?? [];
          if (takes || waiting.length === 0) {
            const sequence = sequences.take(slot);
            expect(sequence).toBe((given.get(slot) ?? 0) + 1);
            given.set(slot, sequence);
            waiting.push(sequence);
          } else {
            const [answered] = waiting.splice(pick % waiting.length, 1);
            sequences.answered(slot, answered);
          }
          expect(sequences.floor(slot)).toBe(Math.min(...waiting, (given.get(slot) ?? 0) + 1));
        }
      }),
    );
  });

  it('tell the floors of quiet slots once, and again to a new leader', () => {
    const sequences = new Sequences();
    for (const slot of [3, 9, 11]) sequences.answered(slot, sequences.take(slot));
    sequences.floor(11);
    const all = (): boolean => true;
    expect(sequences.quiet(all, 1)).toEqual({ slots: [3], floors: [2] });
    expect(sequences.quiet(all, 10)).toEqual({ slots: [9], floors: [2] });
    expect(sequences.quiet(all, 10).slots).toEqual([]);
    sequences.tellAgain((slot) => slot !== 9);
    expect(sequences.quiet(all, 10).slots).toEqual([3, 11]);
  });
});
