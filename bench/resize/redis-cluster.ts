/** Redis Cluster: three masters, and a fourth that joins. Without replicas, which cost it time, and it the comparison. */
import { execFile } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { askInline, freeBasePort, startServer, stopServer, waitUntil } from '../processes.ts';
import { SLOT_COUNT, type ResizableCluster, type Resize, type Resized } from './types.ts';

const run = promisify(execFile);

const START_MS = 30_000;
const REBALANCE_MS = 170_000;
const BUS_OFFSET = 10_000;
const MASTERS = 3;

export async function startRedisCluster(
  directory: string,
  pipeline: number | null,
): Promise<ResizableCluster> {
  const offsets = Array.from({ length: MASTERS + 1 }, (_, at) => at).flatMap((at) => [at, at + BUS_OFFSET]);
  const port = await freeBasePort(offsets);
  const ports = Array.from({ length: MASTERS + 1 }, (_, at) => port + at);
  const children: ChildProcess[] = [];
  for (const own of ports) children.push(await startMaster(directory, own));
  const address = (own: number): string => `127.0.0.1:${own}`;
  await cli(['--cluster', 'create', ...ports.slice(0, MASTERS).map(address), '--cluster-yes']);
  await agreed(ports.slice(0, MASTERS), children, MASTERS);
  await cli(['--cluster', 'add-node', address(ports[MASTERS]), address(port)]);
  await agreed(ports, children, MASTERS + 1);
  const options = pipeline === null ? [] : ['--cluster-pipeline', String(pipeline)];
  return {
    name: pipeline === null ? 'redis' : `redis, --cluster-pipeline ${pipeline}`,
    entrance: { addresses: address(port), protocol: 'resp', slots: true, wait: 0 },
    rebalance: async (): Promise<Resized> => {
      const startMs = performance.now();
      await cli(['--cluster', 'rebalance', address(port), '--cluster-use-empty-masters', ...options]);
      const tookMs = performance.now() - startMs;
      return { tookMs, result: () => resultOf(ports, tookMs) };
    },
    stop: async () => {
      await Promise.all(children.map(stopServer));
    },
  };
}

async function resultOf(ports: readonly number[], tookMs: number): Promise<Resize> {
  const keys = await Promise.all(ports.map(async (own) => Number((await askInline(own, 'DBSIZE')).slice(1))));
  return {
    tookMs,
    movedSlots: await slotsOf(ports[MASTERS]),
    leastSlots: Math.floor(SLOT_COUNT / ports.length),
    keys: keys.reduce((sum, count) => sum + count, 0),
  };
}

async function startMaster(directory: string, port: number): Promise<ChildProcess> {
  const data = join(directory, `redis-${port}`);
  await mkdir(data, { recursive: true });
  const words = ['--bind', '127.0.0.1', '--port', String(port), '--dir', data, '--save', ''];
  const child = startServer('redis-server', [...words, '--cluster-enabled', 'yes'], `${data}.log`);
  await waitUntil('redis-server answers', START_MS, [child], async () =>
    (await askInline(port, 'PING')).startsWith('+PONG'),
  );
  return child;
}

async function cli(words: readonly string[]): Promise<void> {
  try {
    await run('redis-cli', words, { timeout: REBALANCE_MS, maxBuffer: 64 * 1024 * 1024 });
  } catch (error) {
    const { stdout = '' } = error as { stdout?: string };
    throw new Error(`redis-cli ${words.join(' ')}: ${stdout.slice(-300)}`, { cause: error });
  }
}

/** All know all, and all slots are served. */
async function agreed(
  ports: readonly number[],
  children: readonly ChildProcess[],
  nodes: number,
): Promise<void> {
  await waitUntil('Redis Cluster agrees', START_MS, children, async () => {
    const told = await Promise.all(ports.map((port) => askInline(port, 'CLUSTER INFO')));
    return told.every(
      (text) => text.includes('cluster_state:ok') && text.includes(`cluster_known_nodes:${nodes}`),
    );
  });
}

async function slotsOf(port: number): Promise<number> {
  const { stdout } = await run('redis-cli', ['-p', String(port), 'CLUSTER', 'NODES']);
  const own = stdout.split('\n').find((line) => line.includes('myself')) ?? '';
  let count = 0;
  for (const range of own.split(' ').slice(8)) {
    const [from, to = from] = range.split('-').map(Number);
    count += to - from + 1;
  }
  return count;
}
