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
    result.failure = failureOf(error);
  }
  return result;
}

/** Begins with the name of what was found wrong by, as in simulations of whole nodes (../node/run/invariant-name.ts). */
function failureOf(error: unknown): string {
  if (!(error instanceof Error)) return `crash: ${String(error)}`;
  if (error instanceof BrokenRule) return error.message;
  return error instanceof InvariantError
    ? `assert: ${error.message}`
    : `crash: ${error.stack ?? error.message}`;
}
