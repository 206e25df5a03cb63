/**
 * What a plan of rebalancing costs in a cluster of 1,000 shards, and what its topology takes. Run with `npm run bench:plan`. Ends with 1 when a
 * plan takes longer than a second, or a topology more than 256 KiB.
 */
import { performance } from 'node:perf_hooks';
import { emptyTable, planSlots } from '../ring/index.ts';
import { isPlanDue, planMoves, type PlanInput } from '../src/topology/planner.ts';
import { encodeTopology } from '../src/topology/topology-codec.ts';
import type { RebalanceBy } from '../src/topology/rebalance.ts';
import { SLOT_COUNT, type Topology } from '../src/topology/types.ts';
import { cluster, preferences } from '../test/topology/clusters.ts';

const SHARDS = 1000;
const REPEATS = 9;
const PLAN_LIMIT_MS = 1000;
const TOPOLOGY_LIMIT_BYTES = 256 * 1024;

const founded = foundedOf(SHARDS);
const topologies: readonly (readonly [string, Topology])[] = [
  ['nothing to do', founded],
  ['one node came', withShards(SHARDS, foundedOf(SHARDS - 1))],
  ['all weights changed', withWeights((at) => 1 + (at % 7))],
  ['one node leaves', withWeights((at) => (at === 500 ? 0 : 1))],
];

console.log(`Planning over ${SHARDS} shards, preferences and hysteresis included (median of ${REPEATS}):`);
for (const by of ['slots', 'bytes'] as const)
  for (const [name, topology] of topologies) report(name, topology, by);

const sizeBytes = encodeTopology(founded).length;
console.log(`\nTopology of ${SHARDS} shards, three replicas each: ${(sizeBytes / 1024).toFixed(0)} KiB`);
if (sizeBytes > TOPOLOGY_LIMIT_BYTES) process.exitCode = 1;

function report(name: string, topology: Topology, by: RebalanceBy): void {
  const input: PlanInput = { topology, preferences, by, loads: by === 'slots' ? null : skewedLoads() };
  const medianMs = medianTimeMs(() => isPlanDue(input));
  const { slots, slotsLater, moves } = planMoves(input);
  const later = slotsLater === 0 ? '' : ` (${slotsLater} more in later plans)`;
  console.log(
    `  by ${by.padEnd(6)} ${name.padEnd(20)} ${medianMs.toFixed(1).padStart(7)} ms   ${slots} slots in ${moves.length} moves${later}`,
  );
  if (medianMs > PLAN_LIMIT_MS) process.exitCode = 1;
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

function withWeights(weightOf: (at: number) => number): Topology {
  return { ...founded, nodes: founded.nodes.map((node, at) => ({ ...node, weight: weightOf(at) })) };
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
