/**
 * `torc topology recover`: a majority of the register's voters is lost for good, so no topology can be decided any more. An operator names a node to go
 * on from; all that answer survive, and the others are given up.
 */
import type { ChangeRefusal } from '../admin/topology.ts';
import type { Address, Random } from '../env/contracts.ts';
import { StartupError } from '../errors.ts';
import { proofOf } from '../topology/change-proof.ts';
import { textOf } from '../topology/decision.ts';
import { lostShards, recoveryProblem } from '../topology/recovery.ts';
import { decodeTopology, encodeRecovery } from '../topology/topology-codec.ts';
import { nodeName } from '../topology/topology-diff.ts';
import type { NodeEntry, Topology } from '../topology/types.ts';
import { adminOf, surveyCluster, type AskNode, type Survey } from './cluster-survey.ts';
import type { Answered } from './http-get.ts';
import { requestTo } from './topology-request.ts';

const HTTP_OK = 200;
const HTTP_UNKNOWN = 504;

export interface RecoveryWorld {
  random: Random;
  /** The admin port of the node to go on from. */
  from: Address;
  secret: string;
  /** The operator has read what is risked. */
  isSure: boolean;
  ask: AskNode;
  post(address: Address, path: string, body: string, authorization: string): Promise<Answered | null>;
}

/** The topology that is decided now. Throws StartupErrors, the first of which tells what is risked. */
export async function recoverTopology(world: RecoveryWorld): Promise<Topology> {
  const survey = await surveyCluster(world.ask, [world.from]);
  const { topology, reports } = survey;
  const from = topology.nodes.find((node) => isAt(node, world.from));
  const report = from === undefined ? undefined : reports.get(from.id);
  if (from === undefined || report === undefined)
    throw refusal('--from is the admin port, as announced, of a node of the cluster that runs');
  const { cluster } = report;
  if (cluster === null || textOf(cluster) !== textOf(topology))
    throw refusal(
      `node ${nodeName(topology, from.id)} does not know the newest topology, ${textOf(topology)}: name one that does, or wait`,
    );
  const survivors = topology.nodes.filter(({ id }) => reports.has(id)).map(({ id }) => id);
  const told = [...reports.values()].flatMap(({ cluster: known }) => known?.boundToRecovery ?? []);
  const bound = [...new Set(told)];
  const problem = recoveryProblem(topology, survivors, bound);
  if (problem !== null) throw refusal(problem);
  if (!world.isSure) throw refusal(risks(survey));
  const { clusterId, generation, epoch } = topology;
  const request = requestTo(report, world.random);
  const body = encodeRecovery({ clusterId, on: { generation, epoch }, survivors, bound, request }).toString();
  const proof = `torc ${proofOf(world.secret, body)}`;
  const answer = await world.post(adminOf(from), '/api/topology/recover', body, proof);
  return recoveredIn(answer);
}

function recoveredIn(answer: Answered | null): Topology {
  if (answer === null) throw unknown('the node gave no answer');
  const recovered = answer.status === HTTP_OK ? decodeTopology(Buffer.from(answer.body)) : null;
  if (recovered !== null) return recovered;
  const isReason = answer.body.startsWith('{');
  const reason = isReason ? (JSON.parse(answer.body) as ChangeRefusal).reason : answer.body.trim();
  throw answer.status === HTTP_UNKNOWN ? unknown(reason) : refusal(reason);
}

function risks({ topology, reports }: Survey): string {
  const lost = topology.nodes.filter(({ id }) => !reports.has(id));
  const names = lost.map(({ id }) => nodeName(topology, id)).join(', ');
  const shards = lostShards(topology, [...reports.keys()]).join(', ');
  const data =
    shards === ''
      ? ''
      : `Of these shards they hold most replicas: what is in them is served by nobody until the nodes are back, or until torc shard give-up has them go on with what is left, or begin anew: ${shards}. `;
  return (
    `${names} would be given up for good. What they may have decided after epoch ${textOf(topology)} and told no node that answers is lost: ` +
    'slots that moved since may be served from older copies, and members may be missing. ' +
    `${data}Should any of them live still and be cut off only, it must not run ` +
    'on: stop it first, remove its data directory, or there are two clusters until they meet. If they can be brought back with their disks, bring them back ' +
    'instead. Else run this again with --yes-i-may-lose-decisions'
  );
}

function isAt({ host, adminPort }: NodeEntry, address: Address): boolean {
  return host === address.host && adminPort === address.port;
}

function refusal(reason: string): StartupError {
  return new StartupError('TORC_NOT_RECOVERED', `the topology is not recovered: ${reason}.`);
}

function unknown(reason: string): StartupError {
  return new StartupError(
    'TORC_RECOVERY_UNKNOWN',
    `the topology may have been recovered or not (see torc topology show): ${reason}.`,
  );
}
