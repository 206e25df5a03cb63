import { describe, expect, it } from 'vitest';

import { replayCommand, runSeed } from './run.ts';

const SEEDS = 2000;
const SLICES = 20;

describe('simulated members of one Raft group', () => {
  const struck = new Map<string, number>();

  for (let slice = 0; slice < SLICES; slice++) {
    const from = 1 + (slice * SEEDS) / SLICES;
    const to = from + SEEDS / SLICES - 1;
    it(`keep every invariant, and make progress once healed: seeds ${from} to ${to}`, () => {
      for (let seed = from; seed <= to; seed++) {
        const { failure, coverage } = runSeed(seed);
        if (failure !== null) expect.fail(`seed ${seed}: ${failure}\nreplay: ${replayCommand(seed)}`);
        const { proposals, changes, ...rest } = coverage;
        for (const [name, count] of Object.entries({ ...rest, ...proposals })) {
          struck.set(name, (struck.get(name) ?? 0) + count);
        }
        for (const [outcome, count] of Object.entries(changes)) {
          struck.set(`change ${outcome}`, (struck.get(`change ${outcome}`) ?? 0) + count);
        }
      }
    });
  }

  it('have met every fault and done every kind of work', () => {
    const never = [...struck].filter(([, count]) => count === 0).map(([name]) => name);
    expect(struck.size).toBeGreaterThan(0);
    expect(never).toEqual([]);
  });

  it('do the same again for the same seed', () => {
    const linesOf = (seed: number): string[] => {
      const lines: string[] = [];
      runSeed(seed, (line) => lines.push(line));
      return lines;
    };
    const first = linesOf(7);
    expect(first.length).toBeGreaterThan(100);
    expect(linesOf(7)).toEqual(first);
    expect(linesOf(8)).not.toEqual(first);
  });
});
