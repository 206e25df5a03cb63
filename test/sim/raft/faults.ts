import type { World } from './world.ts';

const RESTART_MIN_MS = 5;
const RESTART_MAX_MS = 700;
const PAUSE_MIN_MS = 20;
const PAUSE_MAX_MS = 1500;
const PARTITION_MIN_MS = 50;
const PARTITION_MAX_MS = 1500;
const WALL_JUMP_MS = 20_000;

/** Starts the processes that do harm, each at its own pace, until the world is healed. */
export function startFaults(world: World): void {
  const { options } = world;
  every(world, options.partitionEveryMs, () => partition(world));
  every(world, options.crashEveryMs, () => crash(world));
  every(world, options.pauseEveryMs, () => pause(world));
  every(world, options.transferEveryMs, () => transfer(world));
  every(world, options.wallJumpEveryMs, () => jumpWallClock(world));
}

/** All up, all connected, nobody paused, nothing lost. */
export function heal(world: World): void {
  world.isHealed = true;
  world.cutLinks.clear();
  world.trace?.('healed');
  for (const member of world.members) {
    if (!member.isUp) member.start();
    member.resume();
  }
}

function every(world: World, meanMs: number, run: () => void): void {
  if (meanMs === Infinity) return;
  const next = (): void => {
    world.schedule.after(-Math.log(1 - world.random.unit()) * meanMs, () => {
      if (world.isHealed) return;
      run();
      next();
    });
  };
  next();
}

function partition(world: World): void {
  const { random, members, cutLinks, coverage } = world;
  if (cutLinks.size > 0) return;
  const side = new Set(members.filter(() => random.chance(0.5)).map((member) => member.id));
  const isOneWay = random.chance(0.4);
  for (const from of members) {
    for (const to of members) {
      if (side.has(from.id) && !side.has(to.id)) {
        cutLinks.add(from.id * 16 + to.id);
        if (!isOneWay) cutLinks.add(to.id * 16 + from.id);
      }
    }
  }
  if (cutLinks.size === 0) return;
  if (isOneWay) coverage.oneWayPartitions++;
  else coverage.partitions++;
  world.trace?.(`partition of ${[...side].join(' ')}${isOneWay ? ', one way' : ''}`);
  world.schedule.after(random.between(PARTITION_MIN_MS, PARTITION_MAX_MS), () => {
    cutLinks.clear();
    world.trace?.('partition ends');
  });
}

function crash(world: World): void {
  const { random, schedule, coverage } = world;
  const member = random.pick(world.members);
  if (!member.isUp) return;
  member.crash();
  coverage.crashes++;
  schedule.after(random.between(RESTART_MIN_MS, RESTART_MAX_MS), () => {
    if (!member.isUp) member.start();
  });
}

function pause(world: World): void {
  const { random, schedule, coverage } = world;
  const member = random.pick(world.members);
  if (!member.isUp || member.isPaused) return;
  member.pause();
  coverage.pauses++;
  schedule.after(random.between(PAUSE_MIN_MS, PAUSE_MAX_MS), () => member.resume());
}

function transfer(world: World): void {
  const leader = world.members.find((member) => member.role === 'leader');
  if (leader === undefined) return;
  world.coverage.transfers++;
  leader.transferTo(world.random.pick(world.members).id);
}

function jumpWallClock(world: World): void {
  const member = world.random.pick(world.members);
  member.jumpWallClock(world.random.between(-WALL_JUMP_MS, WALL_JUMP_MS));
  world.coverage.wallJumps++;
}
