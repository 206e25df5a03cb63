/**
 * What a plan of rebalancing costs in a cluster of 1,000 shards, and what its topology takes. Run with `npm run bench:plan`. Ends with 1 when a
 * plan takes longer than a second, or a topology more than 256 KiB.
 */
import {
  PLAN_LIMIT_MS,
  planCosts,
  REPEATS,
  SHARDS,
  TOPOLOGY_LIMIT_BYTES,
  topologyBytes,
} from './resize/planning.ts';

console.log(`Planning over ${SHARDS} shards, preferences and hysteresis included (median of ${REPEATS}):`);
for (const { by, name, medianMs, slots, moves, slotsLater } of planCosts()) {
  const later = slotsLater === 0 ? '' : ` (${slotsLater} more in later plans)`;
  console.log(
    `  by ${by.padEnd(6)} ${name.padEnd(20)} ${medianMs.toFixed(1).padStart(7)} ms   ${slots} slots in ${moves} moves${later}`,
  );
  if (medianMs > PLAN_LIMIT_MS) process.exitCode = 1;
}

const sizeBytes = topologyBytes();
console.log(`\nTopology of ${SHARDS} shards, three replicas each: ${(sizeBytes / 1024).toFixed(0)} KiB`);
if (sizeBytes > TOPOLOGY_LIMIT_BYTES) process.exitCode = 1;
