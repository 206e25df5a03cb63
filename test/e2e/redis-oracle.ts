/** Starts the redis-server of this machine, to compare with. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Redis } from 'ioredis';

export interface Oracle {
  port: number;
  /** Sends one command in the protocol that the connection speaks; errors come back as their text. */
  call(...words: string[]): Promise<unknown>;
  stop(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** `lines` go into its configuration. */
export async function startRedis(
  lines: readonly string[] = [],
  mode: readonly string[] = [],
): Promise<Oracle> {
  if (spawnSync('redis-server', ['--version']).error !== undefined) {
    throw new Error('redis-server is not installed: on Debian, apt-get install redis-server');
  }
  const port = await freePort();
  const directory = await mkdtemp(join(tmpdir(), 'torc-oracle-'));
  const configuration = join(directory, 'redis.conf');
  const usual = ['bind 127.0.0.1', `port ${port}`, `dir ${directory}`];
  await writeFile(configuration, [...usual, ...lines, ''].join('\n'));
  const child = spawn('redis-server', [configuration, ...mode], { stdio: 'ignore' });
  const client = new Redis({ port, protocol: 2, retryStrategy: () => 50, maxRetriesPerRequest: 100 });
  client.on('error', () => undefined);
  await client.ping();
  return {
    port,
    call: async (name, ...words) => {
      try {
        return await client.call(name, ...words);
      } catch (error) {
        return error instanceof Error ? error.message : error;
      }
    },
    stop: async () => {
      client.disconnect();
      await stopChild(child);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
