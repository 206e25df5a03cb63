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
    expect(sequences.quiet(all, 1, 0)).toEqual({ slots: [3], floors: [2], next: 4 });
    expect(sequences.quiet(all, 10, 0)).toEqual({ slots: [9], floors: [2], next: 0 });
    expect(sequences.quiet(all, 10, 0).slots).toEqual([]);
    sequences.tellAgain((slot) => slot !== 9);
    expect(sequences.quiet(all, 10, 0).slots).toEqual([3, 11]);
  });

  it('go on with the floors of quiet slots where they left off: those that are written again and again keep none from its turn', () => {
    const sequences = new Sequences();
    const write = (slot: number): void => sequences.answered(slot, sequences.take(slot));
    for (const slot of [1, 2, 3, 16000]) write(slot);
    const told: number[] = [];
    for (let round = 0, from = 0; round < 3; round++) {
      const { slots, next } = sequences.quiet(() => true, 2, from);
      told.push(...slots);
      from = next;
      for (const slot of [1, 2, 3]) write(slot);
    }
    expect(told.slice(0, 4)).toEqual([1, 2, 3, 16000]);
    // Under way: its next write or another round tells it.
    sequences.take(16000);
    sequences.tellAgain(() => true);
    expect(sequences.quiet(() => true, 10, 0).slots).toEqual([1, 2, 3]);
  });

  it('tell each floor that rose to whoever asks for its slot, wherever slots lie', () => {
    const step = fc.record({
      slot: fc.constantFrom(0, 1, 127, 128, 300, 16383),
      what: fc.nat(4),
      from: fc.nat(16383),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const sequences = new Sequences();
        const untold = new Set<number>();
        const written = new Set<number>();
        const isEven = (slot: number): boolean => slot % 2 === 0;
        for (const { slot, what, from } of steps) {
          if (what === 0) sequences.tellAgain(isEven);
          if (what === 1) {
            const { slots } = sequences.quiet(isEven, 100, from);
            expect(slots.toSorted((a, b) => a - b)).toEqual([...untold].filter(isEven).sort((a, b) => a - b));
            for (const told of slots) untold.delete(told);
          }
          if (what === 0) for (const each of written) if (isEven(each)) untold.add(each);
          if (what < 2) continue;
          sequences.answered(slot, sequences.take(slot));
          untold.add(slot);
          written.add(slot);
        }
      }),
    );
  });
});
