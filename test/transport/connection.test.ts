import { describe, expect, it } from 'vitest';

import type { MessageSocket } from '../../src/env/contracts.ts';
import { Connection } from '../../src/transport/connection.ts';
import { eachSection, FrameBuilder, frameProblem } from '../../src/transport/frame.ts';
import { SectionKind } from '../../src/transport/types.ts';

const ROOM_BYTES = 6;
const LARGE_BYTES = 100_000;

/** Takes what it is sent at once, or keeps it as it is until it is told to. */
class SlowSocket implements MessageSocket {
  readonly remoteAddress = 'nowhere';
  readonly taken: Buffer[] = [];
  readonly kept: Buffer[] = [];
  isSlow = false;

  get bufferedBytes(): number {
    return this.kept.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  send(): void {
    expect.fail('frames are sent in place');
  }

  roomBytes(): number {
    return ROOM_BYTES;
  }

  sendInPlace(bytes: Buffer, roomBytes: number): boolean {
    expect(roomBytes).toBe(ROOM_BYTES);
    bytes.fill(0xee, 0, roomBytes);
    if (this.isSlow || this.kept.length > 0) return this.kept.push(bytes) < 0;
    this.taken.push(Buffer.from(bytes.subarray(roomBytes)));
    return true;
  }

  takeKept(): void {
    for (const bytes of this.kept.splice(0)) this.taken.push(Buffer.from(bytes.subarray(ROOM_BYTES)));
  }

  limitMessageBytes(): void {}
  close(): void {}
  terminate(): void {}
}

function connected(socket: MessageSocket, now = { ms: 0 }): Connection {
  return new Connection(socket, {
    nowMs: () => now.ms,
    epoch: () => ({ generation: 1, epoch: 2 }),
    frame: () => {},
    echoOwed: () => {},
    malformed: (problem) => expect.fail(problem),
    closed: () => {},
  });
}

function textsOf(frames: readonly Buffer[]): string[] {
  return frames.map((frame) => {
    expect(frameProblem(frame, 0, frame.length)).toBeNull();
    let text = '';
    eachSection(
      frame,
      0,
      frame.length,
      (_kind, bytes, start, end) => (text += bytes.toString('utf8', start, end)),
    );
    return text;
  });
}

describe('a connection', () => {
  it('leaves what the system has not taken as it is, whatever is sent after it and over others', () => {
    const sockets = [new SlowSocket(), new SlowSocket()];
    const connections = sockets.map((socket) => connected(socket));
    const builder = new FrameBuilder();
    const wanted: string[][] = [[], []];
    for (let round = 0; round < 12; round++) {
      sockets[0].isSlow = round % 3 === 0;
      if (round % 5 === 4) sockets[0].takeKept();
      connections.forEach((connection, i) => {
        const text = round === 7 ? 'x'.repeat(LARGE_BYTES) : `frame ${round} of ${i}`;
        wanted[i].push(text);
        if (round % 2 === 0) connection.sendSection(SectionKind.ASK, Buffer.from(text));
        else {
          builder.section(SectionKind.HINTS).bytes(Buffer.from(text), 0, text.length);
          expect(connection.sendFrame(builder)).toBeGreaterThan(text.length);
        }
      });
    }
    sockets[0].takeKept();
    expect(sockets.map(({ taken }) => textsOf(taken))).toEqual(wanted);
  });

  it('asks for an echo and gives one, with what is sent anyway or alone, and measures the way', () => {
    const socket = new SlowSocket();
    const now = { ms: 1_000 };
    const connection = connected(socket, now);
    connection.sendEchoes();
    expect(socket.taken).toHaveLength(0);
    connection.askEcho();
    connection.sendEchoes();
    const [asking] = socket.taken.splice(0);
    const peerSocket = new SlowSocket();
    const peer = connected(peerSocket);
    peer.onMessage(asking, 0, asking.length);
    peer.sendEchoes();
    peer.sendEchoes();
    expect(peerSocket.taken).toHaveLength(1);
    now.ms = 1_008;
    connection.onMessage(peerSocket.taken[0], 0, peerSocket.taken[0].length);
    expect(connection.roundTripMs).toBe(8);
  });

  it('knows when it was last looked at and had heard something', () => {
    const socket = new SlowSocket();
    const now = { ms: 1_000 };
    const connection = connected(socket, now);
    expect(connection.silentMs(1_700)).toBe(700);
    const other = new SlowSocket();
    connected(other).sendSection(SectionKind.ASK, Buffer.from('there?'));
    connection.onMessage(other.taken[0], 0, other.taken[0].length);
    expect(connection.silentMs(2_000)).toBe(0);
    expect(connection.silentMs(2_500)).toBe(500);
    now.ms = 9_000;
    connection.forgiveSilence();
    expect(connection.silentMs(9_100)).toBe(100);
  });
});
