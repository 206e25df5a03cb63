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
  const options = {
    noServer: true,
    path,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    closeTimeout: CLOSE_TIMEOUT_MS,
  };
  const upgrades = new WebSocketServer(options);
  http.on('upgrade', (request, socket, head) => {
    const { remoteAddress } = request.socket;
    upgrades.handleUpgrade(request, rereading(socket), head, (ws) => {
      attach(ws, remoteAddress ?? '', accept);
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
  const ws = dial(urlOf(address, path));
  if (ws instanceof Error) {
    const failing = setImmediate(() => failed(ws));
    return { cancel: () => clearImmediate(failing) };
  }
  let settled = false;
  const settle = (): boolean => !settled && (settled = true);
  ws.once('open', () => {
    if (settle()) attach(ws, address.host, opened);
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
function dial(url: string): WebSocket | Error {
  const options = {
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    handshakeTimeout: UPGRADE_TIMEOUT_MS,
    closeTimeout: CLOSE_TIMEOUT_MS,
    generateMask: zeroMask,
    createConnection: connectRereading as typeof connect,
  };
  try {
    return new WebSocket(url, options);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** What was read goes on in a buffer of its own: log entries are parts of it. */
function deliver(socket: Socket, sizeBytes: number): void {
  socket.emit('data', Buffer.from(READ_BUFFER.subarray(0, sizeBytes)));
}

/** Of the options only the address: their path is that of the request. */
function connectRereading({ host, port }: TcpNetConnectOpts): Socket {
  const onread = onreadOf((sizeBytes) => deliver(socket, sizeBytes));
  const socket: Socket = connect({ host, port, onread });
  return socket;
}

function rereading(upgraded: Duplex): Duplex {
  if (!(upgraded instanceof Socket)) return upgraded;
  const socket: Socket | null = reread(
    upgraded,
    (sizeBytes) => socket !== null && deliver(socket, sizeBytes),
    false,
  );
  return socket ?? upgraded;
}

function attach(
  ws: WebSocket,
  remoteAddress: string,
  accept: (socket: MessageSocket) => MessageSocketHandler,
): void {
  ws.binaryType = 'nodebuffer';
  let problem = '';
  // `close` follows with code 1006 or the protocol's; the text says more.
  ws.on('error', (error) => (problem = error.message));
  const handler = accept(new WsSocket(ws, remoteAddress));
  ws.on('message', (data: Buffer, isBinary: boolean) => {
    if (isBinary) handler.onMessage(data);
    else ws.close(1003, 'only binary messages');
  });
  ws.on('close', (code, reason) => {
    handler.onClose(code, reason.length > 0 ? reason.toString() : problem);
  });
}

class WsSocket implements MessageSocket {
  readonly remoteAddress: string;
  private readonly ws: WebSocket;

  constructor(ws: WebSocket, remoteAddress: string) {
    this.ws = ws;
    this.remoteAddress = remoteAddress;
  }

  get bufferedBytes(): number {
    return this.ws.bufferedAmount;
  }

  send(bytes: Uint8Array): void {
    // A socket that is closing drops it, as the wire might: `onClose` is on its way.
    if (this.ws.readyState === WebSocket.OPEN) this.ws.send(bytes, SEND_OPTIONS);
  }

  limitMessageBytes(maxBytes: number): void {
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
