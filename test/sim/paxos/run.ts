import { InvariantError } from '../../../src/errors.ts';
import { InvariantBroken } from '../raft/check.ts';
import { SeededRandom } from '../raft/random.ts';
import { World, type PaxosOptions } from './world.ts';

/** After healing, so long until something was decided, and everybody knows it. */
const PROGRESS_MS = 20_000;
const EVENT_LIMIT = 500_000;
const RESTART_MS = 400;
const VOTER_COUNTS = [1, 3, 3, 3, 5, 5, 7];

export interface PaxosResult {
  seed: number;
  /** Null: all invariants held, and there was progress at the end. */
  failure: string | null;
  events: number;
  coverage: ReadonlyMap<string, number>;
}

export function replayCommand(seed: number): string {
  return `npm run sim -- --paxos --seed ${seed}`;
}

/** Runs one seed. Same seed, same run. */
export function runSeed(seed: number, trace: ((line: string) => void) | null = null): PaxosResult {
  const random = new SeededRandom(seed);
  const world = new World(drawOptions(random), random, trace);
  const result = { seed, failure: null as string | null, events: 0, coverage: world.coverage };
  try {
    result.events = runWorld(world);
  } catch (error) {
    if (!(error instanceof InvariantBroken || error instanceof InvariantError)) throw error;
    result.failure = `${error.message} (at ${world.schedule.nowMs.toFixed(3)} ms)`;
  }
  return result;
}

function drawOptions(random: SeededRandom): PaxosOptions {
  const sometimes = (probability: number, low: number, high: number): number =>
    random.chance(probability) ? random.between(low, high) : Infinity;
  const voters = random.pick(VOTER_COUNTS);
  return {
    nodes: voters + random.below(4),
    voters,
    faultyMs: random.between(2000, 8000),
    lossRate: random.chance(0.6) ? random.between(0, 0.3) : 0,
    duplicateRate: random.chance(0.6) ? random.between(0, 0.3) : 0,
    delayMs: random.pick([2, 10, 60]),
    slowRate: random.chance(0.6) ? random.between(0, 0.15) : 0,
    slowMs: random.between(50, 2500),
    syncMs: random.pick([0.5, 5, 30, 120]),
    crashEveryMs: sometimes(0.7, 60, 800),
    partitionEveryMs: sometimes(0.6, 200, 1500),
    proposeEveryMs: random.pick([15, 60, 300]),
    changeRate: random.pick([0, 0.3, 1]),
  };
}

function runWorld(world: World): number {
  const { options, random, schedule } = world;
  often(world, options.crashEveryMs, () => {
    const member = random.pick(world.members);
    member.crash();
    schedule.after(random.between(0, RESTART_MS), () => member.start());
  });
  often(world, options.partitionEveryMs, () => {
    if (random.chance(0.4)) world.reconnect();
    else world.split();
  });
  often(
    world,
    options.proposeEveryMs,
    () => {
      const voters = random.chance(options.changeRate) ? drawVoters(world) : null;
      random.pick(world.members).propose(voters);
    },
    true,
  );
  let events = 0;
  while (schedule.step(options.faultyMs)) events++;
  world.isHealed = true;
  world.reconnect();
  for (const member of world.members) member.start();
  const goal = Math.max(...world.members.map(({ epoch }) => epoch)) + 1;
  const untilMs = schedule.nowMs + PROGRESS_MS;
  while (schedule.step(untilMs)) {
    if (world.members.every(({ epoch }) => epoch >= goal)) return events;
    world.check(++events < EVENT_LIMIT, 'the run comes to an end');
  }
  throw new InvariantBroken(`no progress within ${PROGRESS_MS} ms of healing`);
}

function drawVoters({ members, random }: World): string[] {
  const names = members.map(({ name }) => name);
  const count = Math.min(random.pick(VOTER_COUNTS), names.length - 1 + (names.length % 2));
  while (names.length > count) names.splice(random.below(names.length), 1);
  return names;
}

/** On average so often, until the world is healed, or for ever. */
function often(world: World, everyMs: number, run: () => void, forEver = false): void {
  if (everyMs === Infinity) return;
  const next = (): void => {
    world.schedule.after(world.random.between(0, 2 * everyMs), () => {
      if (world.isHealed && !forEver) return;
      run();
      next();
    });
  };
  next();
}
