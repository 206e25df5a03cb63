import { describe, expect, it } from 'vitest';

import type { ProgressStatus } from '../../src/raft/types.ts';
import { forgettableIndex } from '../../src/shard/log-retention.ts';

const MIB = 1024 * 1024;
const NOW_MS = 100_000;

function peer(fields: Partial<ProgressStatus>): ProgressStatus {
  return {
    member: 2,
    state: 'replicate',
    match: 1000,
    next: 1001,
    inFlightMessages: 0,
    inFlightBytes: 0,
    snapshotIndex: 0,
    lastHeardMs: NOW_MS,
    ...fields,
  };
}

/** A log of 1 to 1000. */
function forgettable(logMiB: number, peers: Partial<ProgressStatus>[], appliedIndex = 1000): number {
  const progress = () => peers.map(peer);
  const log = { firstIndex: 1, lastIndex: 1000, logBytes: logMiB * MIB, progress };
  return forgettableIndex(log, appliedIndex, NOW_MS);
}

describe('the log in memory', () => {
  it('is kept while it is small, and cut to half of that when it is not', () => {
    expect(forgettable(32, [])).toBe(0);
    expect(forgettable(64, [{}, {}])).toBe(751);
    expect(forgettable(64, [], 500)).toBe(500);
  });

  it('is kept for a slow peer, and from the snapshot on that one is being sent', () => {
    expect(forgettable(64, [{ match: 300 }, {}])).toBe(300);
    expect(forgettable(64, [{ state: 'snapshot', match: 0, snapshotIndex: 200 }, {}])).toBe(200);
    expect(forgettable(64, [{ match: 0 }, {}])).toBe(0);
    expect(forgettable(64, [{ state: 'snapshot', match: 0 }, {}])).toBe(751);
  });

  it('but not for one that is silent, nor without limit', () => {
    expect(forgettable(64, [{ match: 300, lastHeardMs: NOW_MS - 6000 }])).toBe(751);
    expect(forgettable(257, [{ match: 300 }])).toBe(939);
  });
});
