import { describe, expect, it } from 'vitest';

import type { TopologyChange } from '../../src/topology/change.ts';
import { moveIdOf } from '../../src/topology/move-change.ts';
import {
  decodeChange,
  decodeTopology,
  encodeChange,
  encodeTopology,
} from '../../src/topology/topology-codec.ts';
import { after, announcedAs, manyNodes, nodeId } from './many-nodes.ts';
import { oneNode } from './one-node.ts';

const add = (at: number, ...beside: number[]): TopologyChange => ({
  kind: 'add-node',
  id: nodeId(at),
  announced: announcedAs(at),
  beside: beside.map(nodeId),
});
const beginLeave = (at: number): TopologyChange => ({ kind: 'begin-leave', node: nodeId(at) });
const cancelLeave = (at: number): TopologyChange => ({ kind: 'cancel-leave', node: nodeId(at) });
const removeNode = (at: number): TopologyChange => ({ kind: 'remove-node', node: nodeId(at) });
const close = (shard: number): TopologyChange => ({ kind: 'close-shard', shard });
const remove = (shard: number): TopologyChange => ({ kind: 'remove-shard', shard });

describe('a node that comes', () => {
  it('gets the next ordinal, and a home shard without slots that begins on the nodes named', () => {
    const grown = after(manyNodes(3), add(4, 1, 2));
    expect(grown.nodes.at(-1)).toEqual({ ...announcedAs(4), id: nodeId(4), ordinal: 4 });
    expect(grown.shards.at(-1)).toEqual({
      id: 4,
      group: 4,
      home: nodeId(4),
      replicas: [
        { member: 1, node: nodeId(4) },
        { member: 2, node: nodeId(1) },
        { member: 3, node: nodeId(2) },
      ],
      first: [1, 2, 3],
      nextMember: 4,
    });
    expect(grown.slots).toEqual(oneNode(1, 1).slots);
    expect([grown.nextOrdinal, grown.nextGroup]).toEqual([5, 5]);
    expect(decodeTopology(encodeTopology(grown))).toEqual(grown);
  });

  it('is refused when it is known, when its address is taken, and beside nodes that cannot be', () => {
    const three = manyNodes(3);
    expect(() => after(three, add(3))).toThrow('already');
    const announced = announcedAs(2);
    expect(() => after(three, { kind: 'add-node', id: nodeId(9), announced, beside: [] })).toThrow(
      `node ${nodeId(2)} is at h:102 already`,
    );
    expect(() => after(three, add(4, 1))).toThrow('odd number');
    expect(() => after(three, add(4, 1, 1))).toThrow('odd number');
    expect(() => after(three, add(4, 1, 9))).toThrow('there is no node');
    expect(() => after(three, beginLeave(2), add(4, 1, 2))).toThrow('is leaving');
  });

  it('is none that has left: its directory is of no use any more', () => {
    const three = manyNodes(3);
    const left = after(
      { ...three, slots: [{ from: 0, to: 16_383, shard: 1 }] },
      beginLeave(3),
      { kind: 'close-shard', shard: 3 },
      { kind: 'remove-shard', shard: 3 },
      removeNode(3),
    );
    expect(left.departed).toEqual([nodeId(3)]);
    expect(() => after(left, add(3))).toThrow('has left the cluster');
    expect(decodeTopology(encodeTopology(left))).toEqual(left);
  });

  it('may come after many have gone, of which the last are remembered', () => {
    let topology = manyNodes(1);
    for (let at = 2; at < 140; at++)
      topology = after(topology, add(at), beginLeave(at), close(at), remove(at), removeNode(at));
    expect(topology.departed).toHaveLength(128);
    expect(topology.departed?.at(-1)).toBe(nodeId(139));
    expect(decodeTopology(encodeTopology(topology))).toEqual(topology);
  });

  it('is never given an id that was given before', () => {
    const three = manyNodes(3);
    const left = after(three, beginLeave(3), close(3), remove(3), removeNode(3), add(4));
    expect(left.nodes.map(({ ordinal }) => ordinal)).toEqual([1, 2, 4]);
    expect(left.shards.map(({ id, group }) => [id, group])).toEqual([
      [1, 1],
      [2, 2],
      [4, 4],
    ]);
  });
});

describe('a node that says who it is', () => {
  it('is reached elsewhere from then on, and keeps the weight that the register has', () => {
    const announced = { ...announcedAs(7, 'elsewhere', 'z'), weight: 5 };
    const moved = after(manyNodes(2), { kind: 'announce', node: nodeId(2), announced });
    expect(moved.nodes[1]).toEqual({ ...announced, weight: 1, id: nodeId(2), ordinal: 2 });
    const again: TopologyChange = { kind: 'announce', node: nodeId(2), announced };
    expect(() => after(moved, again)).toThrow('known by that already');
    const taken: TopologyChange = { kind: 'announce', node: nodeId(2), announced: announcedAs(1) };
    expect(() => after(moved, taken)).toThrow('already');
    expect(() => after(moved, { ...again, node: nodeId(9) })).toThrow('there is no node');
  });
});

describe('a node that leaves', () => {
  it('may stay after all, and the last that stays does not leave', () => {
    const two = manyNodes(2);
    const leaving = after(two, beginLeave(2));
    expect(leaving.nodes[1].leaving).toBe(true);
    expect(decodeTopology(encodeTopology(leaving))).toEqual(leaving);
    expect(() => after(leaving, beginLeave(2))).toThrow('leaving already');
    expect(() => after(leaving, beginLeave(1))).toThrow('no other node would stay');
    expect(after(leaving, cancelLeave(2)).nodes).toEqual(two.nodes);
    expect(() => after(two, cancelLeave(2))).toThrow('is not leaving');
  });

  it('gets no new replica', () => {
    const leaving = after(manyNodes(2), beginLeave(2));
    const place = { kind: 'place-shard', shard: 1, nodes: [nodeId(1), nodeId(2)] } as const;
    expect(() => after(leaving, place)).toThrow('is leaving');
  });

  it('has its shard closed only when it has neither slots nor moves, and none come later', () => {
    const two = manyNodes(2);
    expect(() => after(two, close(2))).toThrow('the home of shard 2 is not leaving');
    expect(() => after(two, beginLeave(1), close(1))).toThrow('shard 1 has slots');
    const begin: TopologyChange = {
      kind: 'begin-move',
      source: 1,
      target: 2,
      slots: [{ from: 0, to: 16_383 }],
    };
    const moving = after(two, beginLeave(1), begin);
    expect(() => after(two, begin, beginLeave(2), close(2))).toThrow('slots move from or to');
    const moved = after(moving, {
      kind: 'end-move',
      move: moveIdOf(moving),
      moved: [{ from: 0, to: 16_383 }],
    });
    const closing = after(moved, close(1));
    expect(closing.shards[0].closing).toEqual({ generation: 1, epoch: closing.epoch });
    expect(decodeTopology(encodeTopology(closing))).toEqual(closing);
    expect(() => after(closing, close(1))).toThrow('closing already');
    expect(() => after(closing, { ...begin, source: 2, target: 1 })).toThrow('shard 1 is closing');
    expect(() => after(closing, cancelLeave(1))).toThrow('no home shard any more');
    expect(() => after(moved, remove(1))).toThrow('shard 1 is not closing');
    const removed = after(closing, remove(1));
    expect(removed.shards.map(({ id }) => id)).toEqual([2]);
    expect(() => after(removed, cancelLeave(1))).toThrow('no home shard any more');
  });

  it('is removed once it is no home and holds no replica, one that leaves neither', () => {
    const two = manyNodes(2);
    expect(() => after(two, removeNode(2))).toThrow('is not leaving');
    const both = { kind: 'place-shard', shard: 1, nodes: [nodeId(1), nodeId(2)] } as const;
    const leaving = after(two, both, beginLeave(2));
    expect(() => after(leaving, removeNode(2))).toThrow('has a replica of shard 1');
    const alone = after(leaving, { kind: 'place-shard', shard: 1, nodes: [nodeId(1)] });
    expect(() => after(alone, removeNode(2))).toThrow('has a replica of shard 1');
    const dropped = after(alone, { kind: 'drop-members', shard: 1, members: [2] });
    expect(() => after(dropped, removeNode(2))).toThrow('is the home of shard 2');
    const gone = after(dropped, close(2), remove(2), removeNode(2));
    expect(gone.nodes.map(({ ordinal }) => ordinal)).toEqual([1]);
  });

  it('and all that happens to it, is understood by other nodes', () => {
    const on = { generation: 1, epoch: 5 };
    const announce: TopologyChange = { kind: 'announce', node: nodeId(2), announced: announcedAs(2) };
    const changes = [
      add(4, 1, 2),
      announce,
      beginLeave(2),
      cancelLeave(2),
      close(2),
      remove(2),
      removeNode(2),
    ];
    for (const change of changes) {
      const request = { id: 'd'.repeat(40), node: nodeId(1), start: 1 };
      const proposed = { clusterId: 'c'.repeat(40), on, change, request };
      expect(decodeChange(encodeChange(proposed))).toEqual(proposed);
    }
  });
});
