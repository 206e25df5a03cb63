/** `torc verify`: compares the state hashes of all replicas of every shard, each at one index. */
import type { Address } from '../env/contracts.ts';
import { StartupError } from '../errors.ts';
import type { NodeId } from '../topology/types.ts';
import { askAll, reasonOf, type Answer } from './ask-node.ts';
import { ExitCode } from './exit-code.ts';
import { httpGet, httpPost } from './http-get.ts';
import type { StatusReport } from '../admin/status.ts';
import { renderTable } from './table.ts';
import { hashesOfShard, type ReplicaPlace, type VerifyClient } from './verify-shard.ts';
import { conclusion, judge, verifyCells, VERIFY_HEAD, type VerifyRow } from './verify-table.ts';

/** Of what --json prints. */
const SCHEMA = 1;
const STATUS_TIMEOUT_MS = 2000;
/** Each costs every node that holds a replica of it. */
const SHARDS_AT_ONCE = 3;

export interface VerifyOptions {
  /** The admin port of any node. */
  readonly address: Address;
  readonly json: boolean;
  /** For a replica's hash. */
  readonly timeoutMs: number;
}

/** Resolves with the exit code. */
export async function runVerify(options: VerifyOptions): Promise<number> {
  let rows: VerifyRow[];
  try {
    rows = await verifyCluster(options.address, options.timeoutMs);
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    process.stderr.write(`torc: ${error.message}\n`);
    return ExitCode.NOT_COMPARED;
  }
  process.stdout.write(options.json ? asJson(rows) : asTable(rows));
  return exitCodeOf(rows);
}

/** Throws StartupError when there is no cluster to ask. */
async function verifyCluster(address: Address, timeoutMs: number): Promise<VerifyRow[]> {
  const { asked, answers } = await askAll(address, STATUS_TIMEOUT_MS);
  if (asked.cluster === null)
    throw new StartupError('TORC_NOT_FOUNDED', `the cluster is not founded yet: ${asked.node.reason}.`);
  const client = systemClient();
  const waiting = [...asked.shards].sort((a, b) => a.shard - b.shard);
  const rows: VerifyRow[] = [];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { shard, nodes } = next;
      const replicas = nodes.map((node) => placeOf(node, asked, answers));
      rows.push(...judge(shard, await hashesOfShard(client, shard, replicas, timeoutMs)));
    }
  };
  await Promise.all(Array.from({ length: SHARDS_AT_ONCE }, work));
  return rows.sort((a, b) => a.shard - b.shard);
}

function placeOf(node: NodeId, asked: StatusReport, answers: readonly Answer[]): ReplicaPlace {
  for (const { report } of answers) {
    if (report?.node.id !== node) continue;
    return {
      node: report.node.name,
      address: { host: report.node.host, port: report.node.adminPort },
      reason: '',
    };
  }
  const peer = asked.peers.find(({ id }) => id === node);
  const address = peer === undefined ? node.slice(0, 8) : `${peer.host}:${peer.adminPort}`;
  const silent = answers.find((answer) => answer.address === address);
  const reason = silent?.report === null ? silent.reason : 'it does not answer';
  return { node: address, address: null, reason };
}

function systemClient(): VerifyClient {
  return {
    ask: async (method, node, path, timeoutMs) => {
      try {
        if (method === 'GET') return await httpGet(node, path, timeoutMs);
        return await httpPost(node, path, null, null, timeoutMs);
      } catch (error) {
        throw new Error(reasonOf(error as NodeJS.ErrnoException), { cause: error });
      }
    },
    random: Math.random,
    nowMs: () => performance.now(),
    sleep: (delayMs) =>
      new Promise((resolve) => {
        setTimeout(resolve, delayMs);
      }),
  };
}

function exitCodeOf(rows: readonly VerifyRow[]): number {
  if (rows.some(({ verdict }) => verdict === 'differs')) return ExitCode.DIFFERENT;
  return rows.some(({ verdict }) => verdict === 'not compared') ? ExitCode.NOT_COMPARED : ExitCode.OK;
}

function asTable(rows: readonly VerifyRow[]): string {
  return `${renderTable(VERIFY_HEAD, verifyCells(rows), process.stdout.isTTY)}\n\n${conclusion(rows)}\n`;
}

function asJson(rows: readonly VerifyRow[]): string {
  const verdict = { [ExitCode.OK]: 'equal', [ExitCode.DIFFERENT]: 'differs' }[exitCodeOf(rows)];
  return `${JSON.stringify({ schema: SCHEMA, verdict: verdict ?? 'incomplete', replicas: rows }, null, 2)}\n`;
}
