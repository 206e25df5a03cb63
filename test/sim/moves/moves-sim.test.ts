import { describe, expect, it } from 'vitest';
import { runMovesSeed } from './run.ts';

const SEEDS = 16;
const FROM = 17;

/** More of them: `npm run sim -- --moves --seeds N`. */
describe('moves between groups', () => {
  it('lose nothing, run nothing twice, and leave each slot with one owner, whatever comes late, twice or never', () => {
    const totals = new Map<string, number>();
    for (let seed = FROM; seed < FROM + SEEDS; seed += 1) {
      const { failure, coverage } = runMovesSeed(seed);
      expect(failure, `seed ${seed}`).toBeNull();
      for (const [name, count] of Object.entries(coverage)) totals.set(name, (totals.get(name) ?? 0) + count);
    }
    const never = [...totals].filter(([, count]) => count === 0).map(([name]) => name);
    expect(never).toEqual([]);
  }, 120_000);

  it('of one seed are the same run', () => {
    const lines: string[][] = [[], []];
    for (const run of lines) runMovesSeed(5, (line) => run.push(line));
    expect(lines[0].length).toBeGreaterThan(20);
    expect(lines[0]).toEqual(lines[1]);
  });
});
