/** Changes of a simulated cluster's topology, as `torc repair` makes them, and what its groups make of them. */
import type { ReplicaStatus, StatusReport } from '../../../src/admin/status.ts';
import { proofOf } from '../../../src/topology/change-proof.ts';
import type { TopologyChange } from '../../../src/topology/change.ts';
import { requestTo } from '../../../src/cli/topology-request.ts';
import { decodeTopology, encodeChange } from '../../../src/topology/topology-codec.ts';
import type { Topology } from '../../../src/topology/types.ts';
import type { SimCluster } from './cluster.ts';

/** The newest that any node tells of. */
export async function newestTopology(cluster: SimCluster): Promise<Topology> {
  let newest: Topology | null = null;
  for (const i of running(cluster)) {
    const told = decodeTopology(Buffer.from(JSON.stringify(await cluster.admin(i, '/api/topology'))));
    if (told !== null && told.epoch > (newest?.epoch ?? 0)) newest = told;
  }
  if (newest === null) throw new Error('no node knows a topology');
  return newest;
}

/** Has it decided, by a node that runs; null when it was not. */
export async function changeTopology(cluster: SimCluster, change: TopologyChange): Promise<Topology | null> {
  const current = await newestTopology(cluster);
  const { clusterId, generation, epoch } = current;
  const [at] = running(cluster);
  const report = (await cluster.admin(at, '/api/status')) as StatusReport | null;
  if (report === null) return null;
  const request = requestTo(report, cluster.requests);
  const body = encodeChange({ clusterId, on: { generation, epoch }, change, request }).toString();
  const port = report.node.adminPort;
  const answer = await cluster.post(port, '/api/topology', body, `torc ${proofOf('', body)}`);
  return answer === null ? null : decodeTopology(Buffer.from(answer));
}

/** What the replica of the shard tells that leads it; null: none does. */
export async function leaderOf(
  cluster: SimCluster,
  shard: number,
): Promise<{ at: number; status: ReplicaStatus } | null> {
  let found: { at: number; status: ReplicaStatus } | null = null;
  for (const at of running(cluster)) {
    const report = (await cluster.admin(at, '/api/status')) as StatusReport | null;
    const status = report?.replicas.find((row) => row.shard === shard && row.role === 'leader');
    if (status !== undefined && status.term > (found?.status.term ?? 0)) found = { at, status };
  }
  return found;
}

/** The register and the log say the same of every shard, and nothing is on its way. */
export async function isSettled(cluster: SimCluster): Promise<boolean> {
  const topology = await newestTopology(cluster);
  for (const shard of topology.shards) {
    if (shard.replicas.some(({ leaving }) => leaving === true)) return false;
    const leader = await leaderOf(cluster, shard.id);
    if (leader === null || leader.status.votersOld.length > 0) return false;
    const members = [...leader.status.voters, ...leader.status.learners].toSorted((a, b) => a - b);
    if (members.join() !== shard.replicas.map(({ member }) => member).join()) return false;
    if (leader.status.voters.length % 2 !== 1) return false;
  }
  return true;
}

export async function untilSettled(cluster: SimCluster, limitMs = 30_000): Promise<void> {
  const untilMs = cluster.scheduler.nowMs + limitMs;
  while (!(await isSettled(cluster))) {
    if (cluster.scheduler.nowMs > untilMs) {
      const topology = await newestTopology(cluster);
      const leaders = await Promise.all(topology.shards.map(({ id }) => leaderOf(cluster, id)));
      throw new Error(
        `the members are not as they should be: ${JSON.stringify(topology.shards)} ${JSON.stringify(leaders)}`,
      );
    }
    await cluster.pass(100);
  }
}

function running(cluster: SimCluster): number[] {
  return [...cluster.nodes.keys()].filter((i) => cluster.nodes[i].running !== null);
}
