import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freeClientPort, TorcProcess } from './torc-process.ts';

let directory: string;
let running: TorcProcess[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'torc-start-'));
  running = [];
});

afterEach(async () => {
  for (const torc of running) {
    torc.signal('SIGKILL');
    await torc.exited;
  }
  rmSync(directory, { recursive: true, force: true });
});

async function start(
  args: readonly string[] = [],
  environment: Record<string, string> = {},
): Promise<TorcProcess> {
  const port = await freeClientPort(1);
  const data = join(directory, 'one');
  const torc = new TorcProcess(
    ['start', '--client-port', String(port), '--data', data, '--id', 'one', ...args],
    environment,
  );
  running.push(torc);
  return torc;
}

describe('torc help', () => {
  it('shows the options of commands within commands, too', async () => {
    const torc = new TorcProcess(['help', 'node', 'decommission']);
    expect(await torc.exited).toEqual({ code: 0, signal: null });
    expect(torc.out).toMatch(/^Usage: torc node decommission .*<node>\n[^]*--even-if-full/);
    const unknown = new TorcProcess(['help', 'node', 'nothing']);
    expect((await unknown.exited).code).toBe(1);
    expect(unknown.err).toBe("torc: unknown command 'node nothing'. torc help shows what there is.\n");
  });

  it('whose reader has gone ends without a word', async () => {
    const torc = new TorcProcess(['help', 'start']);
    torc.child.stdout?.destroy();
    expect(await torc.exited).toEqual({ code: 0, signal: null });
    expect(torc.err).toBe('');
  });
});

describe('torc start', () => {
  it('stops in good order at a signal', async () => {
    const torc = await start();
    await torc.printed(/"ready"/);
    torc.signal('SIGTERM');
    expect(await torc.exited).toEqual({ code: 0, signal: null });
    expect(readFileSync(join(directory, 'stops.txt'), 'utf8')).toBe('one\n');
    const events = torc.out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { event: string; node: string }).event);
    expect(events).toEqual(['starting', 'ready', 'stopping', 'stopped']);
  });

  it('prints all lines in order before it ends', async () => {
    const torc = await start([], { FAKE_SLOW_OUTPUT: 'one', UV_THREADPOOL_SIZE: '1' });
    await torc.printed(/"ready"/);
    torc.signal('SIGTERM');
    expect(await torc.exited).toEqual({ code: 0, signal: null });
    expect(torc.out).toMatch(/"stopping"\}\n.*"stopped"\}\n$/);
  });

  it('ends at once at the second signal', async () => {
    const torc = await start([], { FAKE_SLOW_STOP: 'one' });
    await torc.printed(/"ready"/);
    torc.signal('SIGTERM');
    await torc.printed(/stopping/);
    torc.signal('SIGTERM');
    expect(await torc.exited).toEqual({ code: 143, signal: null });
  });

  it('gives up a stop that takes too long', async () => {
    const torc = await start(['--stop-timeout-ms', '0'], { FAKE_SLOW_STOP: 'one' });
    await torc.printed(/"ready"/);
    torc.signal('SIGTERM');
    expect(await torc.exited).toEqual({ code: 2, signal: null });
    expect(torc.out).toContain('the stop took longer than 2000 ms');
  });

  it('ends with code 2 and the cause when the node cannot go on', async () => {
    const torc = await start();
    await torc.printed(/"ready"/);
    torc.signal('SIGUSR2');
    expect(await torc.exited).toEqual({ code: 2, signal: null });
    expect(torc.out).toMatch(/"level":"error".*"message":"the disk is full".*"event":"failed"/);
  });

  it.each([
    [
      ['--client-port', 'x'],
      {},
      "torc: client-port: 'x' (from --client-port) is not allowed: it must be a port from 1 to 65535.\n",
    ],
    [
      ['--bind', '0.0.0.0'],
      {},
      "torc: bind: '0.0.0.0' is not loopback and requirepass and peer-secret are not set: set them, or say --protected-mode no.\n",
    ],
    [
      ['--config', '/nowhere/torc.conf'],
      {},
      "torc: config: '/nowhere/torc.conf' cannot be read: ENOENT: no such file or directory, open '/nowhere/torc.conf'.\n",
    ],
    [[], { FAKE_REFUSE: 'one' }, 'torc: the log is damaged at offset 7.\n'],
  ])('refuses %j %j in one line', async (args, environment, line) => {
    const torc = await start(args, environment);
    expect(await torc.exited).toEqual({ code: 1, signal: null });
    expect([torc.err, torc.out]).toEqual([line, '']);
  });

  it('warns of variables that are no setting, once', async () => {
    const torc = await start([], { TORC_REQUIREPAS: 'hush', TORC_EMPTY: '' });
    await torc.printed(/"ready"/);
    const warnings = torc.out.split('\n').filter((line) => line.includes('"level":"warn"'));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/"names":\["TORC_REQUIREPAS"\].*"event":"variables-unknown"/);
    expect(torc.out).not.toContain('hush');
  });

  it('reads the configuration file that TORC_CONFIG names', async () => {
    const config = join(directory, 'torc.conf');
    writeFileSync(config, 'maxmemory 5mb\nlog-format pretty\n');
    const torc = await start([], { TORC_CONFIG: config });
    await torc.printed(/INFO {2}ready memory=5242880/);
  });
});

describe('torc', () => {
  it.each([
    [['help', 'start'], 0, /--election-timeout-ms <ms> +How long a member/],
    [['--version'], 0, /^0\.1\.0\n$/],
  ])('%j prints help', async (args, code, pattern) => {
    const torc = new TorcProcess(args);
    expect(await torc.exited).toEqual({ code, signal: null });
    expect(torc.out).toMatch(pattern);
  });

  it.each([
    [
      ['start', '--no-such-flag'],
      /^torc: unknown option '--no-such-flag'\. torc help shows what there is\.\n$/,
    ],
    [
      ['start', '--clientport', '1'],
      /^torc: unknown option '--clientport' \(Did you mean --client-port\?\) torc help .*\n$/,
    ],
    [['nonsense'], /^torc: unknown command 'nonsense'\. torc help shows what there is\.\n$/],
    [['dev', '--nodes', '0'], /^torc: option '--nodes <number>' argument '0' is invalid\. It must be .*\n$/],
    [
      ['status', '--address', '127.0.0.1:1'],
      /^torc: no node answers at 127\.0\.0\.1:1: nothing listens there\. --address takes the admin port .*\n$/,
    ],
  ])('%j is refused without a stack trace', async (args, pattern) => {
    const torc = new TorcProcess(args);
    expect((await torc.exited).code).toBe(1);
    expect(torc.err).toMatch(pattern);
    expect(torc.err).not.toMatch(/^ +at /m);
  });
});

describe('torc repair', () => {
  it('says in one line what the disk refuses', async () => {
    const path = join(directory, 'a-file');
    writeFileSync(path, '');
    const torc = new TorcProcess(['repair', '--discard-replica', '--data', path]);
    running.push(torc);
    expect(await torc.exited).toEqual({ code: 2, signal: null });
    expect(torc.err).toMatch(/^torc: ENOTDIR: not a directory, .*a-file\/cluster\.json'\n$/);
  });
});
