import { describe, expect, it } from 'vitest';

import { BUSY, CALM, leaderlessTimes, percentile } from './failover.ts';

const SEEDS = 250;

/** Design, section 10: a failover is seen for less than a second. What is measured here is the group's part of it. */
describe('a group whose leader is gone', () => {
  const cases = [
    { name: 'calm', conditions: CALM, medianMs: 450, longestMs: 500 },
    { name: 'busy', conditions: BUSY, medianMs: 560, longestMs: 800 },
  ];
  for (const { name, conditions, medianMs, longestMs } of cases) {
    for (const fault of ['crash', 'pause'] as const) {
      it(`has another soon: ${fault}, on a ${name} machine`, () => {
        const times = leaderlessTimes(SEEDS, 1, conditions, fault);
        expect(percentile(times, 0.5)).toBeLessThan(medianMs);
        expect(percentile(times, 1)).toBeLessThan(longestMs);
      });
    }
  }
});
