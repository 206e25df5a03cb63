/** Clients that do what no client should: the node goes on serving the others, and keeps its memory. */
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { SystemMachine } from '../../src/env/machine.ts';
import { encodeCommand } from '../commands/command-runner.ts';
import { RespClient } from '../differential/resp-client.ts';
import { TorcCluster } from './torc-cluster.ts';

const MIB = 1024 * 1024;
/** The default, as far as the system lets this process and a node open so many files. */
const MAX_CLIENTS = Math.min(10_000, new SystemMachine().openFilesMost - 1000);
const DIALLED_AT_ONCE = 100;
const OUTPUT_LIMIT_MIB = 80;
/** What a node may hold above what it held: garbage not collected yet included. */
const GROWTH_LIMIT_BYTES = 400 * MIB;

let torc: TorcCluster;
let residentBytes = 0;
let client: RespClient;

beforeAll(async () => {
  torc = await TorcCluster.start({
    maxclients: String(MAX_CLIENTS),
    'client-output-buffer-limit': `${OUTPUT_LIMIT_MIB}mb`,
  });
  client = await RespClient.open(torc.clientPort(0));
  residentBytes = torc.residentBytes(0);
});

afterEach(async () => {
  expect(await client.run([['ping'], ['set', 'k', 'v'], ['get', 'k']])).toEqual([
    '+PONG\r\n',
    '+OK\r\n',
    '$1\r\nv\r\n',
  ]);
  expect(torc.residentBytes(0) - residentBytes).toBeLessThan(GROWTH_LIMIT_BYTES);
  for (let node = 0; node < torc.nodes; node++) expect(torc.isAlive(node)).toBe(true);
});

afterAll(async () => {
  client.close();
  await torc.stop();
});

/** Sends it, and takes all that comes until the node closes the connection. */
async function refusal(bytes: string | Buffer): Promise<string> {
  const stranger = await RespClient.open(torc.clientPort(0));
  stranger.send(Buffer.from(bytes as string, 'latin1'));
  const text = await stranger.until('\0never\0', 2000);
  expect(stranger.isClosed).toBe(true);
  stranger.close();
  return text;
}

test('an array of more arguments than a command may have', async () => {
  expect(await refusal('*1048577\r\n')).toBe('-ERR Protocol error: invalid multibulk length\r\n');
});

test('an argument longer than the limit', async () => {
  const length = 64 * MIB + 1;
  expect(await refusal(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${length}\r\n`)).toBe(
    '-ERR Protocol error: invalid bulk length\r\n',
  );
});

test('a command longer than the limit, of arguments that are not', async () => {
  const stranger = connect({ port: torc.clientPort(0), host: '127.0.0.1' });
  stranger.on('error', () => undefined);
  const closed = new Promise((resolve) => {
    stranger.once('close', resolve);
  });
  stranger.write('*1000\r\n');
  const argument = Buffer.concat([
    Buffer.from(`$${60 * MIB}\r\n`),
    Buffer.alloc(60 * MIB, 'x'),
    Buffer.from('\r\n'),
  ]);
  for (let sent = 0; sent < 6 && !stranger.destroyed; sent++) {
    await new Promise((resolve) => {
      stranger.write(argument, resolve);
    });
  }
  await closed;
});

test('deep nesting, and bytes that are nothing', async () => {
  expect(await refusal('*1\r\n'.repeat(100_000))).toMatch(/^-ERR Protocol error: expected '\$', got '\*'/);
  expect(await refusal('*2\r\n$3\r\nGET\r\n:1\r\n')).toMatch(/^-ERR Protocol error/);
  const stranger = await RespClient.open(torc.clientPort(0));
  let seed = 1;
  const noise = Buffer.from(
    Array.from({ length: 200_000 }, () => (seed = (seed * 48_271) % 2_147_483_647) & 255),
  );
  stranger.send(noise);
  await delay(200);
  stranger.close();
});

test('half a command, then gone', async () => {
  const commands = encodeCommand(['set', 'half', 'x'.repeat(5000)]);
  for (let cut = 1; cut < commands.length; cut += 97) {
    const stranger = await RespClient.open(torc.clientPort(0));
    stranger.send(commands.subarray(0, cut));
    stranger.close();
  }
  expect(await client.run([['exists', 'half']])).toEqual([':0\r\n']);
});

test('gone with commands under way', async () => {
  for (let round = 0; round < 50; round++) {
    const stranger = await RespClient.open(torc.clientPort(0));
    const commands = Array.from({ length: 200 }, (_, i) =>
      encodeCommand(['set', `gone:${i}`, 'x'.repeat(1000)]),
    );
    stranger.send(Buffer.concat([...commands, encodeCommand(['mget', 'gone:1', 'gone:2', 'gone:3'])]));
    if (round % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
    stranger.close();
  }
});

test.each([
  ['served here', 0],
  ['forwarded', 1],
])('a pipeline whose replies are larger than anything should hold, %s', async (_, node) => {
  const value = 'v'.repeat(8 * MIB);
  await client.run([['set', '{big}', value]]);
  const slow = connect({ port: torc.clientPort(node), host: '127.0.0.1' });
  slow.on('error', () => undefined);
  const closed = new Promise((resolve) => {
    slow.once('close', resolve);
  });
  slow.pause();
  slow.write(Buffer.concat(Array.from({ length: 2000 }, () => encodeCommand(['get', '{big}']))));
  // It never reads: it is cut off, or held at the limit.
  await Promise.race([closed, delay(3000)]);
  expect(torc.residentBytes(node) - residentBytes).toBeLessThan(GROWTH_LIMIT_BYTES + OUTPUT_LIMIT_MIB * MIB);
  slow.destroy();
  await client.run([['del', '{big}']]);
});

test('a reader that is slow gets all its replies', async () => {
  const value = 'v'.repeat(MIB);
  await client.run([['set', '{slow}', value]]);
  const slow = await RespClient.open(torc.clientPort(0));
  slow.socket.pause();
  slow.send(Buffer.concat(Array.from({ length: 60 }, () => encodeCommand(['get', '{slow}']))));
  await delay(500);
  slow.socket.resume();
  for (let reply = 0; reply < 60; reply++) expect((await slow.reply()).length).toBe(MIB + 12);
  slow.close();
});

test('more connections than there may be; idle ones cost little', async () => {
  const before = torc.residentBytes(0);
  const sockets: Socket[] = [];
  while (sockets.length < MAX_CLIENTS - 1) {
    const dialled = Array.from({ length: Math.min(DIALLED_AT_ONCE, MAX_CLIENTS - 1 - sockets.length) }, () =>
      connect({ port: torc.clientPort(0), host: '127.0.0.1' }).on('error', () => undefined),
    );
    await Promise.all(dialled.map((socket) => once(socket, 'connect')));
    sockets.push(...dialled);
  }
  // All of them are served, all at once too.
  await Promise.all(
    sockets.map(async (socket) => {
      socket.write('PING\r\n');
      expect(String((await once(socket, 'data'))[0])).toBe('+PONG\r\n');
    }),
  );
  expect((torc.residentBytes(0) - before) / MAX_CLIENTS).toBeLessThan(30 * 1024);
  expect(await refusal('')).toBe('-ERR max number of clients reached\r\n');
  for (const socket of sockets) socket.destroy();
  await expect
    .poll(async () =>
      Number(/connected_clients:(\d+)/.exec((await client.run([['info', 'clients']]))[0])?.[1]),
    )
    .toBeLessThan(10);
});
