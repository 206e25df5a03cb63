import type { Crash } from '../../../../src/env/sim/disk.ts';
import type { SeededRandom } from '../../../../src/env/sim/random.ts';
import type { Victim } from './victim.ts';
import type { World } from './world.ts';

const DOWN_MS = [5, 300, 2000, 9000];
const PAUSE_MS = [1500, 3000, 12_000];
const STALL_MS = 350;
const WALL_JUMP_MS = [200, 5000, 4_000_000];
/** Rates of clocks lie within 5 % of each other. */
const DRIFT = 0.024;
const OPERATIONS_UNTIL_CRASH = 60;
const LOSSES = ['lost', 'kept', 'torn'] as const;

export class ProcessFaults {
  readonly strikes = {
    pause: () => this.pause('pause', PAUSE_MS),
    stall: () => this.pause('stall', [STALL_MS]),
    'wall clock jump': () => this.jump(),
    'clock drift': () => this.drift(),
    'stop in good order': () => this.stop(),
    kill: () => this.crash('kill'),
    'kill at a disk operation': () => this.orderCrash('kill at a disk operation', 'kill'),
    'kill of all': () => this.crashAll('kill'),
    'power loss': () => this.crash(this.loss()),
    'power loss at a disk operation': () => this.orderCrash('power loss at a disk operation', this.loss()),
    'power loss of all': () => this.crashAll(this.loss()),
  };
  private readonly world: World;
  private readonly random: SeededRandom;

  constructor(world: World, random: SeededRandom) {
    this.world = world;
    this.random = random;
  }

  private pick<T>(from: readonly T[]): T {
    return from[this.random.below(from.length)];
  }

  private victim(): Victim {
    return this.pick(this.world.victims);
  }

  private loss(): Crash {
    return this.pick(LOSSES);
  }

  /** In `buffered` who loses power is lost for good. */
  private mayCrash(victim: Victim, as: Crash): boolean {
    return as === 'kill' || this.world.plan.durability === 'fsync' || this.world.mayLose(victim);
  }

  private crash(as: Crash): boolean {
    const { random, world } = this;
    const victim = this.victim();
    if (victim.life === 'down' || !this.mayCrash(victim, as)) return false;
    const silent = as !== 'kill' && random.chance(0.5);
    world.log.say(
      `${victim.name} ${as === 'kill' ? 'is killed' : `loses power (${as}${silent ? ', in silence' : ''})`}`,
    );
    world.crash(victim, as, silent);
    world.startLater(victim, random.below(this.pick(DOWN_MS)));
    return true;
  }

  private crashAll(as: Crash): boolean {
    const { random, world } = this;
    if (as !== 'kill' && world.plan.durability !== 'fsync') return false;
    world.log.say(`all nodes ${as === 'kill' ? 'are killed' : `lose power (${as})`}`);
    for (const victim of world.victims) {
      world.crash(victim, as, false);
      world.startLater(victim, random.below(this.pick(DOWN_MS)));
    }
    return true;
  }

  /** Counted when it strikes. */
  private orderCrash(
    fault: 'kill at a disk operation' | 'power loss at a disk operation',
    as: Crash,
  ): boolean {
    const { random, world } = this;
    const victim = this.victim();
    if (victim.life === 'down' || victim.crashOrder !== null || !this.mayCrash(victim, as)) return false;
    victim.crashOrder = { as, fault, restartAfterMs: random.below(this.pick(DOWN_MS)) };
    world.cluster.nodes[victim.i].disk.crashAfter(random.below(OPERATIONS_UNTIL_CRASH), as);
    return false;
  }

  private stop(): boolean {
    const { random, world } = this;
    const victim = this.victim();
    if (victim.life !== 'up' || victim.isPaused) return false;
    world.log.say(`${victim.name} is stopped in good order`);
    world
      .stop(victim)
      .then(() => world.startLater(victim, random.below(this.pick(DOWN_MS))))
      .catch((error: unknown) => world.fail(error));
    return true;
  }

  private pause(what: 'pause' | 'stall', upToMs: readonly number[]): boolean {
    const { random, world } = this;
    const victim = this.victim();
    if (victim.isPaused || victim.life === 'down') return false;
    const durationMs = 20 + random.below(this.pick(upToMs));
    world.log.say(`${victim.name} stands still for ${durationMs} ms (${what})`);
    world.pause(victim);
    world.lasts(durationMs, () => {
      if (!victim.isPaused) return;
      world.resume(victim);
      world.log.say(`${victim.name} goes on`);
    });
    return true;
  }

  private jump(): boolean {
    const { random, world } = this;
    const victim = this.victim();
    const byMs = Math.round((random.uint32() / 2 ** 31 - 1) * this.pick(WALL_JUMP_MS));
    world.log.say(`${victim.name}: the wall clock jumps by ${byMs} ms`);
    world.cluster.nodes[victim.i].clock.jumpWall(byMs);
    return true;
  }

  private drift(): boolean {
    const { random, world } = this;
    const victim = this.victim();
    const rate = 1 + (random.uint32() / 2 ** 31 - 1) * DRIFT;
    world.log.say(`${victim.name}: clocks run at ${rate.toFixed(4)}`);
    world.cluster.nodes[victim.i].clock.setRate(rate);
    return true;
  }
}
