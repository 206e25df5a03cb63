import type { StatusReport } from '../../../src/admin/status.ts';
import { requestTo } from '../../../src/cli/topology-request.ts';
import { SystemRandom } from '../../../src/env/random.ts';
import { proofOf } from '../../../src/topology/change-proof.ts';
import type { TopologyChange } from '../../../src/topology/change.ts';
import { decodeTopology, encodeChange } from '../../../src/topology/topology-codec.ts';
import type { Topology } from '../../../src/topology/types.ts';
import type { TorcCluster } from './torc-cluster.ts';

const ATTEMPTS = 20;
/** A connection that was kept may have been closed by the node just then. */
const ANEW = { connection: 'close' };

export async function topologyOf({ nodes }: TorcCluster): Promise<Topology> {
  const response = await fetch(adminUrl(nodes[0].ports.admin), { headers: ANEW });
  const topology = decodeTopology(Buffer.from(await response.text()));
  if (topology === null) throw new Error('the admin port tells a topology');
  return topology;
}

/** As an operator does it: against the newest topology, again when another change came between. */
export async function changeTopology(cluster: TorcCluster, change: TopologyChange): Promise<Topology> {
  let refusal = '';
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const current = await topologyOf(cluster);
    const { clusterId, generation, epoch } = current;
    const { admin } = cluster.nodes[0].ports;
    const status = await fetch(`http://127.0.0.1:${admin}/api/status`, { headers: ANEW });
    const request = requestTo((await status.json()) as StatusReport, new SystemRandom());
    const on = { generation, epoch };
    const body = encodeChange({ clusterId, on, change, request }).toString();
    const headers = { ...ANEW, authorization: `torc ${proofOf('', body)}` };
    const response = await fetch(adminUrl(admin), { method: 'POST', body, headers });
    const text = await response.text();
    const changed = response.ok ? decodeTopology(Buffer.from(text)) : null;
    if (changed !== null) return changed;
    refusal = text;
  }
  throw new Error(`the change was not made: ${refusal}`);
}

function adminUrl(port: number): string {
  return `http://127.0.0.1:${port}/api/topology`;
}
