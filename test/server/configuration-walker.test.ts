/** What the leader of a group does about its row, and what it waits for: the other nodes' knowledge of the topology (histories 5 and 17). */
import { describe, expect, it } from 'vitest';

import type { Instant, MemberId, Membership } from '../../src/raft/types.ts';
import { ConfigurationWalker } from '../../src/server/configuration-walker.ts';
import type { TopologySpread } from '../../src/server/topology-spread.ts';
import type { Replica } from '../../src/shard/replica.ts';
import type { ProposedChange } from '../../src/topology/change.ts';
import type { NodeId, Topology } from '../../src/topology/types.ts';
import { oneNode } from '../topology/one-node.ts';
import { silentLog } from '../../src/log.ts';

const NOW: Instant = { monotonicMs: 10_000, wallMs: 0 };

/** The leader is member 1 on node a; members 2, 3 and 4 are on b, c and d. */
class Rig {
  isKept = true;
  isBehind = false;
  isConfirmed = true;
  readonly knowing = new Set<NodeId>(['a']);
  readonly targets: MemberId[][] = [];
  readonly proposed: ProposedChange[] = [];
  private readonly topology: Topology;
  private readonly membership: Membership;

  constructor(voters: MemberId[], leaving: MemberId[]) {
    const replicas = ['a', 'b', 'c', 'd'].map((node, at) => ({
      member: at + 1,
      node,
      ...(leaving.includes(at + 1) ? { leaving: true } : {}),
    }));
    const first = oneNode(1, 5);
    this.topology = { ...first, shards: [{ ...first.shards[0], home: 'a', replicas, nextMember: 5 }] };
    this.membership = { voters, votersOld: [], learners: [] };
  }

  look(): void {
    const { isKept, isBehind, knowing, membership, proposed, targets, topology } = this;
    const raft = {
      self: 1,
      membership,
      committedMembership: { index: 1, membership },
      lastIndex: 1,
      progress: () =>
        [2, 3, 4].map((member) => ({ member, match: 1, lastHeardMs: NOW.monotonicMs, state: 'replicate' })),
      changeMembership: (target: Membership) => {
        targets.push([...target.voters, ...target.learners]);
        return 'proposed';
      },
    };
    const confirmLeadership = (run: () => void): void => {
      if (this.isConfirmed) run();
    };
    const replica = { shard: 1, isReadable: true, raft, confirmLeadership } as unknown as Replica;
    const spread = {
      isBehind,
      isKept: () => isKept,
      has: (node: NodeId) => knowing.has(node),
      propose: (change: ProposedChange) => proposed.push(change),
    } as unknown as TopologySpread;
    const host = { replicas: [replica], electionTimeoutMs: 400, log: silentLog };
    new ConfigurationWalker({ ...host, topology: () => topology, wake: () => {} }, spread).look(NOW);
  }
}

describe('a leader that walks its configuration', () => {
  it('changes members by what most voters of the register know, and by the newest that is known', () => {
    const rig = new Rig([1, 2, 3], [3]);
    rig.isKept = false;
    rig.look();
    rig.isKept = true;
    rig.isBehind = true;
    rig.look();
    expect(rig.targets).toEqual([]);
    rig.isBehind = false;
    rig.look();
    expect(rig.targets).toEqual([[1, 2, 3, 4]]);
  });

  it('has a member that the log has dropped leave the row once most voters know that it leaves', () => {
    const rig = new Rig([1, 2, 4], [3]);
    rig.look();
    // It counts in no quorum any more.
    rig.knowing.add('c');
    rig.look();
    expect(rig.proposed).toEqual([]);
    rig.knowing.add('d');
    rig.look();
    expect(rig.proposed.map(({ change }) => change)).toEqual([
      { kind: 'drop-members', shard: 1, members: [3] },
    ]);
  });

  it('and once it is certain that nobody led but itself', () => {
    const rig = new Rig([1, 2, 4], [3]);
    rig.knowing.add('b').add('d');
    rig.isConfirmed = false;
    rig.look();
    expect(rig.proposed).toEqual([]);
  });
});
