import { applyChange, type TopologyChange } from '../../src/topology/change.ts';
import type { Announcement, NodeId, Topology } from '../../src/topology/types.ts';
import { oneNode } from './one-node.ts';

/** Of node `at`, from 1. */
export function nodeId(at: number): NodeId {
  return at === 1 ? 'a'.repeat(40) : at.toString(16).padStart(40, '0');
}

export function announcedAs(at: number, machine = `m${at}`, zone = ''): Announcement {
  const PORTS = { clientPort: 1, redirectPort: 2, peerPort: 100 + at, adminPort: 4 };
  return { host: 'h', ...PORTS, zone, machine, weight: 1 };
}

/** What the topology becomes by the changes. Throws with the reason of one that is refused. */
export function after(current: Topology, ...changes: TopologyChange[]): Topology {
  return changes.reduce((now, change) => {
    const changed = applyChange(now, change);
    if (typeof changed === 'string') throw new Error(changed);
    return { ...changed, epoch: now.epoch + 1 };
  }, current);
}

/** Nodes 1 to `count`, each with a home shard of its own; their shards have one replica each. */
export function manyNodes(count: number): Topology {
  const changes = Array.from({ length: count - 1 }, (_, i): TopologyChange => {
    const at = i + 2;
    return { kind: 'add-node', id: nodeId(at), announced: announcedAs(at), beside: [] };
  });
  const first = oneNode(1, 1);
  return after({ ...first, nodes: [{ ...first.nodes[0], ...announcedAs(1) }] }, ...changes);
}
