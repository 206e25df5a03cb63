import { array, assert, boolean, constantFrom, integer, property, tuple } from 'fast-check';
import { describe, expect, it } from 'vitest';

import { loadTokenHash } from '../../ring/index.ts';
import {
  besideNew,
  nextPlacement,
  planReplicas,
  stayingNodes,
  type PlacementRules,
} from '../../src/topology/replica-planner.ts';
import type { NodeId, ShardId, Topology } from '../../src/topology/types.ts';
import { after, announcedAs, manyNodes, nodeId } from './many-nodes.ts';
import { oneNode } from './one-node.ts';

const hash = await loadTokenHash();
const RULES: PlacementRules = { replicationFactor: 3, hash };
const never = (): boolean => false;

function sizesOf({ shards }: Topology): number[] {
  return shards.map((shard) => stayingNodes(shard).length);
}

/** One change of one shard's row, as its group has followed it. */
function step(topology: Topology, lost: ReadonlySet<NodeId> = new Set(), rules = RULES): Topology | null {
  const { targets } = planReplicas(topology, rules, lost);
  for (const shard of topology.shards) {
    const before = stayingNodes(shard);
    const nodes = nextPlacement(shard, targets.get(shard.id) ?? before, (node) => lost.has(node));
    if (nodes === null) continue;
    expect(nodes.filter((node) => !before.includes(node)).length).toBeLessThanOrEqual(1);
    expect(before.filter((node) => !nodes.includes(node)).length).toBeLessThanOrEqual(1);
    expect(nodes.length).toBeGreaterThan(0);
    const placed = after(topology, { kind: 'place-shard', shard: shard.id, nodes });
    const { replicas } = placed.shards.find(({ id }) => id === shard.id) ?? shard;
    const members = replicas.filter(({ leaving }) => leaving === true).map(({ member }) => member);
    return members.length === 0 ? placed : after(placed, { kind: 'drop-members', shard: shard.id, members });
  }
  return null;
}

function settled(topology: Topology, lost?: ReadonlySet<NodeId>, rules = RULES): Topology {
  let now = topology;
  for (let steps = 0; steps < 200; steps++) {
    const next = step(now, lost, rules);
    if (next === null) return now;
    now = next;
  }
  throw new Error('it does not come to rest');
}

function join(topology: Topology, at: number): Topology {
  const announced = announcedAs(at);
  const beside = besideNew(topology, RULES, announced, new Set());
  return after(topology, { kind: 'add-node', id: nodeId(at), announced, beside });
}

/** Its slots have gone, and its group has ended. */
function closed(topology: Topology, shard: ShardId): Topology {
  return { ...topology, shards: topology.shards.filter(({ id }) => id !== shard) };
}

function rowsOn(topology: Topology, at: number): ShardId[] {
  return topology.shards.filter((shard) => stayingNodes(shard).includes(nodeId(at))).map(({ id }) => id);
}

describe('replicas', () => {
  it('grow by themselves as nodes come: one, a voter and a learner, three voters', () => {
    let topology = oneNode(1, 1);
    expect(step(topology)).toBeNull();
    expect(planReplicas(topology, RULES).endangered).toEqual([1]);
    topology = join(topology, 2);
    expect(topology.shards[1].first).toEqual([1]);
    topology = settled(topology);
    expect(sizesOf(topology)).toEqual([2, 2]);
    expect(planReplicas(topology, RULES).endangered).toEqual([1, 2]);
    topology = join(topology, 3);
    expect(topology.shards[2].first).toEqual([1, 2, 3]);
    topology = settled(topology);
    expect(sizesOf(topology)).toEqual([3, 3, 3]);
    expect(planReplicas(topology, RULES).endangered).toEqual([]);
    topology = settled(join(topology, 4));
    expect(sizesOf(topology)).toEqual([3, 3, 3, 3]);
    for (const at of [1, 2, 3, 4]) expect(rowsOn(topology, at)).toHaveLength(3);
  });

  it('of a shard change one at a time, and the one that enters comes with the one that goes', () => {
    const [shard] = settled(manyNodes(4)).shards;
    const [a, b, c] = stayingNodes(shard);
    expect(nextPlacement(shard, [a, b, c], never)).toBeNull();
    expect(nextPlacement(shard, ['x', 'y', c], never)).toEqual([b, c, 'x']);
    expect(nextPlacement(shard, ['x', 'y', c], (node) => node === b)).toEqual([a, c, 'x']);
    expect(nextPlacement(shard, [a, b, c, 'x', 'y'], never)).toEqual([a, b, c, 'x']);
    expect(nextPlacement(shard, [a], never)).toEqual([a, c]);
  });

  it('leave a node that leaves, and no other moves; its home shard stays as it is until it is closed', () => {
    const four = settled(manyNodes(4));
    const held = rowsOn(four, 2).filter((id) => id !== 2);
    const left = settled(after(four, { kind: 'begin-leave', node: nodeId(2) }));
    expect(rowsOn(left, 2)).toEqual([2]);
    expect(sizesOf(left)).toEqual([3, 3, 3, 3]);
    for (const { id, replicas } of four.shards)
      if (!held.includes(id))
        expect(left.shards.find((shard) => shard.id === id)?.replicas).toEqual(replicas);
    // What is on it counts for nothing: once it is closed, all is as it should be.
    expect(step(closed(left, 2))).toBeNull();
  });

  it('of the home shard of a node that leaves are placed anew when it is gone, or another of its nodes is lost', () => {
    const five = settled(manyNodes(5));
    const left = settled(after(five, { kind: 'begin-leave', node: nodeId(2) }));
    const others = stayingNodes(left.shards[1]).filter((node) => node !== nodeId(2));
    const targetOf = (lost: NodeId[], silent: NodeId[]): readonly NodeId[] | undefined =>
      planReplicas(left, RULES, new Set(lost), new Set(silent)).targets.get(2);
    expect(targetOf([], [])).toEqual(stayingNodes(left.shards[1]));
    expect(targetOf([], [others[0]])).toEqual(stayingNodes(left.shards[1]));
    expect(targetOf([others[0]], [others[0]])).toHaveLength(3);
    expect(targetOf([others[0]], [others[0]])).not.toContain(others[0]);
    expect(targetOf([], [nodeId(2)])).not.toContain(nodeId(2));
  });

  it('shrink with the nodes that stay', () => {
    const three = settled(manyNodes(3));
    const two = settled(after(three, { kind: 'begin-leave', node: nodeId(3) }));
    expect(sizesOf(two)).toEqual([2, 2, 3]);
    const one = settled(after(closed(two, 3), { kind: 'begin-leave', node: nodeId(2) }));
    expect(sizesOf(one)).toEqual([1, 2]);
    expect(sizesOf(closed(one, 2))).toEqual([1]);
  });

  it('of a lost node are placed on others, and stay where nobody could take them', () => {
    const lost = new Set([nodeId(3)]);
    const three = settled(manyNodes(3));
    expect(step(three, lost)).toBeNull();
    const four = settled(manyNodes(4));
    expect(rowsOn(settled(four, lost), 3)).toEqual([]);
    expect(sizesOf(settled(four, lost))).toEqual([3, 3, 3, 3]);
    // It is back: it gets its home shard and its share again.
    expect(rowsOn(settled(settled(four, lost)), 3)).toHaveLength(3);
  });

  it('wait for no silent node to take them: another does, else they stay', () => {
    const five = settled(manyNodes(5));
    const [lost, silent] = [new Set([nodeId(3)]), new Set([nodeId(3), nodeId(4)])];
    const held = rowsOn(five, 4);
    const { targets } = planReplicas(five, RULES, lost, silent);
    for (const { id } of five.shards) {
      expect(targets.get(id)).toHaveLength(3);
      expect(targets.get(id)).not.toContain(nodeId(3));
      if (!held.includes(id)) expect(targets.get(id)).not.toContain(nodeId(4));
    }
    const four = after(settled(manyNodes(4)), { kind: 'begin-leave', node: nodeId(3) });
    const stay = planReplicas(four, RULES, new Set(), new Set([nodeId(4)]));
    const stuck = four.shards.filter((shard) => !stayingNodes(shard).includes(nodeId(4)));
    expect(stuck).not.toEqual([]);
    for (const shard of stuck)
      expect(stay.targets.get(shard.id)?.toSorted()).toEqual(stayingNodes(shard).toSorted());
  });

  it('of a new node’s shard begin on nodes that are there', () => {
    const four = settled(manyNodes(4));
    const beside = besideNew(four, RULES, announcedAs(5), new Set([nodeId(1), nodeId(2)]));
    expect(beside.toSorted()).toEqual([nodeId(3), nodeId(4)].toSorted());
    const two = manyNodes(2);
    expect(besideNew(two, RULES, announcedAs(3), new Set([nodeId(1)]))).toEqual([]);
  });

  it('come to rest from anywhere, never without one, no machine holding what a quorum cannot spare while others could', () => {
    const place = tuple(constantFrom('m1', 'm2', 'm3'), constantFrom('', 'z'), boolean(), boolean());
    assert(
      property(array(place, { minLength: 1, maxLength: 6 }), integer({ min: 1, max: 2 }), (places, half) => {
        const rules = { ...RULES, replicationFactor: half * 2 + 1 };
        let topology = manyNodes(places.length);
        const nodes = topology.nodes.map((node, i) => ({
          ...node,
          machine: places[i][0],
          zone: places[i][1],
        }));
        topology = { ...topology, nodes };
        topology = settled(topology, undefined, rules);
        const leaving = nodes.slice(1).filter((_, i) => places[i + 1][2]);
        for (const { id } of leaving) topology = after(topology, { kind: 'begin-leave', node: id });
        const lost = new Set(nodes.filter((_, i) => places[i][3]).map(({ id }) => id));
        topology = settled(topology, lost, rules);
        const staying = nodes.length - leaving.length;
        const gone = new Set(leaving.map(({ id }) => id));
        const lasting = topology.shards.filter(({ home }) => !gone.has(home));
        for (const shard of lasting) {
          expect(stayingNodes(shard)).toHaveLength(Math.min(rules.replicationFactor, staying));
          expect(stayingNodes(shard).some((node) => gone.has(node))).toBe(false);
        }
      }),
      { numRuns: 60 },
    );
  });
});
