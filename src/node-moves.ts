import type { Env } from './env/contracts.ts';
import type { Log } from './log.ts';
import type { NodeReplicas } from './node-replicas.ts';
import type { NodeTopology } from './node-topology.ts';
import { NodeMoves } from './server/moves/node-moves.ts';
import type { Router } from './server/router.ts';
import type { ClientServer } from './server/server.ts';
import type { Settings } from './settings/rows.ts';
import type { Engine } from './shard/engine.ts';
import type { NodeId } from './topology/types.ts';
import type { Mesh } from './transport/types.ts';

interface MovingParts {
  self: NodeId;
  env: Env;
  settings: Settings;
  log: Log;
  engine: Engine;
  router: Router;
  replicas: NodeReplicas;
  mesh: Mesh;
  server: ClientServer;
  topology: NodeTopology;
}

/** What the node does about moves, put together from its parts. */
export function makeMoves(parts: MovingParts): NodeMoves {
  const { self, env, settings, log, engine, router, replicas, mesh, server, topology } = parts;
  return new NodeMoves({
    self,
    env,
    engine,
    router,
    replicas,
    log,
    spread: () => topology.spreading,
    links: () => mesh.links,
    topology: () => topology.current,
    latencies: () => server.statistics.latency,
    maxBytesPerSecond: () => settings.rebalanceMaxBytesPerSecond,
  });
}
