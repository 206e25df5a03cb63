/**
 * Hands slots over in pieces of runs so that the table stays in few and long runs. Shards are indices here; the index after the last
 * stands for nobody.
 */

/** Consecutive slots of one holder that may be handed over. Shrinks as pieces go; empty once `from` is above `to`. */
export interface CandidateRun {
  from: number;
  to: number;
}

/** The state of a redistribution: who holds each slot, and how many slots each holder must still give or get. */
export interface Redistribution {
  readonly holders: Int32Array;
  readonly surplus: Int32Array;
  readonly deficit: Int32Array;
}

interface Piece {
  run: CandidateRun;
  from: number;
  to: number;
}

/** Hands up to `amount` slots of the runs to `receiver`, never more of one holder's than its surplus. */
export function handOver(
  state: Redistribution,
  receiver: number,
  amount: number,
  runs: readonly CandidateRun[],
): void {
  let wanted = amount;
  while (wanted > 0) {
    const piece = bestPiece(state, receiver, wanted, runs);
    if (piece === null) return;
    wanted -= handOverPiece(state, receiver, piece);
  }
}

/** Stands for the group of a slot that must stay. */
export const NO_GROUP = -1;

/** The maximal runs of slots of one group; a group lies within one holder. */
export function candidateRuns(slotCount: number, groupOf: (slot: number) => number): CandidateRun[] {
  const runs: CandidateRun[] = [];
  let openGroup = NO_GROUP;
  for (let slot = 0; slot < slotCount; slot++) {
    const group = groupOf(slot);
    if (group !== NO_GROUP) {
      if (group === openGroup) runs[runs.length - 1].to = slot;
      else runs.push({ from: slot, to: slot });
    }
    openGroup = group;
  }
  return runs;
}

/** The piece that adds the fewest runs to the table; of those the longest; of those the first. */
function bestPiece(
  state: Redistribution,
  receiver: number,
  wanted: number,
  runs: readonly CandidateRun[],
): Piece | null {
  let best: Piece | null = null;
  let bestCost = Infinity;
  for (const run of runs) {
    const length = run.to - run.from + 1;
    if (length < 1) continue;
    const taken = Math.min(length, wanted, state.surplus[state.holders[run.from]]);
    if (taken < 1) continue;
    // A run that does not go whole is cut at either end.
    for (let from = run.from; from <= run.to - taken + 1; from += Math.max(1, length - taken)) {
      const cost = pieceCost(state.holders, receiver, from, from + taken - 1);
      if (cost >= bestCost) continue;
      bestCost = cost;
      best = { run, from, to: from + taken - 1 };
    }
  }
  return best;
}

/** What a piece adds to the number of runs in the table decides, from -2 to 2; then its length. */
function pieceCost(holders: Int32Array, receiver: number, from: number, to: number): number {
  const giver = holders[from];
  let addedRuns = 0;
  if (from > 0) addedRuns += borders(holders[from - 1], receiver) - borders(holders[from - 1], giver);
  if (to < holders.length - 1)
    addedRuns += borders(holders[to + 1], receiver) - borders(holders[to + 1], giver);
  return addedRuns * holders.length - (to - from);
}

function borders(a: number, b: number): number {
  return a === b ? 0 : 1;
}

function handOverPiece(
  { holders, surplus, deficit }: Redistribution,
  receiver: number,
  piece: Piece,
): number {
  const { run, from, to } = piece;
  const count = to - from + 1;
  surplus[holders[from]] -= count;
  deficit[receiver] -= count;
  holders.fill(receiver, from, to + 1);
  if (from === run.from) run.from = to + 1;
  else run.to = from - 1;
  return count;
}
