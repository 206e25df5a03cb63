import { array, assert, boolean, integer, property, tuple } from 'fast-check';
import { describe, expect, it } from 'vitest';

import { nodeName, topologyDiff } from '../../src/topology/topology-diff.ts';
import { lostShards, recoveredTopology, recoveryProblem } from '../../src/topology/recovery.ts';
import type { NodeEntry, Topology } from '../../src/topology/types.ts';
import { firstVoters, nextVoters, voterCount, votersProblem } from '../../src/topology/voters.ts';
import { oneNode } from './one-node.ts';

const idOf = (number: number): string => number.toString(16).padStart(40, '0');

function nodeOf(number: number, machine = `m${number}`): NodeEntry {
  const [entry] = oneNode(1, 1).nodes;
  return { ...entry, id: idOf(number), ordinal: number, clientPort: 7000 + number, machine };
}

function topologyOf(nodes: readonly NodeEntry[], voters: readonly number[]): Topology {
  return { ...oneNode(1, 4), nodes, voters: voters.map(idOf) };
}

const all = (): boolean => true;
const none = (): boolean => false;
const allBut =
  (...silent: number[]) =>
  (node: string): boolean =>
    !silent.map(idOf).includes(node);

describe('voters', () => {
  it('are an odd number, of different machines where there are some', () => {
    const machines = ['a', 'a', 'a', 'b', 'c'];
    for (let count = 1; count <= 12; count++) {
      const nodes = Array.from({ length: count }, (_, at) => nodeOf(at + 1));
      expect(firstVoters(nodes)).toHaveLength(voterCount(count));
      expect(voterCount(count) % 2).toBe(1);
    }
    const nodes = machines.slice(0, 4).map((machine, at) => nodeOf(at + 1, machine));
    expect(firstVoters(nodes)).toEqual([1, 4, 2].map(idOf));
  });

  it('grow with the nodes, from 1 to 3 to 5, and never to two', () => {
    const nodes = [1, 2, 3, 4, 5].map((number) => nodeOf(number));
    expect(nextVoters(topologyOf(nodes.slice(0, 2), [1]), all)).toBeNull();
    expect(nextVoters(topologyOf(nodes.slice(0, 3), [1]), all)).toEqual([1, 2, 3].map(idOf));
    expect(nextVoters(topologyOf(nodes, [1, 2, 3]), all)).toEqual([1, 2, 3, 4, 5].map(idOf));
    // Two that are heard, or none.
    expect(nextVoters(topologyOf(nodes, [1, 2, 3]), allBut(5))).toBeNull();
  });

  it('that are silent are replaced by a node that is heard, and never dropped (histories 5 c and 21)', () => {
    const nodes = [1, 2, 3, 4].map((number) => nodeOf(number));
    expect(nextVoters(topologyOf(nodes, [1, 2, 3]), allBut(2))).toEqual([1, 4, 3].map(idOf));
    expect(nextVoters(topologyOf(nodes, [1, 2, 3]), allBut(2, 4))).toBeNull();
    // A short silence costs nobody its vote, and gives none.
    expect(nextVoters(topologyOf(nodes, [1, 2, 3]), allBut(2), allBut(2, 4))).toBeNull();
    expect(nextVoters(topologyOf(nodes, [1, 2, 3]), all, allBut(2, 4))).toBeNull();
    expect(nextVoters(topologyOf(nodes.slice(0, 3), [1, 2, 3]), allBut(2, 3))).toBeNull();
    const three = topologyOf(nodes, [1, 2, 3]);
    expect(votersProblem(three, [idOf(1)])).toContain('not dropped');
    expect(votersProblem(three, [idOf(1), idOf(2)])).toContain('1, 3, 5 or 7');
    expect(votersProblem(three, [1, 2, 9].map(idOf))).toContain('there is no node');
    expect(votersProblem(three, [1, 2, 2].map(idOf))).toContain('votes once');
    expect(votersProblem(topologyOf([...nodes, nodeOf(5)], [1, 2, 3]), [1, 4, 5].map(idOf))).toContain(
      'one voter is replaced at a time',
    );
  });

  it('become fewer only when nodes have left, and who has left goes first', () => {
    const nodes = [1, 2, 3, 4].map((number) => nodeOf(number));
    const left = topologyOf(nodes, [1, 2, 3, 4, 5]);
    expect(nextVoters(left, allBut(2))).toEqual([1, 3, 4].map(idOf));
    expect(votersProblem(left, [1, 3, 4].map(idOf))).toBeNull();
  });

  it('are spread over machines when there is one more', () => {
    const nodes = [nodeOf(1, 'a'), nodeOf(2, 'a'), nodeOf(3, 'b'), nodeOf(4, 'c')];
    expect(nextVoters(topologyOf(nodes, [1, 2, 3]), all)).toEqual([1, 4, 3].map(idOf));
    expect(nextVoters(topologyOf(nodes, [1, 4, 3]), all)).toBeNull();
  });

  it('step by step come to rest, each step one that may be taken', () => {
    const nodes = array(tuple(integer({ min: 0, max: 4 }), boolean()), {
      minLength: 1,
      maxLength: 11,
    });
    assert(
      property(nodes, integer({ min: 1, max: 11 }), (drawn, before) => {
        const entries = drawn.map(([machine], at) => nodeOf(at + 1, `m${machine}`));
        const old = Array.from({ length: before }, (_, at) => nodeOf(at + 1));
        let topology: Topology = { ...topologyOf(entries, []), voters: firstVoters(old) };
        const isHeard = (node: string): boolean => drawn.at(parseInt(node, 16) - 1)?.[1] === true;
        for (let steps = 0; ; steps++) {
          expect(steps).toBeLessThan(20);
          const next = nextVoters(topology, isHeard);
          if (next === null) break;
          expect(votersProblem(topology, next)).toBeNull();
          topology = { ...topology, voters: next };
        }
        expect(topology.voters.length % 2).toBe(1);
        if (drawn.every(([, heard]) => heard)) {
          expect(topology.voters).toHaveLength(voterCount(entries.length));
          expect(topology.voters.every((voter) => entries.some(({ id }) => id === voter))).toBe(true);
        }
      }),
    );
  });
});

describe('a recovery', () => {
  const nodes = [1, 2, 3, 4, 5].map((number) => nodeOf(number));
  const topology: Topology = {
    ...topologyOf(nodes, [1, 2, 3]),
    shards: [
      {
        id: 1,
        group: 1,
        home: idOf(1),
        replicas: [1, 2, 4].map((number) => ({ member: number, node: idOf(number) })),
        first: [1, 2, 4],
        nextMember: 5,
      },
    ],
  };

  it('is for a majority of the voters that is lost', () => {
    expect(recoveryProblem(topology, [1, 2, 4].map(idOf), [])).toContain('2 of the 3 voters are left');
    expect(recoveryProblem(topology, [3, 9].map(idOf), [])).toContain('there is no node');
    expect(recoveryProblem(topology, [3, 3].map(idOf), [])).toContain('survives once');
    expect(recoveryProblem(topology, [3, 4, 5].map(idOf), [])).toBeNull();
    expect(lostShards(topology, [3, 4, 5].map(idOf))).toEqual([1]);
    expect(lostShards(topology, [2, 4, 5].map(idOf))).toEqual([]);
    // One of two voters that answer is bound to a recovery that did not end.
    expect(recoveryProblem(topology, [1, 2, 4].map(idOf), [idOf(2)])).toBeNull();
  });

  it('goes on with the survivors under the next generation, and keeps lost members in the rows (history 18)', () => {
    const recovered = recoveredTopology(topology, [3, 4, 5].map(idOf), { generation: 2, epoch: 5 });
    expect(recovered).toMatchObject({ generation: 2, epoch: 5, voters: [3, 4, 5].map(idOf) });
    expect(recovered.shards[0]).toMatchObject({
      home: idOf(4),
      replicas: [
        { member: 1, node: idOf(1), leaving: true },
        { member: 2, node: idOf(2), leaving: true },
        { member: 4, node: idOf(4) },
        { member: 5, node: idOf(3) },
        { member: 6, node: idOf(5) },
      ],
      nextMember: 7,
    });
    expect(topologyDiff(topology, recovered)).toEqual([
      '- node h:7001',
      '- node h:7002',
      'voters h:7001 h:7002 h:7003 -> h:7003 h:7004 h:7005',
      'shard 1: home h:7001 -> h:7004; members 1@h:7001, 2@h:7002, 4@h:7004 -> ' +
        '1@00000000 (leaving), 2@00000000 (leaving), 4@h:7004, 5@h:7003, 6@h:7005',
    ]);
  });
});

describe('what differs', () => {
  it('is told in lines, of slots and moves, too', () => {
    const before = oneNode(1, 1);
    const [shard] = before.shards;
    const after: Topology = {
      ...before,
      epoch: 2,
      version: 2,
      nodes: [{ ...before.nodes[0], weight: 3 }],
      shards: [shard, { ...shard, id: 2 }],
      slots: [
        { from: 0, to: 99, shard: 2 },
        { from: 100, to: 16_383, shard: 1 },
      ],
      moves: [{ id: 7, source: 1, target: 2, slots: [{ from: 200, to: 201 }] }],
    };
    expect(topologyDiff(before, before)).toEqual([]);
    expect(topologyDiff(before, after)).toEqual([
      'cluster version 1 -> 2',
      'node h:1: weight 1 -> 3',
      '+ shard 2 on 1@h:1',
      '100 slots shard 1 -> shard 2',
      '+ move 0.7 from shard 1 to shard 2',
    ]);
    const plan = {
      id: 9,
      by: 'slots' as const,
      isAutomatic: true,
      beganMs: 0,
      slots: 40,
      moved: 0,
      transfers: [],
      steps: [],
      moves: [],
    };
    const planned: Topology = { ...after, rebalance: { plan, history: [] } };
    expect(topologyDiff(after, planned)).toEqual(['+ plan 0.9: 40 slots']);
    const { steps: _, moves: __, ...head } = plan;
    const ended: Topology = {
      ...after,
      rebalance: { paused: true, history: [{ ...head, moved: 38, endedMs: 5, outcome: 'partly' }] },
    };
    expect(topologyDiff(planned, ended)).toEqual([
      '- plan 0.9: partly, 38 slots moved',
      'rebalancing paused',
    ]);
    const calledBack: Topology = { ...after, moves: [{ ...after.moves[0], aborting: true }] };
    expect(topologyDiff(after, calledBack)).toEqual(['move 0.7: called back']);
    expect(topologyDiff(after, before)).toContain('- shard 2');
    expect(topologyDiff(after, before)).toContain('- move 0.7 from shard 1 to shard 2');
    expect(nodeName(before, 'e'.repeat(40))).toBe('eeeeeeee');
    expect(nextVoters(before, none)).toBeNull();
  });
});
