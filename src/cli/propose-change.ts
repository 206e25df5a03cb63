/** Has the register of a running cluster changed, by the node that is asked. */
import { z } from 'zod';
import type { ChangeRefusal } from '../admin/topology.ts';
import type { Address } from '../env/contracts.ts';
import { StartupError } from '../errors.ts';
import { formatAddress } from '../settings/kinds.ts';
import { proofOf } from '../topology/change-proof.ts';
import type { TopologyChange } from '../topology/change.ts';
import { SystemRandom } from '../env/random.ts';
import { decodeTopology, encodeChange, jsonOf } from '../topology/topology-codec.ts';
import type { Epoch, Topology } from '../topology/types.ts';
import { reasonOf, statusIn } from './ask-node.ts';
import { httpGet, httpPost, type Answered } from './http-get.ts';
import { requestTo } from './topology-request.ts';

/** Other changes come in between, above all while a plan is under way. */
const TRIES = 10;
const PAUSE_MS = 200;
const refusalSchema: z.ZodType<ChangeRefusal> = z.object({ reason: z.string() });

const HTTP_OK = 200;
const HTTP_FORBIDDEN = 403;
const HTTP_CONFLICT = 409;
const HTTP_UNKNOWN = 504;

export interface ChangeTarget {
  /** The admin port of any node. */
  readonly address: Address;
  readonly timeoutMs: number;
  readonly peerSecret: string;
}

/**
 * Resolves with the topology that it has become. `changeOf` may be asked again, when another change has come in between; it may throw.
 * Throws StartupErrors.
 */
export async function proposeChange(
  target: ChangeTarget,
  changeOf: (topology: Topology) => TopologyChange | Promise<TopologyChange>,
): Promise<Topology> {
  for (let attempt = 1; ; attempt++) {
    const topology = await topologyOf(target);
    const outcome = await post(target, topology, await changeOf(topology));
    if (typeof outcome !== 'string') return outcome;
    const isOvertaken = !isSame(topology, await topologyOf(target));
    if (!isOvertaken || attempt === TRIES) throw refused(outcome);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** Why not; else what it has become. */
async function post(
  { address, timeoutMs, peerSecret }: ChangeTarget,
  topology: Topology,
  change: TopologyChange,
): Promise<Topology | string> {
  const { clusterId, generation, epoch } = topology;
  const asked = statusIn(await read(address, '/api/status', timeoutMs));
  if (typeof asked === 'string') throw refused(asked);
  const request = requestTo(asked, new SystemRandom());
  const body = encodeChange({ clusterId, on: { generation, epoch }, change, request }).toString();
  const authorization = `torc ${proofOf(peerSecret, body)}`;
  const answer = await httpPost(address, '/api/topology', body, authorization, timeoutMs).catch(
    (error: NodeJS.ErrnoException) => {
      throw unknown(`the node at ${formatAddress(address)} gave no answer: ${reasonOf(error)}`);
    },
  );
  if (answer.status === HTTP_CONFLICT) return reasonIn(answer.body);
  if (answer.status === HTTP_UNKNOWN) throw unknown(reasonIn(answer.body));
  if (answer.status === HTTP_FORBIDDEN) throw refused(whyForbidden(peerSecret));
  if (answer.status !== HTTP_OK) throw refused(answer.body.trim());
  return decoded(answer.body, address);
}

function whyForbidden(peerSecret: string): string {
  return peerSecret === ''
    ? 'TORC_PEER_SECRET is not given; it has to be the one that the nodes are started with. Where they have none, ask from the machine of the node itself, by a loopback address'
    : 'TORC_PEER_SECRET is not the one that the nodes are started with';
}

/** What stands before a node may have answered in its place. */
export function reasonIn(body: string): string {
  const told = refusalSchema.safeParse(jsonOf(Buffer.from(body)));
  return told.success ? told.data.reason : body.trim();
}

async function topologyOf({ address, timeoutMs }: ChangeTarget): Promise<Topology> {
  const answer = await read(address, '/api/topology', timeoutMs);
  if (answer.status !== HTTP_OK) throw refused(answer.body.trim());
  return decoded(answer.body, address);
}

function read(address: Address, path: string, timeoutMs: number): Promise<Answered> {
  return httpGet(address, path, timeoutMs).catch((error: NodeJS.ErrnoException) => {
    throw new StartupError(
      'TORC_NO_ANSWER',
      `no node answers at ${formatAddress(address)}: ${reasonOf(error)}. --address takes the admin port of any node.`,
    );
  });
}

function decoded(body: string, from: Address): Topology {
  const topology = decodeTopology(Buffer.from(body));
  if (topology === null)
    throw refused(`${formatAddress(from)} gives no topology that this version understands`);
  return topology;
}

function isSame(one: Epoch, other: Epoch): boolean {
  return one.generation === other.generation && one.epoch === other.epoch;
}

function refused(why: string): StartupError {
  return new StartupError('TORC_CHANGE_REFUSED', `nothing is changed: ${why}`);
}

function unknown(why: string): StartupError {
  return new StartupError('TORC_CHANGE_UNKNOWN', `it may have been done or not: ${why}`);
}
