/** One run: the cluster, its clients, what strikes it, and what is known of it. All of it comes from one seed. */
import type { Crash } from '../../../../src/env/sim/disk.ts';
import type { Scheduler } from '../../../../src/env/sim/scheduler.ts';
import { DiskError, StartupError } from '../../../../src/errors.ts';
import type { LogEvent, LogFields } from '../../../../src/log.ts';
import type { NodeParts } from '../../../../src/observe/parts.ts';
import type { Replica } from '../../../../src/shard/replica.ts';
import { nameOf, SimCluster } from '../cluster.ts';
import { Counters } from './counters.ts';
import { bothWays, Cuts } from './cuts.ts';
import { EventLog } from './event-log.ts';
import { Invariants } from './invariants.ts';
import { LOGGED, logLine } from './logged.ts';
import type { RunPlan } from './plan.ts';
import { clientName } from './client.ts';
import { countParts, watchParts } from './rare.ts';

export class InvariantBroken extends Error {}

const DISK_CODES = ['TORC_DISK', 'EIO', 'ENOSPC'];
/** Keys are left behind for others so often. */
const EPOCH_MS = 1200;

interface CrashOrder {
  as: Crash;
  fault: 'kill at a disk operation' | 'power loss at a disk operation';
  restartAfterMs: number;
}

type Life = 'down' | 'starting' | 'up' | 'stopping';

/** A node as those who strike it see it. */
export class Victim {
  readonly i: number;
  readonly name: string;
  life: Life = 'down';
  isPaused = false;
  /** A fault of its disk is under way: it may end itself, or refuse to start. */
  hasSickDisk = false;
  /** Its disk was damaged on purpose. */
  damage: { path: string; offset: number; bit: number } | null = null;
  hasServed = false;
  /** In `buffered`: what it acknowledged may be gone, so that it may, or must, refuse to start. */
  mayBeUnclean = false;
  mustBeUnclean = false;
  /** It has refused its disk: it stays down, unless that is mended. */
  isHeldDown = false;
  /** Not one of those that must go on without it. */
  isExcluded = false;
  replicas: Replica[] = [];
  parts: NodeParts | null = null;
  unpause: () => void = () => {};
  /** How the order to crash in the midst of a disk operation was given. */
  crashOrder: CrashOrder | null = null;

  constructor(i: number) {
    this.i = i;
    this.name = nameOf(i);
  }

  get isUp(): boolean {
    return this.life === 'up' || this.life === 'stopping';
  }

  get isReady(): boolean {
    return this.life === 'up' && !this.isPaused && this.parts !== null;
  }
}

export class World {
  readonly plan: RunPlan;
  readonly cluster: SimCluster;
  readonly scheduler: Scheduler;
  readonly counters = new Counters();
  readonly log: EventLog;
  readonly cuts: Cuts;
  readonly invariants: Invariants;
  readonly victims: readonly Victim[];
  /** Null: nothing was wrong so far. */
  failure: string | null = null;
  /** Lets the node back in that was cut off for good. */
  uncut: () => void = () => {};
  private readonly ends = new Set<() => void>();

  constructor(seed: number, plan: RunPlan, told: ((line: string) => void) | null) {
    this.plan = plan;
    this.cluster = new SimCluster(seed, plan.nodes, plan.flags);
    const { cluster } = this;
    this.scheduler = cluster.scheduler;
    this.log = new EventLog(cluster.scheduler, told);
    this.cuts = new Cuts(cluster.network);
    this.invariants = new Invariants(this.counters, (what) => this.broken(what));
    this.victims = cluster.nodes.map((_, i) => new Victim(i));
    cluster.overrides = plan.overrides;
    cluster.logRetention = plan.logRetention;
    cluster.network.options = { minDelayMs: plan.delayMs.min, maxDelayMs: plan.delayMs.max, resetRatio: 0 };
    cluster.onlooker = {
      onEvent: (i, event, fields) => this.onEvent(i, event, fields),
      onReplica: (i, replica, recovered) => {
        this.victims[i].replicas.push(replica);
        this.guard(() => this.invariants.watch(i, replica, recovered));
      },
      onServing: (i, parts) => {
        this.victims[i].parts = parts;
        watchParts(parts, this.counters);
        this.guard(() => this.served(i, parts));
      },
      onEnded: (i, error) => this.ended(i, error),
    };
    for (const [i, node] of cluster.nodes.entries()) {
      node.clock.setRate(plan.rates[i]);
      node.disk.writeMs = plan.writeMs;
      node.disk.syncMs = plan.syncMs;
      node.disk.onCrashed = () => this.crashedInside(i);
    }
  }

  get epoch(): number {
    return Math.floor(this.scheduler.nowMs / EPOCH_MS);
  }

  /** An invariant does not hold: the run is over. */
  broken(what: string): never {
    this.failure ??= `${what} (at ${this.scheduler.nowMs.toFixed(3)} ms)`;
    throw new InvariantBroken(what);
  }

  /** Whoever calls the product's code from outside of a step: what it throws ends the run. */
  private guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.failure ??= error instanceof Error ? (error.stack ?? error.message) : String(error);
      throw error;
    }
  }

  /** Runs what comes in so many milliseconds, or until something is wrong. */
  async pass(durationMs: number): Promise<void> {
    const untilMs = this.scheduler.nowMs + durationMs;
    this.scheduler.after(durationMs, () => {});
    await this.scheduler.runUntil(() => this.failure !== null || this.scheduler.nowMs >= untilMs);
  }

  /** Those of processes that live. */
  liveReplicas(): Replica[] {
    return this.victims.flatMap(({ life, parts, replicas }) => (life === 'up' && parts !== null ? replicas : []));
  }

  /** The run is over: what its processes counted counts too. */
  end(): void {
    for (const { parts } of this.victims) if (parts !== null) countParts(parts, this.counters);
  }

  // --- faults that go on for a while

  /** It ends by itself, or when the run is healed. */
  lasts(durationMs: number, end: () => void): void {
    const once = (): void => {
      if (this.ends.delete(once)) end();
    };
    this.ends.add(once);
    this.scheduler.after(durationMs, once);
  }

  endFaults(): void {
    for (const end of this.ends) end();
  }

  /** Of each group a quorum is left when this one goes for good: it is the only one. */
  mayLose(victim: Victim): boolean {
    const others = this.victims.filter((other) => other !== victim);
    return others.length >= 2 && others.every((other) => this.isSafe(other));
  }

  /** Nothing is under way that it may not come back from. */
  private isSafe({ crashOrder, damage, hasSickDisk, isHeldDown, mayBeUnclean }: Victim): boolean {
    if (mayBeUnclean || isHeldDown || damage !== null) return false;
    return this.plan.durability === 'fsync' || (!hasSickDisk && (crashOrder === null || crashOrder.as === 'kill'));
  }

  // --- processes

  start(victim: Victim): void {
    if (victim.life !== 'down' || victim.isHeldDown || victim.isExcluded) return;
    const node = this.cluster.nodes[victim.i];
    victim.life = 'starting';
    victim.replicas = [];
    victim.parts = null;
    this.log.say(`${victim.name} starts`);
    const started = this.cluster.launch(victim.i);
    const { life } = node;
    started.then(
      () => {
        if (node.life === life && victim.life === 'starting') victim.life = 'up';
      },
      (error: unknown) => {
        if (node.life === life) this.ended(victim.i, error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  startLater(victim: Victim, afterMs: number): void {
    this.scheduler.after(afterMs, () => this.start(victim));
  }

  crash(victim: Victim, as: Crash, silent: boolean): void {
    if (victim.life === 'down') return;
    this.retire(victim);
    this.cluster.crash(victim.i, as, silent);
    this.afterCrash(victim, as);
  }

  /** In the midst of an operation of its disk. */
  private crashedInside(i: number): void {
    const victim = this.victims[i];
    const order = victim.crashOrder;
    if (order === null || victim.life === 'down') return;
    this.counters.struck(order.fault);
    this.log.say(`${victim.name} ${order.fault} (${order.as})`);
    this.retire(victim);
    this.cluster.bury(i, order.as, false);
    this.afterCrash(victim, order.as);
    this.startLater(victim, order.restartAfterMs);
  }

  /** In `buffered` what was acknowledged may be gone when the machine stops: this node never comes back as itself. */
  private afterCrash(victim: Victim, as: Crash): void {
    if (as === 'kill' || this.plan.durability !== 'buffered') return;
    victim.mayBeUnclean = true;
    victim.mustBeUnclean = victim.hasServed;
  }

  /** Counts what its process knows before it goes. */
  private retire(victim: Victim): void {
    if (victim.parts !== null) countParts(victim.parts, this.counters);
    victim.parts = null;
    victim.replicas = [];
    victim.life = 'down';
    victim.crashOrder = null;
    this.resume(victim);
  }

  async stop(victim: Victim): Promise<void> {
    const { running } = this.cluster.nodes[victim.i];
    if (victim.life !== 'up' || running === null) return;
    victim.life = 'stopping';
    const node = this.cluster.nodes[victim.i];
    const { life } = node;
    await running.stop();
    if (node.life !== life || victim.life !== 'stopping') return;
    this.log.say(`${victim.name} has stopped`);
    this.retire(victim);
    this.cluster.crash(victim.i, 'kill');
  }

  pause(victim: Victim): void {
    if (victim.isPaused || victim.life === 'down') return;
    victim.isPaused = true;
    this.cluster.nodes[victim.i].timers.pause();
    const mend = this.cuts.cut(this.everybodyBut(victim.name).flatMap((other) => bothWays(victim.name, other)));
    victim.unpause = () => {
      this.cluster.nodes[victim.i].timers.resume();
      mend();
    };
  }

  resume(victim: Victim): void {
    if (!victim.isPaused) return;
    victim.isPaused = false;
    victim.unpause();
  }

  everybodyBut(name: string): string[] {
    const clients = Array.from({ length: this.plan.load.clients }, (_, number) => clientName(number));
    return [...this.victims.map((victim) => victim.name), ...clients].filter((other) => other !== name);
  }

  // --- what nodes tell

  private served(i: number, parts: NodeParts): void {
    const victim = this.victims[i];
    if (victim.mustBeUnclean) this.broken(`${victim.name} serves, and what it acknowledged may be gone`);
    victim.hasServed = true;
    // The damage lay where nothing counts.
    victim.damage = null;
    victim.mayBeUnclean = false;
    this.invariants.serving(i, parts);
  }

  private onEvent(i: number, event: LogEvent, fields: LogFields): void {
    const situation = LOGGED.get(event);
    if (situation !== undefined) this.counters.sometimes(situation);
    if (event === 'recovered' && Number(fields['tornBytes']) > 0) this.counters.sometimes('torn tail cut');
    if (event === 'peer-disconnected' && fields['reason'] !== undefined)
      this.counters.sometimes('peer connection cut for silence');
    const line = logLine(event, fields);
    if (line !== null) this.log.say(`${nameOf(i)} ${line}`);
  }

  /** A process ended itself, or refused to start. */
  private ended(i: number, error: Error): void {
    const victim = this.victims[i];
    if (victim.life === 'down') return;
    const wasStarting = victim.life === 'starting' || error instanceof StartupError;
    this.log.say(`${victim.name} ${wasStarting ? 'refuses to start' : 'ends itself'}: ${error.message}`);
    if (!this.expects(victim, error)) {
      this.failure ??= `${victim.name} ended itself: ${error.stack ?? error.message}`;
      return;
    }
    // Not from within its own code.
    this.scheduler.after(0, () => {
      if (victim.life === 'down') return;
      this.retire(victim);
      this.cluster.crash(i, 'kill');
      if (!victim.isHeldDown) this.startLater(victim, 1500);
    });
  }

  private expects(victim: Victim, error: Error): boolean {
    const { counters } = this;
    const code = error instanceof StartupError || error instanceof DiskError ? error.code : systemCode(error);
    if (code === 'TORC_DATA_DAMAGED' && victim.damage !== null) {
      counters.sometimes('start refused: damaged');
      victim.isHeldDown = true;
      return error.message.includes(victim.damage.path) && /offset \d+/.test(error.message);
    }
    if (code === 'TORC_UNCLEAN_STOP' && victim.mayBeUnclean) {
      counters.sometimes('start refused: unclean stop');
      victim.isHeldDown = true;
      return true;
    }
    if (!DISK_CODES.includes(code) || !victim.hasSickDisk) return false;
    if (error instanceof StartupError) counters.sometimes('start refused: disk');
    else this.countStopped(victim, error);
    return true;
  }

  private countStopped(victim: Victim, error: Error): void {
    const { counters, plan } = this;
    if (error.message.includes('ENOSPC')) counters.sometimes('full disk stopped a node');
    else counters.sometimes(error.message.includes('sync') ? 'failed sync stopped a node' : 'failed write stopped a node');
    // It has noted that what was acknowledged may be gone, if its disk took that.
    if (plan.durability === 'buffered') victim.mayBeUnclean = true;
  }
}

function systemCode(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}
