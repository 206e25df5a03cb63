import type { SeededRandom } from '../../../../src/env/sim/random.ts';
import { proofOf } from '../../../../src/topology/change-proof.ts';
import type { TopologyChange } from '../../../../src/topology/change.ts';
import { drawId } from '../../../../src/topology/cluster-file.ts';
import { encodeChange } from '../../../../src/topology/topology-codec.ts';
import type { Topology } from '../../../../src/topology/types.ts';
import { HOST, portOf } from '../cluster.ts';
import type { World } from './world.ts';

const ADMIN = 2000;

/** Has the topology changed as an operator would; `done` is called when it was. `draw`: null when there is nothing to change. */
export function changeTopology(
  world: World,
  random: SeededRandom,
  draw: (topology: Topology) => TopologyChange | null,
  done: () => void,
): void {
  const ready = world.victims.filter(({ isReady, parts }) => isReady && parts !== null);
  if (ready.length === 0) return;
  const { i, parts } = ready[random.below(ready.length)];
  if (parts === null) return;
  const { topology, self, start } = parts;
  const change = draw(topology);
  if (change === null) return;
  const { clusterId, generation, epoch } = topology;
  const on = { generation, epoch };
  const asked = { id: drawId(random), node: self, start };
  const body = encodeChange({ clusterId, on, change, request: asked }).toString();
  const request = {
    method: 'POST',
    path: '/api/topology',
    query: new URLSearchParams(),
    body,
    authorization: `torc ${proofOf('', body)}`,
    peerAddress: HOST,
  };
  world.cluster.network
    .request({ host: HOST, port: portOf(i) + ADMIN }, request)
    .then(({ status }) => {
      if (status === 200) done();
    })
    // Nobody listens there any more.
    .catch(() => {});
}
