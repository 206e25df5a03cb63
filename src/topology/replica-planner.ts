/**
 * Where the replicas of each shard should be, and the way there, one replica of a shard at a time. Replication grows by itself as nodes come:
 * a replica, then a voter and a learner, then voters up to the replication factor. Pure: the same input gives the same plan on every node.
 */
import { adjustReplicas, type Candidate, type TokenHash } from '../../ring/index.ts';
import type { Announcement, NodeEntry, NodeId, ShardEntry, ShardId, Topology } from './types.ts';

export interface PlacementRules {
  replicationFactor: number;
  hash: TokenHash;
}

export interface ReplicaPlan {
  /** By shard: the nodes that should have a replica. */
  targets: ReadonlyMap<ShardId, readonly NodeId[]>;
  /** Shards that the loss of one machine may cost their quorum, wherever their replicas are put: there are too few machines. */
  endangered: readonly ShardId[];
}

const NOBODY: ReadonlySet<NodeId> = new Set();

/**
 * `lost`: nodes that do not come back: others take their replicas, as far as there are any. `silent`: nodes that may come back: they keep what they
 * have, and nothing waits for them to take more.
 */
export function planReplicas(
  topology: Topology,
  rules: PlacementRules,
  lost: ReadonlySet<NodeId> = NOBODY,
  silent: ReadonlySet<NodeId> = NOBODY,
): ReplicaPlan {
  const nodeOf = new Map(topology.shards.map(({ id, home }) => [id, home]));
  const shardOf = new Map(topology.shards.map(({ id, home }) => [home, id]));
  const ending = new Set(topology.shards.filter((shard) => isEnding(topology, shard, lost, silent)));
  const current = topology.shards
    .filter((shard) => !ending.has(shard))
    .map((shard) => ({
      shard: shard.id,
      members: stayingNodes(shard).flatMap((node) => shardOf.get(node) ?? []),
    }));
  const candidates = candidatesOf(topology, rules, shardOf, lost, silent);
  const sets = adjustReplicas(candidates, current, rules.replicationFactor, rules.hash);
  const wanted = Math.min(rules.replicationFactor, candidates.length);
  const placed = new Map(sets.map(({ shard, members }) => [shard, members]));
  return {
    targets: new Map(
      topology.shards.map((shard) => {
        if (ending.has(shard)) return [shard.id, stayingNodes(shard)];
        const target = (placed.get(shard.id) ?? []).flatMap((home) => nodeOf.get(home) ?? []);
        return [shard.id, completed(target, stayingNodes(shard), wanted)];
      }),
    ),
    endangered: sets.filter(({ survivesHostLoss }) => !survivesHostLoss).map(({ shard }) => shard),
  };
}

/**
 * Of a node that leaves and is there. Its slots go to other shards, and then its group ends: until then it stays where it is. Others would only take in what
 * goes elsewhere; and Redis Cluster clients would lose sight of the node, and of what they have under way there, as soon as another leads.
 */
function isEnding(
  { nodes }: Topology,
  shard: ShardEntry,
  lost: ReadonlySet<NodeId>,
  silent: ReadonlySet<NodeId>,
): boolean {
  const { home } = shard;
  const isLeaving = nodes.some(({ id, leaving }) => id === home && leaving === true);
  const members = stayingNodes(shard);
  if (!isLeaving || !members.includes(home) || silent.has(home)) return false;
  return !members.some((node) => lost.has(node));
}

/** Who is to go stays while nobody can take its place. */
function completed(target: NodeId[], now: readonly NodeId[], wanted: number): NodeId[] {
  const kept = now.filter((node) => !target.includes(node));
  return [...target, ...kept.slice(0, Math.max(0, wanted - target.length))];
}

/** The nodes that a new node's home shard begins on, besides itself. */
export function besideNew(
  topology: Topology,
  rules: PlacementRules,
  announced: Announcement,
  away: ReadonlySet<NodeId>,
): NodeId[] {
  const id = 'new';
  const home: NodeEntry = { ...announced, id, ordinal: topology.nextOrdinal };
  const shard: ShardEntry = {
    id: topology.nextOrdinal,
    group: topology.nextGroup,
    home: id,
    replicas: [{ member: 1, node: id }],
    first: [1],
    nextMember: 2,
  };
  const grown = { ...topology, nodes: [...topology.nodes, home], shards: [...topology.shards, shard] };
  const target = planReplicas(grown, rules, away).targets.get(shard.id) ?? [];
  const others = target.filter((node) => node !== id && !away.has(node));
  return others.slice(0, others.length - (others.length % 2));
}

/**
 * Where the successor of a lost shard begins; null: no node is there for it. Where its home was, if that is to stay. `holder`: it begins with what
 * that node holds, and there alone; the others follow.
 */
export function successorPlace(
  topology: Topology,
  rules: PlacementRules,
  shard: ShardEntry,
  away: ReadonlySet<NodeId>,
  holder: NodeId | null,
): { home: NodeId; voters: readonly NodeId[] } | null {
  const staying = topology.nodes.filter(({ leaving }) => leaving !== true);
  const there = staying.filter(({ id }) => !away.has(id));
  const homesOf = (node: NodeId): number => topology.shards.filter(({ home }) => home === node).length;
  const freest = there.toSorted((a, b) => homesOf(a.id) - homesOf(b.id) || a.ordinal - b.ordinal).at(0);
  if (freest === undefined) return null;
  const home = staying.some(({ id }) => id === shard.home) ? shard.home : freest.id;
  if (holder !== null) return { home, voters: [holder] };
  const first = away.has(home) ? freest.id : home;
  const begun = { ...shard, home, replicas: [{ member: 1, node: first }], givenUp: undefined };
  const shards = topology.shards.map((row) => (row === shard ? begun : row));
  const target = planReplicas({ ...topology, shards }, rules, away).targets.get(shard.id) ?? [];
  const others = target.filter((node) => node !== first && !away.has(node));
  return { home, voters: [first, ...others.slice(0, others.length - (others.length % 2))] };
}

/**
 * The nodes of the shard after the next change of its row; null when they are as they should be. One that enters comes together with one that goes,
 * so that it has caught up before the other is gone. `goesFirst`: those that can do the least for the shard.
 */
export function nextPlacement(
  shard: ShardEntry,
  target: readonly NodeId[],
  goesFirst: (node: NodeId) => boolean,
): readonly NodeId[] | null {
  const now = stayingNodes(shard);
  const entering = target.filter((node) => !now.includes(node));
  const going = now.filter((node) => !target.includes(node));
  const gone = going.find(goesFirst) ?? going.at(0);
  if (entering.length > 0 && now.length < target.length) return [...now, entering[0]];
  if (entering.length === 0 && gone === undefined) return null;
  return [...now.filter((node) => node !== gone), ...entering.slice(0, 1)];
}

/** As the shards show it: that is odd, and there may be too few nodes for it. */
export function replicationFactorOf({ shards }: Topology): number {
  const most = Math.max(1, ...shards.map((shard) => stayingNodes(shard).length));
  return most + 1 - (most % 2);
}

export function stayingNodes({ replicas }: ShardEntry): NodeId[] {
  return replicas.filter(({ leaving }) => leaving !== true).map(({ node }) => node);
}

/** Nodes are named by the shard whose home they are. A lost node's replicas stay in the rows while nobody could take them. */
function candidatesOf(
  { nodes }: Topology,
  { replicationFactor }: PlacementRules,
  shardOf: ReadonlyMap<NodeId, ShardId>,
  lost: ReadonlySet<NodeId>,
  silent: ReadonlySet<NodeId>,
): Candidate[] {
  const staying = nodes.filter(({ id, leaving }) => leaving !== true && shardOf.has(id));
  const living = staying.filter(({ id }) => !lost.has(id));
  const enough = Math.min(replicationFactor, staying.length);
  return (living.length >= enough ? living : staying).map(({ id, zone, machine }) => ({
    shard: shardOf.get(id) ?? 0,
    zone,
    host: machine,
    isFull: silent.has(id),
  }));
}
