import type { SimMember } from './member.ts';
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
  every(world, options.plotEveryMs, () => plot(world));
  every(world, options.crashEveryMs, () => crash(world));
  every(world, options.pauseEveryMs, () => pause(world));
  every(world, options.transferEveryMs, () => transfer(world));
  every(world, options.wallJumpEveryMs, () => jumpWallClock(world));
}

/** All up, all connected, nobody paused, nothing lost. */
export function heal(world: World): void {
  world.isHealed = true;
  world.reconnect();
  world.trace?.('healed');
  for (const member of world.members) {
    if (!member.isUp && !member.isGone) member.start();
    member.resume();
  }
}

export function every(world: World, meanMs: number, run: () => void): void {
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

/** Two sides, cut off from each other, or one that is heard but does not hear; or any links. */
function partition(world: World): void {
  const { random, members, coverage } = world;
  if (!world.isConnected) return;
  const kind = random.pick(['sides', 'one way', 'links'] as const);
  const side = new Set(members.filter(() => random.chance(0.5)));
  for (const from of members) {
    for (const to of members) {
      if (kind === 'links') {
        if (random.chance(0.3)) world.cut(from.id, to.id);
      } else if (side.has(from) && !side.has(to)) {
        world.cut(from.id, to.id);
        if (kind === 'sides') world.cut(to.id, from.id);
      }
    }
  }
  if (world.isConnected) return;
  if (kind === 'one way') coverage.oneWayPartitions++;
  else if (kind === 'links') coverage.brokenLinks++;
  else coverage.partitions++;
  reconnectLater(world, kind);
}

/**
 * What chance alone would seldom bring about: the leader is left with one follower, and just after that one has followed it, it is
 * killed, started again and cut off from the leader too (histories 7 and 8); or the leader alone is cut off, with what it goes on to
 * append; or it is killed with one of its writes under way.
 */
function plot(world: World): void {
  const { random, members, coverage, schedule } = world;
  const leader = random.pick(members.filter((member) => member.role === 'leader'));
  if (leader === undefined || members.length === 1 || !world.isConnected) return;
  coverage.plots++;
  const others = members.filter((member) => member !== leader);
  const accomplice = random.pick(others);
  const isolate = (from: number): void => {
    for (const other of others) if (other.id !== from) cutBoth(world, leader.id, other.id);
  };
  switch (random.below(3)) {
    case 0: {
      isolate(accomplice.id);
      const untilMs = random.between(200, 600);
      schedule.after(untilMs, () => {
        if (world.isHealed || !accomplice.isUp) return;
        if (random.chance(0.7)) restart(world, accomplice, random.between(1, 60));
        cutBoth(world, leader.id, accomplice.id);
      });
      break;
    }
    case 1:
      isolate(0);
      break;
    default:
      restart(world, leader, random.between(1, RESTART_MAX_MS));
      return;
  }
  reconnectLater(world, `plot against member ${leader.id}`);
}

function cutBoth(world: World, a: number, b: number): void {
  world.cut(a, b);
  world.cut(b, a);
}

function reconnectLater(world: World, what: string): void {
  world.trace?.(`network: ${what}`);
  world.schedule.after(world.random.between(PARTITION_MIN_MS, PARTITION_MAX_MS), () => {
    world.reconnect();
    world.trace?.('network: whole again');
  });
}

export function restart(world: World, member: SimMember, afterMs: number): void {
  if (!member.isUp) return;
  member.crash();
  world.coverage.crashes++;
  world.schedule.after(afterMs, () => {
    if (!member.isUp && !member.isGone) member.start();
  });
}

function crash(world: World): void {
  const { random, members } = world;
  const isAll = random.chance(0.05);
  for (const member of isAll ? members : [random.pick(members)]) {
    restart(world, member, random.between(RESTART_MIN_MS, RESTART_MAX_MS));
  }
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
