import { proofOf } from '../../../../src/topology/change-proof.ts';
import type { TopologyChange } from '../../../../src/topology/change.ts';
import { deciderOf } from '../../../../src/topology/decision.ts';
import { encodeChange } from '../../../../src/topology/topology-codec.ts';
import type { Topology } from '../../../../src/topology/types.ts';
import { HOST, portOf } from '../cluster.ts';
import type { World } from './world.ts';

const ADMIN = 2000;

/** Has the topology changed as an operator would; `done` is called when it was. `draw`: null when there is nothing to change. */
export function changeTopology(
  world: World,
  draw: (topology: Topology) => TopologyChange | null,
  done: () => void,
): void {
  const decider = world.victims.find(
    ({ isReady, parts }) => isReady && parts !== null && parts.self === deciderOf(parts.topology),
  );
  const topology = decider?.parts?.topology;
  if (decider === undefined || topology === undefined) return;
  const change = draw(topology);
  if (change === null) return;
  const { clusterId, generation, epoch } = topology;
  const body = encodeChange({ clusterId, on: { generation, epoch }, change }).toString();
  const request = {
    method: 'POST',
    path: '/api/topology',
    query: new URLSearchParams(),
    body,
    authorization: `torc ${proofOf('', body)}`,
    peerAddress: HOST,
  };
  world.cluster.network
    .request({ host: HOST, port: portOf(decider.i) + ADMIN }, request)
    .then(({ status }) => {
      if (status === 200) done();
    })
    // Nobody listens there any more.
    .catch(() => {});
}
