/** A GET by node:http: fetch refuses ports of its own list (10080, 6665 …), which may well be admin ports. */
import { get } from 'node:http';
import type { Address } from '../env/contracts.ts';

export interface Answered {
  status: number;
  body: string;
}

/** Rejects when the connection fails, or the answer is not there in time. */
export function httpGet({ host, port }: Address, path: string, timeoutMs: number): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const options = { host, port, path, agent: false, signal: AbortSignal.timeout(timeoutMs) };
    const request = get(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
      );
    });
    request.on('error', reject);
  });
}
