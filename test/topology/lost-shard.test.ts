import { describe, expect, it } from 'vitest';

import { applyChange } from '../../src/topology/change.ts';
import { longestLogs, unsealedNodes } from '../../src/topology/lost-shard.ts';
import { moveIdOf, ownersOf } from '../../src/topology/move-change.ts';
import { decodeTopology, encodeTopology } from '../../src/topology/topology-codec.ts';
import { topologyDiff } from '../../src/topology/topology-diff.ts';
import type { Topology } from '../../src/topology/types.ts';
import { after, manyNodes, nodeId } from './many-nodes.ts';

const GIVE_UP = { kind: 'give-up-shard', shard: 1, destroyed: [1] } as const;
const SUCCEED = { kind: 'succeed-shard', shard: 1, home: nodeId(2), voters: [nodeId(2)] } as const;

/** Node 1's shard has all slots, and members on the first three of four. */
function lost(): Topology {
  const place = { kind: 'place-shard', shard: 1, nodes: [1, 2, 3].map(nodeId) } as const;
  return after(manyNodes(4), place, GIVE_UP);
}

describe('a shard that is given up', () => {
  it('keeps the epoch that said so, while more of its members are said to be destroyed', () => {
    const once = lost();
    const twice = after(once, { ...GIVE_UP, destroyed: [2] });
    expect(once.shards[0].givenUp).toEqual({ generation: 1, epoch: once.epoch, destroyed: [1] });
    expect(twice.shards[0].givenUp).toEqual({ generation: 1, epoch: once.epoch, destroyed: [1, 2] });
    expect(applyChange(twice, GIVE_UP)).toBe('shard 1 is given up already');
    expect(applyChange(once, { ...GIVE_UP, destroyed: [9] })).toBe('shard 1 has no member 9');
    expect(decodeTopology(encodeTopology(twice))).toEqual(twice);
    expect(topologyDiff(once, twice)).toEqual(['shard 1: given up, with members 1, 2 destroyed']);
  });

  it('is sealed once each member that is not destroyed is on a node that has synced that, or has left', () => {
    const topology = lost();
    const [shard] = topology.shards;
    const heard = new Set<string>();
    const open = (): string[] => unsealedNodes(topology, shard, (node) => heard.has(node));
    expect(open()).toEqual([nodeId(2), nodeId(3)]);
    heard.add(nodeId(3));
    expect(open()).toEqual([nodeId(2)]);
    const nodes = topology.nodes.filter(({ id }) => id !== nodeId(2));
    expect(unsealedNodes({ ...topology, nodes }, shard, (node) => heard.has(node))).toEqual([]);
  });

  it('takes part in nothing any more', () => {
    const slots = [{ from: 0, to: 5 }];
    const topology = lost();
    expect(applyChange(topology, { kind: 'begin-move', source: 1, target: 2, slots })).toBe(
      'shard 1 is given up',
    );
    expect(applyChange(topology, { kind: 'place-shard', shard: 1, nodes: [nodeId(4)] })).toBe(
      'shard 1 is given up',
    );
  });
});

describe('its successor', () => {
  it('is another shard with another group, and has its slots', () => {
    const before = lost();
    const now = after(before, SUCCEED);
    const heir = now.shards[0];
    expect([heir.id, heir.group, heir.first, heir.home]).toEqual([
      before.nextOrdinal,
      before.nextGroup,
      [1],
      nodeId(2),
    ]);
    expect(before.shards.map(({ group }) => group)).not.toContain(heir.group);
    expect(new Set(ownersOf(now.slots))).toEqual(new Set([heir.id]));
    expect(now.succeeded).toBe(1);
    expect(decodeTopology(encodeTopology(now))).toEqual(now);
  });

  it('waits until it is given up and its moves have ended', () => {
    expect(applyChange(manyNodes(4), SUCCEED)).toBe('shard 1 is not given up');
    const slots = [{ from: 0, to: 5 }];
    const moving = after(manyNodes(4), { kind: 'begin-move', source: 1, target: 2, slots }, GIVE_UP);
    expect(applyChange(moving, SUCCEED)).toBe('slots move from or to shard 1');
  });

  it('waits, after a recovery, until all other logs say the same as the register, and moves that those began have ended', () => {
    const recovered = { ...lost(), generation: 2 };
    expect(applyChange(recovered, SUCCEED)).toBe(
      'shards 2, 3, 4 have not confirmed their slots since the recovery',
    );
    const confirmed = after(
      recovered,
      ...[2, 3, 4].map((shard) => ({ kind: 'confirm-slots', shard }) as const),
    );
    expect(after(confirmed, SUCCEED).succeeded).toBe(1);
    const slots = [{ from: 7, to: 7 }];
    const move = moveIdOf({ generation: 1, epoch: 9 });
    const resumed = after(confirmed, { kind: 'resume-move', move, source: 2, target: 3, slots });
    expect(applyChange(resumed, SUCCEED)).toBe('slots of shard 1 are being moved');
  });

  it('begins on an odd number of nodes that stay', () => {
    expect(applyChange(lost(), { ...SUCCEED, voters: [nodeId(2), nodeId(3)] })).toContain(
      'an odd number of nodes',
    );
    const leaving = after(lost(), { kind: 'begin-leave', node: nodeId(2) });
    expect(applyChange(leaving, SUCCEED)).toContain('is leaving the cluster');
  });
});

describe('a shard that is to be rewound', () => {
  const REWIND = { ...GIVE_UP, rewind: true } as const;
  const log = (member: number, term: number, index: number) =>
    ({ kind: 'keep-log', shard: 1, member, term, index }) as const;
  /** Of members 2 and 3, on nodes 2 and 3, something is left. */
  const rewinding = (): Topology => {
    const place = { kind: 'place-shard', shard: 1, nodes: [1, 2, 3].map(nodeId) } as const;
    return after(manyNodes(4), place, REWIND);
  };
  const on = (node: number) => ({ ...SUCCEED, voters: [nodeId(node)] }) as const;

  it('waits until each member that is left has said where its log ends, and is sealed by that', () => {
    const none = rewinding();
    const open = (topology: Topology): string[] => unsealedNodes(topology, topology.shards[0], () => true);
    expect(open(none)).toEqual([nodeId(2), nodeId(3)]);
    const one = after(none, log(3, 4, 90));
    expect(open(one)).toEqual([nodeId(2)]);
    expect(applyChange(one, on(3))).toBe('member 2 of shard 1 has not sealed itself');
    expect(applyChange(one, log(3, 4, 91))).toBe('of member 3 of shard 1 it is known already');
    expect(applyChange(one, log(1, 4, 91))).toBe('of shard 1 no member 1 is left');
    const both = after(one, log(2, 4, 80));
    expect(open(both)).toEqual([]);
    expect(decodeTopology(encodeTopology(both))).toEqual(both);
    expect(topologyDiff(one, both)).toEqual([
      'shard 1: given up, with members 1 destroyed, to be rewound, member 3 sealed at index 90 of term 4, member 2 sealed at index 80 of term 4',
    ]);
  });

  it.each([
    [log(2, 4, 80), log(3, 4, 90), 3],
    // The later term wins, however long the other is (§5.4.1).
    [log(2, 5, 80), log(3, 4, 90), 2],
  ])('goes on where the longest log is, and nowhere else (%#)', (second, third, best) => {
    const topology = after(rewinding(), second, third);
    expect(longestLogs(topology, topology.shards[0]).map(({ member }) => member)).toEqual([best]);
    for (const voters of [[nodeId(5 - best)], [nodeId(4)], [nodeId(2), nodeId(3), nodeId(4)]])
      expect(applyChange(topology, { ...SUCCEED, voters })).toContain('where its longest log is');
    const now = after(topology, on(best));
    const [heir] = now.shards;
    const { term, index } = best === 3 ? third : second;
    expect(heir.rewound).toEqual({ group: topology.shards[0].group, member: best, term, index });
    expect([heir.replicas, heir.first]).toEqual([[{ member: 1, node: nodeId(best) }], [1]]);
    expect(decodeTopology(encodeTopology(now))).toEqual(now);
    expect(now.succeeded).toBe(1);
  });

  it('may go on at any of those whose logs are as long', () => {
    const topology = after(rewinding(), log(2, 4, 90), log(3, 4, 90));
    for (const node of [2, 3]) expect(applyChange(topology, on(node))).toBeTypeOf('object');
  });

  it('begins empty where nothing was ever logged', () => {
    const topology = after(rewinding(), log(2, 0, 0), log(3, 0, 0));
    expect(after(topology, on(4)).shards[0].rewound).toBeUndefined();
  });

  it('forgets the log of a member that is destroyed after all', () => {
    const topology = after(rewinding(), log(2, 4, 80), log(3, 4, 90), { ...REWIND, destroyed: [3] });
    expect(topology.shards[0].givenUp?.kept).toEqual([{ member: 2, term: 4, index: 80 }]);
    expect(applyChange(topology, on(3))).toContain('where its longest log is');
    expect(applyChange(topology, { ...REWIND, destroyed: [2] })).toBe(
      'no member of shard 1 is left to go on with',
    );
  });

  it('may be given up as empty after all, and then never be rewound', () => {
    const told = after(rewinding(), log(2, 4, 80), log(3, 4, 90));
    expect(applyChange(told, REWIND)).toBe('shard 1 is given up already');
    const empty = after(told, GIVE_UP);
    expect(empty.shards[0].givenUp).toEqual({ ...told.shards[0].givenUp, kept: undefined });
    expect(applyChange(empty, REWIND)).toBe('shard 1 is given up already, with all that was left of it');
    expect(applyChange(empty, log(2, 4, 80))).toBe('of shard 1 nothing is kept');
    expect(after(empty, on(4)).shards[0].rewound).toBeUndefined();
  });

  it('goes on at a node that is leaving, too', () => {
    const leaving = after(rewinding(), log(2, 4, 80), log(3, 4, 90), {
      kind: 'begin-leave',
      node: nodeId(3),
    });
    expect(after(leaving, on(3)).shards[0].replicas).toEqual([{ member: 1, node: nodeId(3) }]);
  });
});
