/** The lines between nodes, each direction for itself, and what is wrong with them. */
import type { NodePorts, Site } from '../e2e/cluster/torc-node.ts';

/** What is wrong with the line from one node to another. */
export interface LineFault {
  from: number;
  to: number;
  /** Nothing arrives. */
  cut?: boolean;
  delayMs?: number;
  bytesPerS?: number;
}

export type NetworkKind = 'proxy' | 'namespaces';

export interface Network {
  readonly kind: NetworkKind;
  /** Lines can be slowed, not only cut. */
  readonly canSlow: boolean;
  site(place: number): Site;
  /** What other nodes are told of its peer port. */
  peerAddress(place: number): string;
  settings(place: number): readonly string[];
  /** Who is where: before the first fault of a node, since ids are known only once nodes run. */
  know(ids: readonly string[]): Promise<void>;
  /** All that is wrong from now on; nothing heals all. */
  apply(faults: readonly LineFault[]): Promise<void>;
  close(): Promise<void>;
}

export interface NetworkPlan {
  ports: readonly NodePorts[];
  /** For each node, a port that is free for what its network needs. */
  sparePorts: readonly number[];
}

export function bothWays(a: number, b: number, what: Omit<LineFault, 'from' | 'to'>): LineFault[] {
  return [
    { from: a, to: b, ...what },
    { from: b, to: a, ...what },
  ];
}

/** All lines from a node. */
export function linesFrom(place: number, nodes: number, what: Omit<LineFault, 'from' | 'to'>): LineFault[] {
  return othersThan(place, nodes).map((to) => ({ from: place, to, ...what }));
}

/** All lines to a node. */
export function linesTo(place: number, nodes: number, what: Omit<LineFault, 'from' | 'to'>): LineFault[] {
  return othersThan(place, nodes).map((from) => ({ from, to: place, ...what }));
}

function othersThan(place: number, nodes: number): number[] {
  return Array.from({ length: nodes }, (_, other) => other).filter((other) => other !== place);
}
