import { describe, expect, it } from 'vitest';

import { SyncPace } from '../../src/wal/sync-pace.ts';

const WINDOW = 64;
const BACK_OFF_WINDOWS = 4;

function windows(pace: SyncPace, count: number, msOf: (at: number) => number): void {
  for (let i = 0; i < count * WINDOW; i += 1) pace.synced(msOf(i));
}

function fast(): SyncPace {
  const pace = new SyncPace();
  windows(pace, 1, () => 0.1);
  return pace;
}

describe('whether the loop waits for a sync', () => {
  it('begins without, until a window of syncs has shown a fast disk', () => {
    const pace = new SyncPace();
    expect(pace.inLoop).toBe(false);
    for (let i = 0; i < WINDOW - 1; i += 1) pace.synced(0.1);
    expect(pace.inLoop).toBe(false);
    pace.synced(0.1);
    expect(pace.inLoop).toBe(true);
  });

  it('takes one fast sync in eight for a fast disk on a busy machine, fewer for a slow one', () => {
    const busy = new SyncPace();
    windows(busy, 1, (at) => (at % 8 === 0 ? 0.1 : 3));
    expect(busy.inLoop).toBe(true);
    const slow = new SyncPace();
    windows(slow, 10, (at) => (at % 9 === 0 ? 0.1 : 3));
    expect(slow.inLoop).toBe(false);
  });

  it('lets go when a disk has become slow', () => {
    const pace = fast();
    windows(pace, 1, () => 1);
    expect(pace.inLoop).toBe(false);
    windows(pace, 1, () => 0.1);
    expect(pace.inLoop).toBe(true);
  });

  it('lets go at once when one sync has held it for long, and for a while', () => {
    const pace = fast();
    pace.synced(0.1);
    pace.synced(11);
    expect(pace.inLoop).toBe(false);
    windows(pace, BACK_OFF_WINDOWS - 1, () => 0.1);
    expect(pace.inLoop).toBe(false);
    windows(pace, 1, () => 0.1);
    expect(pace.inLoop).toBe(true);
  });

  it('lets go when the syncs of a window together have', () => {
    const pace = fast();
    for (let i = 0; i < 16; i += 1) pace.synced(i % 4 === 0 ? 0.1 : 9);
    expect(pace.inLoop).toBe(true);
    for (let i = 0; i < 4; i += 1) pace.synced(9);
    expect(pace.inLoop).toBe(false);
  });
});
