import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';

import type { HttpRequest, HttpResponse, ListenAddress, Listener } from './contracts.ts';
import { listenOn } from './listen.ts';

/** A recovery names each survivor: this is enough for six thousand. */
const MAX_BODY_BYTES = 256 * 1024;
/** Each is an open file of the node, and those who scrape and ask are few. More are closed at once. */
const MAX_CONNECTIONS = 64;
const MAX_HEADER_BYTES = 16 * 1024;
const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_TIMEOUT_MS = 15_000;

export type HandleHttp = (request: HttpRequest) => Promise<HttpResponse>;

const BODY_TOO_LARGE: HttpResponse = text(413, `the body is larger than ${MAX_BODY_BYTES} bytes`);
const BAD_TARGET: HttpResponse = text(400, 'the request target is not a path');

export function listenHttp(address: ListenAddress, handle: HandleHttp): Promise<Listener> {
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, (request, response) => {
    void serve(request, response, handle);
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
  return listenOn(server, address, () => server.closeIdleConnections());
}

/** Never rejects: what goes wrong becomes the answer, or a cut connection when there is nobody to answer. */
async function serve(request: IncomingMessage, response: ServerResponse, handle: HandleHttp): Promise<void> {
  try {
    const body = await readBody(request);
    if (body === null) {
      response.setHeader('connection', 'close');
      answer(response, BODY_TOO_LARGE);
      return;
    }
    const parsed = parseRequest(request, body);
    answer(response, parsed === null ? BAD_TARGET : await handle(parsed));
  } catch (error) {
    if (response.headersSent) response.destroy();
    else answer(response, text(500, error instanceof Error ? error.message : String(error)));
  }
}

/** Null when it is too large: the rest is not read. Throws when the client goes away. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseRequest(request: IncomingMessage, body: string): HttpRequest | null {
  const target = request.url ?? '';
  if (!target.startsWith('/')) return null;
  const queryAt = target.indexOf('?');
  return {
    method: request.method ?? 'GET',
    path: queryAt < 0 ? target : target.slice(0, queryAt),
    query: new URLSearchParams(queryAt < 0 ? '' : target.slice(queryAt + 1)),
    body,
    authorization: request.headers.authorization,
    origin: request.headers.origin,
    peerAddress: request.socket.remoteAddress,
  };
}

function answer(response: ServerResponse, content: HttpResponse): void {
  const bytes = typeof content.body === 'string' ? Buffer.from(content.body) : content.body;
  response.writeHead(content.status, {
    'content-type': content.contentType,
    'content-length': bytes.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(bytes);
}

function text(status: number, line: string): HttpResponse {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${line}\n` };
}
