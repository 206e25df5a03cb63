/** A newcomer that dies before it has caught up holds nobody up. */
import { describe, expect, it } from 'vitest';

import type { Membership } from '../../src/raft/types.ts';
import { withoutNewcomer, type NewcomerChange } from '../../src/topology/lost-newcomer.ts';
import { stayingNodes } from '../../src/topology/replica-planner.ts';
import type { NodeId, ShardEntry, Topology } from '../../src/topology/types.ts';
import { applyChange } from '../../src/topology/change.ts';
import { after, manyNodes, nodeId } from './many-nodes.ts';

const [a, b, c, d, e] = [1, 2, 3, 4, 5].map(nodeId);

/** Shard 1 on a, b and c as members 1, 2 and 3; then as it is placed. */
function placed(...rows: NodeId[][]): Topology {
  const { nodes, shards, ...rest } = manyNodes(5);
  const replicas = [a, b, c].map((node, at) => ({ member: at + 1, node }));
  const first: ShardEntry = { ...shards[0], replicas, nextMember: 4 };
  const start: Topology = { ...rest, nodes, shards: [first, ...shards.slice(1)] };
  return rows.reduce(
    (topology, row) => after(topology, { kind: 'place-shard', shard: 1, nodes: row }),
    start,
  );
}

function voting(voters: number[], learners: number[] = [], votersOld: number[] = []): Membership {
  return { voters, votersOld, learners };
}

function changeOf(
  topology: Topology,
  membership: Membership,
  gone: readonly NodeId[],
  target: readonly NodeId[] = [],
): NewcomerChange | null {
  return withoutNewcomer(topology, {
    shard: topology.shards[0],
    membership,
    isGone: (node) => gone.includes(node),
    targetWithout: () => target,
  });
}

describe('a newcomer that is gone before it has caught up', () => {
  const moving = placed([a, b, d]);

  it('gives its place back to the member that was to go', () => {
    const change = changeOf(moving, voting([1, 2, 3], [4]), [d]);
    expect(change).toEqual({ kind: 'keep-member', shard: 1, member: 3, instead: 4 });
    const kept = after(moving, change as NewcomerChange);
    expect(kept.shards[0].replicas).toEqual([
      { member: 1, node: a },
      { member: 2, node: b },
      { member: 3, node: c },
      { member: 4, node: d, leaving: true },
    ]);
    expect(after(kept, { kind: 'drop-members', shard: 1, members: [4] }).shards[0].nextMember).toBe(5);
  });

  it('is waited for while it is heard, has a vote already, or a change is under way', () => {
    expect(changeOf(moving, voting([1, 2, 3], [4]), [])).toBeNull();
    expect(changeOf(moving, voting([1, 2, 4]), [d])).toBeNull();
    expect(changeOf(moving, voting([1, 2, 4], [], [1, 2, 3]), [d])).toBeNull();
  });

  it('is replaced by another where the member that was to go is dead, or its node leaves', () => {
    const other: NewcomerChange = { kind: 'place-shard', shard: 1, nodes: [a, b, e] };
    expect(changeOf(moving, voting([1, 2, 3], [4]), [c, d], [a, b, e])).toEqual(other);
    const leaving = after(moving, { kind: 'begin-leave', node: c });
    expect(changeOf(leaving, voting([1, 2, 3], [4]), [d], [a, c, e])).toEqual(other);
    expect(stayingNodes(after(leaving, other).shards[0])).toEqual([a, b, e]);
  });

  it('leaves the row as it is where nobody is left: the group would be asked to vote with fewer', () => {
    expect(changeOf(moving, voting([1, 2, 3], [4]), [c, d], [a, b, d])).toBeNull();
  });

  it('is merely left out where the row grew by it', () => {
    const growing = placed([a, b, c, d, e]);
    expect(changeOf(growing, voting([1, 2, 3], [4, 5]), [e])).toEqual({
      kind: 'place-shard',
      shard: 1,
      nodes: [a, b, c, d],
    });
  });
});

describe('a member that is to stay after all', () => {
  const moving = placed([a, b, d]);

  it.each<[string, number, number, string]>([
    ['is to stay anyhow', 2, 4, 'member 2 of shard 1 is not leaving'],
    ['is no member', 9, 4, 'member 9 of shard 1 is not leaving'],
    ['stands in for none', 3, 9, 'member 9 of shard 1 is not to stay'],
  ])('is refused when it %s', (_, member, instead, why) => {
    expect(applyChange(moving, { kind: 'keep-member', shard: 1, member, instead })).toBe(why);
  });

  it('is refused when its node leaves the cluster, which takes its members with it', () => {
    const leaving = after(moving, { kind: 'begin-leave', node: c });
    const change = { kind: 'keep-member', shard: 1, member: 3, instead: 4 } as const;
    expect(applyChange(leaving, change)).toContain(`node ${c} is leaving the cluster`);
  });
});
