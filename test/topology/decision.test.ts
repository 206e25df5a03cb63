import { describe, expect, it } from 'vitest';

import { mayChange, proofOf } from '../../src/topology/change-proof.ts';
import type { TopologyChange } from '../../src/topology/change.ts';
import { topologyAfter } from '../../src/topology/decision.ts';
import { decodeTopology, encodeTopology } from '../../src/topology/topology-codec.ts';
import type { Announcement, Topology } from '../../src/topology/types.ts';

const ANNOUNCED: Announcement = {
  host: 'h',
  clientPort: 1,
  redirectPort: 2,
  peerPort: 3,
  adminPort: 4,
  zone: '',
  machine: 'm',
  weight: 1,
};
const idOf = (name: string): string => name.repeat(40);
const NODES = ['a', 'b', 'c', 'd'].map(idOf);

function topology(): Topology {
  return {
    clusterId: idOf('f'),
    generation: 1,
    epoch: 5,
    version: 1,
    nodes: NODES.map((id, at) => ({ ...ANNOUNCED, peerPort: 100 + at, id, ordinal: at + 1 })),
    nextOrdinal: 5,
    nextGroup: 2,
    shards: [
      {
        id: 1,
        group: 1,
        home: NODES[0],
        replicas: NODES.slice(0, 3).map((node, at) => ({ member: at + 1, node })),
        first: [1, 2, 3],
        nextMember: 4,
      },
    ],
    slots: [{ from: 0, to: 16_383, shard: 1 }],
    voters: NODES.slice(0, 3),
    moves: [],
  };
}

function decided(current: Topology, change: TopologyChange): Topology {
  const { clusterId, generation, epoch } = current;
  const after = topologyAfter(current, { clusterId, on: { generation, epoch }, change });
  if (typeof after === 'string') throw new Error(after);
  return after;
}

describe('a decision', () => {
  it('is made on the newest topology alone, of the own cluster, unless it may be made of a newer one', () => {
    const change = { kind: 'raise-version', version: 2 } as const;
    const { clusterId } = topology();
    const old = { generation: 1, epoch: 4 };
    expect(topologyAfter(topology(), { clusterId, on: old, change })).toContain('has moved on to 1.5');
    expect(topologyAfter(topology(), { clusterId, on: old, change, retry: true })).toMatchObject({
      epoch: 6,
    });
    const on = { generation: 1, epoch: 5 };
    expect(topologyAfter(topology(), { clusterId: idOf('e'), on, change })).toContain('is for cluster');
    expect(decided(topology(), change)).toMatchObject({ generation: 1, epoch: 6, version: 2 });
    expect(() => decided(topology(), { kind: 'raise-version', version: 1 })).toThrow('is 1 already');
  });

  it('gives each member another id than any before, and keeps those that leave in the row', () => {
    const moved = decided(topology(), { kind: 'place-shard', shard: 1, nodes: NODES.slice(1) });
    expect(moved.shards[0]).toMatchObject({
      replicas: [
        { member: 1, node: NODES[0], leaving: true },
        { member: 2, node: NODES[1] },
        { member: 3, node: NODES[2] },
        { member: 4, node: NODES[3] },
      ],
      nextMember: 5,
    });
    const back: TopologyChange = { kind: 'place-shard', shard: 1, nodes: NODES.slice(0, 3) };
    expect(() => decided(moved, back)).toThrow('still to be rid of a member');
    const dropped = decided(moved, { kind: 'drop-members', shard: 1, members: [1] });
    expect(decided(dropped, back).shards[0].replicas).toContainEqual({ member: 5, node: NODES[0] });
    expect(() => decided(moved, { kind: 'drop-members', shard: 1, members: [2] })).toThrow('not leaving');
  });

  it('replaces a node by another one at its place', () => {
    const change: TopologyChange = {
      kind: 'replace-node',
      node: NODES[2],
      by: { id: idOf('9'), announced: ANNOUNCED },
    };
    const replaced = decided(topology(), change);
    expect(replaced.nodes.map(({ id, ordinal }) => [id[0], ordinal])).toEqual([
      ['a', 1],
      ['b', 2],
      ['d', 4],
      ['9', 5],
    ]);
    expect(replaced.shards[0].replicas.slice(2)).toEqual([
      { member: 3, node: NODES[2], leaving: true },
      { member: 4, node: idOf('9') },
    ]);
    expect(replaced).toMatchObject({ generation: 1, epoch: 6 });
    expect(() => decided(replaced, change)).toThrow('there is no node');
    expect(decodeTopology(encodeTopology(replaced))).toEqual(replaced);
  });

  it('that replaces a voter has the new node vote in its place, and the new home is there', () => {
    const by = { id: idOf('9'), announced: ANNOUNCED };
    const replaced = decided(topology(), { kind: 'replace-node', node: NODES[0], by });
    expect(replaced).toMatchObject({ generation: 1, epoch: 6, voters: [by.id, NODES[1], NODES[2]] });
    expect(replaced.shards[0].home).toBe(by.id);
  });

  it('replaces no node at the place of another, none that leaves, and by none that was of the cluster', () => {
    const by = { id: idOf('9'), announced: { ...ANNOUNCED, peerPort: 103 } };
    const replace = (node: string, id = by.id): TopologyChange => ({
      kind: 'replace-node',
      node,
      by: { ...by, id },
    });
    expect(() => decided(topology(), replace(NODES[2]))).toThrow(`node ${NODES[3]} is at`);
    const leaving = decided(topology(), { kind: 'begin-leave', node: NODES[3] });
    expect(() => decided(leaving, replace(NODES[3]))).toThrow('is leaving');
    const last = { ...topology(), nextOrdinal: 65_536 };
    expect(() => decided(last, replace(NODES[3]))).toThrow('as many as a cluster has in its life');
    const replaced = decided(topology(), replace(NODES[3]));
    expect(replaced.departed).toEqual([NODES[3]]);
    expect(() => decided(replaced, replace(by.id, NODES[3]))).toThrow('has left the cluster');
    const weighed = decided(topology(), { kind: 'set-weight', node: NODES[3], weight: 5 });
    expect(decided(weighed, replace(NODES[3])).nodes.at(-1)).toMatchObject({ id: by.id, weight: 5 });
  });
});

describe('the proof of a change', () => {
  it('is of this body and this secret, and without a secret of this machine', () => {
    const proof = proofOf('secret', 'body');
    expect(mayChange('secret', 'body', proof, '10.0.0.1')).toBe(true);
    expect(mayChange('secret', 'bodY', proof, '127.0.0.1')).toBe(false);
    expect(mayChange('other', 'body', proof, '127.0.0.1')).toBe(false);
    expect(mayChange('secret', 'body', '', '127.0.0.1')).toBe(false);
    for (const [from, may] of [
      ['127.0.0.1', true],
      ['::1', true],
      ['::ffff:127.0.0.1', true],
      ['10.0.0.1', false],
      ['', false],
    ] as const)
      expect(mayChange('', 'body', proofOf('', 'body'), from), from).toBe(may);
  });
});
