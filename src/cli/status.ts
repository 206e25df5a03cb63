/** `torc status`: asks one node, and then all that it knows. */
import { STATUS_SCHEMA, type StatusReport } from '../admin/status.ts';
import type { Address } from '../env/contracts.ts';
import { StartupError } from '../errors.ts';
import { formatAddress } from '../settings/kinds.ts';
import { ExitCode } from './exit-code.ts';
import { httpGet } from './http-get.ts';
import { NODE_HEAD, nodeRows, SHARD_HEAD, shardRows, type Answer } from './status-table.ts';
import { renderTable } from './table.ts';

export interface StatusOptions {
  /** The admin port of any node. */
  readonly address: Address;
  readonly json: boolean;
  readonly timeoutMs: number;
}

const HTTP_OK = 200;

/** Resolves with the exit code. Throws StartupError when the node does not answer. */
export async function runStatus(options: StatusOptions): Promise<number> {
  const asked = await ask(options.address, options.timeoutMs);
  if (asked.report === null)
    throw new StartupError(
      'TORC_NO_ANSWER',
      `no node answers at ${asked.address}: ${asked.reason}. --address takes the admin port of any node, its client port + 2000 by default.`,
    );
  const others = asked.report.peers.map((peer) => ({ host: peer.host, port: peer.adminPort }));
  const answers = [asked, ...(await Promise.all(others.map((other) => ask(other, options.timeoutMs))))];
  answers.sort((a, b) => nameOf(a).localeCompare(nameOf(b), 'en', { numeric: true }));
  process.stdout.write(options.json ? asJson(answers) : asTables(asked.report, answers));
  return ExitCode.OK;
}

async function ask(node: Address, timeoutMs: number): Promise<Answer> {
  const address = formatAddress(node);
  try {
    const { status, body } = await httpGet(node, '/api/status', timeoutMs);
    if (status !== HTTP_OK)
      return unanswered(address, `that is no admin port: it answers with status ${status}`);
    const report = JSON.parse(body) as { schema?: unknown };
    if (report.schema !== STATUS_SCHEMA)
      return unanswered(address, `its status has schema ${String(report.schema)}, not ${STATUS_SCHEMA}`);
    return { address, report: report as StatusReport };
  } catch (error) {
    return unanswered(address, reasonOf(error as NodeJS.ErrnoException));
  }
}

function unanswered(address: string, reason: string): Answer {
  return { address, report: null, reason };
}

function reasonOf(error: NodeJS.ErrnoException): string {
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return 'no answer in time';
  if (error instanceof SyntaxError) return 'what answers is no node of Torc';
  if (error.code === 'ENOTFOUND') return 'there is no such host';
  // A client port cuts who speaks HTTP.
  if (error.code === 'ECONNRESET' || error.code?.startsWith('HPE_') === true) return 'that is no admin port';
  if (error.code === 'ECONNREFUSED') return 'nothing listens there';
  return error.message;
}

function nameOf(answer: Answer): string {
  return answer.report?.node.name ?? answer.address;
}

function asTables(asked: StatusReport, answers: readonly Answer[]): string {
  const boxed = process.stdout.isTTY;
  const { cluster } = asked;
  const title =
    cluster === null
      ? `Not founded yet: ${asked.node.reason}`
      : `Cluster ${cluster.id}, epoch ${cluster.generation}.${cluster.epoch}`;
  const silent = answers.flatMap((answer) =>
    answer.report === null ? [`${answer.address}: ${answer.reason}`] : [],
  );
  const unready = answers.flatMap(({ report }) =>
    report === null || report.node.reason === '' ? [] : [`${report.node.name}: ${report.node.reason}`],
  );
  const sections = [title, renderTable(NODE_HEAD, nodeRows(answers), boxed)];
  const shards = shardRows(answers);
  if (shards.length > 0) sections.push(renderTable(SHARD_HEAD, shards, boxed));
  if (silent.length + unready.length > 0) sections.push([...silent, ...unready].join('\n'));
  return `${sections.join('\n\n')}\n`;
}

function asJson(answers: readonly Answer[]): string {
  return `${JSON.stringify({ schema: STATUS_SCHEMA, nodes: answers }, null, 2)}\n`;
}
