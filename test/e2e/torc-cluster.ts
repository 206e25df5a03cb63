/** A Torc of real processes for a test, on free ports, with its data in a directory that goes with it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { RespClient } from '../differential/resp-client.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/torc.js', import.meta.url));
/** Below the ports that the system gives away by itself, with all offsets added. */
const FIRST_PORT = Number(process.env['TORC_E2E_FIRST_PORT'] ?? 21_000);
const PORT_CHOICES = Number(process.env['TORC_E2E_PORT_CHOICES'] ?? 900);
const PORT_OFFSETS = [0, 1000, 2000, 10_000];
const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 20_000;
const POLL_MS = 50;

export class TorcCluster {
  readonly nodes: number;
  readonly password: string;
  private readonly firstPort: number;
  private readonly child: ChildProcess;
  private readonly directory: string;
  private output = '';

  private constructor(
    nodes: number,
    password: string,
    firstPort: number,
    child: ChildProcess,
    directory: string,
  ) {
    this.nodes = nodes;
    this.password = password;
    this.firstPort = firstPort;
    this.child = child;
    this.directory = directory;
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
      });
  }

  /** `flags` as `torc dev` takes them. `buffered`, unless they say otherwise: what waits for the disk is no matter of clients. */
  static async start(
    flags: Readonly<Record<string, string>> = {},
    nodes = 3,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<TorcCluster> {
    if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is not there: npm run build`);
    const directory = await mkdtemp(join(tmpdir(), 'torc-e2e-'));
    const port = await freePort(nodes);
    const words = ['dev', '--nodes', String(nodes), '--port', String(port), '--data', directory];
    for (const [name, value] of Object.entries({ durability: 'buffered', ...flags }))
      words.push(`--${name}=${value}`);
    const { TORC_CONFIG: _, ...inherited } = process.env;
    const child = spawn(process.execPath, [PROGRAM, ...words, '--fresh', '--no-restart'], {
      env: { ...inherited, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const cluster = new TorcCluster(nodes, flags['requirepass'] ?? '', port, child, directory);
    try {
      await cluster.ready();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  clientPort(node: number): number {
    return this.firstPort + node;
  }

  redirectPort(node: number): number {
    return this.firstPort + 1000 + node;
  }

  adminPort(node: number): number {
    return this.firstPort + 2000 + node;
  }

  /** Everything that the nodes have logged. */
  get log(): string {
    return this.output;
  }

  processId(node: number): number {
    const id = new RegExp(`node-${node} \\|.* starting .*processId=(\\d+)`).exec(this.output)?.[1];
    if (id === undefined) throw new Error(`node-${node} has not said its process id`);
    return Number(id);
  }

  /** Memory that the node's process holds. */
  residentBytes(node: number): number {
    const status = readFileSync(`/proc/${this.processId(node)}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) * 1024;
  }

  isAlive(node: number): boolean {
    return existsSync(`/proc/${this.processId(node)}/status`);
  }

  open(port: number): Promise<RespClient> {
    return RespClient.open(port);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const exited = once(this.child, 'exit');
      this.child.kill('SIGTERM');
      const isLate = await Promise.race([exited.then(() => false), delay(STOP_LIMIT_MS, true)]);
      // Its children die with it.
      if (isLate) this.child.kill('SIGKILL');
      await exited;
    }
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Ready, and each shard led by its home node. */
  private async ready(): Promise<void> {
    const deadlineMs = Date.now() + READY_LIMIT_MS;
    while (!(this.output.includes('Torc is ready') && (await this.isSpread()))) {
      if (this.child.exitCode !== null || Date.now() > deadlineMs)
        throw new Error(`Torc did not get ready:\n${this.output}`);
      await delay(POLL_MS);
    }
  }

  private async isSpread(): Promise<boolean> {
    for (let node = 0; node < this.nodes; node++) {
      const client = await this.open(this.redirectPort(node));
      if (this.password !== '') await client.run([['auth', this.password]]);
      const [slots] = await client.run([['cluster', 'slots']]);
      client.close();
      for (let leader = 0; leader < this.nodes; leader++)
        if (!slots.includes(`:${this.redirectPort(leader)}\r\n`)) return false;
    }
    return true;
  }
}

/** A client port from which on so many nodes find all their ports free. */
async function freePort(nodes: number): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORT_CHOICES);
    const needed = Array.from({ length: nodes }, (_, node) =>
      PORT_OFFSETS.map((offset) => port + node + offset),
    );
    const free = await Promise.all(needed.flat().map(isFree));
    if (free.every(Boolean)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
