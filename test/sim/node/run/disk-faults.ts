import type { SeededRandom } from '../../../../src/env/sim/random.ts';
import { snapshotFiles, snapshotPiece, syncedRecords } from './damage.ts';
import type { Victim } from './victim.ts';
import type { World } from './world.ts';

const SICK_MS = [50, 1000, 5000];
const SLOW_SYNC_MS = [20, 120, 600];
const OPERATIONS_UNTIL_FAILURE = 20;
/** Less than a file of the log. */
const ROOM_BYTES = 60_000;
const REPAIR_MS = 6000;
const RETRY_MS = 500;

export class DiskFaults {
  readonly strikes = {
    'write error': () => this.fail('write'),
    'sync error': () => this.fail('sync'),
    'disk full': () => this.fill(),
    'slow disk': () => this.slow(),
    'bit flipped in log': () => this.flip('bit flipped in log'),
    'bit flipped in snapshot': () => this.flip('bit flipped in snapshot'),
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

  private sicken(victim: Victim, what: string, fault: () => void, heal: () => void): boolean {
    const { world } = this;
    if (victim.life === 'down' || victim.hasSickDisk) return false;
    // In `buffered` who fails to write is lost for good.
    if (world.plan.durability === 'buffered' && !world.mayLose(victim)) return false;
    const durationMs = 20 + this.random.below(this.pick(SICK_MS));
    world.log.say(`${victim.name}: ${what} for ${durationMs} ms`);
    victim.hasSickDisk = true;
    fault();
    world.lasts(durationMs, () => {
      victim.hasSickDisk = false;
      heal();
    });
    return true;
  }

  private fail(kind: 'write' | 'sync'): boolean {
    const { random, world } = this;
    const victim = this.pick(world.victims);
    const { disk } = world.cluster.nodes[victim.i];
    return this.sicken(
      victim,
      `the disk fails to ${kind}`,
      () => disk.failAfter(kind, 'EIO', random.below(OPERATIONS_UNTIL_FAILURE), random.chance(0.5)),
      () => disk.heal(),
    );
  }

  private fill(): boolean {
    const { world } = this;
    const victim = this.pick(world.victims);
    const { disk } = world.cluster.nodes[victim.i];
    return this.sicken(
      victim,
      'the disk is full',
      () => {
        disk.capacityBytes = disk.usedBytes() + this.random.below(ROOM_BYTES);
      },
      () => {
        disk.capacityBytes = Infinity;
      },
    );
  }

  private slow(): boolean {
    const { world } = this;
    const victim = this.pick(world.victims);
    const { disk } = world.cluster.nodes[victim.i];
    const syncMs = 1 + this.random.below(this.pick(SLOW_SYNC_MS));
    const durationMs = 20 + this.random.below(this.pick(SICK_MS));
    world.log.say(`${victim.name}: ${syncMs} ms a sync for ${durationMs} ms`);
    disk.syncMs = syncMs;
    disk.writeMs = syncMs / 10;
    world.invariants.slowness += 1;
    world.lasts(durationMs, () => {
      world.invariants.slowness -= 1;
      disk.syncMs = world.plan.syncMs;
      disk.writeMs = world.plan.writeMs;
    });
    return true;
  }

  /** While the node is down. It must refuse to start, or be what it was. A while later the bit is as before, or the node another one. */
  private flip(fault: 'bit flipped in log' | 'bit flipped in snapshot'): boolean {
    const { random, world } = this;
    const victim = this.pick(world.victims);
    if (victim.damage !== null || victim.mayBeUnclean || victim.isPaused || !world.mayLose(victim))
      return false;
    const { disk } = world.cluster.nodes[victim.i];
    world.crash(victim, 'kill', false);
    const places = fault === 'bit flipped in log' ? syncedRecords(disk) : snapshotFiles(disk);
    world.startLater(victim, random.below(2000));
    if (places.length === 0) return false;
    const place = this.pick(places);
    const { path } = place;
    const offset = place.offset + random.below(place.sizeBytes);
    const piece = fault === 'bit flipped in log' ? place : snapshotPiece(disk, path, offset);
    const damage = { path, offset, bit: random.below(8), piece };
    disk.flipBit(path, damage.offset, damage.bit);
    victim.damage = damage;
    world.log.say(`${victim.name} is killed, and bit ${damage.bit} flipped at ${damage.offset} of ${path}`);
    world.lasts(REPAIR_MS, () => this.repair(victim));
    return true;
  }

  /** Only where the node has refused the disk, or has not seen it yet: else it has written on it since. */
  private repair(victim: Victim): void {
    const { world } = this;
    const { damage } = victim;
    if (damage === null || victim.isRebuilding) return;
    if (victim.isHeldDown && this.random.chance(0.5)) {
      world.rebuildLater(victim);
      return;
    }
    if (victim.life !== 'down') {
      world.scheduler.after(RETRY_MS, () => this.repair(victim));
      return;
    }
    world.cluster.nodes[victim.i].disk.flipBit(damage.path, damage.offset, damage.bit);
    victim.damage = null;
    victim.isHeldDown = false;
    world.log.say(`${victim.name}: the disk is as before`);
    world.start(victim);
  }
}
