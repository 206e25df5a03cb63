/**
 * Who decides what becomes of the topology, until it is agreed by Paxos: one node, alone, the one with the lowest ordinal.
 * When that node itself is taken out, the next one decides so, under the next generation: whatever the old one still decides is older.
 */
import { applyChange, type ProposedChange } from './change.ts';
import type { Epoch, NodeId, Topology } from './types.ts';

export type Decision = { kind: 'decided'; topology: Topology } | { kind: 'refused'; reason: string };

export function deciderOf({ nodes }: Topology): NodeId {
  return nodes.reduce((first, node) => (node.ordinal < first.ordinal ? node : first)).id;
}

/** What the topology becomes by the change. Same input, same outcome, on every node. */
export function decide(current: Topology, { clusterId, on, change }: ProposedChange): Decision {
  if (clusterId !== current.clusterId) return refused(`it is for cluster ${clusterId}`);
  if (on.generation !== current.generation || on.epoch !== current.epoch)
    return refused(`it is for epoch ${textOf(on)}, and the topology is at ${textOf(current)}`);
  const changed = applyChange(current, change);
  if (typeof changed === 'string') return refused(changed);
  const isHandedOn = deciderOf(changed) !== deciderOf(current);
  const generation = current.generation + (isHandedOn ? 1 : 0);
  return { kind: 'decided', topology: { ...changed, generation, epoch: current.epoch + 1 } };
}

export function textOf({ generation, epoch }: Epoch): string {
  return `${generation}.${epoch}`;
}

function refused(reason: string): Decision {
  return { kind: 'refused', reason };
}
