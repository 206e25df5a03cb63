/**
 * What placement costs: how long a plan takes, and how far the table falls into pieces when a cluster is resized again and again.
 * Run with `npm run bench:ring`. The resizes come from fixed seeds: every run measures the same.
 */
import { performance } from 'node:perf_hooks';
import type { Shard, SlotTable, TokenHash } from '../ring/index.ts';
import { emptyTable, loadTokenHash, planSlots, runsOf, slotPreferences } from '../ring/index.ts';

const PLAN_SHARDS = 1000;
const PLAN_REPEATS = 15;
const PLAN_LIMIT_MS = 50;

const RESIZES = 100;
const MIN_SHARDS = 3;
const MAX_SHARDS = 30;
const SEEDS = 40;

const RETURN_SHARDS = 10;

const hash = await loadTokenHash();
benchPlans(hash);
benchRanges(hash);
benchReturn(hash);

function benchPlans(hash: TokenHash): void {
  const all = equalShards(PLAN_SHARDS);
  const allButOne = all.slice(0, -1);
  const reweighted = all.map(({ id }) => ({ id, weight: 1 + (id % 7) }));
  const placed = place(emptyTable(), all, hash);
  const placedButOne = place(emptyTable(), allButOne, hash);

  console.log(
    `Planning 16384 slots over ${PLAN_SHARDS} shards, tokens and preferences included (median of ${PLAN_REPEATS}):`,
  );
  const rows = [
    ['first placement', emptyTable(), all],
    ['one shard added', placedButOne, all],
    ['one shard removed', placed, allButOne],
    ['all weights changed', placed, reweighted],
  ] as const;
  for (const [name, table, shards] of rows) {
    const medianMs = medianTimeMs(() => place(table, shards, hash));
    const verdict = medianMs < PLAN_LIMIT_MS ? '' : `  over the limit of ${PLAN_LIMIT_MS} ms`;
    console.log(`  ${name.padEnd(22)} ${medianMs.toFixed(1).padStart(6)} ms${verdict}`);
    if (verdict !== '') process.exitCode = 1;
  }
}

function benchRanges(hash: TokenHash): void {
  console.log(
    `\nRanges per shard after ${RESIZES} resizes of one shard each, between ${MIN_SHARDS} and ${MAX_SHARDS} shards (${SEEDS} runs):`,
  );
  console.log('  preference    mean   worst shard   slots that lie where they prefer');
  for (const vnodes of [8, 0]) {
    const runs = Array.from({ length: SEEDS }, (_, seed) => resizeRepeatedly(seed + 1, vnodes, hash));
    const name = vnodes === 0 ? 'off' : `${vnodes} vnodes`;
    const mean = average(runs.map((run) => run.meanRanges)).toFixed(1);
    const worst = Math.max(...runs.map((run) => run.worstRanges));
    const preferred =
      vnodes === 0 ? '-' : `${(100 * average(runs.map((run) => run.preferredRatio))).toFixed(0)} %`;
    console.log(
      `  ${name.padEnd(10)} ${mean.padStart(7)} ${String(worst).padStart(13)}   ${preferred.padStart(10)}`,
    );
  }
}

interface RangeFigures {
  meanRanges: number;
  worstRanges: number;
  preferredRatio: number;
}

function resizeRepeatedly(seed: number, vnodes: number, hash: TokenHash): RangeFigures {
  const random = xorshift32(seed);
  let shards = equalShards(MIN_SHARDS + Math.floor(random() * (MAX_SHARDS - MIN_SHARDS + 1)));
  let nextId = shards.length;
  let table = place(emptyTable(), shards, hash, vnodes);
  for (let i = 0; i < RESIZES; i++) {
    const grows = shards.length === MIN_SHARDS || (shards.length < MAX_SHARDS && random() < 0.5);
    if (grows) shards = [...shards, { id: nextId++, weight: 1 }];
    else shards = shards.toSpliced(Math.floor(random() * shards.length), 1);
    table = place(table, shards, hash, vnodes);
  }
  const ranges = new Map<number, number>();
  for (const { shard } of runsOf(table)) ranges.set(shard, (ranges.get(shard) ?? 0) + 1);
  const preferences = preferencesOf(shards, hash, vnodes);
  return {
    meanRanges: average([...ranges.values()]),
    worstRanges: Math.max(...ranges.values()),
    preferredRatio: table.filter((shard, slot) => shard === preferences[slot]).length / table.length,
  };
}

/** How many of a shard's slots it held before, when it went and returned while others came: what preference is for. */
function benchReturn(hash: TokenHash): void {
  console.log(
    `\nSlots of a shard that were its own before it went, three others came, and it returned (of ${RETURN_SHARDS}):`,
  );
  for (const vnodes of [8, 0]) {
    const all = equalShards(RETURN_SHARDS);
    const before = place(emptyTable(), all, hash, vnodes);
    const kept = all.map(({ id: gone }) => {
      let shards = all.filter(({ id }) => id !== gone);
      let table = place(before, shards, hash, vnodes);
      for (const id of [RETURN_SHARDS, RETURN_SHARDS + 1, RETURN_SHARDS + 2, gone]) {
        shards = [...shards, { id, weight: 1 }];
        table = place(table, shards, hash, vnodes);
      }
      const heldAfter = table.filter((shard) => shard === gone).length;
      return table.filter((shard, slot) => shard === gone && before[slot] === gone).length / heldAfter;
    });
    const name = vnodes === 0 ? 'off' : `${vnodes} vnodes`;
    console.log(`  ${name.padEnd(10)} ${(100 * average(kept)).toFixed(0).padStart(5)} %`);
  }
}

function place(table: SlotTable, shards: readonly Shard[], hash: TokenHash, vnodes = 8): SlotTable {
  return planSlots(table, shards, preferencesOf(shards, hash, vnodes)).table;
}

/** No vnodes: no preferences. */
function preferencesOf(shards: readonly Shard[], hash: TokenHash, vnodes: number): SlotTable {
  if (vnodes === 0) return emptyTable();
  return slotPreferences(
    shards.map((shard) => shard.id),
    hash,
    vnodes,
  );
}

function equalShards(count: number): Shard[] {
  return Array.from({ length: count }, (_, id) => ({ id, weight: 1 }));
}

function medianTimeMs(run: () => void): number {
  const times = Array.from({ length: PLAN_REPEATS }, () => {
    const startMs = performance.now();
    run();
    return performance.now() - startMs;
  });
  return times.sort((a, b) => a - b)[PLAN_REPEATS >> 1];
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function xorshift32(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
