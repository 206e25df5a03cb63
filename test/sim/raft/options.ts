import type { SeededRandom } from './random.ts';

/** Which faults a run has, and how hard: drawn anew for each seed, so that each seed is a world of its own. */
export interface SimOptions {
  members: number;
  faultyMs: number;
  lossRate: number;
  duplicateRate: number;
  /** A message takes this long at most... */
  delayMs: number;
  /** ...but for a few, which take far longer and so come out of order. */
  slowRate: number;
  slowMs: number;
  syncMs: number;
  /** Mean times between faults; Infinity: never. */
  partitionEveryMs: number;
  plotEveryMs: number;
  crashEveryMs: number;
  pauseEveryMs: number;
  transferEveryMs: number;
  wallJumpEveryMs: number;
  clientEveryMs: number;
  arrearsMs: number;
  entriesPerMessage: number;
  /** Clock rates differ by so much from 1, either way. */
  drift: number;
  /** A snapshot is made after so many applied entries. */
  snapshotEvery: number;
  snapshotChunkBytes: number;
  hasHome: boolean;
  turnMs: number;
  /** Mean time between attempts to change the membership. */
  churnEveryMs: number;
  /** So many bytes of entries are applied at once, and so many times in a turn: the rest comes later, in turns of its own. */
  applyBytes: number;
  applySlices: number;
}

/** The first entry goes whatever its size. */
const ONE_ENTRY_BYTES = 1;
const MEMBER_COUNTS = [1, 3, 3, 3, 3, 3, 3, 3, 5, 5, 5, 5];

/** `of`: draws what was added later. */
export function drawOptions(random: SeededRandom, of: SeededRandom): SimOptions {
  const sometimes = (probability: number, low: number, high: number) =>
    random.chance(probability) ? random.between(low, high) : Infinity;
  return {
    members: random.pick(MEMBER_COUNTS),
    faultyMs: random.between(3000, 9000),
    lossRate: random.chance(0.6) ? random.between(0, 0.2) : 0,
    duplicateRate: random.chance(0.6) ? random.between(0, 0.2) : 0,
    delayMs: random.pick([2, 10, 40]),
    slowRate: random.chance(0.6) ? random.between(0, 0.1) : 0,
    slowMs: random.between(50, 1500),
    syncMs: random.pick([0.5, 5, 30, 150]),
    partitionEveryMs: sometimes(0.6, 300, 1500),
    plotEveryMs: sometimes(0.5, 500, 2000),
    crashEveryMs: sometimes(0.6, 150, 1200),
    pauseEveryMs: sometimes(0.5, 200, 1200),
    transferEveryMs: sometimes(0.4, 100, 800),
    wallJumpEveryMs: sometimes(0.3, 200, 800),
    clientEveryMs: random.chance(0.7) ? random.between(5, 25) : random.between(50, 400),
    entriesPerMessage: random.pick([1, 4, 16]),
    drift: random.pick([0, 0.01, 0.025]),
    snapshotEvery: random.pick([6, 15, 40, Infinity]),
    snapshotChunkBytes: random.pick([7, 16, 1024]),
    hasHome: random.chance(0.4),
    turnMs: random.pick([0, 0, 1]),
    arrearsMs: random.pick([0, 2, 20]),
    churnEveryMs: sometimes(0.5, 40, 600),
    ...drawSlices(of),
  };
}

/** From a source of their own, so that all else of a seed is what it was. Every fourth seed applies all at once. */
function drawSlices(random: SeededRandom): Pick<SimOptions, 'applyBytes' | 'applySlices'> {
  return {
    applyBytes: random.pick([Infinity, ONE_ENTRY_BYTES, 100, 1000]),
    applySlices: random.pick([1, 2, 64]),
  };
}
