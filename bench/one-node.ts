/** One node of Torc, or one redis-server, for the benchmarks of memory and of what holds the event loop. */
import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Entrance } from './load.ts';
import { askInline, freeBasePort, freePort, startServer, stopServer, waitUntil } from './processes.ts';

const START_MS = 60_000;
const OFFSETS = [0, 1000, 2000, 10_000];
const ADMIN_OFFSET = 2000;
const BYTES_PER_KILOBYTE = 1024;

export interface OneServer {
  readonly name: string;
  readonly port: number;
  readonly entrance: Entrance;
  residentBytes(): Promise<number>;
  /** What the server itself counts for keys and values, its index with them. */
  dataBytes(): Promise<number>;
  stop(): Promise<void>;
}

export interface OneTorc extends OneServer {
  /** The longest delay of the event loop since this was asked last, as the node's own metrics tell it. */
  loopDelayMaxMs(): Promise<number>;
}

function entranceOf(port: number): Entrance {
  return { addresses: `127.0.0.1:${port}`, protocol: 'resp', slots: false, wait: 0 };
}

async function residentBytesOf(child: ChildProcess): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * BYTES_PER_KILOBYTE;
}

/** `words`: more settings of `torc start`. */
export async function startOneTorc(directory: string, words: readonly string[] = []): Promise<OneTorc> {
  const port = await freeBasePort(OFFSETS);
  const program = join(import.meta.dirname, '../dist/torc.js');
  const data = join(directory, `torc-${port}`);
  const own = ['--durability', 'buffered', '--loop-delay-interval-ms', '1'];
  const all = ['start', '--client-port', String(port), '--data', data, ...own, ...words];
  const child = startServer(process.execPath, [program, ...all], join(directory, 'torc.log'));
  await waitUntil('Torc answers', START_MS, [child], async () =>
    (await askInline(port, 'SET bench:ready 1')).startsWith('+OK'),
  );
  const metric = async (name: string): Promise<number> => {
    const page = await (await fetch(`http://127.0.0.1:${port + ADMIN_OFFSET}/metrics`)).text();
    const line = page.split('\n').find((one) => one.startsWith(name));
    if (line === undefined) throw new Error(`Torc has no metric ${name}`);
    return Number(line.slice(line.lastIndexOf(' ') + 1));
  };
  return {
    name: 'torc',
    port,
    entrance: entranceOf(port),
    residentBytes: () => residentBytesOf(child),
    dataBytes: () => metric('torc_memory_slab_bytes'),
    loopDelayMaxMs: async () => (await metric('torc_event_loop_delay_seconds{statistic="max"}')) * 1000,
    stop: () => stopServer(child),
  };
}

export async function startOneRedis(directory: string): Promise<OneServer> {
  const port = await freePort();
  const words = ['--bind', '127.0.0.1', '--port', String(port), '--dir', directory, '--save', ''];
  const child = startServer('redis-server', words, join(directory, 'redis.log'));
  await waitUntil('redis-server answers', START_MS, [child], async () =>
    (await askInline(port, 'PING')).startsWith('+PONG'),
  );
  return {
    name: 'redis',
    port,
    entrance: entranceOf(port),
    residentBytes: () => residentBytesOf(child),
    dataBytes: async () => {
      const reply = await askInline(port, 'INFO memory');
      return Number(/used_memory:(\d+)/.exec(reply)?.[1]);
    },
    stop: () => stopServer(child),
  };
}
