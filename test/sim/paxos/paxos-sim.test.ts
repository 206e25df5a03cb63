import { describe, expect, it } from 'vitest';

import { replayCommand, runSeed } from './run.ts';
import { COVERAGE } from './world.ts';

const SEEDS = 600;

describe('simulated registers', () => {
  const struck = new Map<string, number>();

  it(`choose one value for each epoch, keep promises, and go on once healed: seeds 1 to ${SEEDS}`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { failure, coverage } = runSeed(seed);
      if (failure !== null) expect.fail(`seed ${seed}: ${failure}\nreplay: ${replayCommand(seed)}`);
      for (const [name, count] of coverage) struck.set(name, (struck.get(name) ?? 0) + count);
    }
  });

  it('have met every fault', () => {
    expect(COVERAGE.filter((name) => (struck.get(name) ?? 0) === 0)).toEqual([]);
  });

  it('do the same again for the same seed', () => {
    const linesOf = (seed: number): string[] => {
      const lines: string[] = [];
      runSeed(seed, (line) => lines.push(line));
      return lines;
    };
    expect(linesOf(5).length).toBeGreaterThan(10);
    expect(linesOf(5)).toEqual(linesOf(5));
    expect(linesOf(6)).not.toEqual(linesOf(5));
  });
});
