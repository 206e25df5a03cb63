/** `torc repair --discard-replica` for a node of a simulated cluster. */
import { attachDisk } from '../../../src/env/sim/disk-process.ts';
import { SimulatedTimers } from '../../../src/env/sim/clock.ts';
import { SeededRandom } from '../../../src/env/sim/random.ts';
import type { Address } from '../../../src/env/contracts.ts';
import { discardReplica, type Repaired } from '../../../src/cli/discard-replica.ts';
import type { Answered } from '../../../src/cli/http-get.ts';
import type { SimCluster } from './cluster.ts';

const HOST = '127.0.0.1';

export function repairNode(
  cluster: SimCluster,
  i: number,
  address: Address | null = null,
): Promise<Repaired> {
  return cluster.settle(startRepair(cluster, i, address));
}

/** To be waited for by passing time: it may be broken off. */
export function startRepair(
  cluster: SimCluster,
  i: number,
  address: Address | null = null,
  /** Called when the disk is the repair's. */
  attached: () => void = () => {},
): Promise<Repaired> {
  const timers = new SimulatedTimers(cluster.scheduler);
  const clientPort = cluster.portOf(i);
  const request = async (
    to: Address,
    method: string,
    path: string,
    body = '',
    authorization = '',
  ): Promise<Answered | null> => {
    try {
      const query = new URLSearchParams();
      const asked = { method, path, query, body, authorization, peerAddress: HOST };
      const answer = await cluster.network.request(to, asked);
      return { status: answer.status, body: answer.body.toString() };
    } catch {
      return null;
    }
  };
  const disk = attachDisk(cluster.nodes[i].disk, timers);
  attached();
  return discardReplica({
    disk,
    random: new SeededRandom(clientPort * 31 + cluster.scheduler.nowMs),
    directory: '/data',
    announced: {
      host: HOST,
      clientPort,
      redirectPort: clientPort + 1000,
      peerPort: clientPort + 10_000,
      adminPort: clientPort + 2000,
      zone: '',
      machine: `node-${i}`,
      weight: 100,
    },
    secret: '',
    address,
    node: null,
    ask: (to, path) => request(to, 'GET', path),
    post: (to, path, body, authorization) => request(to, 'POST', path, body, authorization),
    pause: () => new Promise((resolve) => timers.after(200, resolve)),
  });
}
