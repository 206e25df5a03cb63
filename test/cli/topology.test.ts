/** `torc topology show`, `history` and `diff`, over a node that is made of answers. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';

import { showDiff, showHistory, showTopology, type TopologyOptions } from '../../src/cli/topology.ts';
import { encodeTopology } from '../../src/topology/topology-codec.ts';
import { oneNode } from '../topology/one-node.ts';

const first = oneNode(1, 1);
const second = { ...oneNode(1, 2), version: 2 };
let printed = '';

async function nodeThatAnswers(answers: Record<string, string>): Promise<TopologyOptions> {
  printed = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  const server = createServer((request, response) => {
    const body = answers[request.url ?? ''];
    response.writeHead(body === undefined ? 404 : 200).end(body ?? 'There is none.\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { address: { host: '127.0.0.1', port: (server.address() as AddressInfo).port }, timeoutMs: 2000 };
}

const history = `[${encodeTopology(second).toString()},${encodeTopology(first).toString()}]`;

afterEach(() => {
  vi.restoreAllMocks();
});

describe('torc topology', () => {
  it('shows nodes, who votes, shards and their members', async () => {
    const node = await nodeThatAnswers({ '/api/topology': encodeTopology(second).toString() });
    await showTopology(node, false);
    expect(printed).toMatch(/^Cluster c{40}, epoch 1\.2, cluster version 2\n/);
    expect(printed).toMatch(/1 +h:1 .*1 +yes/);
    expect(printed).toMatch(/1 +h:1 +16384 +h:1/);
    await showTopology(node, true);
    expect(printed).toContain(encodeTopology(second).toString());
  });

  it('tells what each epoch changed, and what differs between two', async () => {
    const node = await nodeThatAnswers({ '/api/topology/history': history });
    await showHistory(node, false);
    expect(printed).toMatch(/1\.2 +cluster version 1 -> 2/);
    expect(printed).toMatch(/1\.1 +as far back as this node has kept/);
    printed = '';
    await showDiff(node, '2', '1.1');
    expect(printed).toBe('cluster version 2 -> 1\n');
    printed = '';
    await showDiff(node, '1', '1');
    expect(printed).toBe('Nothing differs.\n');
    await expect(showDiff(node, '1', '7')).rejects.toThrow('no epoch 7: its oldest is 1.1, its newest 1.2');
  });

  it('says so when the node tells none', async () => {
    const node = await nodeThatAnswers({ '/api/topology': '{}' });
    await expect(showTopology(node, false)).rejects.toThrow('no topology that this version understands');
    await expect(showHistory(node, false)).rejects.toThrow('tells no topology: There is none.');
    const page = await nodeThatAnswers({ '/api/topology/history': '<html></html>' });
    await expect(showHistory(page, false)).rejects.toThrow('no topology that this version understands');
    await expect(showDiff(page, '1', '2')).rejects.toThrow('no topology that this version understands');
    const gone = { ...node, address: { host: '127.0.0.1', port: 1 } };
    await expect(showTopology(gone, false)).rejects.toThrow(
      'no node answers at 127.0.0.1:1: nothing listens there.',
    );
  });
});
