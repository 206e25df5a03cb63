/** `torc cluster version` and `raise`, over nodes that are made of answers. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';

import type { StatusReport } from '../../src/admin/status.ts';
import { raiseClusterVersion, showClusterVersion } from '../../src/cli/cluster-version.ts';
import { mayChange } from '../../src/topology/change-proof.ts';
import { encodeTopology } from '../../src/topology/topology-codec.ts';
import type { NodeEntry, Topology } from '../../src/topology/types.ts';
import { sampleStatus } from '../admin/sample-source.ts';

const HOST = '127.0.0.1';
const SECRET = 'between us';
const TIMEOUT_MS = 2000;

interface Posted {
  body: string;
  authorization: string;
}

class FakeNodes {
  readonly ports: number[] = [];
  readonly posted: Posted[] = [];
  /** What a node answers. */
  decision: { status: number; body: string } = { status: 200, body: '' };
  readonly newest: readonly number[];

  constructor(newest: readonly number[]) {
    this.newest = newest;
  }

  async open(): Promise<this> {
    for (const at of this.newest.keys()) {
      const server = createServer((request, response) => {
        void this.answer(at, request).then(({ status, body }) => response.writeHead(status).end(body));
      });
      await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
      onTestFinished(() => void server.close());
      this.ports.push((server.address() as AddressInfo).port);
    }
    return this;
  }

  address(at: number): { host: string; port: number } {
    return { host: HOST, port: this.ports[at] };
  }

  private async answer(
    at: number,
    request: IncomingMessage,
  ): Promise<{ status: number; body: string | Buffer }> {
    if (request.url === '/api/status') return { status: 200, body: JSON.stringify(this.status(at)) };
    if (request.method !== 'POST') return { status: 200, body: encodeTopology(this.topology()) };
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { authorization = '' } = request.headers;
    this.posted.push({ body: Buffer.concat(chunks).toString(), authorization });
    return this.decision;
  }

  private status(at: number): StatusReport {
    const sample = sampleStatus();
    const [peer] = sample.peers;
    const others = this.ports.filter((_, other) => other !== at);
    return {
      ...sample,
      build: { ...sample.build, newestVersion: this.newest[at] },
      node: { ...sample.node, name: `node-${at}`, id: `${at}`.repeat(40), start: 4 + at },
      peers: others.map((adminPort) => ({ ...peer, host: HOST, adminPort })),
    };
  }

  private topology(): Topology {
    const nodes = this.ports.map((adminPort, at): NodeEntry => ({
      id: `${at}`.repeat(40),
      ordinal: at + 1,
      host: HOST,
      clientPort: 7001 + at,
      redirectPort: 8001 + at,
      peerPort: 17001 + at,
      adminPort,
      zone: 'z',
      machine: 'm',
      weight: 1,
    }));
    const [{ id: home }] = nodes;
    const shard = { id: 1, group: 1, home, replicas: [{ member: 1, node: home }], first: [1], nextMember: 2 };
    return {
      clusterId: 'c'.repeat(40),
      generation: 1,
      epoch: 5,
      version: 1,
      nodes,
      nextOrdinal: 4,
      nextGroup: 4,
      shards: [shard],
      slots: [{ from: 0, to: 16_383, shard: 1 }],
      voters: [home],
      moves: [],
    };
  }
}

let printed = '';
function listen(): void {
  printed = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
}

async function raise(nodes: FakeNodes, at = 1): Promise<void> {
  await raiseClusterVersion({ address: nodes.address(at), timeoutMs: TIMEOUT_MS, peerSecret: SECRET });
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('torc cluster version', () => {
  it('shows what is in force, and what each node runs', async () => {
    const nodes = await new FakeNodes([2, 1, 2]).open();
    listen();
    await showClusterVersion({ address: nodes.address(0), timeoutMs: TIMEOUT_MS });
    expect(printed).toMatch(/^Cluster version 1\.\n/);
    expect(printed).toMatch(new RegExp(`node-1 +${HOST}:${nodes.ports[1]} +\\S+ +1 +1`));
    expect(printed).toMatch(new RegExp(`node-2 +${HOST}:${nodes.ports[2]} +\\S+ +2 +1`));
  });

  it('says when it can be raised', async () => {
    const nodes = await new FakeNodes([2, 3, 2]).open();
    listen();
    await showClusterVersion({ address: nodes.address(0), timeoutMs: TIMEOUT_MS });
    expect(printed).toMatch(/^Cluster version 1\. All nodes run 2: torc cluster version raise raises it\./);
  });
});

describe('torc cluster version raise', () => {
  it('has any node raise it to what all run, with a request for it alone, and proves that it knows the secret', async () => {
    const nodes = await new FakeNodes([3, 2, 2]).open();
    listen();
    await raise(nodes);
    expect(printed).toBe(
      'The cluster version is 2 now; it was 1. Builds that run up to 1 refuse to start from now on.\n',
    );
    const [{ body, authorization }] = nodes.posted;
    const id: unknown = expect.stringMatching(/^[0-9a-f]{40}$/);
    expect(JSON.parse(body)).toEqual({
      clusterId: 'c'.repeat(40),
      on: { generation: 1, epoch: 5 },
      change: { kind: 'raise-version', version: 2 },
      request: { id, node: '1'.repeat(40), start: 5 },
    });
    expect(mayChange(SECRET, body, authorization.replace('torc ', ''), HOST)).toBe(true);
  });

  it('is refused while a node runs no newer one', async () => {
    const nodes = await new FakeNodes([2, 1, 2]).open();
    await expect(raise(nodes)).rejects.toThrow('it is 1, and not all nodes run a newer one');
    expect(nodes.posted).toEqual([]);
  });

  it('is refused while a node cannot be asked', async () => {
    const nodes = await new FakeNodes([2, 2, 2]).open();
    nodes.ports[2] = 1;
    await expect(raise(nodes)).rejects.toThrow(
      `not all nodes can be asked which version they run: ${HOST}:1: nothing listens there`,
    );
    expect(nodes.posted).toEqual([]);
  });

  it.each([
    [409, JSON.stringify({ reason: 'a node is not reached' }), 'a node is not reached'],
    [409, '<html>conflict</html>\n', '<html>conflict</html>'],
    [403, 'By who knows the peer secret alone.\n', 'By who knows the peer secret alone.'],
  ])('tells why it was refused (%i)', async (status, body, why) => {
    const nodes = await new FakeNodes([2, 2, 2]).open();
    nodes.decision = { status, body };
    await expect(raise(nodes)).rejects.toThrow(`the cluster version is not raised: ${why}`);
  });

  it('says so when nobody knows', async () => {
    const nodes = await new FakeNodes([2, 2, 2]).open();
    nodes.decision = { status: 504, body: '{"reason":"no majority"}' };
    await expect(raise(nodes)).rejects.toThrow(
      'may have been raised or not (see torc cluster version): no majority',
    );
    nodes.decision = { status: 504, body: '{"error": cut' };
    await expect(raise(nodes)).rejects.toThrow(
      'may have been raised or not (see torc cluster version): {"error": cut',
    );
  });
});
