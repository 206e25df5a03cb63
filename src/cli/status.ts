/** `torc status`: asks one node, and then all that it knows. */
import { STATUS_SCHEMA, type StatusReport } from '../admin/status.ts';
import type { Address } from '../env/contracts.ts';
import { askAll, type Answer } from './ask-node.ts';
import { ExitCode } from './exit-code.ts';
import { leavingNotes } from './leaving.ts';
import { NODE_HEAD, nodeRows, SHARD_HEAD, shardRows, toleranceNote } from './status-table.ts';
import { renderTable } from './table.ts';

export interface StatusOptions {
  /** The admin port of any node. */
  readonly address: Address;
  readonly json: boolean;
  readonly timeoutMs: number;
}

/** Resolves with the exit code. Throws StartupError when the node does not answer. */
export async function runStatus(options: StatusOptions): Promise<number> {
  const { asked, answers } = await askAll(options.address, options.timeoutMs);
  const isOneLeaving = asked.members.some(({ isLeaving }) => isLeaving);
  const leaving = isOneLeaving && !options.json ? await leavingNotes(options) : [];
  process.stdout.write(options.json ? asJson(answers) : asTables(asked, answers, leaving));
  return ExitCode.OK;
}

function asTables(asked: StatusReport, answers: readonly Answer[], leaving: readonly string[]): string {
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
  if (leaving.length > 0) sections.push(leaving.join('\n'));
  const note = toleranceNote(answers);
  if (note !== null) sections.push(note);
  if (silent.length + unready.length > 0) sections.push([...silent, ...unready].join('\n'));
  return `${sections.join('\n\n')}\n`;
}

function asJson(answers: readonly Answer[]): string {
  return `${JSON.stringify({ schema: STATUS_SCHEMA, nodes: answers }, null, 2)}\n`;
}
