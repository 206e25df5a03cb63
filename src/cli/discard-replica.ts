/**
 * `torc repair --discard-replica`: a stopped node whose directory cannot be believed any more (damage, or acknowledged bytes that may be gone)
 * comes back as another node in its place, since what the old one promised and acknowledged it does not know. Its members are new ones, which
 * learn before they vote. Each step may be done again: a repair that was broken off is run once more.
 */
import type { ChangeRefusal } from '../admin/topology.ts';
import type { Address, Disk, Random } from '../env/contracts.ts';
import { StartupError } from '../errors.ts';
import { acceptorPath } from '../topology/acceptor-file.ts';
import { proofOf } from '../topology/change-proof.ts';
import { CLUSTER_FILE_NAME, drawId } from '../topology/cluster-file.ts';
import type { ChangeRequest } from '../topology/change.ts';
import { topologyAfter } from '../topology/decision.ts';
import { decodeFoundingFile, encodeFoundingFile } from '../topology/founding-codec.ts';
import { clusterOf, type FoundingState } from '../topology/founding.ts';
import { topologyPath } from '../topology/register.ts';
import { nextSetAside } from '../topology/set-aside.ts';
import {
  decodeTopology,
  decodeTopologyFile,
  encodeChange,
  encodeTopologyFile,
} from '../topology/topology-codec.ts';
import type { Announcement, ClusterId, NodeEntry, NodeId, Topology } from '../topology/types.ts';
import { DamagedError } from '../wal/errors.ts';
import { logDirectory, logLock } from '../wal/directory.ts';
import { setLogAside } from '../wal/set-aside.ts';
import { adminOf, surveyCluster, whyNeeded, type AskNode, type Survey } from './cluster-survey.ts';
import type { Answered } from './http-get.ts';
import { requestTo } from './topology-request.ts';

const TRIES = 10;
const HTTP_OK = 200;
const HTTP_FORBIDDEN = 403;
const NO_CHANGE = '{}';

export interface RepairWorld {
  disk: Disk;
  random: Random;
  /** The node's. */
  directory: string;
  announced: Announcement;
  secret: string;
  /** The node to be replaced, where neither directory nor address tell; null: they do. */
  node: NodeId | null;
  /** The admin port of a node that runs; null: those are asked that the directory knows. */
  address: Address | null;
  ask: AskNode;
  post(address: Address, path: string, body: string, authorization: string): Promise<Answered | null>;
  pause(): Promise<void>;
}

export interface Repaired {
  /** What the node was, and is from now on. */
  old: NodeId;
  node: NodeId;
  setAside: string | null;
}

/** What the directory tells of its node, as far as it can be read. */
interface Found {
  state: FoundingState | null;
  /** The node of an earlier repair that was broken off. */
  returning: NodeId | null;
  known: readonly Address[];
}

/** Throws StartupErrors: nothing was changed, or the repair is to be run again. */
export async function discardReplica(world: RepairWorld): Promise<Repaired> {
  const { disk, directory } = world;
  // Refused where nothing tells of a cluster, or nobody answers: before anything is made.
  await surveyCluster(world.ask, (await readDirectory(world)).known);
  await disk.makeDirectory(logDirectory(directory));
  const lock = await disk.lock(logLock(logDirectory(directory)));
  if (lock === null)
    throw refusal(
      `the node of ${directory} runs, or that of the directory of which it is a copy: stop it first`,
    );
  try {
    return await repair(world, await readDirectory(world));
  } finally {
    await lock.release();
  }
}

async function repair(world: RepairWorld, found: Found): Promise<Repaired> {
  const survey = await surveyCluster(world.ask, found.known);
  const { clusterId, nodes } = survey.topology;
  const own = found.state === null ? null : clusterOf(found.state);
  if (own !== null && own.id !== clusterId)
    throw refusal(`the directory is of cluster ${own.id}, and the nodes that answer are of ${clusterId}`);
  if (found.returning !== null && nodes.some(({ id }) => id === found.returning)) {
    await keepTopology(world, survey.topology, found.returning);
    return { old: '', node: found.returning, setAside: null };
  }
  const old = placeOf(world, found, nodes);
  const why = survey.reports.has(old.id)
    ? 'it runs: stop it first'
    : await whyStillNeeded(world, found, old.id);
  if (why !== null) throw refusal(`node ${old.id} cannot be replaced now: ${why}`);
  const node = found.returning ?? drawId(world.random);
  await checkTaken(world, survey, old.id, node);
  const setAside = found.returning === null ? await setAsideAll(world, clusterId, nodes, node) : null;
  await replaceNode(world, found, survey, old.id, node);
  return { old: old.id, node, setAside };
}

/** Before anything is moved: a node answers that takes changes from here. What is sent is no change. */
async function checkTaken(world: RepairWorld, survey: Survey, old: NodeId, node: NodeId): Promise<void> {
  const { asked, to } = replacement(world, survey, old, node);
  const after = topologyAfter(survey.topology, asked);
  if (typeof after === 'string') throw refusal(after);
  const answer = await post(world, to, NO_CHANGE);
  if (answer === null) throw refusal(unanswered(to));
}

/** By any node that answers. */
function replacement(
  { announced, random }: RepairWorld,
  { topology, reports }: Survey,
  node: NodeId,
  id: NodeId,
): { asked: ChangeRequest; to: NodeEntry } {
  const { clusterId, generation, epoch, nodes } = topology;
  const change = { kind: 'replace-node', node, by: { id, announced } } as const;
  const answering = nodes.filter((entry) => reports.has(entry.id));
  const to = answering.at(random.uint32() % Math.max(1, answering.length));
  const report = to === undefined ? undefined : reports.get(to.id);
  if (to === undefined || report === undefined) throw refusal('no node of the cluster answers');
  const request = requestTo(report, random);
  return { asked: { clusterId, on: { generation, epoch }, change, request }, to };
}

/** An election may be under way. */
async function whyStillNeeded(world: RepairWorld, found: Found, node: NodeId): Promise<string | null> {
  let why: string | null = '';
  for (let tries = 0; why !== null && tries < TRIES; tries++) {
    if (tries > 0) await world.pause();
    why = whyNeeded(node, await surveyCluster(world.ask, found.known));
  }
  return why;
}

async function readDirectory({ disk, directory, address, announced }: RepairWorld): Promise<Found> {
  const state = await readable(disk, `${directory}/${CLUSTER_FILE_NAME}`, decodeFoundingFile);
  const topology = await readable(disk, topologyPath(directory), decodeTopologyFile);
  const nodes = [...(topology?.nodes ?? []), ...((state === null ? null : clusterOf(state))?.nodes ?? [])];
  const addresses = [...(address === null ? [] : [address]), ...nodes.map(adminOf)];
  const isOther = ({ host, port }: Address): boolean =>
    host !== announced.host || port !== announced.adminPort;
  const known = addresses.filter(
    (one, at) => isOther(one) && addresses.findIndex((same) => isSame(one, same)) === at,
  );
  if (known.length === 0)
    throw refusal(
      `${directory} does not tell of other nodes: give --address, the admin port of one that runs`,
    );
  const isReturning = state?.phase === 'founded' && state.isReturning === true;
  return { state, returning: isReturning ? state.node : null, known };
}

/** Null when there is none, or a damaged one: then others must say. */
async function readable<T>(
  disk: RepairWorld['disk'],
  path: string,
  decode: (path: string, bytes: Uint8Array) => T | null,
): Promise<T | null> {
  const bytes = await disk.readFile(path);
  if (bytes === null) return null;
  try {
    return decode(path, bytes);
  } catch (error) {
    if (error instanceof DamagedError) return null;
    throw error;
  }
}

/** The node whose directory this is: by its id, else by its address. */
function placeOf(
  { announced, node, directory }: RepairWorld,
  { state }: Found,
  nodes: readonly NodeEntry[],
): NodeEntry {
  const { host, peerPort } = announced;
  const isHere = (entry: NodeEntry): boolean => entry.host === host && entry.peerPort === peerPort;
  if (node !== null) {
    const named = nodes.find(({ id }) => id === node);
    if (named === undefined) throw refusal(`the cluster has no node ${node}`);
    const own = state?.node;
    if (own !== undefined && own !== node && nodes.some(({ id }) => id === own))
      throw refusal(`${directory} is of node ${own}, which is in the cluster, and not of ${node}`);
    return named;
  }
  const byId = nodes.find(({ id }) => id === state?.node);
  if (byId !== undefined && !isHere(byId))
    throw refusal(
      `${directory} is of the node at ${byId.host}:${byId.peerPort}, and these are the settings of ${host}:${peerPort}: ` +
        `give the settings that it is started with, or --node ${byId.id} when it moves there`,
    );
  const place = byId ?? nodes.find(isHere);
  if (place === undefined)
    throw refusal(
      `the cluster has no node at ${host}:${peerPort}: --node names the one whose place is to be taken`,
    );
  return place;
}

/** The log goes first: without it no node starts from the rest. */
async function setAsideAll(
  { disk, directory }: RepairWorld,
  id: ClusterId,
  nodes: readonly NodeEntry[],
  node: NodeId,
): Promise<string> {
  const to = await nextSetAside(disk, directory);
  const path = `${directory}/${CLUSTER_FILE_NAME}`;
  await disk.makeDirectory(to);
  await disk.replaceFile(`${to}/${CLUSTER_FILE_NAME}`, (await disk.readFile(path)) ?? Buffer.from('\n'));
  await setLogAside(disk, logDirectory(directory), logDirectory(to));
  // What the old node promised, the new one is not bound to.
  await disk.remove(acceptorPath(directory));
  const state: FoundingState = { phase: 'founded', node, cluster: { id, nodes }, isReturning: true };
  await disk.replaceFile(path, encodeFoundingFile(state));
  return to;
}

/** Has it decided that `node` takes the place of `old`. The topology may change meanwhile. */
async function replaceNode(
  world: RepairWorld,
  found: Found,
  first: Survey,
  old: NodeId,
  node: NodeId,
): Promise<void> {
  let survey = first;
  let reason = '';
  for (let tries = 0; tries < TRIES; tries++) {
    const { asked, to } = replacement(world, survey, old, node);
    const outcome = await propose(world, to, asked);
    if (typeof outcome !== 'string') {
      await keepTopology(world, outcome, node);
      return;
    }
    reason = outcome;
    await world.pause();
    survey = await surveyCluster(world.ask, found.known);
    if (survey.topology.nodes.some(({ id }) => id === node)) {
      await keepTopology(world, survey.topology, node);
      return;
    }
    const why = whyNeeded(old, survey);
    if (why !== null) throw refusal(`node ${old} cannot be replaced now: ${why}; then run this again`);
  }
  throw refusal(`the cluster did not take the new node in: ${reason}; run this again`);
}

/** The decided topology, or why there is none. */
async function propose(world: RepairWorld, to: NodeEntry, asked: ChangeRequest): Promise<Topology | string> {
  const answer = await post(world, to, encodeChange(asked).toString());
  if (answer === null) return unanswered(to);
  if (answer.status === HTTP_OK)
    return decodeTopology(Buffer.from(answer.body)) ?? 'the answer is of another version';
  return answer.body.startsWith('{') ? (JSON.parse(answer.body) as ChangeRefusal).reason : answer.body.trim();
}

/** Throws when the node takes no changes from here. */
async function post(world: RepairWorld, to: NodeEntry, body: string): Promise<Answered | null> {
  const proof = proofOf(world.secret, body);
  const answer = await world.post(adminOf(to), '/api/topology', body, `torc ${proof}`);
  // `refusal` sets a stop of its own.
  if (answer?.status === HTTP_FORBIDDEN) throw refusal(answer.body.trim().replace(/\.$/, ''));
  return answer;
}

function unanswered({ id }: NodeEntry): string {
  return `node ${id} does not answer`;
}

/** The last step: with a topology that names it the node can start. */
async function keepTopology(
  { disk, directory }: RepairWorld,
  topology: Topology,
  node: NodeId,
): Promise<void> {
  if (!topology.nodes.some(({ id }) => id === node)) throw refusal(`node ${node} is not in the topology`);
  await disk.replaceFile(topologyPath(directory), encodeTopologyFile(topology));
}

function isSame(one: Address, other: Address): boolean {
  return one.host === other.host && one.port === other.port;
}

function refusal(reason: string): StartupError {
  return new StartupError('TORC_REPAIR', `${reason}.`);
}
