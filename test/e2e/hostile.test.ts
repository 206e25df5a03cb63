/** Clients that mean no good, against a real node: each gets a clear error or is closed, and the node serves the others on. */
import { once } from 'node:events';
import { connect as connectSocket, type Socket } from 'node:net';

import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';

import { pause, TorcCluster } from './cluster/torc-cluster.ts';
import type { TorcNode } from './cluster/torc-node.ts';

const MIB = 1024 * 1024;

async function dial(port: number): Promise<Socket> {
  const socket = connectSocket(port, '127.0.0.1');
  socket.on('error', () => undefined);
  onTestFinished(() => {
    socket.destroy();
  });
  await once(socket, 'connect');
  return socket;
}

/** Sends bytes, and gives what comes until the node closes the connection. */
async function answerTo(port: number, bytes: string | Buffer): Promise<string> {
  const socket = await dial(port);
  let said = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    said += text;
  });
  socket.write(bytes);
  await Promise.race([
    once(socket, 'close'),
    pause(5000).then(() => Promise.reject(new Error(`not closed: ${said}`))),
  ]);
  return said;
}

async function connect(node: TorcNode): Promise<Redis> {
  const client = new Redis({ port: node.ports.client, retryStrategy: () => 50, maxRetriesPerRequest: 20 });
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  await client.ping();
  return client;
}

async function residentBytes(node: TorcNode): Promise<number> {
  return (await node.status()).memory.residentBytes;
}

test('malformed input closes its connection alone', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 3 });
  const [node] = cluster.nodes;
  const client = await connect(node);
  await client.set('key', 'value');
  for (const port of [node.ports.client, node.ports.redirect]) {
    expect(await answerTo(port, '*1\r\n$abc\r\n')).toBe('-ERR Protocol error: invalid bulk length\r\n');
    expect(await answerTo(port, '*9999999999\r\n')).toBe('-ERR Protocol error: invalid multibulk length\r\n');
    expect(await answerTo(port, '*2\r\n+x\r\n')).toBe("-ERR Protocol error: expected '$', got '+'\r\n");
    expect(await answerTo(port, `*1\r\n$${64 * MIB + 1}\r\n`)).toBe(
      '-ERR Protocol error: invalid bulk length\r\n',
    );
    expect(await answerTo(port, 'a'.repeat(70_000))).toBe('-ERR Protocol error: too big inline request\r\n');
    expect(await answerTo(port, 'GET "key\r\n')).toBe(
      '-ERR Protocol error: unbalanced quotes in request\r\n',
    );
  }
  // What came before the malformed command is answered first.
  expect(await answerTo(node.ports.client, '*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n*1\r\n?\r\n')).toBe(
    "$5\r\nvalue\r\n-ERR Protocol error: expected '$', got '?'\r\n",
  );
  expect(await client.get('key')).toBe('value');
});

test('noise does no harm', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 3 });
  const [node, other] = cluster.nodes;
  const client = await connect(other);
  await client.set('key', 'value');
  const sockets: Socket[] = [];
  for (let n = 0; n < 60; n++) {
    const purpose = (['client', 'redirect', 'peer', 'admin'] as const)[n % 4];
    const socket = await dial(node.ports[purpose]);
    const noise = Buffer.from(Array.from({ length: 2000 }, () => Math.floor(Math.random() * 256)));
    // A command is begun, and what follows is noise.
    socket.write(n % 8 < 4 ? noise : Buffer.concat([Buffer.from('*3\r\n$3\r\nSET\r\n$1\r\n'), noise]));
    sockets.push(socket);
  }
  await pause(300);
  for (const socket of sockets) socket.destroy();
  await cluster.waitReady();
  expect(await client.get('key')).toBe('value');
  expect(await (await connect(node)).get('key')).toBe('value');
});

test('one connection more than maxclients gets an error', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 1, settings: ['--maxclients', '20'] });
  const [node] = cluster.nodes;
  const sockets = await Promise.all(Array.from({ length: 20 }, () => dial(node.ports.client)));
  for (const socket of sockets) {
    socket.write('PING\r\n');
    expect(String((await once(socket, 'data'))[0])).toBe('+PONG\r\n');
  }
  expect(await answerTo(node.ports.client, '')).toBe('-ERR max number of clients reached\r\n');
  expect(await answerTo(node.ports.redirect, 'PING\r\n')).toBe('-ERR max number of clients reached\r\n');
  sockets[0].destroy();
  await pause(100);
  expect(await (await connect(node)).ping()).toBe('PONG');
});

test.each([1, 3])('a client that does not read takes bounded memory, %i nodes', async (nodes) => {
  const settings = ['--client-output-buffer-limit', '16mb', '--proto-max-bulk-len', '8mb'];
  const cluster = await TorcCluster.forTest({ nodes, settings });
  const [node] = cluster.nodes;
  const client = await connect(node);
  const keys = Array.from({ length: 6 }, (_, n) => `big:${n}`);
  for (const key of keys) await client.set(key, Buffer.alloc(MIB, 'x'));
  const beforeBytes = await residentBytes(node);
  const sockets: Socket[] = [];
  for (let n = 0; n < 4; n++) {
    const socket = await dial(node.ports.client);
    socket.pause();
    // 3,000 megabytes of replies, asked for at once.
    socket.write(Array.from({ length: 3000 }, (_, at) => `GET big:${at % 6}\r\n`).join(''));
    sockets.push(socket);
  }
  let highestBytes = 0;
  for (let n = 0; n < 20; n++) {
    await pause(100);
    const startMs = performance.now();
    expect(await client.incr('alive')).toBe(n + 1);
    expect(performance.now() - startMs).toBeLessThan(1000);
    highestBytes = Math.max(highestBytes, await residentBytes(node));
  }
  console.log(
    `${nodes} nodes: from ${(beforeBytes / MIB).toFixed()} to ${(highestBytes / MIB).toFixed()} MiB`,
  );
  // Four clients, each with its output limit, and what the heap leaves lying about.
  expect(highestBytes - beforeBytes).toBeLessThan(400 * MIB);
});

test('a client that reads slowly gets all of its replies', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 3 });
  const [node] = cluster.nodes;
  const client = await connect(node);
  const value = Buffer.alloc(MIB, 'x');
  for (let n = 0; n < 6; n++) await client.set(`big:${n}`, value);
  const socket = await dial(node.ports.client);
  const count = 60;
  socket.write(Array.from({ length: count }, (_, at) => `GET big:${at % 6}\r\n`).join(''));
  let readBytes = 0;
  const wantedBytes = count * (MIB + `$${MIB}\r\n`.length + 2);
  for await (const chunk of socket) {
    readBytes += (chunk as Buffer).length;
    if (readBytes >= wantedBytes) break;
    await pause(1);
  }
  expect(readBytes).toBe(wantedBytes);
});
