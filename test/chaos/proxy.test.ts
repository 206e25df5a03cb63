/** The mesh's proxy does to the lines what it is told, and knows a dialer by its handshake. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { afterEach, expect, test } from 'vitest';

import { Flow, type LineState } from './proxy/flow.ts';
import { HelloReader } from './proxy/hello.ts';

const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** The two ends of a connection. */
async function pair(): Promise<[Socket, Socket]> {
  const server = createServer({ noDelay: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const one = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, noDelay: true });
  const [other] = (await once(server, 'connection')) as [Socket];
  server.close();
  closers.push(() => {
    one.destroy();
    other.destroy();
  });
  return [one, other];
}

class Line {
  state: LineState = {};
  received = '';
  closed = false;
  readonly sender: Socket;
  readonly flow: Flow;

  private constructor(sender: Socket, flowOf: (state: () => LineState) => Flow, receiver: Socket) {
    this.sender = sender;
    this.flow = flowOf(() => this.state);
    receiver.on('data', (bytes: Buffer) => {
      this.received += bytes.toString('latin1');
    });
    receiver.on('close', () => {
      this.closed = true;
    });
  }

  static async open(): Promise<Line> {
    const [sender, source] = await pair();
    const [sink, receiver] = await pair();
    return new Line(sender, (state) => new Flow(source, sink, state), receiver);
  }

  become(state: LineState): void {
    this.state = state;
    this.flow.review();
  }

  async until(holds: () => boolean): Promise<number> {
    const fromMs = performance.now();
    while (!holds()) await wait(1);
    return performance.now() - fromMs;
  }
}

function wait(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

test('a healthy line passes all, and then its end', async () => {
  const line = await Line.open();
  line.sender.end('hello');
  await line.until(() => line.closed);
  expect(line.received).toBe('hello');
});

test('a cut line holds what is sent, and the end, until it is healed', async () => {
  const line = await Line.open();
  line.become({ cut: true });
  line.sender.end('later');
  await wait(100);
  expect([line.received, line.closed]).toEqual(['', false]);
  line.become({});
  await line.until(() => line.closed);
  expect(line.received).toBe('later');
});

test('a slow line passes each piece late, in order', async () => {
  const line = await Line.open();
  line.become({ delayMs: 60 });
  line.sender.write('one ');
  await wait(20);
  line.sender.write('two');
  expect(await line.until(() => line.received === 'one ')).toBeGreaterThan(25);
  await line.until(() => line.received === 'one two');
});

test('a trickle passes so much in a time', async () => {
  const line = await Line.open();
  line.become({ bytesPerS: 20_000 });
  line.sender.write('x'.repeat(4000));
  expect(await line.until(() => line.received.length === 4000)).toBeGreaterThan(150);
});

test('more than a line holds stays with its sender', async () => {
  const line = await Line.open();
  line.become({ cut: true });
  const whole = 'x'.repeat(32 * 1024 * 1024);
  line.sender.write(whole);
  await wait(200);
  expect(line.sender.writableLength).toBeGreaterThan(0);
  line.become({});
  await line.until(() => line.received.length === whole.length);
});

test.each([90, 300])('a hello of %i bytes, however it comes', (padding) => {
  const node = 'ab'.repeat(20);
  const message = Buffer.from(JSON.stringify({ type: 'hello', node, nonce: 'n'.repeat(padding) }));
  const mask = Buffer.from([1, 2, 3, 4]);
  const length =
    message.length <= 125
      ? [0x80 | message.length]
      : [0x80 | 126, message.length >> 8, message.length & 0xff];
  const bytes = Buffer.concat([
    Buffer.from('GET /peer HTTP/1.1\r\nUpgrade: websocket\r\n\r\n'),
    Buffer.from([0x82, ...length]),
    mask,
    Buffer.from(message.map((byte, at) => byte ^ mask[at % 4])),
    Buffer.from('what follows'),
  ]);
  const reader = new HelloReader();
  const told = [...bytes].map((byte) => reader.take(Buffer.from([byte])));
  expect(told.filter((one) => one !== null)).toEqual([node]);
});
