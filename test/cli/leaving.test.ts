import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';

import { loadTokenHash } from '../../ring/index.ts';
import { restOf, whatStays, whyHeld } from '../../src/cli/leaving.ts';
import { namedNode } from '../../src/cli/named-node.ts';
import { sampleStatus } from '../admin/sample-source.ts';
import { after, manyNodes, nodeId } from '../topology/many-nodes.ts';

describe('a node that is meant', () => {
  const topology = manyNodes(3);

  it('is called by its name, its ordinal, its client address or the beginning of its id', () => {
    const sample = sampleStatus();
    const reports = new Map([[nodeId(2), { ...sample, node: { ...sample.node, name: 'second' } }]]);
    expect(namedNode('second', topology, reports).id).toBe(nodeId(2));
    expect(namedNode('3', topology, reports).id).toBe(nodeId(3));
    expect(namedNode('aaaa', topology, reports).id).toBe(nodeId(1));
    const heard = [{ ...sample.members[0], id: nodeId(3), name: 'third' }];
    const told = new Map([[nodeId(2), { ...sample, members: heard }]]);
    expect(namedNode('third', topology, told).id).toBe(nodeId(3));
    const apart = {
      ...topology,
      nodes: topology.nodes.map((node, i) => ({ ...node, clientPort: 6379 + i })),
    };
    expect(namedNode('h:6380', apart, reports).id).toBe(nodeId(2));
  });

  it('is one, and there', () => {
    expect(() => namedNode('fourth', topology, new Map())).toThrow('no node is called fourth');
    expect(() => namedNode('aaa', topology, new Map())).toThrow('no node is called aaa');
    expect(() => namedNode('0000', topology, new Map())).toThrow('0000 is more than one node');
    const sample = sampleStatus();
    const report = { ...sample, node: { ...sample.node, name: 'twin' } };
    const twins = new Map([1, 2].map((ordinal) => [nodeId(ordinal), report]));
    expect(() => namedNode('twin', topology, twins)).toThrow(/twin is more than one node: h:\d+ \(aaaa/);
  });
});

describe('a node that leaves', () => {
  it('holds slots of its home shard and replicas, until it is not in the register any more', () => {
    const place = { kind: 'place-shard', shard: 2, nodes: [nodeId(2), nodeId(1)] } as const;
    const topology = after(manyNodes(3), place);
    expect(restOf(topology, nodeId(1))).toEqual({ slots: 16_384, replicas: 2 });
    expect(restOf(topology, nodeId(3))).toEqual({ slots: 0, replicas: 1 });
    expect(restOf(topology, nodeId(9))).toBeNull();
  });

  it('says what it waits for, once nothing has gone for a while', async () => {
    const obstacle = 'shard 2 is to take slots, and its node h:2 is not reached';
    const server = createServer((_, response) => void response.end(JSON.stringify({ obstacle })));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const asked = { address: { host: '127.0.0.1', port }, timeoutMs: 2000, hash: await loadTokenHash() };
    const topology = manyNodes(3);
    const survey = { topology, reports: new Map() };
    const [slots, replicas] = [
      { slots: 9, replicas: 0 },
      { slots: 0, replicas: 1 },
    ];
    const why = whyHeld.bind(null, asked, nodeId(1));
    expect(await why(slots, survey, false)).toBe('');
    expect(await why(slots, survey, true)).toBe(`waiting: ${obstacle}`);
    expect(await why(replicas, survey, true)).toMatch(/^waiting: shards? .* no leader now: /);
    // It was taken for dead, and has come back: nodes that run are not taken out.
    const sample = sampleStatus();
    const alive = { ...sample.members[0], id: nodeId(1), state: 'alive' as const };
    const heard = { topology, reports: new Map([[nodeId(2), { ...sample, members: [alive] }]]) };
    const nothing = { slots: 0, replicas: 0 };
    expect(await why(nothing, heard, false)).toBe('waiting: its process runs: stop it');
    expect(await why(nothing, survey, false)).toBe('');
    const paused = after(topology, { kind: 'pause-rebalance' });
    expect(await why(slots, { ...survey, topology: paused }, false)).toContain('torc rebalance resume');
  });

  it('is said to leave too few', () => {
    const three = manyNodes(3);
    expect(whatStays(three)).toBe('');
    const two = after(three, { kind: 'begin-leave', node: nodeId(3) });
    expect(whatStays(two)).toContain('not fault tolerant');
    expect(whatStays(after(two, { kind: 'begin-leave', node: nodeId(2) }))).toContain('only copy');
  });
});
