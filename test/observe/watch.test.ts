import { describe, expect, it } from 'vitest';

import { Watch, type WatchedParts } from '../../src/observe/watch.ts';
import type { Replica } from '../../src/shard/replica.ts';
import type { Topology } from '../../src/topology/types.ts';
import { recordingLog } from '../transport/support.ts';

const TOPOLOGY = {
  nodes: [
    { id: 'aa', host: 'one', peerPort: 16_379 },
    { id: 'bb', host: 'two', peerPort: 16_380 },
  ],
  shards: [
    {
      id: 7,
      replicas: [
        { member: 1, node: 'aa' },
        { member: 2, node: 'bb' },
      ],
    },
  ],
} as unknown as Topology;

/** A replica of shard 7 as far as it is watched, and the lines told about it. */
function watched(): {
  raft: { leader: number; term: number; electionsStarted: number };
  now: { ms: number; reason: string; refused: number; stopping: boolean };
  lines: string[];
  watch: Watch;
} {
  const raft = { leader: 0, term: 0, electionsStarted: 0 };
  const now = { ms: 0, reason: 'no leader', refused: 0, stopping: false };
  const lines: string[] = [];
  const replica = { shard: 7, raft, isLeader: false, time: { offsetMs: 0 } } as unknown as Replica;
  const parts: WatchedParts = {
    replicas: [replica],
    topology: TOPOLOGY,
    log: recordingLog(lines),
    nowMs: () => now.ms,
    missingAfterMs: () => 2000,
    refusedClients: () => now.refused,
    isStopping: () => now.stopping,
    notReadyReason: () => now.reason,
  };
  return { raft, now, lines, watch: new Watch(parts) };
}

describe('what is watched', () => {
  it('is told once when it changes: elections, leaders, and how long there was none', () => {
    const { raft, now, lines, watch } = watched();
    now.ms = 400;
    Object.assign(raft, { electionsStarted: 1, term: 1 });
    watch.lookAtLeaders();
    now.ms = 450;
    raft.leader = 2;
    for (let turn = 0; turn < 3; turn += 1) watch.lookAtLeaders();
    expect(lines).toEqual(['info: election-started 7 1', 'info: leader-changed 7 bb two:16380 1 450']);

    raft.leader = 0;
    watch.lookAtLeaders();
    now.ms = 700;
    Object.assign(raft, { leader: 2, term: 3 });
    watch.lookAtLeaders();
    expect(lines.slice(2)).toEqual(['info: leader-changed 7 bb two:16380 3 250']);
  });

  it('a shard that stays without a leader is told once', () => {
    const { raft, now, lines, watch } = watched();
    for (now.ms = 0; now.ms < 4000; now.ms += 100) watch.look();
    expect(lines).toEqual(['warn: leader-missing 7 0']);
    Object.assign(raft, { leader: 1, term: 1 });
    watch.lookAtLeaders();
    expect(lines[1]).toBe('info: leader-changed 7 aa one:16379 1 4000');
  });

  it('readiness is told when it comes and goes, but not while the node stops', () => {
    const { raft, now, lines, watch } = watched();
    Object.assign(raft, { leader: 1, term: 1 });
    watch.lookAtLeaders();
    lines.length = 0;
    for (const reason of ['no leader', '', '', 'behind', 'behind', '']) {
      now.reason = reason;
      watch.look();
    }
    Object.assign(now, { stopping: true, reason: 'the node is stopping' });
    watch.look();
    expect(lines).toEqual(['info: ready ', 'warn: not-ready behind', 'info: ready ']);
  });

  it('clients that were refused are counted, and told once a minute', () => {
    const { now, lines, watch } = watched();
    for (now.ms = 0; now.ms < 120_000; now.ms += 1000) {
      now.refused += 2;
      watch.look();
    }
    expect(lines.filter((line) => line.includes('clients-refused'))).toEqual([
      'warn: clients-refused 2',
      'warn: clients-refused 120',
    ]);
  });
});
