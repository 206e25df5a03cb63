/** The workers of a run, each with a client library of its own, and where they go. */
import type { TorcNode } from '../cluster/torc-node.ts';
import type { TestClient } from './client.ts';
import {
  ioredisClient,
  ioredisClusterClient,
  ioredisSentinelClient,
  nodeRedisClient,
  nodeRedisSentinelClient,
} from './libraries.ts';
import type { Endpoint } from './libraries.ts';
import type { Recorder } from './recorder.ts';
import { Worker } from './workload.ts';

/** A worker, and the node whose client port it uses; null when it goes where it likes. */
export interface Placed {
  worker: Worker;
  node: number | null;
}

export interface Pace {
  pauseMs: number;
  maxPaddingBytes?: number;
}

/** Each library at each node, those of Sentinel from each node on, and one of Redis Cluster. */
export async function placeClients(
  nodes: readonly TorcNode[],
  recorder: Recorder,
  { pauseMs, maxPaddingBytes = 0 }: Pace,
): Promise<Placed[]> {
  const placed: Placed[] = [];
  const add = (client: TestClient, node: number | null): void => {
    placed.push({ worker: new Worker(client, recorder, pauseMs, maxPaddingBytes), node });
  };
  const clientPorts = nodes.map(({ site, ports }): Endpoint => ({ host: site.host, port: ports.client }));
  for (const [at, endpoint] of clientPorts.entries()) {
    add(await ioredisClient(`ioredis-${at}`, endpoint), at);
    add(await nodeRedisClient(`node-redis-${at}`, endpoint), at);
  }
  for (const first of clientPorts.keys()) {
    const rotated = [...clientPorts.slice(first), ...clientPorts.slice(0, first)];
    add(await ioredisSentinelClient(`ioredis-sentinel-${first}`, rotated), null);
    add(await nodeRedisSentinelClient(`node-redis-sentinel-${first}`, rotated), null);
  }
  const redirectPorts = nodes.map(({ site, ports }) => ({ host: site.host, port: ports.redirect }));
  add(await ioredisClusterClient('ioredis-cluster-0', redirectPorts), null);
  return placed;
}

/** `ioredis-sentinel` of `ioredis-sentinel-2`. */
export function kindOf({ worker }: Placed): string {
  return worker.client.name.replace(/-\d+$/, '');
}
