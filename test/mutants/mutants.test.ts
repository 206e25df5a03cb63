import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { MUTANTS, patchesOf } from './mutants.ts';

/** The mutants themselves take minutes: `npm run mutants`. */
describe('mutants', () => {
  it('break a rule that stands in the sources, in one place, and say what notices it', () => {
    const stale = MUTANTS.filter((mutant) =>
      patchesOf(mutant).some(({ file, find }) => {
        const source = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
        return source.split(find).length !== 2;
      }),
    );
    expect(stale.map(({ rule }) => rule)).toEqual([]);
    expect(MUTANTS.filter(({ seeds, tests, simulated }) => !(seeds ?? tests ?? simulated))).toEqual([]);
  });
});
