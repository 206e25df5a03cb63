/** GET and POST by node:http: fetch refuses ports of its own list (10080, 6665 …), which may well be admin ports. */
import { request, type RequestOptions } from 'node:http';
import type { Address } from '../env/contracts.ts';

export interface Answered {
  status: number;
  body: string;
}

/** Rejects when the connection fails, or the answer is not there in time. */
export function httpGet(address: Address, path: string, timeoutMs: number): Promise<Answered> {
  return send(address, { method: 'GET', path }, null, timeoutMs);
}

export function httpPost(
  address: Address,
  path: string,
  body: string | null,
  authorization: string | null,
  timeoutMs: number,
): Promise<Answered> {
  const headers = authorization === null ? {} : { authorization };
  return send(address, { method: 'POST', path, headers }, body, timeoutMs);
}

function send(
  { host, port }: Address,
  about: RequestOptions,
  body: string | null,
  timeoutMs: number,
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const options = { host, port, agent: false, signal: AbortSignal.timeout(timeoutMs), ...about };
    const sent = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
      );
    });
    sent.on('error', reject);
    sent.end(body ?? undefined);
  });
}
