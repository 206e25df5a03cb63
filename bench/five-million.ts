/**
 * `npm run bench:memory`: 5M keys of 100 bytes in one node of Torc, beside redis-server: bytes per key, and for how long the event loop is
 * held while they are filled in through the client port and while they are served.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { buildGenerator, fill, load, type LoadResult, type LoadSize, type Scenario } from './load.ts';
import { startOneRedis, startOneTorc, type OneServer, type OneTorc } from './one-node.ts';
import { isInstalled, killAll } from './processes.ts';

const KEYS = Number(process.argv[2] ?? 5_000_000);
const SIZE: LoadSize = { keys: KEYS, valueBytes: 100, seconds: 10, warmupSeconds: 1 };
const SERVED: readonly Scenario[] = [
  { workload: 'get', connections: 50, pipeline: 1, generator: 'native' },
  { workload: 'mixed', connections: 50, pipeline: 16, generator: 'native' },
];
/** The first commands run while their code is being compiled: they are told apart. Their keys are some of those that are filled in. */
const WARM_UP: Scenario = { workload: 'mixed', connections: 50, pipeline: 16, generator: 'native' };
const WARM_UP_SIZE: LoadSize = {
  keys: Math.min(KEYS, 10_000),
  valueBytes: 100,
  seconds: 3,
  warmupSeconds: 0,
};
/** Goals: bytes per key over redis-server's, and the longest hold of the event loop. */
const BYTES_AT_MOST = 1;
const HOLD_AT_MOST_MS = 20;
/** After the fill: what was garbage on the way is given back, a snapshot under way is done. */
const SETTLE_MS = 3000;

interface Served {
  scenario: Scenario;
  result: LoadResult;
  holdMs: number;
}

interface Filled {
  name: string;
  seconds: number;
  emptyBytes: number;
  dataBytes: number;
  residentBytes: number;
  coldHoldMs: number;
  holdMs: number;
  served: Served[];
}

/** NaN for who does not tell it. */
async function holdMsOf(server: OneServer | OneTorc): Promise<number> {
  return 'loopDelayMaxMs' in server ? server.loopDelayMaxMs() : NaN;
}

async function run(server: OneServer | OneTorc): Promise<Filled> {
  const emptyBytes = await server.residentBytes();
  await holdMsOf(server);
  await load(server.entrance, WARM_UP, WARM_UP_SIZE);
  const coldHoldMs = await holdMsOf(server);
  const startedMs = performance.now();
  await fill(server.entrance, SIZE);
  const seconds = (performance.now() - startedMs) / 1000;
  const holdMs = await holdMsOf(server);
  await delay(SETTLE_MS);
  const dataBytes = await server.dataBytes();
  const residentBytes = await server.residentBytes();
  const served: Served[] = [];
  for (const scenario of SERVED) {
    await holdMsOf(server);
    const result = await load(server.entrance, scenario, SIZE);
    served.push({ scenario, result, holdMs: await holdMsOf(server) });
  }
  return { name: server.name, seconds, emptyBytes, dataBytes, residentBytes, coldHoldMs, holdMs, served };
}

function perKey(bytes: number): string {
  return (bytes / KEYS).toFixed(1);
}

function ms(value: number): string {
  return Number.isNaN(value) ? '-' : `${value.toFixed(1)} ms`;
}

function tell(filled: Filled): void {
  const { name, seconds, emptyBytes, dataBytes, residentBytes, coldHoldMs, holdMs, served } = filled;
  const rate = Math.round(KEYS / seconds / 1000);
  console.log(`${name}: ${KEYS} keys of 100 bytes in ${seconds.toFixed(0)} s (${rate}k/s)`);
  console.log(
    `  bytes per key: resident ${perKey(residentBytes)} (${perKey(residentBytes - emptyBytes)} more than empty), data ${perKey(dataBytes)}`,
  );
  console.log(
    `  longest hold of the event loop while filling: ${ms(holdMs)} (in the first seconds, before: ${ms(coldHoldMs)})`,
  );
  for (const { scenario, result, holdMs: heldMs } of served) {
    console.log(
      `  ${scenario.workload} x ${scenario.connections} pipeline ${scenario.pipeline}: ${Math.round(result.opsPerSecond / 1000)}k/s, slowest ${result.maxMs.toFixed(1)} ms, longest hold ${ms(heldMs)}`,
    );
  }
}

function goal(text: string, value: number, limit: number): string {
  return `${value <= limit ? 'reached' : 'MISSED '}  ${text}: ${value.toFixed(2)} (at most ${limit})`;
}

async function measure(start: (directory: string) => Promise<OneServer | OneTorc>): Promise<Filled> {
  const server = await start(directory);
  try {
    const filled = await run(server);
    tell(filled);
    return filled;
  } finally {
    await server.stop();
  }
}

const directory = mkdtempSync(join(tmpdir(), 'torc-memory-'));
process.on('exit', () => {
  killAll();
  rmSync(directory, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

buildGenerator();
const torc = await measure(startOneTorc);
const lines = [
  goal('longest hold while filling, ms', torc.holdMs, HOLD_AT_MOST_MS),
  goal('longest hold while serving, ms', Math.max(...torc.served.map((one) => one.holdMs)), HOLD_AT_MOST_MS),
];
if (isInstalled('redis-server')) {
  const redis = await measure(startOneRedis);
  lines.push(
    goal('bytes per key, resident, over redis', torc.residentBytes / redis.residentBytes, BYTES_AT_MOST),
    goal('bytes per key, data, over redis', torc.dataBytes / redis.dataBytes, BYTES_AT_MOST),
  );
} else {
  console.log('redis-server is left out: on Debian, apt-get install redis-server');
}
console.log(`\nGoals\n${lines.join('\n')}`);
