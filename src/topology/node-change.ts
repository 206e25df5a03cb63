/** Nodes that come and go, as the register records them, with the home shard that each brings (§6). */
import { unreachable } from '../assert.ts';
import { departedProblem, departing } from './departed.ts';
import type { Announcement, NodeEntry, NodeId, ShardEntry, ShardId, Topology } from './types.ts';

/** As many as a shard's id may count. */
const MAX_ORDINAL = 65_535;

export type NodeChange =
  /** A new node, with a home shard that has no slots yet and begins with a voter on it and on each of those beside it. */
  | { kind: 'add-node'; id: NodeId; announced: Announcement; beside: readonly NodeId[] }
  /** The node is reached elsewhere from now on, or has other labels. Its weight is the operator's once it is in the register. */
  | { kind: 'announce'; node: NodeId; announced: Announcement }
  /** Its slots and replicas are to go to the others. */
  | { kind: 'begin-leave'; node: NodeId }
  | { kind: 'cancel-leave'; node: NodeId }
  /** The shard of a leaving node has neither slots nor moves: its group's log may end. */
  | { kind: 'close-shard'; shard: ShardId }
  /** Its group's log has ended. */
  | { kind: 'remove-shard'; shard: ShardId }
  /** It has no replica any more, and is no home. */
  | { kind: 'remove-node'; node: NodeId };

/** The topology without its new epoch, or why not. */
export function applyNodeChange(current: Topology, change: NodeChange): Topology | string {
  switch (change.kind) {
    case 'add-node':
      return addNode(current, change.id, change.announced, change.beside);
    case 'announce':
      return announce(current, change.node, change.announced);
    case 'begin-leave':
      return beginLeave(current, change.node);
    case 'cancel-leave':
      return cancelLeave(current, change.node);
    case 'close-shard':
      return closeShard(current, change.shard);
    case 'remove-shard':
      return removeShard(current, change.shard);
    case 'remove-node':
      return removeNode(current, change.node);
    default:
      return unreachable(change, 'change');
  }
}

function addNode(
  current: Topology,
  id: NodeId,
  announced: Announcement,
  beside: readonly NodeId[],
): Topology | string {
  const { nodes, shards, nextOrdinal: ordinal, nextGroup: group } = current;
  const why = newcomerProblem(current, id);
  if (why !== null) return why;
  const there = occupantOf(nodes, announced);
  if (there !== undefined) return `node ${there.id} is at ${addressOf(announced)} already`;
  if (new Set(beside).size !== beside.length || beside.length % 2 !== 0)
    return 'the voters of a shard are an odd number of nodes';
  for (const other of beside) {
    const entry = nodes.find((node) => node.id === other);
    if (entry === undefined) return `there is no node ${other}`;
    if (entry.leaving === true) return `node ${other} is leaving the cluster: it gets no replica`;
  }
  const replicas = [id, ...beside].map((node, at) => ({ member: at + 1, node }));
  const first = replicas.map(({ member }) => member);
  const shard: ShardEntry = {
    id: ordinal,
    group,
    home: id,
    replicas,
    first,
    nextMember: replicas.length + 1,
  };
  return {
    ...current,
    nodes: [...nodes, { ...announced, id, ordinal }],
    nextOrdinal: ordinal + 1,
    shards: [...shards, shard],
    nextGroup: group + 1,
  };
}

function announce(current: Topology, id: NodeId, announced: Announcement): Topology | string {
  const node = current.nodes.find((entry) => entry.id === id);
  if (node === undefined) return `there is no node ${id}`;
  const there = occupantOf(current.nodes, announced);
  if (there !== undefined && there !== node) return `node ${there.id} is at ${addressOf(announced)} already`;
  if (!differs(node, announced)) return `node ${id} is known by that already`;
  return withNode(current, node, { ...node, ...announced, weight: node.weight });
}

/** Whether the node says something of itself that the register does not know. */
export function differs(node: NodeEntry, announced: Announcement): boolean {
  const { host, clientPort, redirectPort, peerPort, adminPort, zone, machine } = announced;
  return (
    node.host !== host ||
    node.clientPort !== clientPort ||
    node.redirectPort !== redirectPort ||
    node.peerPort !== peerPort ||
    node.adminPort !== adminPort ||
    node.zone !== zone ||
    node.machine !== machine
  );
}

function beginLeave(current: Topology, id: NodeId): Topology | string {
  const node = current.nodes.find((entry) => entry.id === id);
  if (node === undefined) return `there is no node ${id}`;
  if (node.leaving === true) return `node ${id} is leaving already`;
  const stays = current.nodes.some((entry) => entry !== node && entry.leaving !== true);
  if (!stays)
    return `no other node would stay to take what node ${node.host}:${node.clientPort} holds: add one first`;
  return withNode(current, node, { ...node, leaving: true });
}

function cancelLeave(current: Topology, id: NodeId): Topology | string {
  const node = current.nodes.find((entry) => entry.id === id);
  if (node?.leaving !== true) return `node ${id} is not leaving`;
  if (!current.shards.some(({ home, closing }) => home === id && closing === undefined))
    return `node ${id} has no home shard any more: let it leave, and add it again`;
  const { leaving: _, ...stays } = node;
  return withNode(current, node, stays);
}

function closeShard(current: Topology, id: ShardId): Topology | string {
  const shard = current.shards.find((entry) => entry.id === id);
  if (shard === undefined) return `there is no shard ${id}`;
  if (shard.closing !== undefined) return `shard ${id} is closing already`;
  if (current.nodes.find((node) => node.id === shard.home)?.leaving !== true)
    return `the home of shard ${id} is not leaving`;
  if (current.slots.some((run) => run.shard === id)) return `shard ${id} has slots`;
  if (current.moves.some(({ source, target }) => source === id || target === id))
    return `slots move from or to shard ${id}`;
  const closing = { generation: current.generation, epoch: current.epoch + 1 };
  return { ...current, shards: current.shards.map((row) => (row === shard ? { ...shard, closing } : row)) };
}

function removeShard(current: Topology, id: ShardId): Topology | string {
  const shard = current.shards.find((entry) => entry.id === id);
  if (shard?.closing === undefined) return `shard ${id} is not closing`;
  return { ...current, shards: current.shards.filter((row) => row !== shard) };
}

function removeNode(current: Topology, id: NodeId): Topology | string {
  const node = current.nodes.find((entry) => entry.id === id);
  if (node === undefined) return `there is no node ${id}`;
  if (node.leaving !== true) return `node ${id} is not leaving`;
  if (current.voters.includes(id)) return `node ${id} is a voter of the register`;
  for (const { id: shard, home, replicas } of current.shards) {
    if (home === id) return `node ${id} is the home of shard ${shard}`;
    if (replicas.some((row) => row.node === id)) return `node ${id} has a replica of shard ${shard}`;
  }
  return { ...current, nodes: current.nodes.filter((entry) => entry !== node), ...departing(current, [id]) };
}

/**
 * The dead node's home shard, slots and weight are the new one's, and so is its place wherever it had a replica or voted: what it had promised it may have
 * forgotten, so the members are others.
 */
export function replaceNode(
  current: Topology,
  old: NodeId,
  id: NodeId,
  announced: Announcement,
): Topology | string {
  const replaced = current.nodes.find((node) => node.id === old);
  if (replaced === undefined) return `there is no node ${old}`;
  const why = newcomerProblem(current, id);
  if (why !== null) return why;
  const there = occupantOf(current.nodes, announced);
  if (there !== undefined && there !== replaced)
    return `node ${there.id} is at ${addressOf(announced)} already`;
  if (replaced.leaving === true)
    return `node ${old} is leaving: let it leave, and start the new one without --replace`;
  const entry: NodeEntry = { ...announced, id, ordinal: current.nextOrdinal, weight: replaced.weight };
  const nodes = [...current.nodes.filter((node) => node !== replaced), entry];
  const shards = current.shards.map((shard): ShardEntry => {
    const home = shard.home === old ? id : shard.home;
    const stays = shard.replicas.filter(({ leaving }) => leaving !== true).map(({ node }) => node);
    if (!stays.includes(old)) return { ...shard, home };
    return {
      ...withReplicas(
        shard,
        stays.map((node) => (node === old ? id : node)),
      ),
      home,
    };
  });
  const voters = current.voters.map((voter) => (voter === old ? id : voter));
  return {
    ...current,
    nodes,
    nextOrdinal: current.nextOrdinal + 1,
    shards,
    voters,
    ...departing(current, [old]),
  };
}

/** Who is on other nodes leaves; nodes without a member get one. */
export function withReplicas(shard: ShardEntry, nodes: readonly NodeId[]): ShardEntry {
  let { nextMember } = shard;
  const kept = shard.replicas.map((row) => (nodes.includes(row.node) ? row : { ...row, leaving: true }));
  const isNew = (node: NodeId): boolean => !kept.some((row) => row.node === node);
  const added = nodes.filter(isNew).map((node) => ({ member: nextMember++, node }));
  return { ...shard, replicas: [...kept, ...added], nextMember };
}

/** Why no such node can be taken in. */
function newcomerProblem(current: Topology, id: NodeId): string | null {
  if (isKnown(current, id)) return `there is a node ${id} already`;
  if (current.nextOrdinal > MAX_ORDINAL)
    return `${MAX_ORDINAL} nodes are as many as a cluster has in its life`;
  return departedProblem(current, id);
}

/** A node that has left may still be named by a row. */
function isKnown({ nodes, shards }: Topology, id: NodeId): boolean {
  return (
    nodes.some((node) => node.id === id) ||
    shards.some(({ replicas }) => replicas.some(({ node }) => node === id))
  );
}

function occupantOf(nodes: readonly NodeEntry[], { host, peerPort }: Announcement): NodeEntry | undefined {
  return nodes.find((node) => node.host === host && node.peerPort === peerPort);
}

function addressOf({ host, peerPort }: Announcement): string {
  return `${host}:${peerPort}`;
}

function withNode(current: Topology, node: NodeEntry, by: NodeEntry): Topology {
  return { ...current, nodes: current.nodes.map((entry) => (entry === node ? by : entry)) };
}
