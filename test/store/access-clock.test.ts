import * as fc from 'fast-check';
import { expect, it } from 'vitest';

import { firstAccess, frequencyOf, idleMsOf, nextAccess } from '../../src/store/access-clock.ts';

it('tells how long ago and how often, as numbers without end would, within its range', () => {
  const use = fc.record({
    passedMs: fc.oneof(fc.nat(900), fc.nat(200_000), fc.constant(0)),
    pick: fc.oneof(fc.constant(0), fc.nat(2 ** 32 - 1)),
  });
  const start = fc.constantFrom(0, 999, 2 ** 31, 2 ** 32, 2 ** 32 * 3 + 0.25, (2 ** 24 - 1) * 1000 - 500);
  fc.assert(
    fc.property(start, fc.array(use, { maxLength: 400, size: 'max' }), (startMs, uses) => {
      let nowMs = startMs;
      let access = firstAccess(nowMs);
      let counter = 5;
      let usedSecond = Math.floor(nowMs / 1000);
      for (const { passedMs, pick } of uses) {
        nowMs += passedMs;
        const second = Math.floor(nowMs / 1000);
        expect(idleMsOf(access, nowMs)).toBe((second - usedSecond) * 1000);
        counter = Math.max(0, counter - Math.floor((second - usedSecond) / 60));
        expect(frequencyOf(access, nowMs)).toBe(counter);
        access = nextAccess(access, nowMs, pick);
        if (counter < 255 && pick / 2 ** 32 < 1 / (Math.max(0, counter - 5) * 10 + 1)) counter += 1;
        usedSecond = second;
        expect(frequencyOf(access, nowMs)).toBe(counter);
        expect(access >>> 0).toBe(access);
      }
    }),
    { numRuns: 200 },
  );
});
