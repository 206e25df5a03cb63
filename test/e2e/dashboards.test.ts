/** Every query of every panel, asked of a real Prometheus that scraped a cluster at work while slots moved: no panel is without data. */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { metricsIn, panelQueries, RULES_PATH, type PanelQuery } from '../dashboards/definitions.ts';
import { WITHOUT_DATA } from '../dashboards/reasons.ts';
import type { RespClient } from '../differential/resp-client.ts';
import { TorcCluster } from './torc-cluster.ts';

const run = promisify(execFile);
const installed = spawnSync('prometheus', ['--version']).status === 0;
const PROGRAM = new URL('../../dist/torc.js', import.meta.url).pathname;
/** Beside the ports of the node: admin port + 1000. */
const PROMETHEUS_OFFSET = 1000;
const POLL = { timeout: 40_000, interval: 500 };
/** What Grafana puts in its place: four scrapes. */
const RATE_INTERVAL = '4s';
const KEYS = 20_000;
/** So that moves are seen on their way. */
const SLOWLY = { 'rebalance-max-bytes-per-second': '200kb' };

let torc: TorcCluster;
let prometheus: ChildProcess;
let directory: string;
let listen: string;

beforeAll(async () => {
  if (!installed) return;
  torc = await TorcCluster.start(SLOWLY);
  directory = await mkdtemp(join(tmpdir(), 'torc-dashboards-'));
  const targets = Array.from({ length: torc.nodes }, (_, node) => `'127.0.0.1:${torc.adminPort(node)}'`).join(
    ', ',
  );
  const configuration = join(directory, 'prometheus.yml');
  await writeFile(
    configuration,
    `global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\nrule_files: ['${RULES_PATH}']\nscrape_configs:\n- job_name: torc\n  static_configs:\n  - targets: [${targets}]\n`,
  );
  listen = `127.0.0.1:${torc.adminPort(0) + PROMETHEUS_OFFSET}`;
  const words = [
    `--config.file=${configuration}`,
    `--storage.tsdb.path=${directory}/data`,
    `--web.listen-address=${listen}`,
  ];
  prometheus = spawn('prometheus', words, { stdio: 'ignore' });
});

afterAll(async () => {
  if (!installed) return;
  const exited = once(prometheus, 'exit');
  prometheus.kill('SIGKILL');
  await exited;
  await torc.stop();
  await rm(directory, { recursive: true, force: true });
});

test.skipIf(!installed)('no panel is without data', async () => {
  const client = await torc.open(torc.clientPort(0));
  const address = `127.0.0.1:${torc.adminPort(0)}`;
  for (let from = 0; from < KEYS; from += 1000)
    await client.run(Array.from({ length: 1000 }, (_, i) => ['set', `filled:${from + i}`, 'v'.repeat(200)]));
  const sinceMs = Date.now();
  await run(process.execPath, [PROGRAM, 'node', 'weight', 'node-2', '2', '--address', address]);
  const queries = panelQueries().filter(
    ({ expression }) => !metricsIn(expression).some((name) => name in WITHOUT_DATA),
  );
  expect(queries.length).toBeGreaterThan(60);
  await expect
    .poll(async () => {
      await work(client);
      return emptyOf(queries, sinceMs);
    }, POLL)
    .toEqual([]);
  client.close();
});

/** The panels whose queries gave nothing at any time, or an error. */
async function emptyOf(queries: readonly PanelQuery[], sinceMs: number): Promise<string[]> {
  const empty: string[] = [];
  for (const { panel, expression } of queries) {
    const count = await seriesOf(expression.replaceAll('$__rate_interval', RATE_INTERVAL), sinceMs);
    if (count === 0) empty.push(`${panel}: ${expression}`);
  }
  return empty;
}

async function work(client: RespClient): Promise<void> {
  const commands = Array.from({ length: 100 }, (_, i) => [
    ['set', `key:${i}`, 'v'],
    ['get', `key:${i}`],
    ['get', `none:${i}`],
    ['incr', `key:${i}`],
  ]).flat();
  await client.run(commands);
}

async function seriesOf(expression: string, sinceMs: number): Promise<number> {
  const [start, end] = [sinceMs, Date.now()].map((timeMs) => String(timeMs / 1000));
  const query = new URLSearchParams({ query: expression, start, end, step: '1' });
  try {
    const response = await fetch(`http://${listen}/api/v1/query_range?${query.toString()}`);
    const { data } = (await response.json()) as { data?: { result: unknown[] } };
    return data?.result.length ?? 0;
  } catch {
    // It is starting.
    return 0;
  }
}
