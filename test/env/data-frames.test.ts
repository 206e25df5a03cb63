import { createRequire } from 'node:module';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { DataFrames, headerBytes, writeHeader } from '../../src/env/data-frames.ts';

/** The reader of ws, which the package hands out to those who ask for it by its file. */
interface WsReceiver {
  on(event: string, listener: (...values: never[]) => void): void;
  write(bytes: Buffer): boolean;
}
type WsReceiverClass = new (options: { isServer: boolean; maxPayload: number }) => WsReceiver;
const { Receiver } = createRequire(import.meta.url)('ws') as { Receiver: WsReceiverClass };

const MAX_BYTES = 70_000;
const CLOSE_OPCODE = 8;

interface Frame {
  first: number;
  mask: number[] | null;
  body: Uint8Array;
}

function encoded({ first, mask, body }: Frame): Buffer {
  const frame = Buffer.alloc(headerBytes(body.length, mask !== null) + body.length);
  const start = frame.length - body.length;
  writeHeader(frame, 0, body.length, mask !== null);
  frame[0] = first;
  frame.set(mask ?? [], start - (mask === null ? 0 : 4));
  body.forEach((byte, i) => (frame[start + i] = byte ^ (mask === null ? 0 : mask[i % 4])));
  return frame;
}

/** What a reader says of what it read, in order, until it fails or the connection ends. */
type Heard = string[];

function wsReader(isServer: boolean, heard: Heard): WsReceiver {
  const receiver = new Receiver({ isServer, maxPayload: MAX_BYTES });
  receiver.on('message', (data: Buffer, isBinary: boolean) =>
    heard.push(`message ${isBinary} ${data.toString('latin1')}`),
  );
  receiver.on('ping', (data: Buffer) => heard.push(`ping ${data.toString('latin1')}`));
  receiver.on('pong', (data: Buffer) => heard.push(`pong ${data.toString('latin1')}`));
  receiver.on('conclude', (code: number) => heard.push(`close ${code}`));
  receiver.on('error', (error: Error) => heard.push(`error ${error.message}`));
  return receiver;
}

/** As it is on a line: of a failed reader nothing more is asked. */
async function readBy(reader: (heard: Heard) => (bytes: Buffer) => void, chunks: Buffer[]): Promise<Heard> {
  const heard: Heard = [];
  const read = reader(heard);
  for (const chunk of chunks) {
    read(chunk);
    await Promise.resolve();
  }
  await new Promise(setImmediate);
  return heard;
}

function byWs(isServer: boolean): (heard: Heard) => (bytes: Buffer) => void {
  return (heard) => {
    const receiver = wsReader(isServer, heard);
    return (bytes) => receiver.write(Buffer.from(bytes));
  };
}

function byDataFrames(isServer: boolean): (heard: Heard) => (bytes: Buffer) => void {
  return (heard) => {
    const receiver = wsReader(isServer, heard);
    const frames = new DataFrames(isServer, MAX_BYTES, {
      message: (bytes, start, end) => heard.push(`message true ${bytes.toString('latin1', start, end)}`),
      rest: (bytes) => receiver.write(bytes),
    });
    const shared = Buffer.alloc(300_000);
    return (bytes) => {
      shared.set(bytes);
      frames.read(shared, bytes.length);
      shared.fill(0xdb);
    };
  };
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length];
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

const body = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc
    .constantFrom(0, 1, 125, 126, 127, 65_535, 65_536, MAX_BYTES)
    .map((size) => new Uint8Array(size).fill(size)),
);
const sizes = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 500 }), fc.constant(200_000)),
  { minLength: 1, maxLength: 20 },
);
const FIRST_BYTES = [0x82, 0x02, 0x80, 0x00, 0x81, 0x88, 0x89, 0x8a, 0xc2, 0xa2, 0x83, 0x8b];

function frameOf(isServer: boolean, isUsual: boolean): fc.Arbitrary<Frame> {
  const zeros = fc.constant<number[] | null>(isServer ? [0, 0, 0, 0] : null);
  if (isUsual) return fc.record({ first: fc.constant(0x82), mask: zeros, body });
  const mask = fc.oneof(
    zeros,
    zeros,
    fc.constant<number[] | null>(null),
    fc.array(fc.nat(255), { minLength: 4, maxLength: 4 }),
  );
  return fc.record({ first: fc.constantFrom(...FIRST_BYTES), mask, body });
}

function framesOf(isServer: boolean): fc.Arbitrary<Frame[]> {
  const usual = { arbitrary: frameOf(isServer, true), weight: 8 };
  return fc.array(fc.oneof(usual, { arbitrary: frameOf(isServer, false), weight: 1 }), { maxLength: 8 });
}

/** Nobody looks at what comes behind a closing frame; ws, when it comes in the same read, does so before it has noticed. */
function untilClose(frames: Frame[]): Frame[] {
  const at = frames.findIndex(({ first }) => (first & 0x0f) === CLOSE_OPCODE);
  return at < 0 ? frames : frames.slice(0, at + 1);
}

describe.each([true, false])('data frames read by a server: %s', (isServer) => {
  it('are the messages that ws reads, however they are cut and whatever comes between', async () => {
    await fc.assert(
      fc.asyncProperty(framesOf(isServer), sizes, async (frames, sizes) => {
        const chunks = cut(Buffer.concat(untilClose(frames).map(encoded)), sizes);
        expect(await readBy(byDataFrames(isServer), chunks)).toEqual(await readBy(byWs(isServer), chunks));
      }),
      { numRuns: 300 },
    );
  });

  it('are left to ws, which refuses them, when they are too long', async () => {
    const mask = isServer ? [0, 0, 0, 0] : null;
    const good = encoded({ first: 0x82, mask, body: Buffer.from('good') });
    const long = encoded({ first: 0x82, mask, body: Buffer.alloc(MAX_BYTES + 1) });
    const heard = await readBy(byDataFrames(isServer), cut(Buffer.concat([good, long, good]), [1000]));
    expect(heard).toEqual(['message true good', 'error Max payload size exceeded']);
    const endless = encoded({ first: 0x82, mask, body: Buffer.alloc(65_536) });
    endless.fill(0xff, 2, 10);
    expect(await readBy(byDataFrames(isServer), [endless])).toEqual([
      'error Unsupported WebSocket frame: payload length > 2^53 - 1',
    ]);
  });

  it('that lie whole in what was read are handed on where they lie', () => {
    const mask = isServer ? [0, 0, 0, 0] : null;
    const seen: Buffer[] = [];
    const frames = new DataFrames(isServer, MAX_BYTES, {
      message: (bytes) => seen.push(bytes),
      rest: () => expect.fail('nothing else was sent'),
    });
    const bytes = encoded({ first: 0x82, mask, body: Buffer.from('whole') });
    frames.read(bytes, bytes.length);
    expect(seen[0]).toBe(bytes);
  });
});
