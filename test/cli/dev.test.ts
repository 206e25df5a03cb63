import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { freeClientPort, gone, isAlive, nodeProcessIds, TorcProcess } from './torc-process.ts';

let directory: string;
let running: TorcProcess[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'torc-dev-'));
  running = [];
});

afterEach(async () => {
  for (const torc of running) {
    torc.signal('SIGKILL');
    await torc.exited;
    await Promise.all(nodeProcessIds(torc).map(gone));
  }
  rmSync(directory, { recursive: true, force: true });
});

function dev(port: number, args: readonly string[], environment: Record<string, string> = {}): TorcProcess {
  const torc = new TorcProcess(['dev', '--port', String(port), '--data', directory, ...args], environment);
  running.push(torc);
  return torc;
}

it('prints where its nodes are, starts a dead one again, shows their status, and stops them in order', async () => {
  const port = await freeClientPort(3);
  const torc = dev(port, ['--maxmemory', '300mb'], {
    TORC_CLIENT_PORT: '1',
    TORC_REQUIREPASS: 'hush',
    TORC_MAXMEMROY: '1gb',
  });
  await torc.printed(/Ctrl-C stops/);
  for (const at of [0, 1, 2]) {
    const ports = [0, 1000, 10_000, 2000].map((offset) => port + at + offset).join(' +');
    expect(torc.out).toMatch(new RegExp(`node-${at} +127.0.0.1 +${ports}`));
  }
  expect(torc.out).toContain(`redis-cli -p ${port} --askpass`);
  expect(torc.out).toContain(`http://127.0.0.1:${port + 2000}/metrics`);
  expect(torc.out).toContain(`{ host: '127.0.0.1', port: ${port + 2} },`);
  // What a node says of itself comes by another way than that it is ready.
  await torc.printed(/node-1 \| \S+ INFO {2}ready memory=314572800 requirepass=\(secret\)/);

  const [first, ...others] = nodeProcessIds(torc);
  const killedAtMs = performance.now();
  process.kill(first, 'SIGKILL');
  const [, name] = await torc.printed(
    /(node-\d) \| died \(killed by SIGKILL\); the others go on; restarted in 2 s/,
  );
  await torc.printed(new RegExp(`died[^]*${name} \\| \\S+ INFO {2}ready`));
  expect(performance.now() - killedAtMs).toBeGreaterThan(2000);
  expect(others.map(isAlive)).toEqual([true, true]);
  expect(nodeProcessIds(torc)).toHaveLength(4);

  await showsStatus(`127.0.0.1:${port + 2001}`);

  torc.signal('SIGINT');
  expect(await torc.exited).toEqual({ code: 0, signal: null });
  expect(torc.out).toMatch(/All nodes have stopped\. Their data is kept\.\n$/);
  expect(readFileSync(join(directory, 'stops.txt'), 'utf8')).toBe('node-0\nnode-1\nnode-2\n');
  expect(nodeProcessIds(torc).some(isAlive)).toBe(false);
  expect(torc.out).not.toContain('hush');
  expect(torc.err).toBe('torc: no setting has the variable TORC_MAXMEMROY: it does nothing.\n');
  expect(torc.out).not.toContain('variables-unknown');
});

async function showsStatus(address: string): Promise<void> {
  const [table, json] = [[], ['--json']].map(
    (flags) => new TorcProcess(['status', '--address', address, ...flags]),
  );
  expect(await table.exited).toEqual({ code: 0, signal: null });
  expect(table.out).toMatch(/^node +state +shards led +keys +memory +term +commit +applied +lag$/m);
  expect(table.out).toMatch(/^node-0 +ready +1 +7 +700 B +4 +20 +20 +0$/m);
  expect(table.out).toMatch(/^node-2 +ready /m);
  expect(await json.exited).toEqual({ code: 0, signal: null });
  expect(JSON.parse(json.out)).toMatchObject({
    schema: 1,
    nodes: [{ report: { node: { name: 'node-0' } } }, {}, {}],
  });
}

it('leaves a dead node dead with --no-restart, and takes the others with it when it is killed', async () => {
  const torc = dev(await freeClientPort(2), ['--nodes', '2', '--no-restart']);
  await torc.printed(/Ctrl-C stops/);
  process.kill(nodeProcessIds(torc)[0], 'SIGKILL');
  await torc.printed(/died \(killed by SIGKILL\); the others go on; left so \(--no-restart\)/);
  await new Promise((resolve) => setTimeout(resolve, 2300));
  expect(nodeProcessIds(torc)).toHaveLength(2);
  torc.signal('SIGKILL');
  await torc.exited;
  await Promise.all(nodeProcessIds(torc).map(gone));
});

it('kills its nodes at the second signal', async () => {
  const torc = dev(await freeClientPort(2), ['--nodes', '2'], { FAKE_SLOW_STOP: 'node-0' });
  await torc.printed(/Ctrl-C stops/);
  torc.signal('SIGINT');
  await torc.printed(/stopping signal=SIGTERM/);
  await new Promise((resolve) => setTimeout(resolve, 300));
  torc.signal('SIGINT');
  expect(await torc.exited).toEqual({ code: 130, signal: null });
  await Promise.all(nodeProcessIds(torc).map(gone));
});

it('ends with one line when a node refuses to start', async () => {
  const torc = dev(await freeClientPort(2), ['--nodes', '2'], { FAKE_REFUSE: 'node-1' });
  expect(await torc.exited).toEqual({ code: 1, signal: null });
  expect(torc.err).toBe('torc: node-1: the log is damaged at offset 7.\n');
  expect(nodeProcessIds(torc).map(isAlive)).not.toContain(true);
});

it('ends with one line when a port is taken, and touches nothing', async () => {
  const port = await freeClientPort(2);
  const other = createServer().listen(port + 1001, '127.0.0.1');
  writeFileSync(join(directory, 'kept'), '');
  const torc = dev(port, ['--nodes', '2', '--fresh']);
  expect(await torc.exited).toEqual({ code: 1, signal: null });
  expect(torc.err).toBe(
    `torc: port ${port + 1001}, the redirect port of node-1, is taken: another process listens there. Choose others with --port.\n`,
  );
  expect(existsSync(join(directory, 'dev.json'))).toBe(false);
  other.close();
});
