/** What strikes a run, again and again, until it is healed. Each kind is drawn by chance, and ends by itself after a while. */
import type { SeededRandom } from '../../../../src/env/sim/random.ts';
import type { Fault } from './counters.ts';
import { DiskFaults } from './disk-faults.ts';
import { MemberFaults } from './member-faults.ts';
import { MoveFaults } from './move-faults.ts';
import { NetworkFaults } from './network-faults.ts';
import { Plots } from './plots.ts';
import { ProcessFaults } from './process-faults.ts';
import { VersionFaults } from './version-faults.ts';
import type { World } from './world.ts';

const MOVE_STRUCK_WITHIN_MS = 1500;

/** False: it could not strike now. */
type Strike = () => boolean;

export class Faults {
  private readonly world: World;
  private readonly random: SeededRandom;
  private readonly strikes: Readonly<Record<Fault, Strike>>;
  private isOver = false;

  constructor(world: World, random: SeededRandom) {
    this.world = world;
    this.random = random;
    const network = new NetworkFaults(world, random);
    const processes = new ProcessFaults(world, random);
    const disks = new DiskFaults(world, random);
    const members = new MemberFaults(world, random);
    const moves = new MoveFaults(world, random, () => this.soon());
    const plots = new Plots(world, random);
    this.strikes = {
      ...network.strikes,
      ...processes.strikes,
      ...disks.strikes,
      ...members.strikes,
      ...moves.strikes,
      ...plots.strikes,
      ...new VersionFaults(world).strikes,
    };
  }

  start(): void {
    this.world.scheduler.after(this.world.plan.faultsFromMs, () => this.next());
  }

  stop(): void {
    this.isOver = true;
  }

  private next(): void {
    const { plan, scheduler } = this.world;
    const waitMs = -Math.log(1 - this.random.uint32() / 2 ** 32) * plan.faultEveryMs;
    scheduler.after(waitMs, () => {
      if (this.isOver) return;
      this.strike();
      this.next();
    });
  }

  /** A move has begun: something is to strike while it is under way. */
  private soon(): void {
    this.world.scheduler.after(this.random.below(MOVE_STRUCK_WITHIN_MS), () => {
      if (!this.isOver) this.strike();
    });
  }

  private strike(): void {
    const { faults } = this.world.plan;
    const fault = faults[this.random.below(faults.length)];
    if (this.strikes[fault]()) this.world.counters.struck(fault);
  }
}
