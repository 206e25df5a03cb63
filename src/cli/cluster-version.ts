/** `torc cluster version`: shows which cluster version is in force and what each node runs; `raise` raises it. */
import type { StatusReport } from '../admin/status.ts';
import type { Address } from '../env/contracts.ts';
import { StartupError } from '../errors.ts';
import { formatAddress } from '../settings/kinds.ts';
import { SystemRandom } from '../env/random.ts';
import { proofOf } from '../topology/change-proof.ts';
import type { ChangeRequest } from '../topology/change.ts';
import { decodeTopology, encodeChange } from '../topology/topology-codec.ts';
import type { Topology } from '../topology/types.ts';
import { askAll, reasonOf, type Answer } from './ask-node.ts';
import { ExitCode } from './exit-code.ts';
import { httpGet, httpPost } from './http-get.ts';
import { reasonIn } from './propose-change.ts';
import { requestTo } from './topology-request.ts';
import { renderTable } from './table.ts';

export interface ClusterVersionOptions {
  /** The admin port of any node. */
  readonly address: Address;
  readonly timeoutMs: number;
}

export interface RaiseOptions extends ClusterVersionOptions {
  /** The nodes' own: changes are made by who knows it. */
  readonly peerSecret: string;
}

const HTTP_OK = 200;
const HTTP_CONFLICT = 409;
const HTTP_UNKNOWN = 504;
const HEAD = ['node', 'address', 'build', 'runs up to', 'goes by'];

/** Resolves with the exit code. Throws StartupError when the node does not answer. */
export async function showClusterVersion({ address, timeoutMs }: ClusterVersionOptions): Promise<number> {
  const { asked, answers } = await askAll(address, timeoutMs);
  const current = versionIn(asked);
  const target = raiseTarget(answers);
  const sentence = target !== null && target > current ? raisable(target) : '';
  const table = renderTable(HEAD, answers.map(rowOf), process.stdout.isTTY);
  process.stdout.write(`Cluster version ${current}.${sentence}\n\n${table}\n`);
  return ExitCode.OK;
}

/** Throws StartupError when it cannot be raised now. */
export async function raiseClusterVersion(options: RaiseOptions): Promise<number> {
  const { address, timeoutMs, peerSecret } = options;
  const { asked, answers } = await askAll(address, timeoutMs);
  const current = versionIn(asked);
  const target = raiseTarget(answers);
  if (target === null)
    throw refused(`not all nodes can be asked which version they run: ${silentOf(answers).join('; ')}`);
  if (target <= current)
    throw refused(
      `it is ${current}, and not all nodes run a newer one: torc cluster version shows what they run`,
    );
  const topology = await topologyOf(address, timeoutMs);
  const { clusterId, generation, epoch } = topology;
  const change: ChangeRequest = {
    clusterId,
    on: { generation, epoch },
    change: { kind: 'raise-version', version: target },
    request: requestTo(asked, new SystemRandom()),
  };
  await decide(address, encodeChange(change).toString(), peerSecret, timeoutMs);
  process.stdout.write(
    `The cluster version is ${target} now; it was ${current}. Builds that run up to ${target - 1} refuse to start from now on.\n`,
  );
  return ExitCode.OK;
}

/** By any node: there the others' versions are looked at once more. */
async function decide(at: Address, body: string, peerSecret: string, timeoutMs: number): Promise<void> {
  const authorization = `torc ${proofOf(peerSecret, body)}`;
  const answer = await httpPost(at, '/api/topology', body, authorization, timeoutMs).catch(
    (error: NodeJS.ErrnoException) => {
      throw unknown(`the node at ${formatAddress(at)} gave no answer: ${reasonOf(error)}`);
    },
  );
  if (answer.status === HTTP_OK) return;
  if (answer.status === HTTP_UNKNOWN) throw unknown(reasonIn(answer.body));
  if (answer.status === HTTP_CONFLICT) throw refused(reasonIn(answer.body));
  throw refused(answer.body.trim());
}

async function topologyOf(address: Address, timeoutMs: number): Promise<Topology> {
  const { body } = await httpGet(address, '/api/topology', timeoutMs).catch(
    (error: NodeJS.ErrnoException) => {
      throw refused(`the node at ${formatAddress(address)} gave no answer: ${reasonOf(error)}`);
    },
  );
  const topology = decodeTopology(Buffer.from(body));
  if (topology === null)
    throw refused(`${formatAddress(address)} gives no topology that this version understands`);
  return topology;
}

function versionIn({ cluster, node }: StatusReport): number {
  if (cluster === null) throw refused(`the cluster is not founded yet: ${node.reason}`);
  return cluster.version;
}

/** What all nodes run; null when one cannot be asked. */
function raiseTarget(answers: readonly Answer[]): number | null {
  const newest = answers.map(({ report }) => report?.build.newestVersion ?? null);
  const known = newest.filter((version) => version !== null);
  return known.length === newest.length ? Math.min(...known) : null;
}

function silentOf(answers: readonly Answer[]): string[] {
  return answers.flatMap((answer) => (answer.report === null ? [`${answer.address}: ${answer.reason}`] : []));
}

function rowOf(answer: Answer): (string | number)[] {
  if (answer.report === null) return [answer.address, answer.address, answer.reason, '-', '-'];
  const { node, build, cluster } = answer.report;
  return [node.name, answer.address, build.version, build.newestVersion, cluster?.version ?? '-'];
}

function raisable(target: number): string {
  return ` All nodes run ${target}: torc cluster version raise raises it. No older build can start after that.`;
}

function unknown(why: string): StartupError {
  return new StartupError(
    'TORC_VERSION_UNKNOWN',
    `the cluster version may have been raised or not (see torc cluster version): ${why}`,
  );
}

function refused(why: string): StartupError {
  return new StartupError('TORC_VERSION_NOT_RAISED', `the cluster version is not raised: ${why}`);
}
