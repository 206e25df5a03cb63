import { startClients } from './run.ts';
import type { SimOptions } from './options.ts';
import { SeededRandom } from './random.ts';
import { World } from './world.ts';

/** What a failover meets: how fast the network, the disks and the processes are. */
export interface Conditions {
  delayMs: number;
  syncMs: number;
  /** How long a process takes to get to its input, at most: others run, too. */
  turnMs: number;
  /** Now and then it stands still for longer, up to so long. */
  stallMs: number;
}

export const CALM: Conditions = { delayMs: 1, syncMs: 3, turnMs: 1, stallMs: 0 };
/** Two cores with a dozen runnable processes. */
export const BUSY: Conditions = { delayMs: 2, syncMs: 25, turnMs: 15, stallMs: 60 };

export type LeaderFault = 'crash' | 'pause';

const STALL_EVERY_MS = 250;
const SETTLE_MIN_MS = 700;
const SETTLE_MAX_MS = 1500;
const PAUSE_MS = 5000;
const LONGEST_MS = 20_000;

/** Takes the leader of a group of three away; how long until another one serves, in ms. Same seed, same time. */
export function leaderlessMs(seed: number, conditions: Conditions, fault: LeaderFault, members = 3): number {
  const random = new SeededRandom(seed);
  const world = new World(optionsOf(conditions, members, random.chance(0.5)), random, null);
  const { schedule } = world;
  for (const member of world.members) schedule.after(random.between(0, 50), () => member.start());
  startClients(world);
  startStalls(world, conditions);
  runUntil(world, () => world.members.some(({ isServing }) => isServing));
  const faultMs = schedule.nowMs + random.between(SETTLE_MIN_MS, SETTLE_MAX_MS);
  while (schedule.step(faultMs));
  runUntil(world, () => world.members.some(({ isServing }) => isServing));
  const victim = world.members.find(({ isServing }) => isServing)!;
  const sinceMs = schedule.nowMs;
  if (fault === 'crash') victim.crash();
  else {
    victim.pause();
    schedule.after(PAUSE_MS, () => victim.resume());
  }
  runUntil(world, () => world.members.some((member) => member !== victim && member.isServing));
  return schedule.nowMs - sinceMs;
}

/** Of many seeds, sorted. */
export function leaderlessTimes(
  seeds: number,
  from: number,
  conditions: Conditions,
  fault: LeaderFault,
  members = 3,
): number[] {
  return Array.from({ length: seeds }, (_, i) => leaderlessMs(from + i, conditions, fault, members)).sort(
    (a, b) => a - b,
  );
}

export function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

/** A line for each size of group, machine and fault. */
export function reportFailover(from: number, count: number): void {
  for (const members of [3, 5]) {
    for (const [name, conditions] of Object.entries({ calm: CALM, busy: BUSY })) {
      for (const fault of ['crash', 'pause'] as const) {
        const times = leaderlessTimes(count, from, conditions, fault, members);
        const figures = [0.5, 0.9, 0.99, 0.999, 1].map((part) => percentile(times, part).toFixed(0));
        const [p50, p90, p99, p999, max] = figures;
        console.log(
          `${members} members, ${name}, ${fault}: p50 ${p50} p90 ${p90} p99 ${p99} p999 ${p999} max ${max} ms`,
        );
      }
    }
  }
}

function runUntil(world: World, isDone: () => boolean): void {
  const untilMs = world.schedule.nowMs + LONGEST_MS;
  while (!isDone()) {
    const hasMore = world.schedule.step(untilMs);
    world.check(hasMore, `a leader is found within ${LONGEST_MS} ms`);
  }
}

function startStalls(world: World, { stallMs }: Conditions): void {
  if (stallMs === 0) return;
  const { random, schedule } = world;
  for (const member of world.members) {
    let restUntilMs = 0;
    const next = (): void => {
      schedule.after(random.between(0, 2 * STALL_EVERY_MS), () => {
        if (!member.isPaused && member.isUp && schedule.nowMs >= restUntilMs) {
          const forMs = random.between(0, stallMs);
          restUntilMs = schedule.nowMs + forMs;
          member.pause();
          // A fault that has come meanwhile has paused it for longer.
          const { pauses } = member;
          schedule.after(forMs, () => {
            if (member.pauses === pauses) member.resume();
          });
        }
        next();
      });
    };
    next();
  }
}

function optionsOf(conditions: Conditions, members: number, hasHome: boolean): SimOptions {
  return {
    members,
    faultyMs: Infinity,
    lossRate: 0,
    duplicateRate: 0,
    delayMs: conditions.delayMs,
    slowRate: 0,
    slowMs: 0,
    syncMs: conditions.syncMs,
    partitionEveryMs: Infinity,
    plotEveryMs: Infinity,
    crashEveryMs: Infinity,
    pauseEveryMs: Infinity,
    transferEveryMs: Infinity,
    wallJumpEveryMs: Infinity,
    clientEveryMs: 20,
    arrearsMs: 2,
    entriesPerMessage: 16,
    drift: 0.0001,
    snapshotEvery: Infinity,
    snapshotChunkBytes: 1024,
    hasHome,
    turnMs: conditions.turnMs,
    churnEveryMs: Infinity,
    applyBytes: Infinity,
    applySlices: 1,
  };
}
