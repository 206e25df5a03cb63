/** One run: the cluster, its clients, what strikes it, and what is known of it. All of it comes from one seed. */
import type { Crash } from '../../../../src/env/sim/disk.ts';
import { SeededRandom } from '../../../../src/env/sim/random.ts';
import type { Scheduler } from '../../../../src/env/sim/scheduler.ts';
import { DiskError, InvariantError, StartupError } from '../../../../src/errors.ts';
import type { LogEvent, LogFields } from '../../../../src/log.ts';
import type { NodeParts } from '../../../../src/observe/parts.ts';
import { isNewer } from '../../../../src/topology/register.ts';
import type { NodeId, Topology } from '../../../../src/topology/types.ts';
import type { Replica } from '../../../../src/shard/replica.ts';
import { nameOf, SimCluster } from '../cluster.ts';
import { startRepair } from '../repair.ts';
import { Builds } from './builds.ts';
import { Counters } from './counters.ts';
import { bothWays, Cuts } from './cuts.ts';
import { namesPiece } from './damage.ts';
import { EventLog } from './event-log.ts';
import type { InvariantName } from './invariant-name.ts';
import { Invariants, type Living } from './invariants.ts';
import { LOGGED, logLine } from './logged.ts';
import type { RunPlan } from './plan.ts';
import { clientName } from './client.ts';
import { countParts, watchParts } from './rare.ts';
import { Victim } from './victim.ts';

export class InvariantBroken extends Error {}

const DISK_CODES = ['TORC_DISK', 'EIO', 'ENOSPC'];
/** What a repair is refused with for a node that has left. */
const NO_MEMBER = 'the cluster has no node at';
/** The node whose place it is to have, or had, is not gone yet. */
const MAY_COME_LATER = ['stop it before another takes its place', 'the place of'];
const READS_FIRST_MS = 40;
const NODES_LATER_MS = 5;
const REBUILD_MS = 4000;
/** Keys are left behind for others so often. */
const EPOCH_MS = 1200;

const UNTHROTTLED = { rebalanceMaxBytesPerSecond: 0 };

const START_FILE = '/data/log/start';

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
  /** No more faults. */
  isHealed = false;
  /** Lets the node back in that was cut off for good. */
  uncut: () => void = () => {};
  /** A node is another one now: until its new members vote no other may be lost. */
  hasRebuilt = false;
  /** Nodes that were to leave: they may be gone before that is taken back. */
  readonly leavers = new Set<NodeId>();
  private known: Topology | null = null;
  /** At node `i` a command waits for a move. */
  onHeld: (i: number, slot: number) => void = () => {};
  /** A node has synced this. */
  onTopology: (topology: Topology) => void = () => {};
  private readonly movesBegun = new Set<number>();
  readonly builds: Builds;
  private readonly ends = new Set<() => void>();
  private readonly random: SeededRandom;

  constructor(seed: number, plan: RunPlan, told: ((line: string) => void) | null) {
    this.plan = plan;
    this.random = new SeededRandom(seed ^ 0x77);
    this.builds = new Builds(seed, plan);
    this.cluster = new SimCluster(seed, plan.nodes, plan.flags);
    const { cluster } = this;
    if (plan.joinsAfterMs !== null) cluster.founders -= 1;
    this.scheduler = cluster.scheduler;
    this.log = new EventLog(cluster.scheduler, told);
    this.cuts = new Cuts(cluster.network);
    this.invariants = new Invariants(
      this.counters,
      () => this.living(),
      (name, what) => this.broken(name, what),
    );
    this.victims = cluster.nodes.map((_, i) => new Victim(i));
    cluster.overrides = plan.overrides;
    cluster.logRetention = plan.logRetention;
    cluster.network.options = { minDelayMs: plan.delayMs.min, maxDelayMs: plan.delayMs.max, resetRatio: 0 };
    cluster.onlooker = {
      onEvent: (i, event, fields) => this.onEvent(i, event, fields),
      onReplica: (i, replica, recovered) => {
        this.guard(() => this.invariants.watch(i, replica, recovered, cluster.nodes[i].clock));
      },
      onTopology: (i, topology) => this.guard(() => this.synced(i, topology)),
      onServing: (i, parts) => {
        this.victims[i].parts = parts;
        watchParts(parts, this.counters, (slot) => this.onHeld(i, slot));
        this.guard(() => this.served(i, parts));
      },
      onEnded: (i, error) => this.ended(i, error),
    };
    for (const [i, node] of cluster.nodes.entries()) {
      node.clock.setRate(plan.rates[i]);
      node.clock.jumpWall(plan.aheadMs[i]);
      node.disk.writeMs = plan.writeMs;
      node.disk.syncMs = plan.syncMs;
      node.disk.onCrashed = () => this.crashedInside(i);
    }
  }

  get epoch(): number {
    return Math.floor(this.scheduler.nowMs / EPOCH_MS);
  }

  /** An invariant does not hold: the run is over. */
  broken(name: InvariantName, what: string): never {
    this.found(name, what);
    throw new InvariantBroken(what);
  }

  /** The first that is found counts. */
  found(name: InvariantName, what: string): void {
    this.failure ??= `${name}: ${what} (at ${this.scheduler.nowMs.toFixed(3)} ms)`;
  }

  /** What nobody expects ends the run. */
  fail(error: unknown): void {
    if (error instanceof InvariantBroken) return;
    const name = error instanceof InvariantError ? 'assert' : 'crash';
    this.found(name, error instanceof Error ? (error.stack ?? error.message) : String(error));
  }

  /** Whoever calls the product's code from outside of a step: what it throws ends the run. */
  private guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  /** Runs what comes in so many milliseconds, or until something is wrong. */
  async pass(durationMs: number): Promise<void> {
    const untilMs = this.scheduler.nowMs + durationMs;
    this.scheduler.after(durationMs, () => {});
    await this.scheduler.runUntil(() => this.failure !== null || this.scheduler.nowMs >= untilMs);
  }

  private *living(): Iterable<Living> {
    for (const { i, life, parts } of this.victims) {
      if (life === 'down' || parts === null) continue;
      const { clock } = this.cluster.nodes[i];
      const now = { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
      for (const replica of parts.replicas) yield { replica, now };
    }
  }

  /** Those of processes that live. */
  liveReplicas(): Replica[] {
    return this.victims.flatMap(({ life, parts }) => (life === 'up' && parts !== null ? parts.replicas : []));
  }

  /** The run is over: what its processes counted counts too. */
  end(): void {
    for (const { parts } of this.victims) if (parts !== null) countParts(parts, this.counters);
    this.counters.sometimes('client answered that sends no more', this.cluster.network.counts.afterFinish);
    this.cluster.dispose();
  }

  /** The newest topology that was seen of any process. */
  newest(): Topology {
    for (const { parts } of this.victims)
      if (parts !== null && (this.known === null || isNewer(parts.topology, this.known)))
        this.known = parts.topology;
    if (this.known === null) throw new TypeError('no node has a topology yet');
    return this.known;
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
    this.isHealed = true;
    this.builds.stay();
    // Moves were slow so that something could strike them: from here on, and in later starts, they are not.
    this.cluster.overrides = { ...this.cluster.overrides, ...UNTHROTTLED };
    for (const { parts } of this.victims) if (parts !== null) Object.assign(parts.settings, UNTHROTTLED);
    for (const end of this.ends) end();
  }

  /** Of each group a quorum is left when this one goes for good: it is the only one. */
  mayLose(victim: Victim): boolean {
    const others = this.victims.filter((other) => other !== victim);
    return !this.hasRebuilt && others.length >= 2 && others.every((other) => this.isSafe(other));
  }

  /** Nothing is under way that it may not come back from. */
  private isSafe({ crashOrder, damage, hasSickDisk, isHeldDown, mayBeUnclean }: Victim): boolean {
    if (mayBeUnclean || isHeldDown || damage !== null) return false;
    return (
      this.plan.durability === 'fsync' || (!hasSickDisk && (crashOrder === null || crashOrder.as === 'kill'))
    );
  }

  // --- processes

  start(victim: Victim): void {
    if (victim.life !== 'down' || victim.isHeldDown || victim.isExcluded) return;
    const node = this.cluster.nodes[victim.i];
    victim.life = 'starting';
    victim.parts = null;
    this.log.say(`${victim.name} starts${this.chooseBuild(victim)}`);
    const started = this.cluster.launch(victim.i);
    const { life } = node;
    started.then(
      () => {
        if (node.life === life && victim.life === 'starting') victim.life = 'up';
      },
      (error: unknown) => {
        if (node.life === life)
          this.ended(victim.i, error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  private chooseBuild(victim: Victim): string {
    const rules = this.builds.choose(victim.i, this.random);
    if (rules === null) return '';
    victim.rules = rules;
    this.cluster.surroundings[victim.i] = { rules };
    return ` as a build of version ${rules.newest}`;
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
    victim.mustBeUnclean = victim.hasServed && !this.hasStopped(victim);
  }

  /** All was synced before the machine stopped, and said to be. */
  private hasStopped({ i }: Victim): boolean {
    const start = this.cluster.nodes[i].disk.content(START_FILE);
    return start !== null && Buffer.from(start).includes('"cleanStop":true');
  }

  /** Counts what its process knows before it goes. */
  private retire(victim: Victim): void {
    if (victim.parts !== null) countParts(victim.parts, this.counters);
    victim.parts = null;
    victim.life = 'down';
    victim.crashOrder = null;
    this.resume(victim);
  }

  /** A node that has refused its disk comes back as another one, by `torc repair`; false: not now. */
  async rebuild(victim: Victim): Promise<boolean> {
    if (!victim.isHeldDown || victim.isRebuilding) return false;
    victim.isRebuilding = true;
    this.log.say(`${victim.name} is to be rebuilt`);
    try {
      const { old, node } = await startRepair(this.cluster, victim.i);
      this.log.say(`${victim.name} was ${old.slice(0, 6)}, and is ${node.slice(0, 6)} now`);
    } catch (error) {
      if (!(error instanceof StartupError)) throw error;
      this.log.say(`${victim.name} is not rebuilt: ${error.message}`);
      if (!error.message.includes(NO_MEMBER)) return false;
      // It had left before its disk was damaged: its machine comes back empty.
      this.empty(victim);
    } finally {
      victim.isRebuilding = false;
    }
    this.counters.sometimes('node rebuilt by repair');
    victim.isHeldDown = false;
    victim.mayBeUnclean = false;
    victim.mustBeUnclean = false;
    victim.damage = null;
    this.hasRebuilt = true;
    this.forget(victim.i);
    this.start(victim);
    return true;
  }

  /** Its disk is gone for good; with an empty one it takes the place of what it was. Refused while it may be needed, it asks again. */
  replace(victim: Victim, afterMs: number): void {
    const { parts, i } = victim;
    if (parts === null) return;
    const old = parts.self;
    this.log.say(`${victim.name} burns: another one is to take the place of ${old.slice(0, 6)}`);
    this.crash(victim, 'lost', false);
    this.empty(victim);
    this.cluster.ownFlags[i] = { replace: old };
    this.hasRebuilt = true;
    this.startLater(victim, afterMs);
  }

  /** Whatever starts there next is another node. */
  empty(victim: Victim): void {
    const { i } = victim;
    const { disk } = this.cluster.nodes[i];
    for (const path of disk.paths()) disk.removeContent(path);
    this.cluster.ownFlags[i] = {};
    victim.hasServed = false;
    victim.mayBeUnclean = false;
    victim.mustBeUnclean = false;
    this.forget(i);
  }

  private forget(i: number): void {
    this.invariants.forget(i);
    this.builds.forget(i);
  }

  rebuildLater(victim: Victim): void {
    this.scheduler.after(0, () => {
      this.rebuild(victim).catch((error: unknown) => this.fail(error));
    });
  }

  async stop(victim: Victim): Promise<void> {
    const { running } = this.cluster.nodes[victim.i];
    if (victim.life !== 'up' || running === null) return;
    victim.life = 'stopping';
    const node = this.cluster.nodes[victim.i];
    const { life } = node;
    try {
      await running.stop();
      this.log.say(`${victim.name} has stopped`);
    } catch (error) {
      if (node.life !== life) return;
      this.log.say(`${victim.name} stops, and its disk fails: ${String(error)}`);
      if (!(error instanceof Error) || !this.expects(victim, error)) throw error;
    }
    if (node.life !== life || victim.life !== 'stopping') return;
    this.retire(victim);
    this.cluster.crash(victim.i, 'kill');
  }

  pause(victim: Victim): void {
    if (victim.isPaused || victim.life === 'down') return;
    victim.isPaused = true;
    const { timers } = this.cluster.nodes[victim.i];
    timers.pause();
    const cut = (names: readonly string[]): (() => void) =>
      this.cuts.cut(names.flatMap((other) => bothWays(victim.name, other)));
    const nodes = this.victims.map(({ name }) => name);
    const [mendNodes, mendClients] = [
      cut(nodes.filter((name) => name !== victim.name)),
      cut(this.everybodyBut(victim.name).filter((name) => !nodes.includes(name))),
    ];
    // It stood still in the midst of reading its sockets, maybe: then what has come is read before any timer fires.
    const readsForMs = this.random.chance(0.5) ? this.random.below(READS_FIRST_MS) : 0;
    victim.unpause = () => {
      // It reads one socket after the other: what clients have asked, maybe, before it hears that others went on without it.
      mendClients();
      if (this.random.chance(0.5)) mendNodes();
      else this.scheduler.after(this.random.below(NODES_LATER_MS), mendNodes);
      if (readsForMs === 0) timers.resume();
      else this.scheduler.after(readsForMs, () => timers.resume());
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

  private synced(i: number, topology: Topology): void {
    if (this.builds.syncs(i, topology.version)) {
      this.log.say(`the cluster version is ${topology.version}`);
      this.counters.struck('cluster version raised');
    }
    this.known ??= topology;
    this.invariants.knows(i, topology);
    this.onTopology(topology);
  }

  private served(i: number, parts: NodeParts): void {
    const victim = this.victims[i];
    if (this.builds.isTooOld(i, victim.rules))
      this.broken('cluster-version', `${victim.name} serves, and its build is older than what it has synced`);
    if (victim.mustBeUnclean)
      this.broken('unclean-stop-refused', `${victim.name} serves, and what it acknowledged may be gone`);
    victim.hasServed = true;
    victim.node = parts.self;
    // Its start began before that was said.
    if (this.isHealed) Object.assign(parts.settings, UNTHROTTLED);
    if (this.victims.some(({ life, rules }) => life === 'up' && rules !== victim.rules))
      this.counters.sometimes('builds of two versions at once');
    // The damage lay where nothing counts.
    victim.damage = null;
    victim.mayBeUnclean = false;
    this.invariants.serving(i, parts);
  }

  private onEvent(i: number, event: LogEvent, fields: LogFields): void {
    const situation = LOGGED.get(event);
    if (situation !== undefined) this.counters.sometimes(situation);
    if (event === 'topology-decided' && fields['change'] === 'set-voters')
      this.counters.sometimes('voter replaced');
    if (event === 'recovered' && Number(fields['tornBytes']) > 0) this.counters.sometimes('torn tail cut');
    if (event === 'peer-disconnected' && fields['reason'] !== undefined)
      this.counters.sometimes('peer connection cut for silence');
    if (event === 'move-begun') this.moveBegun(Number(fields['move']));
    const line = logLine(event, fields);
    if (line !== null) this.log.say(`${nameOf(i)} ${line}`);
  }

  private moveBegun(move: number): void {
    if (this.movesBegun.has(move)) this.counters.sometimes('move taken up by a new leader');
    this.movesBegun.add(move);
  }

  /** A process ended itself, or refused to start. */
  private ended(i: number, error: Error): void {
    const victim = this.victims[i];
    if (victim.life === 'down') return;
    const wasStarting = victim.life === 'starting' || error instanceof StartupError;
    this.log.say(`${victim.name} ${wasStarting ? 'refuses to start' : 'ends itself'}: ${error.message}`);
    if (!this.expects(victim, error)) {
      this.found(
        error instanceof InvariantError ? 'assert' : 'node-lives',
        `${victim.name} ended itself${damageOf(victim)}: ${error.stack ?? error.message}`,
      );
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
      return namesPiece(error.message, victim.damage.piece);
    }
    if (code === 'TORC_UNCLEAN_STOP' && victim.mayBeUnclean) {
      counters.sometimes('start refused: unclean stop');
      victim.isHeldDown = true;
      this.lasts(REBUILD_MS, () => this.rebuildLater(victim));
      return true;
    }
    const isRefused = code === 'TORC_JOIN_REFUSED' || code === 'TORC_FOUNDING_REFUSED';
    if (isRefused && MAY_COME_LATER.some((why) => error.message.includes(why))) return !victim.hasServed;
    if (code === 'TORC_REMOVED' && this.leavers.has(victim.node)) {
      this.empty(victim);
      counters.sometimes('node left for good');
      return true;
    }
    if (code === 'TORC_CLUSTER_VERSION' && this.builds.isTooOld(victim.i, victim.rules)) {
      counters.sometimes('start refused: older build');
      return this.builds.isRefusal(victim.i, victim.rules, error.message);
    }
    if (!DISK_CODES.includes(code) || !victim.hasSickDisk) return false;
    if (error instanceof StartupError) counters.sometimes('start refused: disk');
    else this.countStopped(victim, error);
    return true;
  }

  private countStopped(victim: Victim, error: Error): void {
    const { counters, plan } = this;
    if (error.message.includes('ENOSPC')) counters.sometimes('full disk stopped a node');
    else
      counters.sometimes(
        error.message.includes('sync') ? 'failed sync stopped a node' : 'failed write stopped a node',
      );
    // It has noted that what was acknowledged may be gone, if its disk took that.
    if (plan.durability === 'buffered') victim.mayBeUnclean = true;
  }
}

function damageOf({ damage }: Victim): string {
  if (damage === null) return '';
  const { path, offset, piece } = damage;
  return ` (a bit at ${offset} of ${path} was flipped, in what begins at ${piece.offset})`;
}

function systemCode(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}
