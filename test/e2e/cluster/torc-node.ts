/** One node of Torc as a process of its own: started, killed with -9, stopped with SIGSTOP, and watched over its admin port. */
import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

import type { StatusReport } from '../../../src/admin/status.ts';

export const THIS_BUILD = [fileURLToPath(new URL('../../../dist/torc.js', import.meta.url))];
/** Of the next version (test/versions). */
export const NEXT_BUILD = [
  '--import',
  'tsx',
  fileURLToPath(new URL('../../versions/next-main.ts', import.meta.url)),
];
const LOG_LINES_KEPT = 2000;
const HTTP_TIMEOUT_MS = 1000;
const POLL_MS = 20;

export interface NodePorts {
  client: number;
  redirect: number;
  peer: number;
  admin: number;
}

/** Where a node runs when that is not simply this machine. */
export interface Site {
  host: string;
  /** The words before those that start it: they become its process. */
  command: readonly string[];
}

const HERE: Site = { host: '127.0.0.1', command: [] };

export interface StateDigest {
  index: number;
  digest: string;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A command of torc that is about a cluster, and not this or that node's. */
export async function runTorc(...words: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [...THIS_BUILD, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: withoutSettings(process.env),
  });
  const output: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => output.push(bytes));
  await once(child, 'close');
  return { code: child.exitCode, output: Buffer.concat(output).toString() };
}

export class TorcNode {
  readonly name: string;
  readonly ports: NodePorts;
  readonly directory: string;
  readonly site: Site;
  readonly lines: string[] = [];
  /** Handed each line that it prints. */
  onLine: (line: string) => void = () => undefined;
  /** What runs it from its next start on: arguments of Node.js. */
  program: readonly string[] = THIS_BUILD;
  private readonly settings: readonly string[];
  private child: ChildProcess | null = null;
  private exit: Promise<Exit> | null = null;

  constructor(name: string, ports: NodePorts, directory: string, settings: readonly string[], site = HERE) {
    this.site = site;
    this.name = name;
    this.ports = ports;
    this.directory = directory;
    this.settings = settings;
  }

  get isRunning(): boolean {
    return this.child !== null && this.child.exitCode === null && this.child.signalCode === null;
  }

  get pid(): number {
    if (this.child?.pid === undefined) throw new Error(`${this.name} does not run`);
    return this.child.pid;
  }

  start(): void {
    if (this.isRunning) throw new Error(`${this.name} runs already`);
    const child = this.spawn(['start']);
    this.child = child;
    this.exit = once(child, 'close').then(() => ({ code: child.exitCode, signal: child.signalCode }));
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) this.note(line);
      });
    }
  }

  /** Another command of torc with this node's settings. */
  async run(...command: string[]): Promise<{ code: number | null; output: string }> {
    const child = this.spawn(command);
    const output: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes: Buffer) => output.push(bytes));
    await once(child, 'close');
    return { code: child.exitCode, output: Buffer.concat(output).toString() };
  }

  private spawn(command: readonly string[]): ChildProcessByStdio<null, Readable, Readable> {
    const { client, redirect, peer, admin } = this.ports;
    const flags = {
      id: this.name,
      data: this.directory,
      'client-port': client,
      'redirect-port': redirect,
      'peer-port': peer,
      'admin-port': admin,
    };
    const words = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
    const line = [...this.site.command, process.execPath, ...this.program, ...command, ...words];
    const child = spawn(line[0], [...line.slice(1), ...this.settings], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: withoutSettings(process.env),
    });
    this.note(`--- torc ${command.join(' ')}, process ${child.pid}`);
    return child;
  }

  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** Asks it to stop in good order. */
  async stop(): Promise<Exit> {
    return this.end('SIGTERM');
  }

  pause(): void {
    this.signal('SIGSTOP');
  }

  resume(): void {
    this.signal('SIGCONT');
  }

  async exited(): Promise<Exit> {
    if (this.exit === null) throw new Error(`${this.name} was never started`);
    return this.exit;
  }

  async isReady(): Promise<boolean> {
    try {
      return (await this.get('/readyz')).ok;
    } catch {
      return false;
    }
  }

  async status(): Promise<StatusReport> {
    return (await (await this.get('/api/status')).json()) as StatusReport;
  }

  async digest(shard: number): Promise<StateDigest> {
    const response = await this.get(`/api/digest?shard=${shard}`);
    if (!response.ok) throw new Error(`${this.name}: ${response.status} ${await response.text()}`);
    return (await response.json()) as StateDigest;
  }

  async metric(name: string): Promise<number> {
    const text = await (await this.get('/metrics')).text();
    const line = text.split('\n').find((one) => one.startsWith(`${name} `) || one.startsWith(`${name}{`));
    if (line === undefined) throw new Error(`${this.name} has no metric ${name}`);
    return Number(line.slice(line.lastIndexOf(' ') + 1));
  }

  async waitReady(timeoutMs = 20_000): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    while (!(await this.isReady())) {
      if (!this.isRunning) throw new Error(`${this.name} has ended\n${this.tail()}`);
      if (performance.now() > deadlineMs)
        throw new Error(`${this.name} is not ready in time\n${this.tail()}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** The end of what it printed, over all its starts. */
  tail(count = 40): string {
    return [`=== ${this.name} (client port ${this.ports.client})`, ...this.lines.slice(-count)].join('\n');
  }

  private get(path: string): Promise<Response> {
    return fetch(`http://${this.site.host}:${this.ports.admin}${path}`, {
      signal: AbortSignal.timeout(HTTP_TIMEOUT_MS),
    });
  }

  private async end(signal: NodeJS.Signals): Promise<Exit> {
    if (this.isRunning) this.signal(signal);
    return this.exited();
  }

  private signal(signal: NodeJS.Signals): void {
    this.note(`--- ${signal} at ${new Date().toISOString()}`);
    process.kill(this.pid, signal);
  }

  private note(line: string): void {
    this.onLine(line);
    this.lines.push(line);
    if (this.lines.length > LOG_LINES_KEPT) this.lines.shift();
  }
}

/** Settings of the one who runs the tests are not the node's. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('TORC_')));
}
