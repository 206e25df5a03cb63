/** What redis-cli makes of CLUSTER on the redirect port. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { startFakeCluster, type FakeCluster } from '../commands/local/fake-server.ts';

const run = promisify(execFile);
let cluster: FakeCluster;

beforeAll(async () => {
  cluster = await startFakeCluster();
});
afterAll(() => cluster.close());

async function redisCli(...words: string[]): Promise<string> {
  try {
    const { stdout } = await run('redis-cli', words, { timeout: 20_000 });
    return stdout;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error('redis-cli is not installed: on Debian, apt-get install redis-tools', { cause: error });
  }
}

test('redis-cli --cluster check finds all slots covered', async () => {
  const port = cluster.nodes[0].nodes[0].redirectPort;
  const said = await redisCli('--cluster', 'check', `127.0.0.1:${port}`);
  expect(said).toContain('[OK] 0 keys in 3 masters.');
  expect(said).toContain('[OK] All nodes agree about slots configuration.');
  expect(said).toContain('[OK] All 16384 slots covered.');
});

test('redis-cli speaks both protocols with the client port', async () => {
  const port = String(cluster.nodes[1].nodes[1].clientPort);
  expect(await redisCli('-p', port, 'ping')).toBe('PONG\n');
  expect(await redisCli('-3', '-p', port, 'command', 'count')).toMatch(/^\d+\n$/);
  expect(await redisCli('-p', port, 'info', 'replication')).toContain('role:master');
});
