import { InvariantError } from '../../../src/errors.ts';
import { InvariantBroken } from '../raft/check.ts';
import { SeededRandom } from '../raft/random.ts';
import { isFit } from './electorate.ts';
import { World, type PaxosOptions } from './world.ts';

/** After healing, so long until something was decided, and everybody knows it. */
const PROGRESS_MS = 20_000;
/** Who has promised a recovery waits for it, for a while; what does not end by then an operator ends. */
const RECOVERED_MS = 60_000;
const RECOVER_EVERY_MS = 7000;
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
    calamityAt: sometimes(0.4, 0.1, 0.9),
    returnMs: sometimes(0.6, 50, 6000),
    byRule: random.chance(0.4),
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
      const member = random.pick(world.members);
      if (options.byRule) member.proposeByRule();
      else member.propose(random.chance(options.changeRate) ? drawVoters(world) : null);
    },
    true,
  );
  if (options.calamityAt < Infinity)
    schedule.after(options.calamityAt * options.faultyMs, () => strike(world));
  let events = 0;
  while (schedule.step(options.faultyMs)) events++;
  world.isHealed = true;
  world.reconnect();
  if (options.returnMs < Infinity) comeBack(world);
  const left = world.members.filter(({ isDead }) => !isDead);
  for (const member of left) member.start();
  const limitMs = options.calamityAt < Infinity ? RECOVERED_MS : PROGRESS_MS;
  const goal = Math.max(...left.map(({ epoch }) => epoch)) + 1;
  const untilMs = schedule.nowMs + limitMs;
  const isThere = (): boolean =>
    left.every(({ epoch }) => epoch >= goal) && (!options.byRule || left.some(({ value }) => isFit(value)));
  if (options.calamityAt < Infinity)
    for (let afterMs = RECOVERED_MS / 3; afterMs < RECOVERED_MS; afterMs += RECOVER_EVERY_MS)
      schedule.after(afterMs, () => {
        if (isThere()) return;
        world.count('recovered once healed');
        recover(world);
      });
  while (schedule.step(untilMs)) {
    if (isThere()) return events;
    world.check(++events < EVENT_LIMIT, 'progress: the run comes to no end');
  }
  throw new InvariantBroken(`progress: nothing within ${limitMs} ms of healing`);
}

/** Most of the voters die, and an operator says so, until a recovery comes about, or they come back. */
function strike(world: World): void {
  const { random, options, schedule, members } = world;
  const { voters } = world.newest.value;
  const dying = voters.filter((_, at) => at * 2 < voters.length);
  if (dying.length === members.length) return;
  for (const member of members) {
    if (!dying.includes(member.name)) continue;
    member.crash();
    member.isDead = true;
  }
  if (options.returnMs < Infinity) schedule.after(options.returnMs, () => comeBack(world));
  const recoverAgain = (): void => {
    if (world.isHealed || world.hasRecovered || !members.some(({ isDead }) => isDead)) return;
    recover(world);
    schedule.after(random.between(0.2, 1) * RECOVER_EVERY_MS, recoverAgain);
  };
  schedule.after(random.between(0, 1500), recoverAgain);
}

/** An operator names all that are left. */
function recover({ members, random }: World): void {
  const left = members.filter(({ isDead }) => !isDead);
  const names = left.map(({ name }) => name);
  random.pick(left).recover(names, names.slice(0, names.length - 1 + (names.length % 2)));
}

/** The operator was wrong. Who was left out of a recovery that has come about is not started any more. */
function comeBack(world: World): void {
  for (const member of world.members) {
    if (!member.isDead || world.hasRecovered) continue;
    world.count('back from the dead');
    member.isDead = false;
    member.start();
  }
}

function drawVoters({ members, random }: World): string[] {
  const names = members.filter(({ isDead }) => !isDead).map(({ name }) => name);
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
