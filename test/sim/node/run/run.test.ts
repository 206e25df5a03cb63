import { execFileSync } from 'node:child_process';

import { describe, expect, it } from 'vitest';

import { runSeed } from './run.ts';

/** So many that they take about half a minute of one core; `npm run sim` runs more. */
const SEEDS = Array.from({ length: 12 }, (_, i) => i + 1);
const REPLAYED = 4;

async function linesOf(seed: number): Promise<string[]> {
  const lines: string[] = [];
  const { failure } = await runSeed(seed, { told: (line) => lines.push(line) });
  expect(failure).toBeNull();
  return lines;
}

describe('whole clusters that live through a swarm of faults', () => {
  it.each(SEEDS)(
    'keep every invariant, tell clients the truth, and go on once they are healed (seed %i)',
    async (seed) => {
      const { failure, virtualMs, commands, counters } = await runSeed(seed);
      if (failure !== null) expect.fail(failure);
      expect(virtualMs).toBeGreaterThanOrEqual(60_000);
      expect(commands).toBeGreaterThanOrEqual(2000);
      expect(counters.faultsStruck).toBeGreaterThanOrEqual(5);
    },
  );
});

describe('a run', () => {
  it('is the same each time, line by line, in one process and in another', async () => {
    const first = await linesOf(REPLAYED);
    const second = await linesOf(REPLAYED);
    expect(second).toEqual(first);
    const output = execFileSync(
      process.execPath,
      ['--import', 'tsx', 'test/sim/main.ts', '--seed', String(REPLAYED)],
      { encoding: 'utf8' },
    );
    expect(output.split('\n').slice(0, first.length)).toEqual(first);
  });
});
