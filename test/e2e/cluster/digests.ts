/** Whether all replicas of all shards hold the same state: compared at an equal applied index, once nothing more is written. */
import { pause, type TorcCluster } from './torc-cluster.ts';
import type { StateDigest } from './torc-node.ts';

const TIMEOUT_MS = 30_000;
const POLL_MS = 100;

export interface ComparedShard {
  shard: number;
  replicas: number;
  index: number;
}

/** Throws when two replicas differ, or do not come to the same index in time. */
export async function compareDigests(cluster: TorcCluster): Promise<ComparedShard[]> {
  const replicas = new Map<number, number[]>();
  for (const [at, node] of cluster.nodes.entries()) {
    for (const { shard } of (await node.status()).replicas) {
      replicas.set(shard, [...(replicas.get(shard) ?? []), at]);
    }
  }
  const compared: ComparedShard[] = [];
  for (const [shard, holders] of replicas) compared.push(await compareShard(cluster, shard, holders));
  return compared;
}

async function compareShard(
  cluster: TorcCluster,
  shard: number,
  holders: readonly number[],
): Promise<ComparedShard> {
  const deadlineMs = performance.now() + TIMEOUT_MS;
  for (;;) {
    const digests = await Promise.all(holders.map((at) => cluster.nodes[at].digest(shard).catch(String)));
    const told = digests.map((one) => JSON.stringify(one)).join('\n');
    const known = digests.filter((one): one is StateDigest => typeof one !== 'string');
    const [first] = known;
    if (known.length === holders.length && known.every(({ index }) => index === first.index)) {
      if (known.some(({ digest }) => digest !== first.digest))
        throw new Error(`replicas of shard ${shard} differ:\n${told}`);
      return { shard, replicas: holders.length, index: first.index };
    }
    if (performance.now() > deadlineMs)
      throw new Error(`replicas of shard ${shard} do not come to the same index:\n${told}`);
    await pause(POLL_MS);
  }
}
