/** Three nodes as those who watch them see them: promtool, a real Prometheus, health checks, `torc status`. */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { RespClient } from '../differential/resp-client.ts';
import { TorcCluster } from './torc-cluster.ts';

const run = promisify(execFile);
const installed = ['prometheus', 'promtool'].every((name) => spawnSync(name, ['--version']).status === 0);
/** Beside the ports of the node: admin port + 1000. */
const PROMETHEUS_OFFSET = 1000;
const POLL = { timeout: 30_000, interval: 250 };

let torc: TorcCluster;

beforeAll(async () => {
  torc = await TorcCluster.start();
});

afterAll(() => torc.stop());

const address = (node: number): string => `127.0.0.1:${torc.adminPort(node)}`;
const get = (node: number, path: string): Promise<Response> => fetch(`http://${address(node)}${path}`);

async function work(): Promise<void> {
  const client = await RespClient.open(torc.clientPort(0));
  const commands = Array.from({ length: 300 }, (_, i) => [
    ['set', `key:${i}`, 'v'],
    ['get', `key:${i}`],
    ['get', `none:${i}`],
  ]).flat();
  await client.run(commands);
  client.close();
}

test.skipIf(!installed)('promtool finds nothing to say about what the nodes tell', async () => {
  await work();
  for (let node = 0; node < torc.nodes; node++) {
    const response = await get(node, '/metrics');
    expect(response.headers.get('content-type')).toContain('text/plain');
    const text = await response.text();
    const own = text
      .split('\n')
      .filter((line) => /^(?:# (?:HELP|TYPE) )?torc_/.test(line))
      .join('\n');
    const checked = spawnSync('promtool', ['check', 'metrics'], { input: `${own}\n`, encoding: 'utf8' });
    expect(`${checked.stdout}${checked.stderr}`).toBe('');
    expect(checked.status).toBe(0);
  }
});

test('health', async () => {
  for (let node = 0; node < torc.nodes; node++) {
    expect((await get(node, '/livez')).status).toBe(200);
    const ready = await get(node, '/readyz?verbose');
    expect(ready.status).toBe(200);
    expect((await ready.text()).length).toBeGreaterThan(0);
    expect((await get(node, '/nothing-here')).status).toBe(404);
  }
});

test('status, as JSON and as a table', async () => {
  const status = (await (await get(1, '/api/status')).json()) as {
    node: { state: string };
    peers: unknown[];
    replicas: { role: string }[];
  };
  expect(status.node.state).toBe('ready');
  expect(status.peers.length).toBe(2);
  expect(status.replicas.length).toBe(3);
  expect(status.replicas.filter(({ role }) => role === 'leader').length).toBe(1);
  const program = [
    new URL('../../dist/torc.js', import.meta.url).pathname,
    'status',
    '--address',
    address(0),
  ];
  const { stdout } = await run(process.execPath, program);
  for (let node = 0; node < torc.nodes; node++) expect(stdout).toContain(`node-${node}`);
  expect(stdout.match(/ready/g)?.length).toBe(3);
  const { stdout: json } = await run(process.execPath, [...program, '--json']);
  expect(JSON.stringify(JSON.parse(json))).toContain('node-2');
});

test.skipIf(!installed)('a Prometheus scrapes all three, and sees them move', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'torc-prometheus-'));
  const targets = [0, 1, 2].map((node) => `'${address(node)}'`).join(', ');
  const configuration = join(directory, 'prometheus.yml');
  await writeFile(
    configuration,
    `global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: torc\n  static_configs:\n  - targets: [${targets}]\n`,
  );
  const listen = `127.0.0.1:${torc.adminPort(0) + PROMETHEUS_OFFSET}`;
  const words = [
    `--config.file=${configuration}`,
    `--storage.tsdb.path=${directory}/data`,
    `--web.listen-address=${listen}`,
  ];
  const prometheus = spawn('prometheus', words, { stdio: 'ignore' });
  try {
    const query = (text: string): Promise<number[]> => ask(listen, text);
    await expect.poll(() => query('sum(up{job="torc"})'), POLL).toEqual([3]);
    const [before] = await query('sum(torc_commands_total)');
    expect(before).toBeGreaterThan(0);
    await work();
    await expect
      .poll(async () => (await query('sum(torc_commands_total)'))[0] - before, POLL)
      .toBeGreaterThanOrEqual(900);
    expect(await query('count(count by (instance) ({__name__=~"torc_.+"}))')).toEqual([3]);
    expect(await query('sum(torc_shard_slots) / count(count by (instance) (torc_shard_slots))')).toEqual([
      16384,
    ]);
  } finally {
    await end(prometheus);
    await rm(directory, { recursive: true, force: true });
  }
});

async function ask(listen: string, query: string): Promise<number[]> {
  try {
    const response = await fetch(`http://${listen}/api/v1/query?query=${encodeURIComponent(query)}`);
    const { data } = (await response.json()) as { data: { result: { value: [number, string] }[] } };
    return data.result.map(({ value }) => Number(value[1]));
  } catch {
    // It is starting.
    return [];
  }
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
