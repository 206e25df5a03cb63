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

export function httpPost(node: Address, path: string, timeoutMs: number): Promise<Answered> {
  return httpAsk('POST', node, path, timeoutMs);
}

function httpAsk(
  method: 'GET' | 'POST',
  { host, port }: Address,
  path: string,
  timeoutMs: number,
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const options = { method, host, port, path, agent: false, signal: AbortSignal.timeout(timeoutMs) };
    const asking = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
      );
    });
    asking.on('error', reject);
    asking.end();
  });
}
