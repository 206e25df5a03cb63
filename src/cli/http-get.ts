/** Requests by node:http: fetch refuses ports of its own list (10080, 6665 …), which may well be admin ports. */
import { request } from 'node:http';
import type { Address } from '../env/contracts.ts';

export interface Answered {
  status: number;
  body: string;
}

/** Rejects when the connection fails, or the answer is not there in time. */
export function httpGet(node: Address, path: string, timeoutMs: number): Promise<Answered> {
  return httpAsk('GET', node, path, timeoutMs);
}

export interface Posted {
  body: string;
  authorization: string;
}

export function httpPost(
  node: Address,
  path: string,
  timeoutMs: number,
  posted: Posted | null = null,
): Promise<Answered> {
  return httpAsk('POST', node, path, timeoutMs, posted);
}

function httpAsk(
  method: 'GET' | 'POST',
  { host, port }: Address,
  path: string,
  timeoutMs: number,
  posted: Posted | null = null,
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const headers = posted === null ? {} : { authorization: posted.authorization };
    const signal = AbortSignal.timeout(timeoutMs);
    const options = { method, host, port, path, headers, agent: false, signal };
    const asking = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
      );
    });
    asking.on('error', reject);
    asking.end(posted?.body);
  });
}
