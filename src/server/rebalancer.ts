/**
 * Has plans of moves made and taken step by step. Of the nodes that reach each other the one of the lowest ordinal does it; when two take
 * themselves for that one, the register takes what comes first and refuses the other.
 */
import type { Log } from '../log.ts';
import type { ProposedChange, TopologyChange } from '../topology/change.ts';
import { isPlanDue, planMoves, type MovePlan, type PlanInput } from '../topology/planner.ts';
import { OUTCOMES, type PlanId, type PlanOutcome, type RebalanceBy } from '../topology/rebalance.ts';
import {
  beginPlan,
  hasForeignMoves,
  mayBeginPlan,
  mayPlanByLoads,
  nextPlanChange,
} from '../topology/rebalance-step.ts';
import { moveName } from '../topology/move-change.ts';
import { awayTaker, shortOf } from '../topology/takers.ts';
import { nodeName } from '../topology/topology-diff.ts';
import type { NodeId, ShardEntry, ShardId, Topology } from '../topology/types.ts';
import type { PeerLink } from '../transport/types.ts';
import type { SlotLoads, SlotLoadsDesk } from './slot-loads.ts';

/** What was proposed is proposed again after this, unless the topology has changed. */
const PROPOSE_AGAIN_MS = 500;
/** No plan is begun before the topology has been the same for so long: nodes that come one by one are planned for at once. */
const SETTLED_MS = 3000;
/** How often loads are looked at, where plans go by them. */
const LOADS_INTERVAL_MS = 10_000;
const NO_PLAN: Pick<MovePlan, 'moves'> = { moves: [] };

export interface RebalancerHost {
  readonly self: NodeId;
  /** Settings of the cluster. */
  readonly isAutomatic: boolean;
  readonly by: RebalanceBy;
  topology(): Topology;
  links(): ReadonlyMap<NodeId, PeerLink>;
  leaderOf(shard: ShardId): NodeId | null;
  /** Has it decided, or not: then it is proposed again. */
  propose(proposed: ProposedChange): void;
  readonly preferences: PlanInput['preferences'];
  readonly loads: SlotLoadsDesk;
  nowMs(): number;
  wallMs(): number;
  fatal(error: unknown): void;
  readonly log: Log;
}

/** A plan as it would be made now. */
export interface ProposedPlan extends MovePlan {
  readonly topology: Topology;
  readonly by: RebalanceBy;
  readonly loads: SlotLoads;
  /** Why it cannot be begun; empty when it can. */
  readonly obstacle: string;
}

export class Rebalancer {
  /** Plans that were seen to end. */
  readonly ended = new Map<PlanOutcome, number>(OUTCOMES.map((outcome) => [outcome, 0]));
  private readonly host: RebalancerHost;
  private seen: Topology | null = null;
  private seenSinceMs = 0;
  private nextProposalMs = 0;
  private nextLoadsMs = 0;
  private isLooking = false;
  private planSeen: PlanId | null = null;
  /** Nothing is off its quota in this one. */
  private restsOn: Topology | null = null;

  constructor(host: RebalancerHost) {
    this.host = host;
  }

  /** Called some times a second. */
  look(): void {
    const { host } = this;
    const topology = host.topology();
    const nowMs = host.nowMs();
    if (topology !== this.seen) this.changed(topology, nowMs);
    const hasPlan = topology.rebalance?.plan !== undefined;
    if (!hasPlan && this.restsOn === topology) return;
    const leaving = hasPlan ? [] : leavingShards(topology);
    // Nodes that leave are emptied whatever else is done by hand.
    if (!hasPlan && !host.isAutomatic && leaving.length === 0) return;
    const by = host.isAutomatic ? host.by : 'slots';
    const isIdle = !hasPlan && by !== 'slots' && nowMs < this.nextLoadsMs;
    if (isIdle || nowMs < this.nextProposalMs || !this.isProposer(topology)) return;
    const situation = { topology, wallMs: host.wallMs(), obstacle: this.obstacle };
    const change = nextPlanChange(situation);
    if (change !== null) this.propose(topology, change, nowMs);
    if (hasPlan || nowMs - this.seenSinceMs < SETTLED_MS) return;
    if (!mayBeginPlan(situation)) return;
    if (by === 'slots') this.planBySlots(topology, leaving, nowMs);
    else if (nowMs >= this.nextLoadsMs && !this.isLooking && mayPlanByLoads(situation))
      void this.planByLoads(nowMs);
  }

  /** As `torc rebalance plan` shows it. */
  async plan(by: RebalanceBy): Promise<ProposedPlan> {
    const loads = await this.host.loads.gather();
    const topology = this.host.topology();
    const planned = planMoves(this.inputOf(topology, by, loads));
    const obstacle = this.obstacle || this.absence(topology, targetsOf(planned));
    return { ...planned, topology, by, loads, obstacle };
  }

  gatherLoads(): Promise<SlotLoads> {
    return this.host.loads.gather();
  }

  /** Why no move may be begun now; empty when one may. */
  get obstacle(): string {
    const topology = this.host.topology();
    if (hasForeignMoves(topology)) return 'slots are being moved without a plan';
    const lacking = topology.shards.filter((shard) => !this.hasMajority(shard)).map(({ id }) => id);
    if (lacking.length === 0) return this.absence(topology, this.takers(topology));
    return `not safe now: no leader with a majority is reached of shard${lacking.length > 1 ? 's' : ''} ${lacking.join(', ')}`;
  }

  private planBySlots(topology: Topology, leaving: readonly ShardId[], nowMs: number): void {
    const { isAutomatic } = this.host;
    const input = this.inputOf(topology, 'slots', null);
    const { moves } = isPlanDue(input) ? planMoves(input) : NO_PLAN;
    const wanted = isAutomatic ? moves : moves.filter(({ source }) => leaving.includes(source));
    if (wanted.length > 0) this.begin(topology, 'slots', wanted, nowMs);
    else this.restsOn = topology;
  }

  private async planByLoads(nowMs: number): Promise<void> {
    const { host } = this;
    const { by } = host;
    this.isLooking = true;
    this.nextLoadsMs = nowMs + LOADS_INTERVAL_MS;
    try {
      const topology = host.topology();
      const loads = await host.loads.gather();
      const input = this.inputOf(topology, by, loads);
      if (loads.unknown.length > 0 || topology !== host.topology() || !isPlanDue(input)) return;
      const planned = planMoves(input);
      if (this.absence(topology, targetsOf(planned)) === '')
        this.begin(topology, by, planned.moves, host.nowMs());
    } catch (error) {
      host.fatal(error);
    } finally {
      this.isLooking = false;
    }
  }

  private begin(topology: Topology, by: RebalanceBy, moves: MovePlan['moves'], nowMs: number): void {
    this.propose(topology, beginPlan(by, moves, true, this.host.wallMs()), nowMs);
  }

  private inputOf(topology: Topology, by: RebalanceBy, loads: SlotLoads | null): PlanInput {
    const { preferences } = this.host;
    const load = by === 'bytes' ? loads?.bytes : by === 'ops' ? loads?.operations : undefined;
    return { topology, preferences, by, loads: load ?? null };
  }

  private propose(topology: Topology, change: TopologyChange, nowMs: number): void {
    this.nextProposalMs = nowMs + PROPOSE_AGAIN_MS;
    const { clusterId, generation, epoch } = topology;
    this.host.propose({ clusterId, on: { generation, epoch }, change });
  }

  private isProposer({ nodes }: Topology): boolean {
    const { self } = this.host;
    const up = nodes.filter(({ id }) => this.isReached(id));
    return up.every(({ id, ordinal }) => id === self || ordinal > ordinalOf(up, self));
  }

  /** Shards that slots go to next: of the plan under way, or of the one that would be made by itself. */
  private takers(topology: Topology): ReadonlySet<ShardId> {
    const plan = topology.rebalance?.plan;
    if (plan !== undefined) return new Set(plan.steps.slice(0, 1).map(({ target }) => target));
    return this.host.by === 'slots' ? shortOf(topology) : new Set();
  }

  /** Empty: all that are to take slots may. */
  private absence(topology: Topology, takers: ReadonlySet<ShardId>): string {
    const away = awayTaker(topology, takers, (node) => this.isReached(node));
    if (away === null) return '';
    const name = nodeName(topology, away.node);
    return `shard ${away.shard} is to take slots, and its node ${name} is not reached: start it, or take it out: torc node remove --dead ${name}`;
  }

  private isReached(node: NodeId): boolean {
    return node === this.host.self || this.host.links().get(node)?.connected === true;
  }

  /** It has a leader, and more than half of its members are on nodes that are reached. */
  private hasMajority({ id, replicas }: ShardEntry): boolean {
    const stay = replicas.filter(({ leaving }) => leaving !== true);
    const reached = stay.filter(({ node }) => this.isReached(node));
    return this.host.leaderOf(id) !== null && reached.length * 2 > stay.length;
  }

  private changed(topology: Topology, nowMs: number): void {
    const { log } = this.host;
    const isFirst = this.seen === null;
    this.seen = topology;
    this.seenSinceMs = nowMs;
    this.nextProposalMs = nowMs;
    const plan = topology.rebalance?.plan;
    const before = this.planSeen;
    this.planSeen = plan?.id ?? null;
    if (isFirst || this.planSeen === before) return;
    if (plan !== undefined) {
      const { id, by, slots, isAutomatic } = plan;
      log.info('rebalance-begun', { plan: moveName(id), by, slots, automatic: isAutomatic });
      return;
    }
    const ended = topology.rebalance?.history.find(({ id }) => id === before);
    if (ended === undefined) return;
    const { outcome, moved, beganMs, endedMs } = ended;
    this.ended.set(outcome, (this.ended.get(outcome) ?? 0) + 1);
    log.info('rebalance-ended', {
      plan: moveName(ended.id),
      outcome,
      moved,
      durationMs: Math.round(endedMs - beganMs),
    });
  }
}

/** Of nodes that leave, with slots. */
function leavingShards({ nodes, shards, slots }: Topology): ShardId[] {
  const leaving = nodes.filter((node) => node.leaving === true).map(({ id }) => id);
  if (leaving.length === 0) return [];
  const homes = shards.filter(({ home }) => leaving.includes(home)).map(({ id }) => id);
  return homes.filter((id) => slots.some(({ shard }) => shard === id));
}

function targetsOf({ moves }: MovePlan): ReadonlySet<ShardId> {
  return new Set(moves.map(({ target }) => target));
}

function ordinalOf(nodes: Topology['nodes'], node: NodeId): number {
  return nodes.find(({ id }) => id === node)?.ordinal ?? Number.POSITIVE_INFINITY;
}
