/** The servers that the benchmark starts. Each is the leader of its own process group, so that its children die with it. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createConnection, createServer, type AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const STOP_MS = 5_000;
const POLL_MS = 50;
/** After this a server that was asked one thing counts as one that does not answer. */
const ANSWER_MS = 5_000;

const running = new Set<ChildProcess>();
/** The end of what each server wrote, to tell why it exited. */
const lastWords = new WeakMap<ChildProcess, string>();
const LAST_WORDS = 400;

export function isInstalled(program: string): boolean {
  return spawnSync('which', [program], { stdio: 'ignore' }).status === 0;
}

/** Its output goes to the log file. */
export function startServer(program: string, args: readonly string[], logFile: string): ChildProcess {
  const child = spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const log = createWriteStream(logFile, { flags: 'a' });
  for (const output of [child.stdout, child.stderr]) {
    output.pipe(log, { end: false });
    output.on('data', (bytes: Buffer) => {
      lastWords.set(child, `${lastWords.get(child) ?? ''}${bytes.toString()}`.slice(-LAST_WORDS));
    });
  }
  child.once('exit', () => {
    running.delete(child);
    log.end();
  });
  child.once('error', (error) => lastWords.set(child, error.message));
  running.add(child);
  return child;
}

/** SIGTERM, and after a while SIGKILL, to the whole group. */
export async function stopServer(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  signalGroup(child, 'SIGTERM');
  const stopped = await Promise.race([exited.then(() => true), delay(STOP_MS, false)]);
  signalGroup(child, 'SIGKILL');
  if (!stopped) await exited;
}

/** For the way out of the process, where nothing may be waited for. */
export function killAll(): void {
  for (const child of running) signalGroup(child, 'SIGKILL');
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Stops what `start` has started when it fails. */
export async function startOrStop<T>(start: () => Promise<T>): Promise<T> {
  const before = new Set(running);
  try {
    return await start();
  } catch (error) {
    await Promise.all([...running].filter((child) => !before.has(child)).map(stopServer));
    throw error;
  }
}

/** Tries until it returns true; a failure counts as false. Gives up at once when a server that it waits for has exited. */
export async function waitUntil(
  what: string,
  timeoutMs: number,
  servers: readonly ChildProcess[],
  ready: () => Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let last = '';
  while (Date.now() < deadline) {
    const gone = servers.find((server) => server.exitCode !== null || server.signalCode !== null);
    if (gone !== undefined) {
      const words = lastWords.get(gone) ?? '';
      throw new Error(`${gone.spawnfile} exited with ${gone.exitCode ?? gone.signalCode}. ${words}`.trim());
    }
    try {
      if (await ready()) return;
    } catch (error) {
      last = error instanceof Error ? `: ${error.message}` : '';
    }
    await delay(POLL_MS);
  }
  throw new Error(`not within ${timeoutMs} ms: ${what}${last}`);
}

/** Below what the system gives to outgoing connections (from 32768 on Linux): one of them may take a port at any moment. */
const HIGHEST_PORT = 32_767;
const LOWEST_PORT = 10_000;

/** A port such that all of `offsets` above it are free. */
export async function freeBasePort(offsets: readonly number[]): Promise<number> {
  const span = HIGHEST_PORT - Math.max(...offsets) - LOWEST_PORT;
  for (;;) {
    const base = LOWEST_PORT + Math.floor(Math.random() * span);
    const free = await Promise.all(offsets.map((offset) => isFree(base + offset)));
    if (free.every(Boolean)) return base;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

/** One inline command to a RESP server, and the first bytes of its answer. */
export function askInline(port: number, command: string): Promise<string> {
  return ask(port, `${command}\r\n`);
}

export function askResp(port: number, words: readonly string[]): Promise<string> {
  return ask(port, `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`);
}

async function ask(port: number, request: string): Promise<string> {
  const socket = createConnection(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    socket.setTimeout(ANSWER_MS);
    socket.write(request);
    // A server that starts may close what came before it served.
    const closed = once(socket, 'end').then(() => {
      throw new Error(`port ${port} closed the connection`);
    });
    const late = once(socket, 'timeout').then(() => {
      throw new Error(`port ${port} does not answer`);
    });
    const [bytes] = (await Promise.race([once(socket, 'data'), closed, late])) as [Buffer];
    return bytes.toString('latin1');
  } finally {
    socket.destroy();
  }
}
