/** A redis-server of its own for a test, on a free port, without any file. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

import { RespClient } from './resp-client.ts';

const BINARY = 'redis-server';
const START_TRIES = 100;
const START_PAUSE_MS = 50;

/** Null: there is none on this machine. */
export function redisVersion(): string | null {
  const { status, stdout } = spawnSync(BINARY, ['--version'], { encoding: 'utf8' });
  return status === 0 ? (/v=([\d.]+)/.exec(stdout)?.[1] ?? null) : null;
}

export class RedisServer {
  readonly port: number;
  private readonly process: ChildProcess;

  private constructor(port: number, process: ChildProcess) {
    this.port = port;
    this.process = process;
  }

  static async start(...options: string[]): Promise<RedisServer> {
    const port = await freePort();
    const fixed = [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      tmpdir(),
    ];
    const child = spawn(BINARY, [...fixed, ...options], { stdio: 'ignore' });
    const server = new RedisServer(port, child);
    await server.ready();
    return server;
  }

  async stop(): Promise<void> {
    const exited = new Promise((resolve) => {
      this.process.once('exit', resolve);
    });
    this.process.kill('SIGKILL');
    await exited;
  }

  private async ready(): Promise<void> {
    for (let tries = 0; tries < START_TRIES; tries++) {
      try {
        const client = await RespClient.open(this.port);
        client.close();
        return;
      } catch {
        await delay(START_PAUSE_MS);
      }
    }
    this.process.kill('SIGKILL');
    throw new Error(`redis-server did not open port ${this.port}`);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => {
    server.close(resolve);
  });
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}
