/** What client libraries make of the replies: they connect, find the nodes, and move to another one. */
import { Cluster, Redis } from 'ioredis';
import { createClient, createCluster, createSentinel } from 'redis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { announceNotReady } from '../../../src/commands/sentinel.ts';
import { startFakeCluster, type FakeCluster } from './fake-server.ts';

let cluster: FakeCluster;

beforeEach(async () => {
  cluster = await startFakeCluster();
});

afterEach(() => cluster.close());

const address = (index: number, port: 'clientPort' | 'redirectPort') => ({
  host: '127.0.0.1',
  port: cluster.nodes[0].nodes[index][port],
});

/** Node 0 stops being ready, and all tell it to those who listen. */
function stopBeingReady(): void {
  const gone = cluster.nodes[0].nodes[0];
  gone.ready = false;
  for (const node of cluster.nodes) announceNotReady(node.pubsub, node, gone);
}

/** Asks until the answer is this one. */
async function becomes(ask: () => Promise<unknown>, wanted: string): Promise<void> {
  await expect.poll(ask, { timeout: 5_000, interval: 20 }).toBe(wanted);
}

describe('ioredis', () => {
  test.each([2, 3] as const)('connects, protocol %i', async (protocol) => {
    const client = new Redis({ ...address(1, 'clientPort'), protocol, connectionName: 'me', db: 3 });
    try {
      expect(await client.get('k')).toBe('1');
      expect(await client.client('INFO')).toMatch(
        new RegExp(` name=me .* db=3 .* resp=${protocol} lib-name=ioredis lib-ver=`),
      );
      expect(await client.call('CLIENT', 'GETNAME')).toBe('me');
    } finally {
      client.disconnect();
    }
  });

  test('finds the slots of a cluster', async () => {
    const client = new Cluster([address(0, 'redirectPort')]);
    try {
      // CLUSTER KEYSLOT of these keys: 15495, 3300, 7365.
      expect(await Promise.all(['a', 'b', 'c'].map((key) => client.get(key)))).toEqual(['2', '0', '1']);
      expect(client.nodes('master')).toHaveLength(3);
    } finally {
      client.disconnect();
    }
  });

  test('moves to another node by its sentinels', async () => {
    const client = new Redis({
      sentinels: [address(0, 'clientPort'), address(1, 'clientPort')],
      name: 'mymaster',
      failoverDetector: true,
      sentinelRetryStrategy: () => 10,
      retryStrategy: () => 10,
    });
    try {
      const subscribed = new Promise((resolve) => client.once('failoverSubscribed', resolve));
      expect(await client.get('k')).toBe('0');
      await subscribed;
      stopBeingReady();
      await becomes(() => client.get('k'), '1');
    } finally {
      client.disconnect();
    }
  });
});

describe('node-redis', () => {
  test.each([2, 3] as const)('connects, protocol %i', async (RESP) => {
    const client = createClient({ socket: address(1, 'clientPort'), RESP, name: 'me', database: 3 });
    try {
      await client.connect();
      expect(await client.get('k')).toBe('1');
      const info = await client.clientInfo();
      expect(info).toMatchObject({ id: 1, name: 'me', db: 3, resp: RESP, libName: 'node-redis' });
    } finally {
      client.destroy();
    }
  });

  test.each([2, 3] as const)('finds the slots of a cluster, protocol %i', async (RESP) => {
    const client = createCluster({ rootNodes: [{ socket: address(0, 'redirectPort') }], RESP });
    try {
      await client.connect();
      expect(await Promise.all(['a', 'b', 'c'].map((key) => client.get(key)))).toEqual(['2', '0', '1']);
      expect(client.masters.map((node) => node.id).sort()).toEqual(cluster.nodes.map((node) => node.nodeId));
    } finally {
      client.destroy();
    }
  });

  test.each([2, 3] as const)('moves to another node by its sentinels, protocol %i', async (RESP) => {
    const client = createSentinel({
      name: 'mymaster',
      sentinelRootNodes: [address(0, 'clientPort'), address(1, 'clientPort')],
      RESP,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      const before = await client.get('k');
      expect(before).toBe('0');
      stopBeingReady();
      await becomes(() => client.get('k'), '1');
    } finally {
      await client.destroy();
    }
  });
});
