import { InvariantError } from '../../../src/errors.ts';
import { isJoint } from '../../../src/raft/joint.ts';
import { peersOf } from '../../../src/raft/quorum.ts';
import { heal, startFaults } from './faults.ts';
import { InvariantBroken } from './check.ts';
import { startChurn } from './churn.ts';
import { drawOptions } from './options.ts';
import { SeededRandom } from './random.ts';
import { World } from './world.ts';
import type { Coverage } from './world.ts';

/** After healing, so long until a write has gone through everywhere. */
const PROGRESS_MS = 15_000;
const EVENT_LIMIT = 500_000;

export interface SimResult {
  seed: number;
  /** Null: all invariants held, and there was progress at the end. */
  failure: string | null;
  events: number;
  coverage: Coverage;
}

export function replayCommand(seed: number): string {
  return `npm run sim -- --raft --seed ${seed}`;
}

/** Runs one seed. Same seed, same run. */
export function runSeed(seed: number, trace: ((line: string) => void) | null = null): SimResult {
  const random = new SeededRandom(seed);
  const world = new World(drawOptions(random, new SeededRandom(~seed)), random, trace);
  const result: SimResult = { seed, failure: null, events: 0, coverage: world.coverage };
  try {
    result.events = runWorld(world);
  } catch (error) {
    if (!(error instanceof InvariantBroken || error instanceof InvariantError)) throw error;
    const name = error instanceof InvariantError ? 'assert: ' : '';
    result.failure = `${name}${error.message} (at ${world.schedule.nowMs.toFixed(3)} ms)`;
  }
  return result;
}

function runWorld(world: World): number {
  const { members, options, schedule } = world;
  for (const member of members) schedule.after(world.random.between(0, 50), () => member.start());
  startFaults(world);
  startChurn(world);
  startClients(world);
  let events = 0;
  while (schedule.step(options.faultyMs)) events++;
  heal(world);
  const target = Math.max(world.invariants.committedIndex, world.acknowledgedIndex) + 1;
  const untilMs = schedule.nowMs + PROGRESS_MS;
  while (schedule.step(untilMs)) {
    if (hasProgress(world, target)) return events;
    world.check(++events < EVENT_LIMIT, 'progress: the run comes to an end');
  }
  throw new InvariantBroken(`progress: none within ${PROGRESS_MS} ms of healing`);
}

/** A write that came after the healing was acknowledged, and all members have applied it, of the last membership, which is not joint. */
function hasProgress(world: World, target: number): boolean {
  const { decided } = world.invariants.ofMembership;
  if (world.acknowledgedIndex < target || isJoint(decided)) return false;
  return peersOf(decided, 0).every((id) => world.member(id).machine.index >= target);
}

export function startClients(world: World): void {
  const { options, random, schedule } = world;
  const next = (): void => {
    schedule.after(random.between(0, 2 * options.clientEveryMs), () => {
      for (const member of world.members) {
        if (member.role !== 'leader' && !random.chance(0.02)) continue;
        if (random.chance(0.5)) member.write();
        else member.read();
      }
      next();
    });
  };
  next();
}
