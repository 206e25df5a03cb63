import { createServer } from 'node:http';
import { connect, Socket } from 'node:net';
import type { TcpNetConnectOpts } from 'node:net';
import type { Duplex } from 'node:stream';

import { WebSocket, WebSocketServer } from 'ws';

import type {
  Address,
  ListenAddress,
  Listener,
  MessageSocket,
  MessageSocketHandler,
  Timer,
} from './contracts.ts';
import { DataFrames, headerBytes, writeHeader } from './data-frames.ts';
import { listenOn } from './listen.ts';
import { onreadOf, READ_BUFFER, reread } from './shared-buffer.ts';

/** The largest message of a peer: the largest log entry, and room for its frame. */
const MAX_MESSAGE_BYTES = 160 * 1024 * 1024;
/** For the HTTP upgrade of either side. */
const UPGRADE_TIMEOUT_MS = 5_000;
/** A stranger's headers are not worth more. */
const MAX_HEADER_BYTES = 8 * 1024;
/** How long a closing handshake may take before the connection is cut. */
const CLOSE_TIMEOUT_MS = 2_000;
/** The most that a close frame's reason may hold. */
const MAX_REASON_BYTES = 120;

/** Where ws keeps the limit of one connection; undocumented, so a missing one leaves the server's limit. */
const RECEIVER = '_receiver';
const RECEIVER_LIMIT = '_maxPayload';

const SEND_OPTIONS = { binary: true, compress: false } as const;
const { OPEN } = WebSocket;

/**
 * Of both sides. Neither deflates nor defers what it sends or receives, so ws writes each of its frames to the socket, and takes each from it, in one
 * synchronous step: ours stand between whole frames of its own, in the order of the calls.
 */
const COMMON_OPTIONS = {
  perMessageDeflate: false,
  allowSynchronousEvents: true,
  maxPayload: MAX_MESSAGE_BYTES,
  closeTimeout: CLOSE_TIMEOUT_MS,
} as const;

export function listenMessages(
  address: ListenAddress,
  path: string,
  accept: (socket: MessageSocket) => MessageSocketHandler,
): Promise<Listener> {
  const http = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, (_request, response) => {
    response.writeHead(426, { 'content-type': 'text/plain', connection: 'close' });
    response.end('this port is for the nodes of a Torc cluster, over WebSocket\n');
  });
  http.headersTimeout = UPGRADE_TIMEOUT_MS;
  http.requestTimeout = UPGRADE_TIMEOUT_MS;
  const upgrades = new WebSocketServer({ ...COMMON_OPTIONS, noServer: true, path, clientTracking: false });
  http.on('upgrade', (request, socket, head) => {
    const { remoteAddress } = request.socket;
    const line = new Line(true);
    upgrades.handleUpgrade(request, line.accept(socket), head, (ws) => {
      attach(ws, line, remoteAddress ?? '', accept);
    });
  });
  return listenOn(http, address, () => http.closeIdleConnections());
}

export function connectMessages(
  address: Address,
  path: string,
  opened: (socket: MessageSocket) => MessageSocketHandler,
  failed: (error: Error) => void,
): Timer {
  const line = new Line(false);
  const ws = dial(urlOf(address, path), line);
  if (ws instanceof Error) {
    const failing = setImmediate(() => failed(ws));
    return { cancel: () => clearImmediate(failing) };
  }
  let settled = false;
  const settle = (): boolean => !settled && (settled = true);
  ws.once('open', () => {
    if (settle()) attach(ws, line, address.host, opened);
  });
  ws.on('error', (error) => {
    if (settle()) failed(error);
  });
  return {
    cancel() {
      if (settle()) ws.terminate();
    },
  };
}

/** An address of which no URL can be made is an error like any other of connecting. */
function dial(url: string, line: Line): WebSocket | Error {
  const options = {
    ...COMMON_OPTIONS,
    handshakeTimeout: UPGRADE_TIMEOUT_MS,
    generateMask: zeroMask,
    createConnection: ((to: TcpNetConnectOpts) => line.connect(to)) as typeof connect,
  };
  try {
    return new WebSocket(url, options);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** The socket under a WebSocket, read into the shared buffer: by ws until the connection is open, then by `DataFrames` first. */
class Line {
  /** Null where this Node does not let it be read so: then all is ws's. */
  socket: Socket | null = null;
  private readonly isServer: boolean;
  private frames: DataFrames | null = null;
  private maxBytes = MAX_MESSAGE_BYTES;

  constructor(isServer: boolean) {
    this.isServer = isServer;
  }

  /** Clients mask what they send. */
  get masksSent(): boolean {
    return !this.isServer;
  }

  /** Of the options only the address: their path is that of the request. */
  connect({ host, port }: TcpNetConnectOpts): Socket {
    this.socket = connect({ host, port, onread: onreadOf((sizeBytes) => this.onBytes(sizeBytes)) });
    return this.socket;
  }

  accept(upgraded: Duplex): Duplex {
    if (!(upgraded instanceof Socket)) return upgraded;
    this.socket = reread(upgraded, (sizeBytes) => this.onBytes(sizeBytes), {
      isPaused: false,
      allowHalfOpen: false,
    });
    return this.socket ?? upgraded;
  }

  /** From now on messages go to the handler. What came with the handshake's end, and ws has yet to read, may be the beginning of one: then all is ws's. */
  open(handler: MessageSocketHandler): void {
    const { socket } = this;
    if (socket === null || socket.readableLength > 0) return;
    this.frames = new DataFrames(this.isServer, this.maxBytes, {
      message: (bytes, start, end) => handler.onMessage(bytes, start, end),
      rest: (bytes) => socket.emit('data', bytes),
    });
  }

  limitMessageBytes(maxBytes: number): void {
    this.maxBytes = maxBytes;
    if (this.frames !== null) this.frames.maxBytes = maxBytes;
  }

  private onBytes(sizeBytes: number): void {
    if (this.frames !== null) this.frames.read(READ_BUFFER, sizeBytes);
    // What ws is handed is its own.
    else this.socket?.emit('data', Buffer.from(READ_BUFFER.subarray(0, sizeBytes)));
  }
}

function attach(
  ws: WebSocket,
  line: Line,
  remoteAddress: string,
  accept: (socket: MessageSocket) => MessageSocketHandler,
): void {
  ws.binaryType = 'nodebuffer';
  let problem = '';
  // `close` follows with code 1006 or the protocol's; the text says more.
  ws.on('error', (error) => (problem = error.message));
  const handler = accept(new WsSocket(ws, line, remoteAddress));
  line.open(handler);
  ws.on('message', (data: Buffer, isBinary: boolean) => {
    if (isBinary) handler.onMessage(data, 0, data.length);
    else ws.close(1003, 'only binary messages');
  });
  ws.on('close', (code, reason) => {
    handler.onClose(code, reason.length > 0 ? reason.toString() : problem);
  });
}

class WsSocket implements MessageSocket {
  readonly remoteAddress: string;
  private readonly ws: WebSocket;
  private readonly line: Line;
  /** What was sent last was not all taken at once: only then is there something to ask the socket, which costs as much as the rest of sending. */
  private isQueued = false;

  constructor(ws: WebSocket, line: Line, remoteAddress: string) {
    this.ws = ws;
    this.line = line;
    this.remoteAddress = remoteAddress;
  }

  get bufferedBytes(): number {
    if (!this.isQueued) return 0;
    const queuedBytes = this.ws.bufferedAmount;
    this.isQueued = queuedBytes > 0;
    return queuedBytes;
  }

  send(bytes: Uint8Array): void {
    // A socket that is closing drops it, as the wire might: `onClose` is on its way.
    if (this.ws.readyState !== OPEN) return;
    this.ws.send(bytes, SEND_OPTIONS);
    this.isQueued = true;
  }

  roomBytes(messageBytes: number): number {
    return this.line.socket === null ? 0 : headerBytes(messageBytes, this.line.masksSent);
  }

  sendInPlace(bytes: Buffer, roomBytes: number): boolean {
    if (this.ws.readyState !== OPEN) return true;
    const { socket, masksSent } = this.line;
    if (socket === null) {
      this.send(Buffer.from(bytes));
      return true;
    }
    writeHeader(bytes, 0, bytes.length - roomBytes, masksSent);
    socket.write(bytes);
    if (socket.writableLength === 0) return true;
    this.isQueued = true;
    return false;
  }

  limitMessageBytes(maxBytes: number): void {
    this.line.limitMessageBytes(maxBytes);
    const receiver: unknown = Reflect.get(this.ws, RECEIVER);
    if (typeof receiver !== 'object' || receiver === null || !(RECEIVER_LIMIT in receiver)) return;
    Reflect.set(receiver, RECEIVER_LIMIT, maxBytes);
  }

  close(code: number, reason: string): void {
    this.ws.close(code, cutToBytes(reason, MAX_REASON_BYTES));
  }

  terminate(): void {
    this.ws.terminate();
  }
}

/** Masking guards proxies against scripts in browsers; between nodes it is cost alone. A mask of zeros is skipped by both sides. */
function zeroMask(mask: Buffer): void {
  mask.fill(0);
}

function urlOf(address: Address, path: string): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `ws://${host}:${address.port}${path}`;
}

function cutToBytes(text: string, maxBytes: number): Buffer {
  const bytes = Buffer.from(text);
  let end = Math.min(bytes.length, maxBytes);
  // Not within a character of several bytes.
  while (end > 0 && end < bytes.length && (bytes[end] & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}
