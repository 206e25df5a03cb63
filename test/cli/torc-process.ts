/** Starts the `torc` command over fake nodes, as a process, and watches what it prints. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('fixtures/fake-torc.ts', import.meta.url));
const WAIT_MS = 30_000;

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export class TorcProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<Exit>;
  out = '';
  err = '';
  #onOutput: (() => void)[] = [];

  constructor(args: readonly string[], environment: Record<string, string> = {}) {
    const { TORC_CONFIG: _, ...inherited } = process.env;
    this.child = spawn(process.execPath, ['--import', 'tsx', SCRIPT, ...args], {
      env: { ...inherited, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.on('data', (chunk: Buffer) => this.#take('out', chunk));
    this.child.stderr?.on('data', (chunk: Buffer) => this.#take('err', chunk));
    this.exited = new Promise((resolve) => {
      this.child.on('close', (code, signal) => resolve({ code, signal }));
    });
  }

  /** Resolves with the match once `pattern` is in the standard output. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      const match = pattern.exec(this.out);
      if (match !== null) return match;
      if (Date.now() > deadline || this.child.exitCode !== null)
        throw new Error(`${pattern} was not printed, but:\n${this.out}\n${this.err}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 200);
        this.#onOutput.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  #take(stream: 'out' | 'err', chunk: Buffer): void {
    this[stream] += chunk.toString();
    for (const seen of this.#onOutput.splice(0)) seen();
  }
}

/** The processes of the nodes, by what they log when they start. */
export function nodeProcessIds(torc: TorcProcess): number[] {
  return [...torc.out.matchAll(/starting .*processId=(\d+)/g)].map(([, id]) => Number(id));
}

export function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch {
    return false;
  }
}

export async function gone(processId: number): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  while (isAlive(processId)) {
    if (Date.now() > deadline) throw new Error(`process ${processId} lives on`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** From here on; the highest, for peers, stays below what the system gives to outgoing connections (32768 on Linux). */
const FIRST_CLIENT_PORT = 20_000;
const CLIENT_PORTS = 2_700;

/** A client port from which on so many nodes find all their ports free. */
export async function freeClientPort(nodes: number): Promise<number> {
  for (;;) {
    const port = FIRST_CLIENT_PORT + Math.floor(Math.random() * CLIENT_PORTS);
    const needed = Array.from({ length: nodes }, (_, at) =>
      [0, 1000, 2000, 10_000].map((offset) => port + at + offset),
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
