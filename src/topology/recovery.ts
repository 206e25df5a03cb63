/** What becomes of the topology when a majority of its voters is lost for good, and an operator says who is left (design section 6). Pure. */
import { departing } from './departed.ts';
import type { Epoch, NodeId, ReplicaEntry, ShardEntry, ShardId, Topology } from './types.ts';
import { firstVoters } from './voters.ts';

/** Why these cannot go on from it; null when they can. Bound: who cannot vote, since an earlier recovery did not end. */
export function recoveryProblem(
  { nodes, voters }: Topology,
  survivors: readonly NodeId[],
  bound: readonly NodeId[],
): string | null {
  const stranger = survivors.find((node) => !nodes.some(({ id }) => id === node));
  if (stranger !== undefined) return `there is no node ${stranger}`;
  if (new Set(survivors).size !== survivors.length) return 'a node survives once';
  const left = voters.filter((voter) => survivors.includes(voter) && !bound.includes(voter)).length;
  if (left * 2 > voters.length)
    return `${left} of the ${voters.length} voters are left, which is a majority: nothing has to be given up`;
  return null;
}

/** Shards most of whose voters are lost with the others: they serve nothing until those come back. */
export function lostShards({ shards }: Topology, survivors: readonly NodeId[]): ShardId[] {
  const isLost = ({ replicas }: ShardEntry): boolean => {
    const staying = replicas.filter(({ leaving }) => leaving !== true);
    return staying.filter(({ node }) => survivors.includes(node)).length * 2 <= staying.length;
  };
  return shards.filter(isLost).map(({ id }) => id);
}

/** The others are taken out; their members stay in the rows as leaving, since the groups' logs may name them. */
export function recoveredTopology(current: Topology, survivors: readonly NodeId[], at: Epoch): Topology {
  const nodes = current.nodes.filter(({ id }) => survivors.includes(id));
  const ids = nodes.map(({ id }) => id);
  const gone = current.nodes.map(({ id }) => id).filter((id) => !survivors.includes(id));
  const { generation, epoch } = at;
  return {
    ...current,
    generation,
    epoch,
    nodes,
    ...departing(current, gone),
    voters: firstVoters(nodes),
    shards: current.shards.map((shard, index) => survivingShard(shard, ids, index)),
  };
}

/** Who has a replica keeps it; as many as are lost go to other survivors, where there are any, not all to the same. */
function survivingShard(shard: ShardEntry, survivors: readonly NodeId[], index: number): ShardEntry {
  let { nextMember } = shard;
  const kept = shard.replicas.map((row) => (survivors.includes(row.node) ? row : { ...row, leaving: true }));
  const lost = shard.replicas.filter(({ node, leaving }) => leaving !== true && !survivors.includes(node));
  const start = index % survivors.length;
  const free = [...survivors.slice(start), ...survivors.slice(0, start)].filter(
    (node) => !shard.replicas.some((row) => row.node === node),
  );
  const added = free.slice(0, lost.length).map((node) => ({ member: nextMember++, node }));
  const replicas: ReplicaEntry[] = [...kept, ...added];
  const holder = replicas.find(({ node, leaving }) => leaving !== true && survivors.includes(node));
  const home = survivors.includes(shard.home) ? shard.home : (holder?.node ?? survivors[start]);
  return { ...shard, replicas, home, nextMember };
}
