/** A shard that has lost two of its three disks goes on with what the third holds, once an operator says so. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

import { Redis } from 'ioredis';

import type { Topology } from '../../src/topology/types.ts';
import { topologyOf } from './cluster/change-topology.ts';
import { pause, TorcCluster } from './cluster/torc-cluster.ts';
import { runTorc } from './cluster/torc-node.ts';

const KEYS = 300;
const LIMIT_MS = 60_000;

/** Two nodes without which one shard, and no other, has lost its majority. */
function pairOf({ nodes, shards }: Topology): { shard: number; pair: number[] } {
  for (const [i, one] of nodes.entries())
    for (const [j, other] of nodes.slice(0, i).entries()) {
      const has = (node: string) => (shard: Topology['shards'][number]) =>
        shard.replicas.some((row) => row.node === node);
      const common = shards.filter(has(one.id)).filter(has(other.id));
      if (common.length === 1) return { shard: common[0].id, pair: [i, j] };
    }
  throw new Error('each two nodes share more than one shard');
}

test('torc shard give-up --rewind', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 5 });
  await cluster.settle();
  const topology = await topologyOf(cluster);
  const { shard, pair } = pairOf(topology);
  const lost = pair.map((at) =>
    cluster.nodes.findIndex(({ ports }) => ports.client === topology.nodes[at].clientPort),
  );
  const [left] = cluster.nodes.filter((_, at) => !lost.includes(at));
  const client = new Redis({ port: left.ports.client, retryStrategy: () => 50, maxRetriesPerRequest: 100 });
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  for (let n = 0; n < KEYS; n++) expect(await client.set(`key:${n}`, `value ${n}`)).toBe('OK');
  await cluster.settle();
  for (const at of lost) {
    await cluster.nodes[at].kill();
    await rm(join(cluster.directory, cluster.nodes[at].name), { recursive: true });
  }

  const giveUp = ['shard', 'give-up', String(shard), '--address', `127.0.0.1:${left.ports.admin}`];
  const asked = async (...words: string[]): Promise<{ code: number | null; output: string }> => {
    const untilMs = performance.now() + LIMIT_MS;
    for (;;) {
      const answer = await runTorc(...giveUp, ...words);
      const isEarly = answer.output.includes('has a leader') || answer.output.includes('may have been done');
      if (!isEarly || performance.now() > untilMs) return answer;
      await pause(500);
    }
  };
  const unsaid = await asked('--yes-i-lose-its-data');
  expect(unsaid).toMatchObject({ code: 1 });
  expect(unsaid.output).toContain('still holds a replica of it: say --rewind');
  const unsure = await asked('--rewind');
  expect(unsure).toMatchObject({ code: 1 });
  expect(unsure.output).toContain('writes that were acknowledged and have not reached it would be lost');
  const done = await asked('--rewind', '--yes-i-may-lose-writes');
  expect(done.output).toContain('which goes on with what 127.0.0.1:');
  expect(done.output).toContain('Writes that were acknowledged and are not among it are lost');
  expect(done).toMatchObject({ code: 0 });

  for (const untilMs = performance.now() + LIMIT_MS; ;) {
    const values = await client
      .mget(Array.from({ length: KEYS }, (_, n) => `key:${n}`))
      .catch((error: Error) => error.message);
    if (typeof values !== 'string' || performance.now() > untilMs) {
      expect(values).toEqual(Array.from({ length: KEYS }, (_, n) => `value ${n}`));
      break;
    }
    await pause(200);
  }
  for (let n = 0; n < KEYS; n++) expect(await client.append(`key:${n}`, '!')).toBe(`value ${n}!`.length);
  const { nodes, shards } = await topologyOf(cluster);
  expect(shards.map(({ id }) => id)).not.toContain(shard);
  expect([nodes.length, shards.filter(({ rewound }) => rewound !== undefined).length]).toEqual([5, 1]);
});
