/** What docs/gossip.md says in figures, within bounds: small clusters, a fixed seed. */
import { describe, expect, test } from 'vitest';
import type { PresetName } from '../../src/gossip/presets.ts';
import {
  measureDetection,
  measureFalseAlarms,
  measureReturn,
  measureTraffic,
  type Measured,
  type SlowNodes,
} from '../sim/gossip/measure.ts';

const MINUTES = 60_000;

function cluster(nodes: number, lifeguard = true, preset: PresetName = 'lan'): Measured {
  return { nodes, preset, lifeguard, seed: 7 };
}

describe('a dead member', () => {
  test.each([
    ['local', 5, 6000, 20_000],
    ['lan', 5, 7000, 11_000],
    ['lan', 50, 11_000, 15_000],
    ['wan', 5, 45_000, 70_000],
  ] as const)('is known to all in time, with %s and %i nodes', (preset, nodes, meanMostMs, mostMs) => {
    const detections = measureDetection(cluster(nodes, true, preset), 20);
    const all = detections.map(({ allKnowMs }) => allKnowMs);
    expect(all.reduce((sum, ms) => sum + ms, 0) / all.length).toBeLessThan(meanMostMs);
    expect(Math.max(...all)).toBeLessThan(mostMs);
    for (const { suspectedMs, deadMs, allKnowMs } of detections) {
      expect(suspectedMs).toBeLessThan(deadMs);
      expect(deadMs).toBeLessThanOrEqual(allKnowMs);
    }
  });

  test('is the same at the same seed', () => {
    expect(measureDetection(cluster(20), 5)).toEqual(measureDetection(cluster(20), 5));
  });
});

test('an idle member sends as much in a large cluster as in a small one', () => {
  const small = measureTraffic(cluster(5), MINUTES);
  const large = measureTraffic(cluster(200), MINUTES);
  expect(small.messages).toBeLessThan(2.2);
  expect(large.messages).toBeLessThanOrEqual(small.messages);
  expect(large.bytes).toBeLessThan(60);
});

test('a member that comes back costs what it tells and is told once, however many are connected to it', () => {
  const { bytes, knownAfterMs } = measureReturn(cluster(300));
  expect(knownAfterMs).toBeLessThan(2000);
  expect(bytes / 300).toBeLessThan(3000);
});

describe('members that are well', () => {
  test('are not held dead where a connection loses 30 % of what is sent', () => {
    const loss = { kind: 'loss', share: 0.3, over: 'connections' } as const;
    expect(measureFalseAlarms(cluster(30), loss, 5 * MINUTES)).toMatchObject({ dead: 0 });
  });

  test('are seldom held dead where 30 % of all messages are lost, and less than in plain SWIM', () => {
    const loss = { kind: 'loss', share: 0.3, over: 'datagrams' } as const;
    const plain = measureFalseAlarms(cluster(30, false), loss, 5 * MINUTES);
    const lifeguard = measureFalseAlarms(cluster(30), loss, 5 * MINUTES);
    expect(plain.victims).toBeGreaterThan(10);
    expect(lifeguard.dead).toBeLessThan(plain.dead / 5);
  });

  test('are suspected by slow ones in plain SWIM, less by local health, not at all when these know their delay', () => {
    const slow: SlowNodes = {
      kind: 'slow',
      share: 0.2,
      holdMinMs: 2000,
      holdMaxMs: 10_000,
      isDelayTold: false,
    };
    const plain = measureFalseAlarms(cluster(30, false), slow, 5 * MINUTES);
    const byAnswers = measureFalseAlarms(cluster(30), slow, 5 * MINUTES);
    const byDelay = measureFalseAlarms(cluster(30), { ...slow, isDelayTold: true }, 5 * MINUTES);
    expect(plain.suspected).toBeGreaterThan(100);
    expect(byAnswers.suspected).toBeLessThan(plain.suspected * 0.75);
    expect(byAnswers.dead).toBe(0);
    expect(byDelay.suspected).toBe(0);
  });
});
