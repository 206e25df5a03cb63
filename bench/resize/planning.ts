/** What a plan of rebalancing costs in a cluster of 1,000 shards, and what its topology takes. */
import { performance } from 'node:perf_hooks';
import { emptyTable, planSlots } from '../../ring/index.ts';
import { isPlanDue, planMoves, type PlanInput } from '../../src/topology/planner.ts';
import { encodeTopology } from '../../src/topology/topology-codec.ts';
import type { RebalanceBy } from '../../src/topology/rebalance.ts';
import { SLOT_COUNT, type Topology } from '../../src/topology/types.ts';
import { cluster, preferences } from '../../test/topology/clusters.ts';

export const SHARDS = 1000;
export const REPEATS = 9;
export const PLAN_LIMIT_MS = 1000;
export const TOPOLOGY_LIMIT_BYTES = 256 * 1024;

export interface PlanCost {
  by: RebalanceBy;
  /** What happened to the cluster. */
  name: string;
  /** Preferences and hysteresis included. */
  medianMs: number;
  slots: number;
  moves: number;
  slotsLater: number;
}

export function planCosts(): PlanCost[] {
  const founded = foundedOf(SHARDS);
  const withWeights = (weightOf: (at: number) => number): Topology => ({
    ...founded,
    nodes: founded.nodes.map((node, at) => ({ ...node, weight: weightOf(at) })),
  });
  const topologies: readonly (readonly [string, Topology])[] = [
    ['nothing to do', founded],
    ['one node came', withShards(SHARDS, foundedOf(SHARDS - 1))],
    ['all weights changed', withWeights((at) => 1 + (at % 7))],
    ['one node leaves', withWeights((at) => (at === 500 ? 0 : 1))],
  ];
  return (['slots', 'bytes'] as const).flatMap((by) =>
    topologies.map(([name, topology]) => costOf(name, topology, by)),
  );
}

export function topologyBytes(): number {
  return encodeTopology(foundedOf(SHARDS)).length;
}

function costOf(name: string, topology: Topology, by: RebalanceBy): PlanCost {
  const input: PlanInput = { topology, preferences, by, loads: by === 'slots' ? null : skewedLoads() };
  const medianMs = medianTimeMs(() => isPlanDue(input));
  const { slots, slotsLater, moves } = planMoves(input);
  return { by, name, medianMs, slots, moves: moves.length, slotsLater };
}

function foundedOf(shards: number): Topology {
  const ids = Array.from({ length: shards }, (_, at) => at + 1);
  const placed = ids.map((id) => ({ id, weight: 1 }));
  const { table } = planSlots(emptyTable(), placed, preferences(ids));
  return cluster(
    ids.map(() => 1),
    table,
    3,
  );
}

/** The slots of the one in a cluster of so many shards: the new ones have none. */
function withShards(shards: number, { slots }: Topology): Topology {
  const empty = cluster(
    Array.from({ length: shards }, () => 1),
    emptyTable(),
    3,
  );
  return { ...empty, slots };
}

/** A few slots hold much, most hold little. */
function skewedLoads(): Float64Array {
  return Float64Array.from({ length: SLOT_COUNT }, (_, slot) => 1e6 / (1 + ((slot * 7919) % 1000)));
}

function medianTimeMs(run: () => void): number {
  const times = Array.from({ length: REPEATS }, () => {
    const startMs = performance.now();
    run();
    return performance.now() - startMs;
  });
  return times.sort((a, b) => a - b)[REPEATS >> 1];
}
