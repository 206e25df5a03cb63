/** Clusters as plans see them: a node a shard. */
import { slotPreferences, loadTokenHash, runsOf, type SlotTable } from '../../ring/index.ts';
import { applyChange, type TopologyChange } from '../../src/topology/change.ts';
import type { NodeEntry, ShardEntry, ShardId, Topology } from '../../src/topology/types.ts';

const hash = await loadTokenHash();
const VNODES = 8;

export function preferences(shards: readonly ShardId[]): SlotTable {
  return slotPreferences(shards, hash, VNODES);
}

export function nodeId(ordinal: number): string {
  // As random as ids are: nothing of them can be left out.
  let state = BigInt(ordinal) * 0x9e3779b97f4a7c15n + 0x1234567n;
  let text = '';
  while (text.length < 40) {
    state = (state * 6364136223846793005n + 1442695040888963407n) % 2n ** 64n;
    text += state.toString(16).padStart(16, '0').slice(0, 8);
  }
  return text;
}

/** Nodes of these weights, from ordinal 1 on, whose home shards own what `owners` says. */
export function cluster(weights: readonly number[], owners: SlotTable, replicas = 1): Topology {
  const nodes = weights.map((weight, at) => nodeEntry(at + 1, weight));
  return {
    clusterId: 'c'.repeat(40),
    generation: 1,
    epoch: 1,
    version: 1,
    nodes,
    nextOrdinal: nodes.length + 1,
    nextGroup: nodes.length + 1,
    voters: nodes.slice(0, Math.min(3, nodes.length)).map(({ id }) => id),
    shards: nodes.map((_, at) => shardEntry(nodes, at, replicas)),
    slots: runsOf(owners),
    moves: [],
  };
}

/** The topology after these changes, an epoch each. Throws why one is refused. */
export function after(current: Topology, ...changes: TopologyChange[]): Topology {
  return changes.reduce((now, change) => {
    const changed = applyChange(now, change);
    if (typeof changed === 'string') throw new Error(changed);
    return { ...changed, epoch: now.epoch + 1 };
  }, current);
}

function nodeEntry(ordinal: number, weight: number): NodeEntry {
  return {
    id: nodeId(ordinal),
    ordinal,
    host: `torc-${ordinal}.cache.svc.cluster.local`,
    clientPort: 6379,
    redirectPort: 7379,
    peerPort: 16_379,
    adminPort: 8379,
    zone: `eu-central-1${'abc'[ordinal % 3]}`,
    machine: `host-${Math.ceil(ordinal / 4)}`,
    weight,
  };
}

function shardEntry(nodes: readonly NodeEntry[], at: number, replicas: number): ShardEntry {
  const members = Array.from({ length: replicas }, (_, member) => ({
    member: member + 1,
    node: nodes[(at + member) % nodes.length].id,
  }));
  return {
    id: at + 1,
    group: at + 1,
    home: nodes[at].id,
    replicas: members,
    first: members.map(({ member }) => member),
    nextMember: replicas + 1,
  };
}

/** The same with these nodes about to leave, by their ordinals. */
export function withLeaving(topology: Topology, ...ordinals: number[]): Topology {
  const nodes = topology.nodes.map((node) =>
    ordinals.includes(node.ordinal) ? { ...node, leaving: true } : node,
  );
  return { ...topology, nodes };
}
