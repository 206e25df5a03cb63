/**
 * Load by a client library, in a process of its own: one client, with so many commands under way at a time. Prints what the native
 * generator prints.
 */
import { parseArgs } from 'node:util';

import { Cluster, Redis } from 'ioredis';
import { createClient, createCluster } from 'redis';

interface Client {
  get(key: string): Promise<unknown>;
  set(key: string, value: string): Promise<unknown>;
  close(): void;
}

const { values: options } = parseArgs({
  options: {
    library: { type: 'string', default: 'ioredis' },
    target: { type: 'string', default: '127.0.0.1:6379' },
    slots: { type: 'boolean', default: false },
    workload: { type: 'string', default: 'get' },
    connections: { type: 'string', default: '50' },
    pipeline: { type: 'string', default: '1' },
    keys: { type: 'string', default: '100000' },
    'value-bytes': { type: 'string', default: '100' },
    seconds: { type: 'string', default: '3' },
    warmup: { type: 'string', default: '0.5' },
  },
});

const WRITES_OF_MIXED = 0.1;
const latenciesMs: number[] = [];
let errors = 0;

async function connect(): Promise<Client> {
  const [host, port] = options.target.split(':');
  const address = { host, port: Number(port) };
  if (options.library === 'ioredis') {
    const client = options.slots ? new Cluster([address]) : new Redis(address);
    return {
      get: (key) => client.get(key),
      set: (key, value) => client.set(key, value),
      close: () => client.disconnect(),
    };
  }
  const client = options.slots
    ? createCluster({ rootNodes: [{ socket: address }] })
    : createClient({ socket: address });
  client.on('error', () => undefined);
  await client.connect();
  return {
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    close: () => client.destroy(),
  };
}

function drawKey(): string {
  return `key:${String(Math.floor(Math.random() * Number(options.keys))).padStart(12, '0')}`;
}

function isWrite(): boolean {
  return options.workload === 'set' || (options.workload === 'mixed' && Math.random() < WRITES_OF_MIXED);
}

async function loop(client: Client, measureFromMs: number, untilMs: number): Promise<void> {
  const value = 'x'.repeat(Number(options['value-bytes']));
  for (let startMs = performance.now(); startMs < untilMs; startMs = performance.now()) {
    try {
      await (isWrite() ? client.set(drawKey(), value) : client.get(drawKey()));
    } catch {
      errors += 1;
    }
    const endMs = performance.now();
    if (endMs >= measureFromMs) latenciesMs.push(endMs - startMs);
  }
}

function percentile(part: number): number {
  return latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(part * latenciesMs.length))] ?? 0;
}

const client = await connect();
await client.get(drawKey());
const startMs = performance.now();
const measureFromMs = startMs + Number(options.warmup) * 1000;
const untilMs = measureFromMs + Number(options.seconds) * 1000;
const cpuBefore = process.cpuUsage();
const underWay = Number(options.connections) * Number(options.pipeline);
await Promise.all(Array.from({ length: underWay }, () => loop(client, measureFromMs, untilMs)));
const endMs = performance.now();
const cpu = process.cpuUsage(cpuBefore);
client.close();
latenciesMs.sort((one, other) => one - other);
console.log(
  JSON.stringify({
    opsPerSecond: latenciesMs.length / ((endMs - measureFromMs) / 1000),
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    p999Ms: percentile(0.999),
    maxMs: latenciesMs.at(-1) ?? 0,
    operations: latenciesMs.length,
    errors,
    clientCpu: (cpu.user + cpu.system) / 1000 / (endMs - startMs),
  }),
);
