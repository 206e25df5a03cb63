import { describe, expect, it } from 'vitest';

import { NewerVersionError } from '../../src/errors.ts';
import { ClusterVersion, raiseProblem } from '../../src/topology/cluster-version.ts';
import type { NodeEntry } from '../../src/topology/types.ts';
import type { WalRecovery } from '../../src/wal/types.ts';
import { entriesOf } from '../raft/rig.ts';

const BUILD = { newest: 3, oldestPeer: 2 };

function recovered(...rules: number[]): WalRecovery {
  const entries = rules.flatMap((version, i) => entriesOf([1], i + 1, version));
  return {
    groups: new Map([[1, { hardState: null, snapshot: null, entries }]]),
  } as unknown as WalRecovery;
}

describe('the cluster version', () => {
  it('follows what was decided, and never falls', () => {
    let decided = 1;
    const version = new ClusterVersion(BUILD, () => decided);
    expect(version.follow()).toBe(false);
    decided = 3;
    expect([version.follow(), version.follow(), version.current]).toEqual([true, false, 3]);
    decided = 2;
    expect([version.follow(), version.current]).toEqual([false, 3]);
  });

  it('above what the build runs is refused, and both are named', () => {
    const version = new ClusterVersion(BUILD, () => 4);
    expect(() => version.follow()).toThrow(NewerVersionError);
    expect(() => version.follow()).toThrow(
      'of cluster version 4, and this build runs up to cluster version 3',
    );
  });

  it('says what is spoken: nothing that the cluster has left behind', () => {
    let decided = 1;
    const version = new ClusterVersion(BUILD, () => decided);
    expect(version.spoken).toEqual({ versionMin: 2, versionMax: 3 });
    decided = 3;
    version.follow();
    expect(version.spoken).toEqual({ versionMin: 3, versionMax: 3 });
  });

  it('of a log is read from its last entry', () => {
    const version = new ClusterVersion(BUILD, () => 1);
    expect(() => version.checkLog(recovered(1, 2, 3), '/data')).not.toThrow();
    expect(() => version.checkLog(recovered(), '/data')).not.toThrow();
    expect(() => version.checkLog(recovered(1, 4), '/data')).toThrow(
      'the log in /data is of cluster version 4',
    );
  });
});

describe('raising it', () => {
  const NODES = ['a', 'b', 'c'].map((id, i) => ({ id, host: 'h', clientPort: 7001 + i }) as NodeEntry);
  const problem = (...newest: (number | null)[]): string | null =>
    raiseProblem(2, NODES, (node) => newest[NODES.findIndex(({ id }) => id === node)]);

  it('takes all nodes of the topology: who is not reached may be of an older build', () => {
    expect(problem(2, 2, 3)).toBeNull();
    expect(problem(2, 1, null)).toBe(
      'cluster version 2 is not run by all nodes: the node at h:7002 runs up to cluster version 1; the node at h:7003 is not reached',
    );
  });
});
