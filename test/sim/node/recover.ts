/** `torc topology recover` of a simulated cluster. */
import type { Answered } from '../../../src/cli/http-get.ts';
import { recoverTopology } from '../../../src/cli/recover-topology.ts';
import type { Address } from '../../../src/env/contracts.ts';
import { SeededRandom } from '../../../src/env/sim/random.ts';
import type { Topology } from '../../../src/topology/types.ts';
import { HOST, type SimCluster } from './cluster.ts';

const ADMIN = 2000;

/** To be waited for by passing time. */
export function startRecovery(cluster: SimCluster, from: number, isSure: boolean): Promise<Topology> {
  const request = async (
    to: Address,
    method: string,
    path: string,
    body: string,
    authorization: string,
  ): Promise<Answered | null> => {
    try {
      const asked = { method, path, query: new URLSearchParams(), body, authorization, peerAddress: HOST };
      const answer = await cluster.network.request(to, asked);
      return { status: answer.status, body: answer.body.toString() };
    } catch {
      return null;
    }
  };
  return recoverTopology({
    random: new SeededRandom(7),
    from: { host: HOST, port: cluster.portOf(from) + ADMIN },
    secret: '',
    isSure,
    ask: (to, path) => request(to, 'GET', path, '', ''),
    post: (to, path, body, authorization) => request(to, 'POST', path, body, authorization),
  });
}
