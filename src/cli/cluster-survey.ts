/** What the nodes of a cluster answer, and whether one of them can be done without. */
import type { ReplicaStatus, StatusReport } from '../admin/status.ts';
import type { TokenHash } from '../../ring/index.ts';
import type { Address } from '../env/contracts.ts';
import { StartupError } from '../errors.ts';
import { formatAddress } from '../settings/kinds.ts';
import { leftOf } from '../topology/lost-shard.ts';
import { isNewer } from '../topology/register.ts';
import { planReplicas, replicationFactorOf, stayingNodes } from '../topology/replica-planner.ts';
import { crowdedWithout } from '../topology/room-check.ts';
import { awayTaker, shortOf } from '../topology/takers.ts';
import { decodeTopology } from '../topology/topology-codec.ts';
import { nodeName } from '../topology/topology-diff.ts';
import type { NodeEntry, NodeId, ShardEntry, ShardId, Topology } from '../topology/types.ts';
import { statusIn } from './ask-node.ts';
import { httpGet, type Answered } from './http-get.ts';
import { humanBytes } from './table.ts';

const HTTP_OK = 200;

/** Resolves with what an admin port answers; null: nobody does. */
export type AskNode = (address: Address, path: string) => Promise<Answered | null>;

export interface Survey {
  /** The newest that any node knows. */
  topology: Topology;
  /** The nodes that answered. */
  reports: ReadonlyMap<NodeId, StatusReport>;
}

/** By their admin ports: whoever does not answer is taken for dead. */
export function surveyByHttp({
  address,
  timeoutMs,
}: {
  address: Address;
  timeoutMs: number;
}): Promise<Survey> {
  const ask: AskNode = (to, path) => httpGet(to, path, timeoutMs).catch(() => null);
  return surveyCluster(ask, [address]);
}

/** Asks all nodes that are known, and all that those know. Throws StartupError when nobody answers. */
export async function surveyCluster(ask: AskNode, known: readonly Address[]): Promise<Survey> {
  const first = newestOf(await Promise.all(known.map((address) => askTopology(ask, address))));
  if (first === null)
    throw new StartupError(
      'TORC_NO_ANSWER',
      `no node of the cluster answers at ${known.map(formatAddress).join(', ')}: give the admin port of one that runs`,
    );
  const told = await Promise.all(first.nodes.map((node) => askTopology(ask, adminOf(node))));
  const topology = newestOf([first, ...told]) ?? first;
  const reports = new Map<NodeId, StatusReport>();
  const answers = await Promise.all(topology.nodes.map((node) => ask(adminOf(node), '/api/status')));
  for (const [at, node] of topology.nodes.entries()) {
    const report = reportIn(answers[at]);
    if (report?.node.id === node.id) reports.set(node.id, report);
  }
  return { topology, reports };
}

/** Null: something else answers there, or nobody. */
function reportIn(answer: Answered | null): StatusReport | null {
  if (answer === null) return null;
  const report = statusIn(answer);
  return typeof report === 'string' ? null : report;
}

export function adminOf({ host, adminPort }: NodeEntry): Address {
  return { host, port: adminPort };
}

/** Why the cluster cannot do without what is in the node's directory, and what to do about it; null: it can. */
export function whyNeeded(node: NodeId, { topology, reports }: Survey): string | null {
  const others = topology.nodes.filter(({ id }) => id !== node);
  const silent = others.filter(({ id }) => !reports.has(id));
  const names = silent.map(({ host, clientPort }) => `${host}:${clientPort}`).join(', ');
  if ((others.length - silent.length) * 2 <= topology.nodes.length)
    return others.length === 0
      ? 'this is the only node of its cluster, and its directory the only copy: bring a whole one back'
      : `most of the cluster's nodes have to run meanwhile: start ${names === '' ? 'another node' : names} first`;
  for (const shard of topology.shards) {
    const isKept =
      shard.givenUp?.kept !== undefined && leftOf(topology, shard).some((row) => row.node === node);
    if (isKept)
      return `shard ${shard.id} is to be rewound, and may go on with what is in this directory: start its node, or have torc shard give-up ${shard.id} do without it first`;
    if (shard.givenUp !== undefined) continue;
    const why = whyShardNeeds(node, shard, reports, names);
    if (why !== null) return why;
  }
  return null;
}

/** Why the nodes that stay cannot take what the node holds, and what to do about it; null: they can. */
export function whyCrowded(node: NodeId, { topology, reports }: Survey, hash: TokenHash): string | null {
  const shardBytes = new Map<ShardId, number>();
  for (const { replicas } of reports.values())
    for (const { shard, memoryBytes } of replicas)
      shardBytes.set(shard, Math.max(memoryBytes, shardBytes.get(shard) ?? 0));
  const roomBytes = new Map([...reports].map(([id, { memory }]) => [id, memory.roomBytes]));
  const crowded = crowdedWithout(topology, node, { shardBytes, roomBytes, hash });
  if (crowded.length === 0) return null;
  const each = crowded.map(
    (one) =>
      `${nodeName(topology, one.node)} would be given ${humanBytes(one.neededBytes)} and has room for ${humanBytes(one.roomBytes)}`,
  );
  return (
    `nodes that stay are to be at most 85 % full, of their memory and their disk, and ${each.join('; ')}: add a node first, or give those ` +
    'more (maxmemory, disk); --even-if-full does it all the same, where keys may be evicted'
  );
}

/**
 * Why what the node holds would wait for a node that is away, and what to do about it; null: it would not. What would be left to the others without that one
 * could not lose another, so nothing goes there; and a node takes in nothing while it is away.
 */
export function whyAwaited(node: NodeId, { topology, reports }: Survey, hash: TokenHash): string | null {
  const nodes = topology.nodes.map((entry) => (entry.id === node ? { ...entry, leaving: true } : entry));
  const after = { ...topology, nodes };
  const isThere = (id: NodeId): boolean => id === node || isAlive(id, reports);
  const silent = new Set(nodes.map(({ id }) => id).filter((id) => !isThere(id)));
  if (silent.size === 0) return null;
  const homes = topology.shards.filter(({ home }) => home === node).map(({ id }) => id);
  const hasSlots = topology.slots.some(({ shard }) => homes.includes(shard));
  const taker = hasSlots ? awayTaker(after, shortOf(after), isThere) : null;
  if (taker !== null)
    return `shard ${taker.shard} is to take slots of it, and ${howToGoOn(topology, taker.node)}`;
  const rules = { replicationFactor: replicationFactorOf(topology), hash };
  const { targets } = planReplicas(after, rules, new Set(), silent);
  for (const shard of topology.shards) {
    const now = stayingNodes(shard);
    if (homes.includes(shard.id) || !now.includes(node)) continue;
    const target = targets.get(shard.id) ?? [];
    const entering = target.filter((id) => !now.includes(id));
    const staying = nodes.filter(({ leaving }) => leaving !== true).map(({ id }) => id);
    const wanted = entering.length > 0 ? entering : target.includes(node) ? staying : [];
    const away = wanted.find((id) => silent.has(id));
    if (away !== undefined)
      return `its replica of shard ${shard.id} has no other place, and ${howToGoOn(topology, away)}`;
  }
  return null;
}

function howToGoOn(topology: Topology, away: NodeId): string {
  const name = nodeName(topology, away);
  return `node ${name} does not answer: start it, or take it out: torc node remove --dead ${name}`;
}

/** It answers, or all that answer hear it. */
export function isAlive(node: NodeId, reports: Survey['reports']): boolean {
  if (reports.has(node)) return true;
  const told = [...reports.values()].map(({ members }) => members.find(({ id }) => id === node));
  return told.length > 0 && told.every((member) => member?.state === 'alive');
}

/** Why what the node holds cannot go to others now: a shard's replicas are replaced by its leader. Null: it can. */
export function whyUnled(node: NodeId, { topology, reports }: Survey): string | null {
  const unled = topology.shards.filter(
    (shard) =>
      shard.givenUp === undefined &&
      shard.replicas.some((row) => row.node === node) &&
      leaderOf(shard, reports) === null,
  );
  if (unled.length === 0) return null;
  const silent = topology.nodes.filter(({ id }) => !reports.has(id));
  const names = silent.map(({ host, clientPort }) => `${host}:${clientPort}`).join(', ');
  const which = unled.map(({ id }) => id).join(', ');
  return (
    `shard${unled.length > 1 ? 's' : ''} ${which} ${unled.length > 1 ? 'have' : 'has'} no leader now: ` +
    `wait until torc status shows one${names === '' ? '' : `, or start ${names}`}`
  );
}

function whyShardNeeds(
  node: NodeId,
  shard: ShardEntry,
  reports: Survey['reports'],
  silent: string,
): string | null {
  const own = shard.replicas.filter((row) => row.node === node).map(({ member }) => member);
  if (own.length === 0) return null;
  const leader = leaderOf(shard, reports);
  if (leader === null)
    return shard.replicas.length === own.length
      ? `shard ${shard.id} has no other replica, so its data would be lost: bring the directory back, or have torc shard give-up give it up`
      : `shard ${shard.id} has no leader now: wait until torc status shows one${silent === '' ? '' : `, or start ${silent}`}`;
  const nodeOf = (member: number): NodeId => shard.replicas.find((row) => row.member === member)?.node ?? '';
  for (const voters of [leader.voters, leader.votersOld]) {
    if (!voters.some((member) => own.includes(member))) continue;
    const serving = voters.filter((member) => !own.includes(member) && reports.has(nodeOf(member)));
    if (serving.length * 2 > voters.length) continue;
    return (
      `shard ${shard.id} would lose its quorum: of its ${voters.length} voters ${serving.length} others answer` +
      (silent === '' ? '' : `; start ${silent} first`)
    );
  }
  return null;
}

export function leaderOf({ id }: ShardEntry, reports: Survey['reports']): ReplicaStatus | null {
  const led = [...reports.values()]
    .flatMap(({ replicas }) => replicas)
    .filter(({ shard, role }) => shard === id && role === 'leader');
  return led.toSorted((a, b) => b.term - a.term).at(0) ?? null;
}

async function askTopology(ask: AskNode, address: Address): Promise<Topology | null> {
  const answer = await ask(address, '/api/topology');
  return answer?.status === HTTP_OK ? decodeTopology(Buffer.from(answer.body)) : null;
}

function newestOf(topologies: readonly (Topology | null)[]): Topology | null {
  let newest: Topology | null = null;
  for (const topology of topologies) {
    if (topology === null) continue;
    if (newest === null || isNewer(topology, newest)) newest = topology;
  }
  return newest;
}
