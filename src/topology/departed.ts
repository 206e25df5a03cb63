/** Nodes that have left the register. Their sessions end by it, in each group's log, and their ids are of no use any more. */
import type { NodeId, Topology } from './types.ts';

/** So many are told of: by the time that one is forgotten the groups have long ended its sessions. */
export const DEPARTED_REMEMBERED = 128;

/** To be spread into the topology that these leave. */
export function departing({ departed = [] }: Topology, gone: readonly NodeId[]): Pick<Topology, 'departed'> {
  return gone.length === 0 ? {} : { departed: [...departed, ...gone].slice(-DEPARTED_REMEMBERED) };
}

/** Why the node cannot be taken in; null: it was not of the cluster before, as far as that is remembered. */
export function departedProblem({ departed = [] }: Topology, id: NodeId): string | null {
  if (!departed.includes(id)) return null;
  return `node ${id} has left the cluster: its directory is of no use any more, and an empty one makes another node of it`;
}
