/** Faults in a row, upon the same nodes: what one alone does not show, and chance would bring together too seldom. */
import { slotOf } from '../../../../ring/index.ts';
import type { SeededRandom } from '../../../../src/env/sim/random.ts';
import { portOf } from '../cluster.ts';
import { bothWays } from './cuts.ts';
import { Line } from './line.ts';
import type { Victim } from './victim.ts';
import type { World } from './world.ts';

/** Elections come after some 400 ms of silence. */
const LATE_BY_MS = [150, 600, 1500];
const SHORT_MS = 1200;
const SILENCE_MS = 2500;
const AT_ONCE_MS = 25;
const SOON_MS = 400;
const LEAVING_EVERY_MS = 5000;
const SLOW_SYNC_MS = 120;
const REDIRECT = 1000;
const REDIRECTIONS_MAX = 4;
const MOVED = /^-MOVED \d+ [^:]+:(\d+)/;
/** Longer than a client of the redirect port waits for a slot that is on the move. */
const FENCE_SYNC_MS = 1500;

export class Plots {
  readonly strikes = {
    'late ears': () => this.lateEars(),
    'restart in a split': () => this.restartInSplit(),
    'power loss after a kill': () => this.powerLossAfterKill(),
    'disks slow at a fence': () => this.slowAtFence(),
    'restart of who leaves': () => this.restartLeaving(),
  };
  private readonly world: World;
  private readonly random: SeededRandom;

  constructor(world: World, random: SeededRandom) {
    this.world = world;
    this.random = random;
    // Few commands meet a slot that is fenced: from the beginning on, then, and again whenever it is drawn.
    if (world.plan.faults.includes('disks slow at a fence')) this.slowAtFence();
    if (world.plan.faults.includes('restart of who leaves')) this.restartLeaving();
  }

  /** In an order of chance. */
  private victims(): Victim[] {
    const victims = [...this.world.victims];
    for (let i = victims.length - 1; i > 0; i--) {
      const j = this.random.below(i + 1);
      [victims[i], victims[j]] = [victims[j], victims[i]];
    }
    return victims;
  }

  private after(ms: number, run: () => void): void {
    this.world.scheduler.after(ms, () => {
      if (!this.world.isHealed) run();
    });
  }

  /** A node hears all others late, with promises and acknowledgements of long ago; then it is heard by none, stops, or stands still. */
  private lateEars(): boolean {
    const { random, world } = this;
    const [victim, ...others] = this.victims();
    if (others.length < 2 || victim.life !== 'up') return false;
    const byMs = LATE_BY_MS[random.below(LATE_BY_MS.length)];
    const { network } = world.cluster;
    const durationMs = SHORT_MS + random.below(2 * SILENCE_MS);
    world.log.say(`network: ${victim.name} hears all others up to ${byMs} ms late for ${durationMs} ms`);
    for (const { name } of others) network.slow(name, victim.name, byMs);
    world.invariants.slowness += 1;
    world.lasts(durationMs, () => {
      for (const { name } of others) network.slow(name, victim.name, 0);
      world.invariants.slowness -= 1;
    });
    this.after(random.below(SHORT_MS), () => {
      const how = random.below(5);
      if (how < 3) this.silence(victim, others);
      else if (how === 3 && victim.life === 'up' && !victim.isPaused) this.stop(victim);
    });
    return true;
  }

  private silence(victim: Victim, others: readonly Victim[]): void {
    const { random, world } = this;
    world.log.say(`network: ${victim.name} is heard by no node`);
    const mend = world.cuts.cut(others.map(({ name }) => [victim.name, name]));
    world.lasts(SHORT_MS + random.below(SILENCE_MS), mend);
  }

  private stop(victim: Victim): void {
    const { random, world } = this;
    world.log.say(`${victim.name} is stopped in good order`);
    world
      .stop(victim)
      .then(() => world.startLater(victim, random.below(SHORT_MS)))
      .catch((error: unknown) => world.fail(error));
  }

  /** Of two that do not hear each other one leads by the third, which is killed and back at once: it must not help the other meanwhile. */
  private restartInSplit(): boolean {
    const { world } = this;
    const [one, other, ...rest] = this.victims();
    if (rest.length === 0) return false;
    world.log.say(`network: ${one.name} and ${other.name} are cut off from each other`);
    const mend = world.cuts.cut(bothWays(one.name, other.name));
    world.lasts(SHORT_MS + SILENCE_MS, mend);
    this.restartSoon(rest[0], 3);
    return true;
  }

  /** So many times. */
  private restartSoon(victim: Victim, times: number): void {
    const { random, world } = this;
    this.after(SHORT_MS / 2 + random.below(SHORT_MS), () => {
      if (victim.life === 'up') {
        world.log.say(`${victim.name} is killed`);
        world.crash(victim, 'kill', false);
        world.startLater(victim, random.below(AT_ONCE_MS));
      }
      if (times > 1) this.restartSoon(victim, times - 1);
    });
  }

  /** What it found in the page cache when it came back is gone then, unless it was synced since. */
  private powerLossAfterKill(): boolean {
    const { random, world } = this;
    const [victim] = this.victims();
    if (world.plan.durability !== 'fsync' || victim.life !== 'up') return false;
    const { disk } = world.cluster.nodes[victim.i];
    world.log.say(`${victim.name}: ${SLOW_SYNC_MS} ms a sync`);
    disk.syncMs = SLOW_SYNC_MS;
    this.after(2 * SLOW_SYNC_MS + random.below(SLOW_SYNC_MS), () => {
      disk.syncMs = world.plan.syncMs;
      if (victim.life !== 'up') return;
      world.log.say(`${victim.name} is killed`);
      world.crash(victim, 'kill', false);
      world.startLater(victim, random.below(AT_ONCE_MS));
      this.losePower(victim);
    });
    return true;
  }

  /** Before anything that it is asked is synced, mostly. */
  private losePower(victim: Victim): void {
    const { random, world } = this;
    this.after(AT_ONCE_MS + random.below(SOON_MS), () => {
      if (victim.life === 'down') return;
      world.log.say(`${victim.name} loses power (lost)`);
      world.crash(victim, 'lost', random.chance(0.5));
      world.startLater(victim, random.below(SHORT_MS));
    });
  }

  /** The next time that a row says of a member that it leaves: its log may name it for a while, and may need it. */
  private restartLeaving(): boolean {
    const { world } = this;
    world.onTopology = ({ shards }) => {
      const leaving = shards.flatMap(({ replicas }) => replicas.filter((row) => row.leaving === true));
      const victim = world.victims.find(
        ({ life, parts }) => life === 'up' && leaving.some(({ node }) => node === parts?.self),
      );
      if (victim === undefined) return;
      world.onTopology = () => {};
      this.after(this.random.below(SOON_MS), () => this.restart(victim));
      this.after(LEAVING_EVERY_MS, () => this.restartLeaving());
    };
    return false;
  }

  private restart(victim: Victim): void {
    const { random, world } = this;
    if (victim.life !== 'up') return;
    world.counters.struck('restart of who leaves');
    world.log.say(`${victim.name}, which is to leave a shard, is killed`);
    world.crash(victim, 'kill', false);
    world.startLater(victim, random.below(AT_ONCE_MS));
  }

  /** The next time that a command meets a slot which is fenced: until the other shard has decided, it waits, and then for too long. */
  private slowAtFence(): boolean {
    const { world } = this;
    world.onHeld = (i, slot) => {
      world.onHeld = () => {};
      if (world.isHealed) return;
      world.counters.struck('disks slow at a fence');
      this.slowDisks(2 * FENCE_SYNC_MS);
      const key = keyIn(slot);
      world.scheduler.after(0, () => this.askFor(key, portOf(i) + REDIRECT));
    };
    return false;
  }

  /** On the redirect port, where a client waits for a second only. */
  private askFor(key: string, port: number, redirections = 0): void {
    const { cluster, counters } = this.world;
    const line = new Line(cluster.network, 'probe', port, {
      reply: (told) => {
        line.drop();
        if (told.startsWith('-TRYAGAIN')) counters.sometimes('TRYAGAIN');
        const moved = MOVED.exec(told);
        if (moved !== null && redirections < REDIRECTIONS_MAX)
          this.askFor(key, Number(moved[1]), redirections + 1);
      },
      closed: () => {},
    });
    if (line.isOpen) line.send([['EXISTS', key]]);
  }

  private slowDisks(durationMs: number): void {
    const { world } = this;
    const { durability, writeMs, syncMs } = world.plan;
    world.log.say(`all disks: ${FENCE_SYNC_MS} ms for ${durationMs} ms`);
    const disks = world.cluster.nodes.map(({ disk }) => disk);
    for (const disk of disks) {
      disk.syncMs = FENCE_SYNC_MS;
      // Without syncs, it is writes that a command waits for.
      if (durability === 'buffered') disk.writeMs = FENCE_SYNC_MS;
    }
    world.invariants.slowness += 1;
    world.lasts(durationMs, () => {
      world.invariants.slowness -= 1;
      for (const disk of disks) Object.assign(disk, { writeMs, syncMs });
    });
  }
}

function keyIn(slot: number): string {
  for (let n = 0; ; n++) {
    const key = `fenced${n}`;
    if (slotOf(Buffer.from(key), 0, key.length) === slot) return key;
  }
}
