import { describe, expect, it } from 'vitest';

import { applyChange } from '../../src/topology/change.ts';
import { unsealedNodes } from '../../src/topology/lost-shard.ts';
import { ownersOf } from '../../src/topology/move-change.ts';
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

  it('begins on an odd number of nodes that stay', () => {
    expect(applyChange(lost(), { ...SUCCEED, voters: [nodeId(2), nodeId(3)] })).toContain(
      'an odd number of nodes',
    );
    const leaving = after(lost(), { kind: 'begin-leave', node: nodeId(2) });
    expect(applyChange(leaving, SUCCEED)).toContain('is leaving the cluster');
  });
});
