import { InvariantError } from '../../../src/errors.ts';
import { SeededRandom } from '../raft/random.ts';
import { BrokenRule } from './group.ts';
import { World, type Coverage } from './world.ts';

const STEPS = 1200;

export interface MovesResult {
  seed: number;
  /** Null: all rules held, and every move came to its end. */
  failure: string | null;
  coverage: Coverage;
}

/** Runs one seed. Same seed, same run. Odd seeds: two groups; even ones: three. */
export function runMovesSeed(seed: number, trace: ((line: string) => void) | null = null): MovesResult {
  const world = new World(new SeededRandom(seed), seed % 2 === 0 ? 3 : 2, trace);
  const result: MovesResult = { seed, failure: null, coverage: world.coverage };
  try {
    for (let step = 0; step < STEPS; step += 1) world.step();
    world.heal();
  } catch (error) {
    if (!(error instanceof BrokenRule || error instanceof InvariantError)) throw error;
    result.failure = error.message;
  }
  return result;
}
