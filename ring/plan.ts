import { RingError } from './errors.ts';
import { maximiseFlow } from './preference-flow.ts';
import { slotQuotas } from './quotas.ts';
import type { Shard } from './shards.ts';
import { sortedShards } from './shards.ts';
import { SLOT_COUNT } from './slot.ts';
import type { ShardId, SlotTable } from './table.ts';
import type { CandidateRun, Redistribution } from './transfer.ts';
import { candidateRuns, handOver, NO_GROUP } from './transfer.ts';

/** Consecutive slots, both ends included, that go from one shard (NO_SHARD: from nobody) to another. */
export interface SlotMove {
  from: number;
  to: number;
  source: ShardId;
  target: ShardId;
}

export interface SlotPlan {
  /** In the order of slots. */
  moves: SlotMove[];
  /** The table once all moves are done. */
  table: SlotTable;
}

/** The preference of a slot that prefers no shard of those given. */
const NO_INDEX = -1;

/**
 * Plans the way from `current` to the shards' quotas. Slots of shards that are not given have to leave; so have those of
 * NO_SHARD, which makes the first placement a plan like any other. In this order:
 * 1. No more slots move than a shard holds over its quota, to shards under theirs.
 * 2. As many of them as possible go to the shard that they prefer, and slots that prefer their holder stay if others can go.
 * 3. The table stays in few and long runs.
 *
 * A pure function of its arguments; the order of `shards` does not matter. A preference of NO_SHARD leaves a slot to rule 3 alone.
 */
export function planSlots(current: SlotTable, shards: readonly Shard[], preferences: SlotTable): SlotPlan {
  if (current.length !== SLOT_COUNT || preferences.length !== SLOT_COUNT) {
    throw new RingError(`tables must have ${SLOT_COUNT} slots`);
  }
  const sorted = sortedShards(shards);
  const indices = new Map(sorted.map((shard, index) => [shard.id, index]));
  const nobody = sorted.length;
  const state = redistributionOf(
    current.map((shard) => indices.get(shard) ?? nobody),
    sorted,
  );
  const preferred = preferences.map((shard) => indices.get(shard) ?? NO_INDEX);

  handOverPreferred(state, preferred);
  handOverRest(state, (slot) => preferred[slot] !== state.holders[slot]);
  handOverRest(state, () => true);

  const table = state.holders.map((index) => sorted[index].id);
  return { moves: movesBetween(current, table), table };
}

function redistributionOf(holders: Int32Array, shards: readonly Shard[]): Redistribution {
  const held = new Int32Array(shards.length + 1);
  for (const holder of holders) held[holder]++;
  const quotas = slotQuotas(shards, held);
  return {
    holders,
    surplus: held.map((count, index) => Math.max(0, count - (quotas[index] ?? 0))),
    deficit: quotas.map((quota, index) => Math.max(0, quota - held[index])),
  };
}

/** Hands slots to the receivers that they prefer, as many as can go at all. */
function handOverPreferred(state: Redistribution, preferred: Int32Array): void {
  const { holders, surplus, deficit } = state;
  const edgeKey = (slot: number): number => {
    const receiver = preferred[slot];
    if (receiver === NO_INDEX || deficit[receiver] === 0 || surplus[holders[slot]] === 0) return NO_GROUP;
    return holders[slot] * deficit.length + receiver;
  };
  const runsByEdge = new Map<number, CandidateRun[]>();
  for (const run of candidateRuns(SLOT_COUNT, edgeKey)) {
    const runs = runsByEdge.get(edgeKey(run.from));
    if (runs === undefined) runsByEdge.set(edgeKey(run.from), [run]);
    else runs.push(run);
  }
  const edges = [...runsByEdge].map(([key, runs]) => ({
    giver: Math.floor(key / deficit.length),
    receiver: key % deficit.length,
    capacity: runs.reduce((sum, run) => sum + run.to - run.from + 1, 0),
    flow: 0,
    runs,
  }));
  maximiseFlow(edges, surplus, deficit);
  for (const { receiver, flow, runs } of edges) handOver(state, receiver, flow, runs);
}

/** Fills what is still open from the slots for which `mayGo` holds. */
function handOverRest(state: Redistribution, mayGo: (slot: number) => boolean): void {
  const { holders, surplus, deficit } = state;
  const giverOf = (slot: number): number =>
    surplus[holders[slot]] > 0 && mayGo(slot) ? holders[slot] : NO_GROUP;
  const runs = candidateRuns(SLOT_COUNT, giverOf);
  for (let receiver = 0; receiver < deficit.length; receiver++)
    handOver(state, receiver, deficit[receiver], runs);
}

function movesBetween(before: SlotTable, after: SlotTable): SlotMove[] {
  const moves: SlotMove[] = [];
  for (let from = 0, to = 0; from < SLOT_COUNT; from = to + 1) {
    to = from;
    while (to + 1 < SLOT_COUNT && before[to + 1] === before[from] && after[to + 1] === after[from]) to++;
    if (before[from] !== after[from]) moves.push({ from, to, source: before[from], target: after[from] });
  }
  return moves;
}
