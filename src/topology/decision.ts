/** What a proposed change makes of a topology, before it is agreed (agreement.ts). Same input, same outcome, on every node. */
import { applyChange, type ProposedChange } from './change.ts';
import type { Epoch, Topology } from './types.ts';

export type Decision =
  | { kind: 'decided'; topology: Topology }
  | { kind: 'refused'; reason: string }
  /** Nobody can say now whether it was decided, or will be. */
  | { kind: 'unknown'; reason: string };

/** The topology that would follow, or why none does. */
export function topologyAfter(current: Topology, proposed: ProposedChange): Topology | string {
  const { clusterId, on, change, retry } = proposed;
  if (clusterId !== current.clusterId) return `it is for cluster ${clusterId}`;
  const isOld = on.generation !== current.generation || on.epoch !== current.epoch;
  if (isOld && retry !== true) return movedOn(on, current);
  const changed = applyChange(current, change);
  return typeof changed === 'string' ? changed : { ...changed, epoch: current.epoch + 1 };
}

export function movedOn(from: Epoch, to: Epoch): string {
  return `it is for epoch ${textOf(from)}, and the topology has moved on to ${textOf(to)}`;
}

export function textOf({ generation, epoch }: Epoch): string {
  return `${generation}.${epoch}`;
}
