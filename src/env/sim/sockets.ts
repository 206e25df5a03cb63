import type {
  Address,
  ByteStream,
  ByteStreamHandler,
  MessageSocket,
  MessageSocketHandler,
  Timers,
} from '../contracts.ts';
import { CODE_ABNORMAL } from './connection.ts';
import type { SimConnection, SimEnd } from './connection.ts';

const CODE_NORMAL = 1000;
const CODE_TOO_BIG = 1009;
/** Any, so that it shows who does not leave them. */
const ROOM_BYTES = 3;
/** What a simulated system takes before it says that it has enough. */
const SEND_BUFFER_BYTES = 256 * 1024;

export class SimMessageSocket implements MessageSocket {
  readonly remoteAddress: string;
  private readonly connection: SimConnection;
  private readonly end: SimEnd;
  private maxBytes = Infinity;
  private closing = false;

  constructor(connection: SimConnection, end: SimEnd, remoteAddress: string) {
    this.connection = connection;
    this.end = end;
    this.remoteAddress = remoteAddress;
  }

  get bufferedBytes(): number {
    return Math.max(0, this.end.pipe.queuedBytes - SEND_BUFFER_BYTES);
  }

  attach(handler: MessageSocketHandler): void {
    this.end.events = {
      data: (buffer, sizeBytes) => {
        if (sizeBytes > this.maxBytes) this.close(CODE_TOO_BIG, 'message too big');
        else handler.onMessage(buffer, 0, sizeBytes);
      },
      taken() {},
      closed: (code, reason) => handler.onClose(code, reason),
    };
  }

  send(bytes: Uint8Array): void {
    if (!this.end.closed && !this.closing) this.end.pipe.send(bytes);
  }

  roomBytes(): number {
    return ROOM_BYTES;
  }

  sendInPlace(bytes: Buffer, roomBytes: number): boolean {
    this.send(bytes.subarray(roomBytes));
    return true;
  }

  limitMessageBytes(maxBytes: number): void {
    this.maxBytes = maxBytes;
  }

  close(code: number, reason: string): void {
    if (this.closing) return;
    this.closing = true;
    this.connection.close(this.end, code, reason);
  }

  terminate(): void {
    this.closing = true;
    this.connection.abort(this.end, '');
  }
}

export class SimStream implements ByteStream {
  readonly remoteAddress: string;
  readonly remotePort = 1;
  readonly localAddress: string;
  readonly localPort: number;
  private readonly connection: SimConnection;
  private readonly side: SimEnd;
  private readonly timers: Timers;
  private handler: ByteStreamHandler | null = null;
  private full = false;
  private ending = false;

  constructor(connection: SimConnection, end: SimEnd, address: Address, timers: Timers) {
    this.connection = connection;
    this.side = end;
    this.timers = timers;
    this.remoteAddress = connection.other(end).node;
    this.localAddress = address.host;
    this.localPort = address.port;
  }

  get bufferedBytes(): number {
    return Math.max(0, this.side.pipe.queuedBytes - SEND_BUFFER_BYTES);
  }

  attach(handler: ByteStreamHandler): void {
    this.handler = handler;
    this.side.events = {
      data: (buffer, sizeBytes) => handler.onData(buffer, 0, sizeBytes),
      taken: () => this.taken(),
      ended: () => handler.onEnd(),
      closed: () => handler.onClose(),
    };
  }

  write(bytes: Uint8Array): boolean {
    if (this.side.closed || this.side.finished || this.ending) return true;
    this.side.pipe.send(bytes);
    this.full = this.bufferedBytes > 0;
    return !this.full;
  }

  pause(): void {
    this.connection.other(this.side).pipe.pause();
  }

  resume(): void {
    this.connection.other(this.side).pipe.resume();
  }

  /** As a client's system says that it sends no more: answers still come. */
  sendNoMore(): void {
    this.connection.finish(this.side);
  }

  end(): void {
    this.ending = true;
    this.connection.close(this.side, CODE_NORMAL, '');
  }

  destroy(): void {
    this.ending = true;
    this.connection.abort(this.side, `${CODE_ABNORMAL}`);
  }

  private taken(): void {
    if (!this.full || this.bufferedBytes > 0) return;
    this.full = false;
    this.timers.after(0, () => {
      if (!this.side.closed) this.handler?.onDrain();
    });
  }
}
