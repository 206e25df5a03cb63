/** Asks a node for its status; a node that does not answer as one is told in words. */
import { STATUS_SCHEMA, type StatusReport } from '../admin/status.ts';
import type { Address } from '../env/contracts.ts';
import { StartupError } from '../errors.ts';
import { formatAddress } from '../settings/kinds.ts';
import { httpGet, type Answered } from './http-get.ts';

/** A node that was asked: its report, or why there is none. */
export type Answer =
  | { readonly address: string; readonly report: StatusReport }
  | { readonly address: string; readonly report: null; readonly reason: string };

const HTTP_OK = 200;
export const NO_TORC = 'what answers is no node of Torc';

/** The node asked, and all that it knows, by name. Throws StartupError when the node does not answer. */
export async function askAll(
  node: Address,
  timeoutMs: number,
): Promise<{ asked: StatusReport; answers: Answer[] }> {
  const asked = await askOne(node, timeoutMs);
  const others = asked.peers.map((peer) => ({ host: peer.host, port: peer.adminPort }));
  const answers = [
    { address: formatAddress(node), report: asked },
    ...(await Promise.all(others.map((other) => ask(other, timeoutMs)))),
  ];
  answers.sort((a, b) => nameOf(a).localeCompare(nameOf(b), 'en', { numeric: true }));
  return { asked, answers };
}

/** Throws StartupError when the node does not answer. */
export async function askOne(node: Address, timeoutMs: number): Promise<StatusReport> {
  const asked = await ask(node, timeoutMs);
  if (asked.report === null)
    throw new StartupError(
      'TORC_NO_ANSWER',
      `no node answers at ${asked.address}: ${asked.reason}. --address takes the admin port of any node, its client port + 2000 by default.`,
    );
  return asked.report;
}

async function ask(node: Address, timeoutMs: number): Promise<Answer> {
  const address = formatAddress(node);
  try {
    const report = statusIn(await httpGet(node, '/api/status', timeoutMs));
    return typeof report === 'string' ? unanswered(address, report) : { address, report };
  } catch (error) {
    return unanswered(address, reasonOf(error as NodeJS.ErrnoException));
  }
}

/** The status that was answered; a sentence when it is none. */
export function statusIn({ status, body }: Answered): StatusReport | string {
  if (status !== HTTP_OK) return `that is no admin port: it answers with status ${status}`;
  try {
    const report = JSON.parse(body) as { schema?: unknown } | null;
    if (report?.schema === STATUS_SCHEMA) return report as StatusReport;
    return `its status has schema ${String(report?.schema)}, not ${STATUS_SCHEMA}`;
  } catch {
    return NO_TORC;
  }
}

function unanswered(address: string, reason: string): Answer {
  return { address, report: null, reason };
}

export function reasonOf(error: NodeJS.ErrnoException): string {
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return 'no answer in time';
  if (error instanceof SyntaxError) return NO_TORC;
  if (error.code === 'ENOTFOUND') return 'there is no such host';
  // A client port cuts who speaks HTTP.
  if (error.code === 'ECONNRESET' || error.code?.startsWith('HPE_') === true) return 'that is no admin port';
  if (error.code === 'ECONNREFUSED') return 'nothing listens there';
  return error.message;
}

function nameOf(answer: Answer): string {
  return answer.report?.node.name ?? answer.address;
}
