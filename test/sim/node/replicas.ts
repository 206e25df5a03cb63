/** What must hold of the replicas of each shard once all is well and nobody writes. */
import type { StatusReport } from '../../../src/admin/status.ts';
import type { SimCluster } from './cluster.ts';

const ATTEMPTS = 50;
const PAUSE_MS = 100;

interface Digest {
  index: number;
  digest: string;
}

/** Null: each replica of a shard has the same state, and within its budget, if all that is above is evicted. */
export async function wrongReplicas(cluster: SimCluster, evictsAll: boolean): Promise<string | null> {
  for (const i of cluster.nodes.keys()) {
    const { replicas } = (await cluster.admin(i, '/api/status')) as StatusReport;
    for (const { shard, memoryBytes, budgetBytes } of replicas) {
      if (evictsAll && memoryBytes > budgetBytes)
        return `shard ${shard} takes ${memoryBytes} bytes on node ${i}, and may take ${budgetBytes}`;
      const wrong = await wrongDigests(cluster, shard);
      if (wrong !== null) return wrong;
    }
  }
  return null;
}

/** The nodes with a replica of the shard. */
async function holdersOf(cluster: SimCluster, shard: number): Promise<number[]> {
  const holders: number[] = [];
  for (const i of cluster.nodes.keys()) {
    const { replicas } = (await cluster.admin(i, '/api/status')) as StatusReport;
    if (replicas.some((replica) => replica.shard === shard)) holders.push(i);
  }
  return holders;
}

async function wrongDigests(cluster: SimCluster, shard: number): Promise<string | null> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const digests: (Digest | null)[] = [];
    for (const i of await holdersOf(cluster, shard))
      digests.push((await cluster.admin(i, '/api/digest', { shard: String(shard) })) as Digest | null);
    const [first] = digests;
    if (first !== null && digests.every((one) => one?.index === first.index)) {
      const isSame = digests.every((one) => one?.digest === first.digest);
      return isSame
        ? null
        : `the replicas of shard ${shard} differ at ${first.index}: ${JSON.stringify(digests)}`;
    }
    await cluster.pass(PAUSE_MS);
  }
  return `the replicas of shard ${shard} never came to the same index`;
}
