import { createServer } from 'node:net';
import type { Socket } from 'node:net';

import type { ByteStream, ByteStreamHandler, ListenAddress, Listener } from './contracts.ts';
import { listenOn } from './listen.ts';
import { READ_BUFFER, reread } from './shared-buffer.ts';

/** A client that vanished without a word is looked for after this long. */
const KEEP_ALIVE_DELAY_MS = 300_000;

const NO_BYTES = new Uint8Array(0);

export function listenStream(
  address: ListenAddress,
  accept: (stream: ByteStream) => ByteStreamHandler,
): Promise<Listener> {
  const server = createServer({
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
    pauseOnConnect: true,
    // Who says that it sends no more still reads the answers to what it sent.
    allowHalfOpen: true,
  });
  server.on('connection', (accepted) => new TcpStream(accepted, accept));
  return listenOn(server, address, () => {});
}

class TcpStream implements ByteStream {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  private readonly socket: Socket;
  private readonly handler: ByteStreamHandler;
  private readonly onWritten = (): void => this.drained();
  /** Something may be queued in the socket: `drained` follows when nothing is. */
  private draining = false;
  private paused = false;

  constructor(accepted: Socket, accept: (stream: ByteStream) => ByteStreamHandler) {
    this.remoteAddress = accepted.remoteAddress ?? '';
    this.remotePort = accepted.remotePort ?? 0;
    this.localAddress = accepted.localAddress ?? '';
    this.localPort = accepted.localPort ?? 0;
    this.socket = withSharedBuffer(accepted, (bytes, end) => this.handler.onData(bytes, 0, end));
    // Whatever broke it, `close` follows, and nobody can act on the difference.
    this.socket.on('error', () => {});
    this.handler = accept(this);
    this.socket.on('end', () => this.handler.onEnd());
    this.socket.on('close', () => this.handler.onClose());
    if (!this.paused) this.socket.resume();
  }

  get bufferedBytes(): number {
    // While nothing is queued, as mostly, the socket need not be asked.
    return this.draining ? this.socket.writableLength : 0;
  }

  write(bytes: Uint8Array): boolean {
    if (this.socket.destroyed || this.socket.writableEnded) return true;
    this.socket.write(bytes);
    if (this.socket.writableLength === 0) return true;
    this.awaitDrain();
    return false;
  }

  pause(): void {
    this.paused = true;
    this.socket.pause();
  }

  resume(): void {
    this.paused = false;
    this.socket.resume();
  }

  end(): void {
    this.socket.destroySoon();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /**
   * Node's own `drain` comes only after writes above a mark. An empty write behind those queued is called back when they are done,
   * and costs nothing when, as mostly, nothing is queued.
   */
  private awaitDrain(): void {
    if (this.draining) return;
    this.draining = true;
    this.socket.write(NO_BYTES, this.onWritten);
  }

  private drained(): void {
    this.draining = false;
    if (this.socket.destroyed) return;
    if (this.socket.writableLength > 0) this.awaitDrain();
    else this.handler.onDrain();
  }
}

/** Where this Node does not show its handle, plain `data` events do. */
function withSharedBuffer(accepted: Socket, onBytes: (bytes: Buffer, end: number) => void): Socket {
  const options = { isPaused: true, allowHalfOpen: true };
  const socket = reread(accepted, (sizeBytes) => onBytes(READ_BUFFER, sizeBytes), options);
  if (socket !== null) return socket;
  accepted.on('data', (bytes: Buffer) => onBytes(bytes, bytes.length));
  return accepted;
}
