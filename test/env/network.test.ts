import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';

import type {
  ByteStream,
  ByteStreamHandler,
  Listener,
  MessageSocket,
  MessageSocketHandler,
} from '../../src/env/contracts.ts';
import { systemNetwork } from '../../src/env/network.ts';
import { StartupError } from '../../src/errors.ts';

const LOOPBACK = '127.0.0.1';
const ANY_PORT = { host: LOOPBACK, port: 0 };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

interface Accepted extends ByteStreamHandler {
  stream: ByteStream;
  received: Buffer[];
  drains: number;
  ends: number;
  closes: number;
}

async function streamServer(onData?: (accepted: Accepted, bytes: Buffer) => void) {
  const streams: Accepted[] = [];
  const listener = await systemNetwork.listenStream(ANY_PORT, (stream) => {
    const accepted: Accepted = {
      stream,
      received: [],
      drains: 0,
      ends: 0,
      closes: 0,
      onData(bytes, start, end) {
        const copy = Buffer.from(bytes.subarray(start, end));
        accepted.received.push(copy);
        onData?.(accepted, copy);
      },
      onDrain: () => accepted.drains++,
      onEnd: () => {
        accepted.ends++;
        if (onData === undefined) stream.end();
      },
      onClose: () => accepted.closes++,
    };
    streams.push(accepted);
    return accepted;
  });
  cleanups.push(
    () => listener.close(),
    () => streams.forEach((each) => each.stream.destroy()),
  );
  return { listener, streams };
}

async function dial(listener: Listener): Promise<Socket> {
  const socket = connect(listener.address.port, LOOPBACK);
  cleanups.push(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

describe('byte streams', () => {
  it('deliver and send bytes in order over many connections that share one buffer', async () => {
    const { listener, streams } = await streamServer((accepted, bytes) => accepted.stream.write(bytes));
    const clients = await Promise.all(Array.from({ length: 8 }, () => dial(listener)));
    const echoed = clients.map((client) => {
      const chunks: Buffer[] = [];
      client.on('data', (chunk: Buffer) => chunks.push(chunk));
      return chunks;
    });
    for (let round = 0; round < 50; round++) {
      clients.forEach((client, i) => client.write(`${i}:${round};`));
    }
    const wanted = clients.map((_, i) => Array.from({ length: 50 }, (_, round) => `${i}:${round};`).join(''));
    await until(() => echoed.every((chunks, i) => Buffer.concat(chunks).length === wanted[i].length));
    expect(echoed.map((chunks) => Buffer.concat(chunks).toString())).toEqual(wanted);
    expect(streams).toHaveLength(8);
    expect(streams[0].stream.localPort).toBe(listener.address.port);
    expect(new Set(streams.map((each) => each.stream.remotePort))).toEqual(
      new Set(clients.map((each) => each.localPort)),
    );
  });

  it('say when the system took the bytes, and when a slow reader has drained', async () => {
    const { listener, streams } = await streamServer();
    const client = await dial(listener);
    await until(() => streams.length === 1);
    const { stream } = streams[0];
    expect(stream.write(Buffer.from('small'))).toBe(true);
    expect(stream.bufferedBytes).toBe(0);

    client.pause();
    const chunk = Buffer.alloc(1 << 20, 7);
    let sent = 5;
    let taken = true;
    while (taken) {
      taken = stream.write(chunk);
      sent += chunk.length;
    }
    expect(stream.bufferedBytes).toBeGreaterThan(0);
    expect(streams[0].drains).toBe(0);
    let received = 0;
    client.on('data', (bytes: Buffer) => (received += bytes.length));
    client.resume();
    await until(() => streams[0].drains === 1);
    expect(stream.bufferedBytes).toBe(0);
    await until(() => received === sent);
    expect(stream.write(Buffer.from('again'))).toBe(true);
  });

  it('stop reading while paused', async () => {
    const { listener, streams } = await streamServer((accepted) => accepted.stream.pause());
    const client = await dial(listener);
    client.write('first');
    await until(() => streams[0]?.received.length === 1);
    client.write('second');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(streams[0].received).toHaveLength(1);
    streams[0].stream.resume();
    await until(() => streams[0].received.length === 2);
    expect(Buffer.concat(streams[0].received).toString()).toBe('firstsecond');
  });

  it('answer one that sends no more, and close when they end', async () => {
    const { listener, streams } = await streamServer(() => {});
    const client = await dial(listener);
    const told: Buffer[] = [];
    client.on('data', (bytes: Buffer) => told.push(bytes));
    client.end('the last');
    await until(() => streams[0]?.ends === 1);
    expect(streams[0].closes).toBe(0);
    streams[0].stream.write(Buffer.from('heard'));
    streams[0].stream.end();
    await until(() => streams[0].closes === 1 && client.destroyed);
    expect(Buffer.concat(told).toString()).toBe('heard');
  });

  it('close once, whoever ends it and however', async () => {
    const { listener, streams } = await streamServer();
    const ended = await dial(listener);
    const reset = await dial(listener);
    const served = await dial(listener);
    const cut = await dial(listener);
    await until(() => streams.length === 4);
    ended.end();
    reset.resetAndDestroy();
    const { stream } = streams[2];
    let tail = '';
    served.on('data', (bytes: Buffer) => (tail += bytes.toString()));
    stream.write(Buffer.from('bye'));
    stream.end();
    streams[3].stream.destroy();
    await until(() => streams.every((each) => each.closes === 1));
    await until(() => served.closed && cut.closed);
    expect(tail).toBe('bye');
    expect(stream.write(Buffer.from('late'))).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(streams.map((each) => each.closes)).toEqual([1, 1, 1, 1]);
  });

  it('live on when the listener closes, and the port is free at once', async () => {
    const { listener, streams } = await streamServer();
    const client = await dial(listener);
    await until(() => streams.length === 1);
    await listener.close();
    const again = await systemNetwork.listenStream(listener.address, () => {
      throw new Error('nobody connects');
    });
    await again.close();
    client.write('still here');
    await until(() => streams[0].received.length === 1);
  });
});

describe('errors of listening', () => {
  it('name the port, the address and the purpose in one line', async () => {
    const other = createServer().listen(0, LOOPBACK);
    await once(other, 'listening');
    cleanups.push(() => other.close());
    const { port } = other.address() as AddressInfo;
    const taken = { host: LOOPBACK, port, purpose: 'client port' };
    const listens = [
      systemNetwork.listenStream(taken, () => ({ onData() {}, onDrain() {}, onEnd() {}, onClose() {} })),
      systemNetwork.listenMessages(taken, '/peer', () => ({ onMessage() {}, onClose() {} })),
      systemNetwork.listenHttp(taken, () => Promise.reject(new Error('unused'))),
    ];
    for (const listening of listens) {
      const error: unknown = await listening.catch((error: unknown) => error);
      expect(error).toBeInstanceOf(StartupError);
      expect(error).toMatchObject({
        code: 'TORC_PORT_TAKEN',
        message: `port ${port} on 127.0.0.1 is taken by another process (client port)`,
      });
    }
  });

  it('tell an address that is not ours', async () => {
    const listening = systemNetwork.listenStream({ host: '192.0.2.1', port: 0, purpose: 'peer port' }, () => {
      throw new Error('nobody connects');
    });
    await expect(listening).rejects.toMatchObject({
      code: 'TORC_ADDRESS_UNAVAILABLE',
      message: 'cannot listen on 192.0.2.1 (peer port): this machine has no such address',
    });
  });
});

interface Messages extends MessageSocketHandler {
  socket: MessageSocket;
  received: Buffer[];
  closed: { code: number; reason: string }[];
}

function messagesOn(socket: MessageSocket): Messages {
  const messages: Messages = {
    socket,
    received: [],
    closed: [],
    onMessage: (bytes, start, end) => messages.received.push(Buffer.from(bytes.subarray(start, end))),
    onClose: (code, reason) => messages.closed.push({ code, reason }),
  };
  cleanups.push(() => socket.terminate());
  return messages;
}

async function messagePair(): Promise<{ client: Messages; server: Messages }> {
  let server: Messages | undefined;
  const listener = await systemNetwork.listenMessages(
    ANY_PORT,
    '/peer',
    (socket) => (server = messagesOn(socket)),
  );
  cleanups.push(() => listener.close());
  const client = await new Promise<Messages>((resolve, reject) => {
    const opened = (socket: MessageSocket): Messages => {
      const messages = messagesOn(socket);
      resolve(messages);
      return messages;
    };
    systemNetwork.connectMessages(listener.address, '/peer', opened, reject);
  });
  await until(() => server !== undefined);
  return { client, server: server! };
}

describe('message sockets', () => {
  it('carry whole messages both ways, in order', async () => {
    const { client, server } = await messagePair();
    const sizes = [0, 1, 125, 126, 65_535, 65_536, 3_000_000];
    for (const size of sizes) {
      client.socket.send(Buffer.alloc(size, size & 0xff));
      server.socket.send(Buffer.alloc(size, (size + 1) & 0xff));
    }
    await until(() => server.received.length === sizes.length && client.received.length === sizes.length);
    sizes.forEach((size, i) => {
      expect(server.received[i].equals(Buffer.alloc(size, size & 0xff))).toBe(true);
      expect(client.received[i].equals(Buffer.alloc(size, (size + 1) & 0xff))).toBe(true);
    });
    await until(() => client.socket.bufferedBytes === 0);
  });

  it('send in place what lies behind the room that they ask for, in order with what they send else', async () => {
    const { client, server } = await messagePair();
    const sizes = [0, 1, 125, 126, 65_535, 65_536, 3_000_000, 7];
    for (const { socket } of [client, server]) {
      for (const size of sizes) {
        socket.send(Buffer.from(`before ${size}`));
        const roomBytes = socket.roomBytes(size);
        const bytes = Buffer.alloc(roomBytes + size, size & 0xff);
        // What the system took may be used again; the rest is the socket's.
        if (socket.sendInPlace(bytes, roomBytes)) bytes.fill(0xdb);
      }
      socket.close(4000, 'all is sent');
      expect(socket.sendInPlace(Buffer.alloc(20), 14)).toBe(true);
    }
    await until(() => client.closed.length === 1 && server.closed.length === 1);
    for (const { received, closed } of [client, server]) {
      expect(received).toHaveLength(2 * sizes.length);
      sizes.forEach((size, i) => {
        expect(received[2 * i].toString()).toBe(`before ${size}`);
        expect(received[2 * i + 1].equals(Buffer.alloc(size, size & 0xff))).toBe(true);
      });
      expect(closed).toEqual([{ code: 4000, reason: 'all is sent' }]);
    }
  });

  it('speak with any other WebSocket: masks, pings, fragments, and messages that come with the handshake', async () => {
    let server: Messages | undefined;
    const listener = await systemNetwork.listenMessages(ANY_PORT, '/peer', (socket) => {
      return (server = messagesOn(socket));
    });
    cleanups.push(() => listener.close());
    const stranger = new WebSocket(`ws://${LOOPBACK}:${listener.address.port}/peer`);
    cleanups.push(() => stranger.terminate());
    const pongs: string[] = [];
    stranger.on('pong', (data) => pongs.push(data.toString()));
    await once(stranger, 'open');
    stranger.send(Buffer.from('masked'));
    stranger.ping('there?');
    stranger.send(Buffer.from('in two '), { fin: false });
    stranger.send(Buffer.from('pieces'));
    await until(() => server?.received.length === 2 && pongs.length === 1);
    expect(server!.received.map(String)).toEqual(['masked', 'in two pieces']);

    const eager = new WebSocketServer({ host: LOOPBACK, port: 0 });
    cleanups.push(() => eager.close());
    await once(eager, 'listening');
    eager.on('connection', (socket) => ['first', 'second'].forEach((text) => socket.send(Buffer.from(text))));
    const address = { host: LOOPBACK, port: (eager.address() as AddressInfo).port };
    let client: Messages | undefined;
    systemNetwork.connectMessages(
      address,
      '/',
      (socket) => (client = messagesOn(socket)),
      () => {},
    );
    await until(() => client?.received.length === 2);
    expect(client!.received.map(String)).toEqual(['first', 'second']);
  });

  it('refuse a message above their limit, also one that is sent in the one frame of nodes', async () => {
    const { client, server } = await messagePair();
    server.socket.limitMessageBytes(1000);
    for (const size of [1000, 1001]) client.socket.send(Buffer.alloc(size));
    await until(() => client.closed.length === 1 && server.closed.length === 1);
    expect(server.received.map(({ length }) => length)).toEqual([1000]);
    expect(client.closed[0].code).toBe(1009);
  });

  it('close with a code and a reason that is cut to what fits', async () => {
    const { client, server } = await messagePair();
    server.socket.close(4000, 'é'.repeat(200));
    await until(() => client.closed.length === 1 && server.closed.length === 1);
    expect(client.closed[0]).toEqual({ code: 4000, reason: 'é'.repeat(60) });
    client.socket.send(Buffer.from('late'));
  });

  it('tell when the other side is cut off', async () => {
    const { client, server } = await messagePair();
    client.socket.terminate();
    await until(() => server.closed.length === 1 && client.closed.length === 1);
    expect(server.closed[0].code).toBe(1006);
  });

  it('are over both ways when the other side ends one, whoever dialed: nobody sends into half a connection', async () => {
    let server: Messages | undefined;
    const listener = await systemNetwork.listenMessages(ANY_PORT, '/peer', (socket) => {
      return (server = messagesOn(socket));
    });
    cleanups.push(() => listener.close());
    const dialer = await dial(listener);
    dialer.write(
      [
        'GET /peer HTTP/1.1',
        'Host: node',
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        'Sec-WebSocket-Version: 13\r\n\r\n',
      ].join('\r\n'),
    );
    await once(dialer, 'data');
    dialer.end();
    await until(() => server?.closed.length === 1);
    expect(server!.closed[0].code).toBe(1006);

    const other = new WebSocketServer({ host: LOOPBACK, port: 0 });
    cleanups.push(() => other.close());
    await once(other, 'listening');
    other.on('connection', (socket) => (Reflect.get(socket, '_socket') as Socket).end());
    const client = await new Promise<Messages>((resolve, reject) => {
      const { port } = other.address() as AddressInfo;
      const opened = (socket: MessageSocket): Messages => {
        const messages = messagesOn(socket);
        resolve(messages);
        return messages;
      };
      systemNetwork.connectMessages({ host: LOOPBACK, port }, '/peer', opened, reject);
    });
    await until(() => client.closed.length === 1);
    expect(client.closed[0].code).toBe(1006);
  });

  it('fail to connect once: refused, another path, a plain HTTP server; not at all once given up', async () => {
    const failures: string[] = [];
    const never = (): MessageSocketHandler => {
      throw new Error('must not open');
    };
    const fail = (error: Error): void => void failures.push(error.message);
    const listener = await systemNetwork.listenMessages(ANY_PORT, '/peer', never);
    systemNetwork.connectMessages(listener.address, '/other', never, fail);
    await until(() => failures.length === 1);
    await listener.close();
    systemNetwork.connectMessages(listener.address, '/peer', never, fail);
    await until(() => failures.length === 2);
    systemNetwork.connectMessages(listener.address, '/peer', never, fail).cancel();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(failures).toHaveLength(2);
    systemNetwork.connectMessages({ host: 'no host', port: Number.NaN }, '/peer', never, fail);
    await until(() => failures.length === 3);
    expect(failures[0]).toMatch(/400/);
    expect(failures[1]).toMatch(/ECONNREFUSED/);
  });
});

interface Fetched {
  status: number;
  body: string;
}

function fetchHttp(listener: Listener, path: string, method = 'GET', body = ''): Promise<Fetched> {
  return new Promise((resolve, reject) => {
    const options = { host: LOOPBACK, port: listener.address.port, path, method, agent: false };
    const request = httpRequest(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}

describe('http', () => {
  it('closes connections beyond a few: each takes one of the open files that the node needs', async () => {
    const listener = await systemNetwork.listenHttp(ANY_PORT, () =>
      Promise.resolve({ status: 200, contentType: 'text/plain', body: 'here' }),
    );
    cleanups.push(() => listener.close());
    let closed = 0;
    const sockets = Array.from({ length: 70 }, () => connect(listener.address.port, LOOPBACK));
    for (const socket of sockets) {
      socket.on('error', () => {}).on('close', () => closed++);
      cleanups.push(() => socket.destroy());
    }
    await until(() => closed === 6);
    sockets.find((socket) => !socket.destroyed)?.destroy();
    await until(() => closed === 7);
    const late = connect(listener.address.port, LOOPBACK);
    cleanups.push(() => late.destroy());
    late.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(String((await once(late, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('hands over method, path, query and body, and answers with what comes back', async () => {
    const listener = await systemNetwork.listenHttp(ANY_PORT, (request) => {
      if (request.path === '/broken') return Promise.reject(new Error('it broke'));
      const body = `${request.method} ${request.path} ${request.query.get('verbose')} ${request.body}`;
      return Promise.resolve({ status: 200, contentType: 'text/plain', body });
    });
    cleanups.push(() => listener.close());
    expect(await fetchHttp(listener, '/readyz?verbose=1', 'POST', 'hello')).toEqual({
      status: 200,
      body: 'POST /readyz 1 hello',
    });
    expect(await fetchHttp(listener, '/broken')).toEqual({ status: 500, body: 'it broke\n' });
    expect((await fetchHttp(listener, '/x', 'POST', 'y'.repeat(262_144))).status).toBe(200);
    expect((await fetchHttp(listener, '/x', 'POST', 'y'.repeat(262_145))).status).toBe(413);
  });
});
