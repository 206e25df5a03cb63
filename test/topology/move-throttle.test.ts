import { assert, integer, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { latencyHistogram } from '../../src/metrics/histogram.ts';
import { LatencyWindow } from '../../src/metrics/latency-window.ts';
import {
  CAREFUL_STEP_BYTES_PER_SECOND,
  MoveThrottle,
  SLOWEST_BYTES_PER_SECOND,
} from '../../src/topology/move-throttle.ts';

const MIB = 1024 * 1024;
const LOOK_MS = 100;
const busy = (p99: number): { count: number; p99: number } => ({ count: 1000, p99 });
const IDLE = { count: 0, p99: 0 };

class Rig {
  nowMs = 1000;
  readonly throttle: MoveThrottle;

  constructor(limit = 0) {
    this.throttle = new MoveThrottle(() => limit, this.nowMs);
  }

  looks(
    times: number,
    reading: { count: number; p99: number },
    isMoving: boolean,
    { pauseMs = 0, lateMs = 0 } = {},
  ): void {
    for (let i = 0; i < times; i++) {
      this.nowMs += LOOK_MS;
      this.throttle.look(reading, { isMoving, pauseMs, lateMs }, this.nowMs);
    }
  }

  /** Sends in frames whatever may be sent, for so long. */
  send(durationMs: number, frameBytes: number): number {
    let sent = 0;
    for (const endMs = this.nowMs + durationMs; this.nowMs < endMs; this.nowMs += 1) {
      while (this.throttle.allowance(this.nowMs) > 0) {
        this.throttle.spend(frameBytes);
        sent += frameBytes;
      }
    }
    return sent;
  }
}

describe('the rate at which slots are sent', () => {
  it('is the limit where nothing is slow', () => {
    const rig = new Rig(8 * MIB);
    rig.looks(600, busy(0.2), true);
    expect(rig.throttle.bytesPerSecond).toBe(8 * MIB);
  });

  it('rises without a limit while commands stay fast', () => {
    const rig = new Rig();
    rig.looks(1, busy(1), false);
    rig.looks(50, busy(1), true);
    expect(rig.throttle.bytesPerSecond).toBe(SLOWEST_BYTES_PER_SECOND + 50 * CAREFUL_STEP_BYTES_PER_SECOND);
  });

  it('is high at once where nobody asks for anything, and begins anew when somebody does', () => {
    const rig = new Rig();
    rig.looks(10, IDLE, false);
    rig.looks(1, IDLE, true);
    expect(rig.throttle.bytesPerSecond).toBeGreaterThan(30 * MIB);
    rig.looks(1, busy(1), true);
    expect(rig.throttle.bytesPerSecond).toBe(SLOWEST_BYTES_PER_SECOND);
  });

  it('falls when slots are frozen for long, where commands come', () => {
    const rig = new Rig();
    rig.looks(10, busy(0.4), false);
    rig.looks(10, busy(0.4), true);
    const before = rig.throttle.bytesPerSecond;
    rig.looks(1, busy(0.4), true, { pauseMs: 16 });
    expect(rig.throttle.bytesPerSecond).toBe(before / 2);
    const idle = new Rig();
    idle.looks(10, IDLE, true, { pauseMs: 200 });
    expect(idle.throttle.decreases).toBe(0);
  });

  it('falls at once when commands are slower than 2.5 ms, where they were fast before', () => {
    const rig = new Rig();
    rig.looks(10, busy(0.4), false);
    rig.looks(10, busy(0.4), true);
    const before = rig.throttle.bytesPerSecond;
    rig.looks(1, busy(2.6), true);
    expect(rig.throttle.bytesPerSecond).toBe(before / 2);
  });

  it('bears twice what was usual before it began', () => {
    const rig = new Rig();
    rig.looks(20, busy(20), false);
    rig.looks(10, busy(39), true);
    expect(rig.throttle.decreases).toBe(0);
    rig.looks(1, busy(41), true);
    expect(rig.throttle.decreases).toBe(1);
  });

  it('does not take for usual what a move makes slow', () => {
    const rig = new Rig();
    rig.looks(20, busy(1), false);
    rig.looks(200, busy(50), true);
    expect(rig.throttle.slowFromMs).toBe(2.5);
    // Nor what comes right after it.
    rig.looks(1, busy(50), false);
    expect(rig.throttle.slowFromMs).toBe(2.5);
  });

  it('falls when fewer commands come than before: whoever waits for answers is held back, and no latency shows it', () => {
    const rig = new Rig();
    rig.looks(100, busy(0.4), false);
    rig.looks(10, busy(0.4), true);
    rig.looks(20, { count: 700, p99: 0.4 }, true);
    expect(rig.throttle.decreases).toBeGreaterThan(1);
    expect(rig.throttle.bytesPerSecond).toBe(SLOWEST_BYTES_PER_SECOND);
  });

  it('does not fall when commands vary a little, and takes what comes for long for usual', () => {
    const rig = new Rig();
    rig.looks(100, busy(0.4), false);
    for (let i = 0; i < 100; i++) rig.looks(1, { count: i % 2 === 0 ? 700 : 1100, p99: 0.4 }, true);
    expect(rig.throttle.decreases).toBe(0);
    rig.looks(600, { count: 600, p99: 0.4 }, true);
    const { decreases } = rig.throttle;
    rig.looks(100, { count: 600, p99: 0.4 }, true);
    expect(rig.throttle.decreases).toBe(decreases);
  });

  it('falls when an event loop comes late, but not for a little once', () => {
    const rig = new Rig();
    rig.looks(100, busy(0.4), false);
    rig.looks(10, busy(0.4), true, { lateMs: 1 });
    rig.looks(1, busy(0.4), true, { lateMs: 8 });
    expect(rig.throttle.decreases).toBe(0);
    rig.looks(3, busy(0.4), true, { lateMs: 8 });
    expect(rig.throttle.decreases).toBe(1);
    rig.looks(5, busy(0.4), true, { lateMs: 1 });
    const { decreases } = rig.throttle;
    rig.looks(30, busy(0.4), true, { lateMs: 1 });
    expect(rig.throttle.decreases).toBe(decreases);
  });

  it('never stands still, whatever is felt', () => {
    const rig = new Rig();
    rig.looks(1000, { count: 60, p99: 1000 }, true, { pauseMs: 1000, lateMs: 1000 });
    expect(rig.throttle.bytesPerSecond).toBe(SLOWEST_BYTES_PER_SECOND);
    expect(rig.send(1000, 16 * 1024)).toBeGreaterThanOrEqual(SLOWEST_BYTES_PER_SECOND);
  });

  it('says for how long to wait: neither in vain nor for ever', () => {
    const rig = new Rig();
    rig.looks(1, busy(1), true);
    const { throttle } = rig;
    throttle.spend(1024 * 1024);
    let waits = 0;
    for (; throttle.allowance(rig.nowMs) <= 0; waits += 1) {
      const waitMs = throttle.waitMs(rig.nowMs);
      expect(waitMs).toBeGreaterThanOrEqual(2);
      expect(waitMs).toBeLessThanOrEqual(50);
      rig.nowMs += waitMs;
    }
    // 1 MiB at 128 KiB/s, in steps of 50 ms at most.
    expect(waits).toBeLessThanOrEqual(162);
  });

  it('does not count work that sends nothing against the limit of the setting, which is one of bytes', () => {
    const rig = new Rig(8 * 1024);
    const { throttle } = rig;
    throttle.spend(throttle.allowance(rig.nowMs));
    throttle.spendWork(MIB);
    rig.nowMs += 50;
    expect(throttle.allowance(rig.nowMs)).toBeGreaterThan(0);
    const unlimited = new Rig();
    unlimited.looks(1, busy(1), true);
    unlimited.throttle.spend(unlimited.throttle.allowance(unlimited.nowMs));
    unlimited.throttle.spendWork(SLOWEST_BYTES_PER_SECOND);
    unlimited.nowMs += 950;
    expect(unlimited.throttle.allowance(unlimited.nowMs)).toBeLessThan(0);
  });

  it('halves no oftener than it can see what became of it', () => {
    const rig = new Rig();
    rig.looks(1, busy(1), false);
    rig.looks(20, busy(1), true);
    rig.looks(3, busy(100), true);
    expect(rig.throttle.decreases).toBe(1);
    rig.looks(1, busy(100), true);
    expect(rig.throttle.decreases).toBe(2);
  });

  it('begins faster where few commands come, and falls all the same when they are slow', () => {
    const rig = new Rig();
    rig.looks(40, { count: 3, p99: 0.4 }, false);
    rig.looks(40, { count: 3, p99: 0.4 }, true);
    const before = rig.throttle.bytesPerSecond;
    expect(before).toBeGreaterThan(MIB);
    rig.looks(40, { count: 3, p99: 500 }, true);
    expect(rig.throttle.bytesPerSecond).toBeLessThanOrEqual(before / 4);
    rig.looks(12, IDLE, true);
    expect(rig.throttle.bytesPerSecond).toBeGreaterThan(before / 4);
  });

  it('goes by no percentile of a handful of commands', () => {
    const rig = new Rig();
    rig.looks(10, { count: 3, p99: 500 }, true);
    expect(rig.throttle.decreases).toBe(0);
  });

  it('lets through what the rate says, whatever the size of frames', () => {
    assert(
      property(integer({ min: 1, max: 64 * 1024 }), integer({ min: 1, max: 32 }), (frame, mib) => {
        const rig = new Rig(mib * MIB);
        rig.looks(1000, IDLE, true);
        const rate = rig.throttle.bytesPerSecond;
        rig.send(1000, frame);
        const sent = rig.send(3000, frame) / 3;
        expect(sent).toBeGreaterThan(rate * 0.95);
        expect(sent).toBeLessThan(rate * 1.05 + frame);
      }),
      { numRuns: 20 },
    );
  });
});

describe('the percentile of what came since the last reading', () => {
  it('is of all histograms together, and of new values alone', () => {
    const window = new LatencyWindow();
    const gets = latencyHistogram();
    const sets = latencyHistogram();
    for (let i = 0; i < 1000; i++) gets.record(0.04);
    for (let i = 0; i < 30; i++) sets.record(3);
    const first = window.read([gets, null, sets]);
    expect(first.count).toBe(1030);
    expect(first.p99).toBeGreaterThan(1.6);
    expect(first.p99).toBeLessThanOrEqual(3.2);
    for (let i = 0; i < 100; i++) gets.record(0.04);
    const second = window.read([gets, null, sets]);
    expect(second.count).toBe(100);
    expect(second.p99).toBeLessThanOrEqual(0.05);
    expect(window.read([gets, sets])).toEqual({ count: 0, p99: 0 });
  });

  it('begins anew when they are reset', () => {
    const window = new LatencyWindow();
    const gets = latencyHistogram();
    for (let i = 0; i < 10; i++) gets.record(1);
    window.read([gets]);
    gets.reset();
    gets.record(1);
    expect(window.read([gets]).count).toBe(1);
  });
});
