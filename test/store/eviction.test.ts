import { describe, expect, test } from 'vitest';
import type { EvictionPolicy, Victim } from '../../src/store/types.ts';
import { NO_REF } from '../../src/store/types.ts';
import { newKeyspace, slotOf, Twin } from './model.ts';

/** A generator of its own, the same for every run. */
function picksFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) >>> 0;
  };
}

const HOUR_MS = 3_600_000;

/** 1000 keys of three databases; every third expires, the higher the number the later; the higher, the more lately used. */
function filled(): Twin {
  const twin = new Twin();
  for (let number = 0; number < 1000; number += 1) {
    twin.setString(number % 2, `k${number}`, 'value', number % 3 === 0 ? 10_000 + number : 0);
    twin.keyspace.touch(twin.find(number % 2, `k${number}`), HOUR_MS + number * 1000, 0);
  }
  return twin;
}

function sample(twin: Twin, policy: EvictionPolicy, needBytes: number, seed = 1): Victim[] {
  const out: Victim[] = [];
  twin.keyspace.sampleVictims(policy, needBytes, HOUR_MS + 1_000_000, picksFrom(seed), out);
  return out;
}

function numberOf(victim: Victim): number {
  return Number(victim.key.toString('utf8').slice(1));
}

function mean(victims: readonly Victim[]): number {
  return victims.reduce((sum, victim) => sum + numberOf(victim), 0) / victims.length;
}

function bytesOf(twin: Twin, victims: readonly Victim[]): number {
  let sum = 0;
  for (const { db, key } of victims) sum += twin.keyspace.keyUsedBytes(twin.find(db, key.toString('utf8')));
  return sum;
}

const POLICIES: EvictionPolicy[] = [
  'allkeys-lru',
  'allkeys-lfu',
  'allkeys-random',
  'volatile-lru',
  'volatile-lfu',
  'volatile-random',
  'volatile-ttl',
];

describe('sampleVictims', () => {
  for (const policy of POLICIES) {
    test(`${policy}: enough bytes, nobody twice, only whom it may, and all when asked for all`, () => {
      const twin = filled();
      const victims = sample(twin, policy, 5000);
      const bytes = bytesOf(twin, victims);
      expect(bytes).toBeGreaterThanOrEqual(5000);
      expect(bytes - 5000).toBeLessThan(100);
      const all = sample(twin, policy, Infinity);
      const eligible = policy.startsWith('volatile-') ? 334 : 1000;
      expect(all).toHaveLength(eligible);
      expect(new Set(all.map(numberOf)).size).toBe(eligible);
      if (policy.startsWith('volatile-')) for (const victim of all) expect(numberOf(victim) % 3).toBe(0);
      expect(sample(twin, policy, 3000, 7)).toEqual(sample(twin, policy, 3000, 7));
    });
  }

  test('noeviction proposes nobody', () => {
    expect(sample(filled(), 'noeviction', 1)).toEqual([]);
  });

  test('lru takes the long unused, ttl the soon expired', () => {
    const twin = filled();
    for (const policy of ['allkeys-lru', 'volatile-lru', 'volatile-ttl'] as const) {
      expect(mean(sample(twin, policy, 5000))).toBeLessThan(150);
    }
    for (const policy of ['allkeys-random', 'volatile-random'] as const) {
      expect(Math.abs(mean(sample(twin, policy, 15_000)) - 500)).toBeLessThan(120);
    }
  });

  test('lfu takes the seldom used, and use decays', () => {
    const twin = filled();
    for (let number = 500; number < 1000; number += 1) {
      const ref = twin.find(number % 2, `k${number}`);
      for (let use = 0; use < 20; use += 1) twin.keyspace.touch(ref, HOUR_MS + 1_000_000, 0);
      expect(twin.keyspace.frequency(ref, HOUR_MS + 1_000_000)).toBeGreaterThan(15);
      expect(twin.keyspace.frequency(ref, HOUR_MS + 1_000_000 + 60_000 * 1000)).toBe(0);
    }
    const victims = sample(twin, 'allkeys-lfu', 5000);
    expect(victims.filter((victim) => numberOf(victim) < 500).length / victims.length).toBeGreaterThan(0.9);
  });

  test('what was never seen used goes before what was', () => {
    const twin = new Twin();
    for (let number = 0; number < 300; number += 1) twin.setString(0, `k${number}`, 'value', 0);
    for (let number = 0; number < 200; number += 1)
      twin.keyspace.touch(twin.find(0, `k${number}`), HOUR_MS, 0);
    expect(twin.keyspace.idleMs(twin.find(0, 'k299'), HOUR_MS)).toBe(0);
    expect(twin.keyspace.idleMs(twin.find(0, 'k1'), HOUR_MS + 5000)).toBe(5000);
    expect(mean(sample(twin, 'allkeys-lru', 300))).toBeGreaterThan(200);
  });

  test('a new key counts as used when it is made', () => {
    const twin = filled();
    twin.setString(0, 'k2000', 'value', 0);
    expect(twin.keyspace.frequency(twin.find(0, 'k2000'), HOUR_MS + 999_000)).toBe(5);
  });
});

describe('removeVersion', () => {
  test('removes the key of just this version', () => {
    const twin = filled();
    const [victim] = sample(twin, 'allkeys-lru', 1);
    const name = victim.key.toString('utf8');
    const remove = (version: number): boolean =>
      twin.keyspace.removeVersion(
        victim.db,
        slotOf(name),
        victim.key,
        0,
        victim.key.length,
        version,
        'evicted',
      );
    expect(remove(victim.version + 1)).toBe(false);
    expect(twin.find(victim.db, name)).not.toBe(NO_REF);
    expect(remove(victim.version)).toBe(true);
    expect(remove(victim.version)).toBe(false);
    expect(twin.keyspace.evictedCount).toBe(1);
    expect(twin.keyspace.totalKeyCount()).toBe(999);
  });
});

describe('expiry', () => {
  test('the sampler comes round to every expired key, and to no other', () => {
    const twin = filled();
    const { keyspace } = twin;
    const found = new Set<number>();
    for (let call = 0; call < 40; call += 1) {
      const out: Victim[] = [];
      keyspace.sampleExpired(10_500, 20, out);
      for (const victim of out) found.add(numberOf(victim));
    }
    expect([...found].sort((left, right) => left - right)).toEqual(
      Array.from({ length: 167 }, (_, index) => index * 3),
    );
    const all: Victim[] = [];
    keyspace.sampleExpired(99_999, 100_000, all);
    expect(new Set(all.map(numberOf)).size).toBe(334);
    expect(all).toHaveLength(334);
  });

  test('a key lives through its last millisecond; reading hides it then, writing removes it', () => {
    const twin = new Twin();
    twin.setString(0, 'k', 'value', 5000);
    const { keyspace } = twin;
    const key = Buffer.from('k');
    const find = (timeMs: number, writing: boolean): number => {
      keyspace.at(timeMs, 9, writing);
      return keyspace.find(0, slotOf('k'), key, 0, 1);
    };
    expect(find(5000, true)).not.toBe(NO_REF);
    expect(find(5001, false)).toBe(NO_REF);
    expect(keyspace.totalKeyCount()).toBe(1);
    expect(keyspace.expiredCount).toBe(0);
    expect(find(5001, true)).toBe(NO_REF);
    expect(keyspace.totalKeyCount()).toBe(0);
    expect(keyspace.expiredCount).toBe(1);
    expect(keyspace.usedBytes).toBe(0);
  });

  test('nothing to expire: nothing found', () => {
    const out: Victim[] = [];
    newKeyspace().sampleExpired(1, 20, out);
    expect(out).toEqual([]);
  });
});

describe('randomKey', () => {
  test('picks live keys of the database, about equally often', () => {
    const twin = new Twin();
    for (let number = 0; number < 50; number += 1) {
      twin.setString(number % 2, `k${number}`, 'value', number % 10 === 0 ? 1100 : 0);
    }
    const picks = picksFrom(3);
    twin.keyspace.at(1200, 99, false);
    const times = new Map<string, number>();
    for (let round = 0; round < 4000; round += 1) {
      const { bytes, start, end } = twin.keyspace.key(twin.keyspace.randomKey(0, picks));
      const name = bytes.toString('utf8', start, end);
      times.set(name, (times.get(name) ?? 0) + 1);
    }
    expect(times.size).toBe(20);
    for (const count of times.values()) expect(Math.abs(count - 200)).toBeLessThan(70);
  });

  test('finds the one that is left, and tells when none is', () => {
    const twin = new Twin();
    for (let number = 0; number < 500; number += 1) twin.setString(0, `k${number}`, 'value', 1100);
    twin.setString(0, 'left', 'value', 0);
    twin.keyspace.at(1200, 99, false);
    expect(twin.keyspace.randomKey(0, picksFrom(1))).toBe(twin.find(0, 'left'));
    expect(twin.keyspace.randomKey(1, picksFrom(1))).toBe(NO_REF);
    twin.remove(0, 'left');
    expect(twin.keyspace.randomKey(0, picksFrom(1))).toBe(NO_REF);
  });
});
