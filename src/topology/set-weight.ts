/** `torc node weight`: the share of the slots that a node's home shard is to have, relative to the others. */
import type { NodeId, Topology } from './types.ts';

/** The topology without its new epoch, or why not. */
export function setWeight(current: Topology, node: NodeId, weight: number): Topology | string {
  const entry = current.nodes.find(({ id }) => id === node);
  if (entry === undefined) return `there is no node ${node}`;
  if (entry.weight === weight) return `the weight of node ${node} is ${weight} already`;
  return { ...current, nodes: current.nodes.map((row) => (row === entry ? { ...entry, weight } : row)) };
}
