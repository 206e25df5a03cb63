import { afterEach, describe, expect, it } from 'vitest';

import { SectionKind } from '../../src/transport/types.ts';
import { localPeer, nodeId, openMeshes, openPort, joinMesh, until } from './support.ts';
import type { TestNode } from './support.ts';

const nodes: TestNode[] = [];
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.mesh.close()));
});

async function meshOf(count: number, limits = {}): Promise<TestNode[]> {
  const opened = await openMeshes(
    Array.from({ length: count }, (_, i) => localPeer(i + 1)),
    limits,
  );
  nodes.push(...opened);
  await until(
    () => opened.every((node) => [...node.mesh.links.values()].every((link) => link.connected)),
    'the mesh',
  );
  return opened;
}

function say(node: TestNode, to: number, kind: SectionKind, text: string): void {
  const bytes = Buffer.from(text, 'latin1');
  node.link(to).section(kind).bytes(bytes, 0, bytes.length);
}

describe('the mesh', () => {
  it('connects every pair once and tells both sides', async () => {
    const [a, b, c] = await meshOf(3);
    expect([...a.mesh.links.keys()]).toEqual([nodeId(2), nodeId(3)]);
    expect(a.events.sort()).toEqual(['connected 2', 'connected 3']);
    expect(b.events.sort()).toEqual(['connected 1', 'connected 3']);
    expect(c.events.sort()).toEqual(['connected 1', 'connected 2']);
    expect(a.link(2).connection).toBe(1);
    expect(a.link(2).peerStart).toBe(1);
    expect(b.link(1).announced?.peerPort).toBe(a.port.address.port);
    await until(() => a.link(2).roundTripMs > 0, 'a round trip');
  });

  it('gathers the sections of a turn into one frame per peer, one of each kind in the order first asked for', async () => {
    const [a, b, c] = await meshOf(3);
    say(a, 2, SectionKind.FORWARD, 'one ');
    say(a, 2, SectionKind.RAFT, 'raft');
    say(a, 2, SectionKind.FORWARD, 'two');
    say(a, 3, SectionKind.HINTS, 'hint');
    a.mesh.flush();
    a.mesh.flush();
    say(a, 2, SectionKind.RAFT, 'later');
    a.mesh.flush();
    await until(() => b.received.length === 3 && c.received.length === 1, 'the frames');
    const from = nodeId(1);
    expect(b.received).toEqual([
      { from, kind: SectionKind.FORWARD, text: 'one two' },
      { from, kind: SectionKind.RAFT, text: 'raft' },
      { from, kind: SectionKind.RAFT, text: 'later' },
    ]);
    expect(c.received).toEqual([{ from, kind: SectionKind.HINTS, text: 'hint' }]);
  });

  it('carries large sections, and bulk beside them', async () => {
    const [a, b] = await meshOf(2);
    const large = 'x'.repeat(5_000_000);
    say(b, 1, SectionKind.RAFT, large);
    b.mesh.flush();
    await until(() => a.received.length === 1, 'the large frame');
    expect(a.received[0].text === large).toBe(true);
    await until(() => b.link(1).sendBulk(SectionKind.RAFT, Buffer.from('chunk')), 'the bulk connection');
    await until(() => a.received.length === 2, 'the chunk');
    expect(a.received[1]).toEqual({ from: nodeId(2), kind: SectionKind.RAFT, text: 'chunk' });
  });

  it('refuses bulk over the limit, and takes it again once it has drained', async () => {
    const [a, b] = await meshOf(2, { bulkBufferLimitBytes: 1 << 20 });
    const chunk = Buffer.alloc(256 * 1024);
    await until(() => a.link(2).sendBulk(SectionKind.RAFT, chunk), 'the bulk connection');
    let sent = 1;
    while (a.link(2).sendBulk(SectionKind.RAFT, chunk)) sent++;
    expect(a.link(2).bufferedBytes).toBeLessThanOrEqual((1 << 20) + 1024);
    expect(a.link(2).bufferedBytes).toBeGreaterThan(512 * 1024);
    await until(() => b.received.length === sent, 'all chunks');
    expect(a.link(2).sendBulk(SectionKind.RAFT, chunk)).toBe(true);
  });

  it('drops a control connection that holds too much, and connects again', async () => {
    const [a, b] = await meshOf(2, { controlBufferLimitBytes: 1 << 20 });
    say(a, 2, SectionKind.RAFT, 'x'.repeat(64 << 20));
    a.mesh.flush();
    expect(a.link(2).connected).toBe(false);
    expect(a.reports.some((line) => line.includes('takes its messages too slowly'))).toBe(true);
    await until(() => a.link(2).connected && b.link(1).connected && a.link(2).connection === 2, 'a new one');
    say(a, 2, SectionKind.RAFT, 'fresh');
    a.mesh.flush();
    await until(() => b.received.some(({ text }) => text === 'fresh'), 'a frame over the new one');
    expect(b.received).toHaveLength(1);
  });

  it('connects again to a node that was started again, at another address even', async () => {
    // Only the one that comes back dials against the rule: two that dial at once replace each other's connection.
    const [a, b] = await meshOf(2);
    await b.mesh.close();
    await until(() => a.events.includes('disconnected 2'), 'the loss');
    const reports: string[] = [];
    const { port, local } = await openPort(
      { ...localPeer(2), past: { ...localPeer(2).past, start: 2 } },
      reports,
    );
    const again = joinMesh(port, local, [{ node: nodeId(1), address: a.port.address }], reports, {
      reverseDialMs: 50,
    });
    nodes.push(again);
    await until(() => a.link(2).connected && again.link(1).connected, 'the new connection');
    expect(a.link(2).peerStart).toBe(2);
    expect(a.link(2).connection).toBe(2);
    expect(a.link(2).announced?.peerPort).toBe(port.address.port);
    expect(a.events).toEqual(['connected 2', 'disconnected 2', 'connected 2']);
  });

  it('dials where a node is said to be now, when both of a pair have moved', async () => {
    const nowhere = { host: '127.0.0.1', port: 1 };
    const limits = { reverseDialMs: 50 };
    const opened = await Promise.all([1, 2].map((at) => openPort(localPeer(at), [])));
    const pair = opened.map(({ port, local }, i) =>
      joinMesh(port, local, [{ node: nodeId(2 - i), address: nowhere }], [], limits),
    );
    nodes.push(...pair);
    const [a, b] = pair;
    a.mesh.setPeers([{ node: nodeId(2), address: b.port.address }]);
    b.mesh.setPeers([{ node: nodeId(1), address: a.port.address }]);
    await until(() => a.link(2).connected && b.link(1).connected, 'the connection');
    // Where they have met they stay.
    const { connection } = a.link(2);
    a.mesh.setPeers([{ node: nodeId(2), address: nowhere }]);
    expect([a.link(2).connected, a.link(2).connection]).toEqual([true, connection]);
  });

  it('takes in nodes that come and lets go of those that leave, and hears what epoch the others have', async () => {
    const [a, b, c] = await meshOf(3);
    await until(() => a.link(2).peerEpoch.epoch === 1, 'a frame of the other');
    expect(a.link(2).peerEpoch).toEqual({ generation: 1, epoch: 1 });
    const known = [a, b, c].map((node, i) => ({ node: nodeId(i + 1), address: node.port.address }));
    b.mesh.setPeers(known.slice(0, 2));
    a.mesh.setPeers(known.slice(0, 2));
    expect([...a.mesh.links.keys()]).toEqual([nodeId(2)]);
    await until(() => c.events.includes('disconnected 1'), 'the end of the connection');
    expect(a.link(2).connected).toBe(true);
    expect(c.link(1).connected).toBe(false);
    a.mesh.setPeers(known);
    await until(() => a.link(3).connected, 'the connection to the one that came back');
    expect(b.mesh.links.has(nodeId(3))).toBe(false);
  });
});
