/** The client libraries, each told not to send again what was under way when its connection broke. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { Cluster, Redis } from 'ioredis';
import { createClient, createSentinel } from 'redis';

import type { Reply } from '../../linearizability/history.ts';
import type { TestClient } from './client.ts';

/** Where a node listens; a port alone is one of this machine. */
export type Endpoint = number | { host: string; port: number };

const RECONNECT_MS = 50;
const MASTER = 'torc';

/** With no retries per request, everything under way fails when the connection does, and nothing is sent twice. */
const NO_RESENDING = {
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  retryStrategy: () => RECONNECT_MS,
};

function ofIoredis(name: string, client: Redis | Cluster): TestClient {
  client.on('error', () => undefined);
  return {
    name,
    send: async (command, words) => (await client.call(command, ...words)) as Reply,
    close: () => client.disconnect(),
  };
}

export async function ioredisClient(name: string, node: Endpoint): Promise<TestClient> {
  const client = new Redis({ ...addressOf(node), ...NO_RESENDING });
  await readiness(client);
  return ofIoredis(name, client);
}

/**
 * Finds its node through SENTINEL, and another one when that goes. Without `failoverDetector`: with it, ioredis 6 ends for good when
 * +switch-master arrives while it reconnects by itself.
 */
export async function ioredisSentinelClient(name: string, nodes: readonly Endpoint[]): Promise<TestClient> {
  const client = new Redis({
    sentinels: nodes.map(addressOf),
    name: MASTER,
    sentinelRetryStrategy: () => RECONNECT_MS,
    ...NO_RESENDING,
  });
  await readiness(client);
  return ofIoredis(name, client);
}

/** Over the redirect ports. */
export async function ioredisClusterClient(name: string, nodes: readonly Endpoint[]): Promise<TestClient> {
  const client = new Cluster(nodes.map(addressOf), {
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    clusterRetryStrategy: () => RECONNECT_MS,
    slotsRefreshTimeout: 500,
    redisOptions: { autoResendUnfulfilledCommands: false, connectTimeout: 500 },
  });
  await readiness(client);
  return ofIoredis(name, client);
}

function addressOf(endpoint: Endpoint): { host: string; port: number } {
  return typeof endpoint === 'number' ? { host: '127.0.0.1', port: endpoint } : endpoint;
}

function readiness(client: Redis | Cluster): Promise<void> {
  return new Promise((resolve) => {
    client.once('ready', resolve);
    client.on('error', () => undefined);
  });
}

export async function nodeRedisClient(name: string, node: Endpoint): Promise<TestClient> {
  const client = createClient({
    socket: { ...addressOf(node), reconnectStrategy: () => RECONNECT_MS },
    disableOfflineQueue: true,
  });
  client.on('error', () => undefined);
  await client.connect();
  return {
    name,
    send: (command, words) => client.sendCommand<Reply>([command, ...words]),
    close: () => client.destroy(),
  };
}

export async function nodeRedisSentinelClient(name: string, nodes: readonly Endpoint[]): Promise<TestClient> {
  const client = createSentinel({
    name: MASTER,
    sentinelRootNodes: nodes.map(addressOf),
    maxCommandRediscovers: 0,
  });
  client.on('error', () => undefined);
  await client.connect();
  return {
    name,
    send: (command, words) => client.sendCommand<Reply>(false, [command, ...words]),
    close: () => void client.destroy(),
  };
}

const run = promisify(execFile);
const CLI_TIMEOUT_MS = 15_000;

/** A process for each command. */
export function redisCliClient(name: string, port: number): TestClient {
  return {
    name,
    send: async (command, words) => {
      const line = ['--json', '-e', '-p', String(port), command, ...words];
      try {
        const { stdout } = await run('redis-cli', line, { timeout: CLI_TIMEOUT_MS });
        return JSON.parse(stdout) as Reply;
      } catch (error) {
        // It prints the text of an error, and ends with 1.
        throw new Error((error as { stderr?: string }).stderr?.trim() ?? '', { cause: error });
      }
    },
    close: () => undefined,
  };
}
