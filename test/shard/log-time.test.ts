import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { LogTime } from '../../src/shard/log-time.ts';

const LEASE_MS = 900;

describe('log time', () => {
  it('never goes back, runs within 1 % of the monotonic clock, and stops at the ceiling', () => {
    const step = fc.record({
      elapsedMs: fc.double({ min: 0, max: 5000, noNaN: true }),
      wallJumpMs: fc.integer({ min: -100_000, max: 100_000 }),
      ceilingMs: fc.integer({ min: 0, max: 200_000 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        let ceilingMs = 50_000;
        const time = new LogTime({ leaseMs: LEASE_MS, ceilingMs: () => ceilingMs }, 0);
        const now = { monotonicMs: 10, wallMs: 1000 };
        time.lead(0, 1000, now);
        let lastMs = time.leaderTimeMs(now);
        for (const { elapsedMs, wallJumpMs, ceilingMs: raised } of steps) {
          ceilingMs = Math.max(ceilingMs, raised);
          now.monotonicMs += elapsedMs;
          now.wallMs += elapsedMs + wallJumpMs;
          const timeMs = time.leaderTimeMs(now);
          expect(timeMs).toBeGreaterThanOrEqual(lastMs);
          expect(timeMs - lastMs).toBeLessThanOrEqual(elapsedMs * 1.01 + 1e-6);
          expect(timeMs).toBeLessThanOrEqual(ceilingMs);
          if (timeMs < ceilingMs) expect(timeMs - lastMs).toBeGreaterThanOrEqual(elapsedMs * 0.99 - 1e-6);
          expect(time.highestMs()).toBeGreaterThanOrEqual(timeMs);
          lastMs = timeMs;
        }
      }),
    );
  });

  it('starts above what any deposed leader may have served, and no lower than the quorum’s wall clocks', () => {
    const time = new LogTime({ leaseMs: LEASE_MS, ceilingMs: () => 1e6 }, 70);
    time.lead(100, 500, { monotonicMs: 5, wallMs: 9999 });
    expect(time.leaderTimeMs({ monotonicMs: 5, wallMs: 9999 })).toBe(100 + LEASE_MS);
    time.follow();
    time.observe(5000);
    time.lead(100, 20_000, { monotonicMs: 6, wallMs: 9999 });
    expect(time.leaderTimeMs({ monotonicMs: 6, wallMs: 9999 })).toBe(20_000);
    expect(time.highestMs()).toBe(20_000);
  });

  it('above the synced ceiling is not covered: nothing may be served or acknowledged yet', () => {
    let ceilingMs = 1000;
    const time = new LogTime({ leaseMs: LEASE_MS, ceilingMs: () => ceilingMs }, 0);
    expect(time.isCovered).toBe(true);
    time.lead(950, 0, { monotonicMs: 0, wallMs: 0 });
    expect(time.isCovered).toBe(false);
    ceilingMs = 3000;
    expect(time.isCovered).toBe(true);
  });
});
